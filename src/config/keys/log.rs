//! The settings of the access log and of events. docs/logging.md says what comes of them.

use std::time::Duration;

use super::{
    key::SettingKey,
    kind::{ListValue, SingleValue},
};
use crate::{
    config::{
        format::{ChoiceFormat, GIB, HOUR, KIB, NumberFormat, SizeFormat, TimeFormat},
        log_names::{self, redact_of},
    },
    plan::{AccessLog, Level, WhenSlow},
};

/// The access log and the events.
pub(super) const LOG: &[SettingKey] = &[
    SettingKey {
        name: "log.access",
        default: Some(&["json"]),
        kind: &SingleValue(
            ChoiceFormat(&[
                ("json", AccessLog::Json),
                ("combined", AccessLog::Combined),
                ("off", AccessLog::Off),
            ]),
            |to, form| to.plan.log.access = form,
        ),
        doc: "The form of the access log: one JSON object a line, Apache's combined form, or none.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "log.fields",
        default: Some(&["default"]),
        kind: &ListValue::at_least_one(log_names::LogFieldFormat, |to, fields| {
            to.log_fields = fields
        }),
        doc: "What a line tells, in this order; what there is not of a request is left out. default \
              stands for all but protocol, tls and upstream; in the combined form, for Apache's own \
              line, before and behind which others stand as NAME=VALUE.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "log.redact",
        default: Some(&["default"]),
        kind: &ListValue::or_none(log_names::PARAMETERS, |to, names| {
            to.plan.log.redact = redact_of(names)
        }),
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
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "log.static_sample",
        default: Some(&["1"]),
        kind: &SingleValue(NumberFormat(0, 1_000_000), |to, count| {
            to.plan.log.static_sample = count as u32
        }),
        doc: "One of so many answers with static files has a line, by chance; 0 is none. Those that \
              failed or were slow (log.slow) always have one; what is left out is counted.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "log.slow",
        default: Some(&["1s"]),
        kind: &SingleValue(TimeFormat(Duration::ZERO, HOUR), |to, time| to.plan.log.slow = time),
        doc: "What takes this long is slow: log.static_sample leaves none of it out.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "log.health",
        default: Some(&["failing"]),
        kind: &SingleValue(ChoiceFormat(&[("failing", false), ("all", true)]), |to, all| {
            to.plan.log.health = all
        }),
        doc: "Which health checks have a line: those that are not answered with 200, or all.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "log.level",
        default: Some(&["info"]),
        kind: &SingleValue(
            ChoiceFormat(&[
                ("error", Level::Error),
                ("warn", Level::Warn),
                ("info", Level::Info),
                ("debug", Level::Debug),
                ("trace", Level::Trace),
            ]),
            |to, level| to.plan.log.level = level,
        ),
        doc: "The least important events that are shown.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "log.buffer",
        default: Some(&["8MiB"]),
        kind: &SingleValue(SizeFormat(64 * KIB, GIB), |to, bytes| {
            to.plan.log.buffer = bytes as usize
        }),
        doc: "Access-log lines that may wait for a slow stdout.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "log.when_slow",
        default: Some(&["drop"]),
        kind: &SingleValue(
            ChoiceFormat(&[("drop", WhenSlow::Drop), ("block", WhenSlow::Block)]),
            |to, what| to.plan.log.when_slow = what,
        ),
        doc: "What happens when log.buffer is full: drop loses lines and counts them; block lets \
              requests wait (health checks apart), so that a log collector that hangs takes the site \
              with it. Lines of requests that had begun before are kept up to twice log.buffer.",
        ..SettingKey::BLANK
    },
];
