//! The settings that depend on the path: other applications, streaming, fields of answers.

use super::{key::SettingKey, kind::ListValue};
use crate::config::{field, route};

/// What differs below a prefix of the path.
pub(super) const ROUTES: &[SettingKey] = &[
    SettingKey {
        name: "routes.upstreams",
        default: Some(&[]),
        kind: &ListValue::or_none(route::UPSTREAM, |to, servers| to.routes = servers),
        doc: "Other applications below a prefix; a prefix may stand here several times, for \
              several servers of one application. All other settings are those of [upstream], and \
              each application has a queue of its own.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "routes.unbuffered",
        default: Some(&[]),
        kind: &ListValue::or_none(route::UNBUFFERED, |to, rules| to.plan.unbuffered = rules),
        doc: "What goes on as it comes, instead of being collected first: request, response or \
              both. A slow client then holds a place at the application, and a request is not \
              sent again once its body has begun to leave.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "routes.fields",
        default: Some(&[]),
        kind: &ListValue::or_none(field::RULE, |to, rules| to.plan.fields = rules),
        doc: "Fields of every answer, files and error pages included, health checks excepted: set \
              replaces what there is, add leaves it, remove takes it away; all rules that fit are \
              applied, in this order. In the environment a comma ends a rule only where / follows; any \
              other is part of the value.",
        ..SettingKey::BLANK
    },
];
