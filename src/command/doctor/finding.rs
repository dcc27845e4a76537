//! What `sideman doctor` may find: one row for each check, and the finding that a check returns.

/// How bad a finding is. The order is that of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Requests fail, or nobody can use a part of the site.
    Error,
    /// Requests fail at times, or somebody may do what they should not.
    Warning,
}

/// One thing that is checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// Never changes, so that programs can rely on it.
    pub(super) id: &'static str,
    pub(super) severity: Severity,
    /// The page with the background, with its heading.
    pub(super) page: &'static str,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) check: &'static Check,
    pub(super) what: String,
    /// How it was seen. Without values of cookies, tokens and queries.
    pub(super) seen: String,
    pub(super) remedy: String,
}

/// What was found, and what could not be checked.
#[derive(Debug, Default)]
pub(super) struct Examination {
    pub(super) findings: Vec<Finding>,
    /// A sentence for each part that could not be checked.
    pub(super) not_checked: Vec<String>,
}

// === impl Severity ===

impl Severity {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

// === impl Check ===

impl Check {
    /// Returns the finding of this check.
    pub(super) fn finding(
        &'static self,
        what: impl Into<String>,
        seen: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding { check: self, what: what.into(), seen: seen.into(), remedy: remedy.into() }
    }
}
