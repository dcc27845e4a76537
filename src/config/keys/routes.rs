//! The settings of a named route: the requests that it matches, its action, and its policies.

use super::{
    files,
    key::SettingKey,
    kind::{ListValue, SingleValue},
};
use crate::config::{
    address,
    format::{BoolFormat, ChoiceFormat},
    header_edit, host, path, path_pattern, route_action, route_match, servers,
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
        name: "route.files",
        kind: &ListValue::at_least_one(path::DIRECTORY, |to, directories| {
            to.route.files = directories;
        }),
        doc: "Directories of files that respond, tried in this order. A file is named by the path without the prefix \
              that matched. All other settings are those of [static].",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.media",
        kind: &ListValue::at_least_one(path::DIRECTORY, |to, directories| {
            to.route.media = directories;
        }),
        doc: "Directories of files that users uploaded, hardened as those of [media], whose settings apply.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.file",
        kind: &SingleValue(path::SERVED_FILE, |to, file| to.route.file = Some(file)),
        doc: "One file that responds, whatever the path is.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.redirect",
        kind: &SingleValue(route_action::REDIRECT, |to, redirect| {
            to.route.redirect = Some(redirect);
        }),
        doc: "A redirect. The location may have {host}, {path}, {query} (with its ?), {scheme}, {rest} (the path \
              without the prefix that matched), and {1} to {9} (the groups of an expression).",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.respond",
        kind: &SingleValue(route_action::RESPOND, |to, response| {
            to.route.respond = Some(response);
        }),
        doc: "A fixed response. Without a text an error has its page, and any other status no content. In the text, \\n \
              is a line break.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.fallthrough",
        kind: &SingleValue(BoolFormat, |to, on| to.route.falls_through = on),
        doc: "Whether a request for a file that does not exist goes to the next less specific route, at last to the \
              application; so do all methods but GET and HEAD. Beside files or media.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.spa",
        kind: &SingleValue(path::INDEX, |to, name| to.route.spa = Some(name)),
        doc: "The file that is sent for names that do not exist, to clients that ask for HTML (Accept: text/html) at a \
              name without an extension: the page of a single-page application. Beside files.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.max_age",
        kind: &SingleValue(files::MAX_AGE, |to, time| to.route.max_age = Some(time)),
        doc: "Cache-Control max-age of the files of this route that have no content hash in their name. Beside files, \
              media or file.",
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
