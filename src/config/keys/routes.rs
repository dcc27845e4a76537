//! The settings for path prefixes: other applications, streaming, response headers.

use super::{key::SettingKey, kind::ListValue};
use crate::config::{field, route};

/// Settings for path prefixes.
pub(super) const ROUTES: &[SettingKey] = &[
    SettingKey {
        name: "routes.upstreams",
        default: Some(&[]),
        kind: &ListValue::or_none(route::UPSTREAM, |to, servers| to.routes = servers),
        doc: "Other applications, by path prefix. Repeat a prefix for several servers of one application. All other \
              settings are those of [upstream]; each application has a queue of its own.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "routes.unbuffered",
        default: Some(&[]),
        kind: &ListValue::or_none(route::UNBUFFERED, |to, rules| to.plan.unbuffered = rules),
        doc: "Path prefixes whose request bodies, responses or both are streamed instead of buffered. A slow client \
              then occupies the application, and a request is not retried once its body has begun to be sent.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "routes.fields",
        default: Some(&[]),
        kind: &ListValue::or_none(field::RULE, |to, rules| to.plan.fields = rules),
        doc: "Headers to change in every response, files and error pages included, health checks excepted. set \
              replaces a header, add keeps existing ones, remove deletes it; all rules that match are applied in \
              this order. In the environment a comma ends a rule only where / follows; any other comma is part of \
              the value.",
        ..SettingKey::BLANK
    },
];
