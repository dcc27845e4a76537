//! Why there is no certificate: what the authority or the network says, and what to do about it.

use instant_acme::{Error, Problem};

use super::transport::UnexpectedStatus;

/// The longest text of an authority that is logged, in bytes.
const MAX_TEXT: usize = 400;
/// The most names whose faults are logged.
const MAX_PARTS: usize = 5;
/// The beginning of every type of problem in ACME (RFC 8555, 6.7).
const TYPE_PREFIX: &str = "urn:ietf:params:acme:error:";

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AcmeFailure {
    /// What happened, in one line.
    pub(super) fault: String,
    pub(super) advice: &'static str,
    /// The type of the problem without its prefix, if the authority has sent one.
    pub(super) problem: Option<String>,
    /// Whether the authority has received an order or has refused one. If not, the next attempt follows sooner.
    pub(super) is_reached: bool,
    /// Whether the authority has issued a certificate, which counts towards its limits, but cannot be used.
    pub(super) is_issued: bool,
}

// === impl AcmeFailure ===

impl AcmeFailure {
    /// Explains an error of the library.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library may add errors, all of them unexpected here"
    )]
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Api(problem) => Self::of_problem(problem),
            Error::Other(cause) if cause.is::<UnexpectedStatus>() => Self {
                advice: "check acme.directory, and whether the authority has an outage",
                ..Self::unreached(&error.to_string())
            },
            Error::Other(_) => Self::unreached(&error.to_string()),
            Error::Timeout(_) => Self::local(
                "the authority has not decided in time".into(),
                "wait for the next attempt",
            ),
            // What the library can make nothing of.
            _ => Self {
                advice: "check that acme.directory is the URL of an ACME directory",
                ..Self::unreached(&error.to_string())
            },
        }
    }

    /// Explains the failed validations of names.
    pub(super) fn of_validations(parts: &[(String, Problem)]) -> Option<Self> {
        let (_, first) = parts.first()?;
        let shown = parts.iter().take(MAX_PARTS).map(|(name, problem)| {
            let detail = problem.detail.as_deref().unwrap_or("no detail");
            format!("{name}: {detail} ({})", short_type(problem).unwrap_or_default())
        });
        let fault = shown.collect::<Vec<_>>().join("; ");
        Some(Self { fault: one_line(&fault, MAX_TEXT * 2), ..Self::of_problem(first) })
    }

    /// A failure on this machine.
    pub(super) fn local(fault: String, advice: &'static str) -> Self {
        Self { fault, advice, problem: None, is_reached: true, is_issued: false }
    }

    /// A certificate that clients cannot use.
    pub(super) fn unusable(fault: String) -> Self {
        let advice =
            "check the clock of this machine, and whether acme.directory is the right authority";
        Self { is_issued: true, ..Self::local(fault, advice) }
    }

    /// Whether the problem has this type.
    pub(super) fn is(&self, problem: &str) -> bool {
        self.problem.as_deref() == Some(problem)
    }

    fn of_problem(problem: &Problem) -> Self {
        let kind = short_type(problem).unwrap_or_default();
        let detail = problem.detail.as_deref().unwrap_or("the authority gives no detail");
        let mut fault = one_line(&format!("{detail} ({kind})"), MAX_TEXT);
        for part in problem.subproblems.iter().take(MAX_PARTS) {
            fault.push_str("; ");
            fault.push_str(&one_line(&part.to_string(), MAX_TEXT));
        }
        let is_server_error = problem.status.is_some_and(|status| status >= 500);
        let failure = Self::local(fault, advice(&kind));
        Self { is_reached: !is_server_error, problem: Some(kind), ..failure }
    }

    fn unreached(fault: &str) -> Self {
        let advice = "check that this machine reaches acme.directory, and acme.tls_ca if the authority is your own";
        Self { is_reached: false, ..Self::local(one_line(fault, MAX_TEXT), advice) }
    }
}

/// Returns what to do about a type of problem.
fn advice(kind: &str) -> &'static str {
    match kind {
        "connection" | "tls" | "incorrectResponse" => {
            "make each name of acme.domains lead to this server, and open port 80 for server.listen or port 443 for \
             tls.listen"
        }
        "unauthorized" => {
            "make each name of acme.domains lead to this server, with nothing in front that answers in its place"
        }
        "dns" => "create the A or AAAA record of each name in acme.domains",
        "caa" => "allow the authority in the CAA record of the domain",
        "rateLimited" => {
            "wait for the next attempt; try new setups at the authority's staging directory"
        }
        "rejectedIdentifier" | "unsupportedIdentifier" => {
            "remove the name from acme.domains: the authority does not issue certificates for it"
        }
        "externalAccountRequired" => {
            "use another acme.directory: accounts that are bound to one elsewhere are not supported"
        }
        "invalidContact" | "unsupportedContact" => "correct acme.contact, or remove it",
        "userActionRequired" => "do what the authority asks for, and reload",
        _ => "wait for the next attempt, and see the authority's status page",
    }
}

/// Returns the type of a problem, as one short word.
fn short_type(problem: &Problem) -> Option<String> {
    let kind = problem.r#type.as_deref()?;
    Some(one_line(kind.strip_prefix(TYPE_PREFIX).unwrap_or(kind), 64))
}

/// Returns a text of a stranger without control characters, up to a length.
fn one_line(text: &str, max: usize) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line = String::new();
    for c in plain {
        if line.len() + c.len_utf8() > max {
            line.push('…');
            break;
        }
        line.push(c);
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problem(kind: &str, detail: &str, status: u16) -> Problem {
        let text = serde_json::json!({
            "type": format!("{TYPE_PREFIX}{kind}"), "detail": detail, "status": status,
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn failures_are_explained() {
        let failure =
            AcmeFailure::of(&Error::Api(problem("rateLimited", "too many\nof them", 429)));
        assert_eq!(failure.fault, "too many of them (rateLimited)");
        assert!(failure.is("rateLimited") && failure.is_reached);
        assert!(failure.advice.contains("staging"));
        let failure = AcmeFailure::of(&Error::Api(problem("serverInternal", "sorry", 500)));
        assert!(!failure.is_reached);
        let failure = AcmeFailure::of(&Error::Str("no nonce"));
        assert!(failure.fault.contains("no nonce") && failure.advice.contains("acme.directory"));
        let status = UnexpectedStatus(http::StatusCode::BAD_GATEWAY);
        let failure = AcmeFailure::of(&Error::Other(Box::new(status)));
        assert_eq!(failure.fault, "the response has status 502 and no problem document");
        assert!(!failure.is_reached);
    }

    #[test]
    fn each_name_is_named_with_its_fault() {
        let parts = [
            ("a.test".to_owned(), problem("connection", "refused", 400)),
            ("b.test".to_owned(), problem("dns", "NXDOMAIN", 400)),
        ];
        let failure = AcmeFailure::of_validations(&parts).unwrap();
        assert_eq!(failure.fault, "a.test: refused (connection); b.test: NXDOMAIN (dns)");
        assert!(failure.is("connection") && failure.is_reached);
        assert_eq!(AcmeFailure::of_validations(&[]), None);
    }

    proptest! {
        #[test]
        fn texts_are_one_short_line(text in any::<String>(), kind in any::<String>()) {
            let failure = AcmeFailure::of(&Error::Api(problem(&kind, &text, 400)));
            prop_assert!(failure.fault.len() <= MAX_TEXT + '…'.len_utf8());
            prop_assert!(!failure.fault.contains(char::is_control));
        }
    }
}
