//! A check, as a row that is the same for all its findings, and a finding.

use std::fmt::{self, Display, Formatter};

use serde_json::{Value, json};

/// How bad a finding is. The order is that of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Requests fail, or nobody can use a part of the site.
    Error,
    /// Requests fail at times, or somebody may do what they should not.
    Warning,
}

/// One thing that is checked.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// Never changes, so that programs can rely on it.
    pub id: &'static str,
    pub severity: Severity,
    /// The page with the background, with its heading.
    pub page: &'static str,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub check: &'static Check,
    pub what: String,
    /// How it was seen. Without values of cookies, tokens and queries.
    pub seen: String,
    pub remedy: String,
}

// === impl Severity ===

impl Severity {
    /// Returns the name for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

// === impl Check ===

impl Check {
    /// Returns the finding of this check.
    pub fn finding(
        &'static self,
        what: impl Into<String>,
        seen: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding { check: self, what: what.into(), seen: seen.into(), remedy: remedy.into() }
    }
}

// === impl Finding ===

impl Finding {
    /// Returns the finding for programs.
    pub fn json(&self) -> Value {
        json!({
            "id": self.check.id,
            "severity": self.check.severity.name(),
            "what": self.what,
            "seen": self.seen,
            "do": self.remedy,
            "see": self.check.page,
        })
    }
}

impl Display for Finding {
    /// Writes the finding for people, in four lines.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { check, what, seen, remedy } = self;
        writeln!(f, "{}: {} [{}]", check.severity.name(), printable(what), check.id)?;
        writeln!(f, "  seen: {}", printable(seen))?;
        writeln!(f, "  do:   {}", printable(remedy))?;
        writeln!(f, "  see:  {}", check.page)
    }
}

/// Escapes control characters, and those that change the direction of text: parts of files and responses must not reach
/// the terminal as they are.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_control() || is_direction(letter) {
            true => shown.extend(letter.escape_default()),
            false => shown.push(letter),
        }
    }
    shown
}

/// Whether a character changes the direction of the text around it (Unicode's Bidi_Control): a name could read as
/// another one.
fn is_direction(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn printable_text_has_no_controls() {
    let text = "a\u{1b}[2J\n/srv/\u{202e}kcos.\u{2066}py é \u{1f600}";
    assert_eq!(printable(text), "a\\u{1b}[2J\\n/srv/\\u{202e}kcos.\\u{2066}py é \u{1f600}");
}
