//! The settings of a named route: the requests that it matches, its action, and its policies.

use super::{
    key::SettingKey,
    kind::{ListValue, SingleValue},
};
use crate::config::{
    address, format::ChoiceFormat, header_edit, host, path_pattern, route_match, servers,
};

/// The settings of a route.
pub(super) const ROUTE: &[SettingKey] = &[
    SettingKey {
        name: "route.host",
        kind: &ListValue::at_least_one(host::OF_ROUTE, |to, hosts| {
            to.route.matcher.hosts = hosts;
        }),
        doc: "The hosts of the requests that the route matches. example.org matches itself on every port, \
              .example.org also every name below it.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.path",
        kind: &ListValue::at_least_one(path_pattern::PATH, |to, paths| {
            to.route.matcher.paths = paths;
        }),
        doc: "The paths of the requests that the route matches, compared with the decoded path without dot segments. \
              A path without a final / matches exactly, one with a final / is a prefix; = in front makes it exact. In \
              a glob, * matches anything but /, ** anything, and ? one character; a glob without / is compared with \
              the last segment. ~ begins a regular expression.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.method",
        kind: &ListValue::at_least_one(route_match::METHOD, |to, methods| {
            to.route.matcher.methods = methods;
        }),
        doc: "The methods of the requests that the route matches. GET includes HEAD.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.client",
        kind: &ListValue::at_least_one(address::NETWORKS, |to, networks| {
            to.route.matcher.clients = networks.concat();
        }),
        doc: "The networks of the clients whose requests the route matches.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.upstream",
        kind: &ListValue::at_least_one(servers::SERVER, |to, servers| to.route.servers = servers),
        doc: "Another application that responds. Several addresses are servers of one application. All other settings \
              are those of [upstream]; each application has a queue of its own.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.stream",
        kind: &SingleValue(ChoiceFormat(route_match::DIRECTIONS), |to, streaming| {
            to.route.policies.streaming = Some(streaming);
        }),
        doc: "The bodies that are streamed instead of buffered. A slow client then occupies the application, and a \
              request is not retried once its body has begun to be sent.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.response_headers",
        kind: &ListValue::at_least_one(header_edit::RESPONSE, |to, edits| {
            to.route.policies.response_headers = edits;
        }),
        doc: "Changes to the headers of every response, files and error pages included, health checks excepted. set \
              replaces a header, add keeps existing ones, default sets one that is missing, remove deletes it. The \
              changes of less specific routes come first. In the environment a comma ends a change only where one of \
              these words follows.",
        ..SettingKey::BLANK
    },
];
