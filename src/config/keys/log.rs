//! The settings of the access log and of events. docs/logging.md says what comes of them.

use std::time::Duration;

use super::{
    key::Key,
    kind::{HOUR, Kind},
};

/// The access log and the events.
pub(super) const LOG: &[Key] = &[
    Key {
        name: "log.access",
        default: Some(&["json"]),
        kind: Kind::Choice(&["json", "combined", "off"]),
        doc: "The form of the access log: one JSON object a line, Apache's combined form, or none.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "log.fields",
        default: Some(&["default"]),
        kind: Kind::LogFields,
        doc: "What a line tells, in this order; what there is not of a request is left out. default \
              stands for all but protocol, tls and upstream; in the combined form, for Apache's own \
              line, before and behind which others stand as NAME=VALUE.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "log.redact",
        default: Some(&["default"]),
        kind: Kind::ParameterNames,
        doc: "Query parameters whose values are written as ***, in the query and in the referer, \
              with user names and passwords in URLs; cookies and Authorization are never written. \
              A * at the beginning or the end stands for anything. A name is compared as a whole, \
              part by part (a[token], api.key), and without its punctuation. default stands for \
              *token*, *secret*, *password*, *passwd*, *passphrase*, *passcode*, *pass, *pwd, pw, \
              *key, *accesskeyid, *privatekey*, *signature*, sig, *hmac, *credential*, \
              *authorization, *auth, *bearer*, jwt, *csrf*, *xsrf*, code, *authcode, \
              *authorizationcode, *accesscode, *verificationcode, *confirmationcode, \
              *securitycode, *recoverycode, *verifier, *otp, otp*, mfa*, 2fa*, pin, *_pin, \
              *-pin, *pincode, cvv, cvc, ssn, *assertion, samlresponse, *session*, *sessid, sid, \
              ticket, *cookie and *connectionstring.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "log.static_sample",
        default: Some(&["1"]),
        kind: Kind::Integer { least: 0, most: 1_000_000 },
        doc: "One of so many answers with static files has a line, by chance; 0 is none. Those that \
              failed or were slow (log.slow) always have one; what is left out is counted.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "log.slow",
        default: Some(&["1s"]),
        kind: Kind::Duration { least: Duration::ZERO, most: HOUR },
        doc: "What takes this long is slow: log.static_sample leaves none of it out.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "log.health",
        default: Some(&["failing"]),
        kind: Kind::Choice(&["failing", "all"]),
        doc: "Which health checks have a line: those that are not answered with 200, or all.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "log.level",
        default: Some(&["info"]),
        kind: Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        doc: "The least important events that are shown.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "log.buffer",
        default: Some(&["8MiB"]),
        kind: Kind::Size { least: 64 << 10, most: 1 << 30 },
        doc: "Access-log lines that may wait for a slow stdout.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "log.when_slow",
        default: Some(&["drop"]),
        kind: Kind::Choice(&["drop", "block"]),
        doc: "What happens when log.buffer is full: drop loses lines and counts them; block lets \
              requests wait (health checks apart), so that a log collector that hangs takes the site \
              with it. Lines of requests that had begun before are kept up to twice log.buffer.",
        short_env: None,
        flag: None,
    },
];
