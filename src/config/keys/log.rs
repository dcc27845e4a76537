//! The settings of the access log and of events. docs/logging.md describes the output.

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
        doc: "Format of the access log: json is one JSON object a line, combined is Apache's combined format, off \
              disables it.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "log.fields",
        default: Some(&["default"]),
        kind: &ListValue::at_least_one(log_names::LogFieldFormat, |to, fields| {
            to.log_fields = fields
        }),
        doc: "Fields of a line, in this order; a field without a value is left out. default is all but protocol, \
              tls and upstream. In the combined format, default is Apache's own line, and other fields are added \
              before or after it as NAME=VALUE.",
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
              A * at the beginning or the end matches anything. A name is compared as a whole, \
              part by part (a[token], api.key), and without its punctuation. default means \
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
        doc: "One of this many successful responses with static files is logged, chosen at random; 0 logs none. \
              Failed and slow responses (log.slow) are always logged; lines left out are counted.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "log.slow",
        default: Some(&["1s"]),
        kind: &SingleValue(TimeFormat(Duration::ZERO, HOUR), |to, time| to.plan.log.slow = time),
        doc: "Responses that take at least this long are slow, and log.static_sample does not leave them out.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "log.health",
        default: Some(&["failing"]),
        kind: &SingleValue(ChoiceFormat(&[("failing", false), ("all", true)]), |to, all| {
            to.plan.log.health = all
        }),
        doc: "Which health checks are logged: failing logs those without a 200, all logs every one.",
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
        doc: "The lowest level of events that are logged.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "log.buffer",
        default: Some(&["8MiB"]),
        kind: &SingleValue(SizeFormat(64 * KIB, GIB), |to, bytes| {
            to.plan.log.buffer = bytes as usize
        }),
        doc: "Maximum size of access-log lines that wait for a slow stdout.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "log.when_slow",
        default: Some(&["drop"]),
        kind: &SingleValue(
            ChoiceFormat(&[("drop", WhenSlow::Drop), ("block", WhenSlow::Block)]),
            |to, what| to.plan.log.when_slow = what,
        ),
        doc: "Behaviour when log.buffer is full. drop discards lines and counts them. block makes requests wait, \
              except health checks, so a log collector that hangs stops the site. Lines of requests that have \
              already begun are buffered up to twice log.buffer.",
        ..SettingKey::BLANK
    },
];
