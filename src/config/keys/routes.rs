//! The settings of a named route: the requests that it matches, its action, and its policies.

use super::{
    files,
    key::SettingKey,
    kind::{ListValue, SingleValue},
    server, upstream,
};
use crate::config::{
    address, auth, cache_names, certificates, error_pages, file_place,
    format::{BoolFormat, ChoiceFormat, OrNone},
    forwarding, header_edit, header_name, host, path, path_pattern, rate_limit, route_action,
    route_match, servers, upstream_tls,
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
        kind: &ListValue::at_least_one(address::CLIENTS, |to, networks| {
            to.route.matcher.clients = networks.concat();
        }),
        doc: "The networks of the clients whose requests the route matches.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.port",
        kind: &ListValue::at_least_one(route_match::PORT, |to, ports| {
            to.route.matcher.ports = ports;
        }),
        doc: "The ports of the listeners whose requests the route matches; with the PROXY protocol, those of the load \
              balancer. Requests at a Unix socket match none.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.upstream",
        kind: &ListValue::at_least_one(servers::OF_ROUTE, |to, servers| to.route.servers = servers),
        doc: "Another application that responds. Several addresses are servers of one application. All other settings \
              are those of [upstream]; each application has a queue of its own.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.tls_ca",
        kind: &ListValue::at_least_one(upstream_tls::CA, |to, authorities| {
            let key = format!("route.{}.tls_ca", to.route.name);
            to.route.tls.set_trust(authorities, key);
        }),
        doc: "Whose certificates are trusted at the https:// addresses of the route's upstream, in place of \
              upstream.tls_ca.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.tls_server_name",
        kind: &SingleValue(upstream_tls::SERVER_NAME, |to, name| {
            to.route.tls.server_name = Some(name);
        }),
        doc: "The name that the certificates of the route's upstream must have, in place of upstream.tls_server_name.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.tls_client_certificate",
        kind: &SingleValue(OrNone(certificates::PAIR), |to, files| {
            let key = format!("route.{}.tls_client_certificate", to.route.name);
            to.route.tls.set_client_certificate(files, key);
        }),
        doc: "The certificate and its key for the route's upstream, in place of upstream.tls_client_certificate.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.tls_verify",
        kind: &SingleValue(upstream_tls::VERIFY, |to, is_verified| {
            to.route.tls.is_verified = Some(is_verified);
        }),
        doc: "Whether the certificates of the route's upstream are verified, in place of upstream.tls_verify.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.files",
        kind: &ListValue::at_least_one(file_place::PLACE, |to, directories| {
            to.route.files = directories;
        }),
        doc: "Directories of files that respond, tried in this order, and at last a bucket if one is listed. A file is named by the path without the prefix \
              that matched. All other settings are those of [static].",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.media",
        kind: &ListValue::at_least_one(file_place::PLACE, |to, directories| {
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
              is a line break. close closes the connection without a response.",
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
        name: "route.compress",
        kind: &SingleValue(BoolFormat, |to, on| to.route.policies.compress = Some(on)),
        doc: "Whether responses of the application are compressed, in place of compression.responses.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.cache",
        kind: &SingleValue(cache_names::OF_ROUTE, |to, cache| {
            to.route.policies.cache = Some(cache);
        }),
        doc: "Which responses the cache (cache.memory) stores. on stores responses whose Cache-Control or Expires allows it; \
              so does a request without a route. anonymous 5s also stores, for 5s, those that say nothing about \
              caching, for visitors without a session. off stores nothing.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.strip_prefix",
        kind: &SingleValue(BoolFormat, |to, on| to.route.strips_prefix = on),
        doc: "Whether the application gets the path without the prefix that matched: below /api/, /api/x is /x. It is \
              nginx's / at the end of proxy_pass. Every path of the route must be a prefix or exact.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.replace_prefix",
        kind: &SingleValue(forwarding::PREFIX, |to, prefix| {
            to.route.policies.replaced_prefix = Some(prefix);
        }),
        doc: "The path for the application in place of the prefix that matched: with /v2/, /api/x is /v2/x. Every path of \
              the route must be a prefix or exact. An exact path can become any other, with a query too, such as \
              /login?next=/.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.script_name",
        kind: &SingleValue(forwarding::SCRIPT_NAME, |to, name| {
            to.route.policies.script_name = Some(name);
        }),
        doc: "SCRIPT_NAME for the application, which then makes links below this path: a variable for uWSGI, with \
              PATH_INFO behind it, and a header of this name over HTTP, as gunicorn reads it from addresses in its \
              forwarded_allow_ips. The path must still begin with it.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.host_header",
        kind: &SingleValue(forwarding::HOST_HEADER, |to, host| {
            to.route.policies.host_header = Some(host);
        }),
        doc: "Host for the application, in place of the requested host. It may have the placeholders of headers.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.request_headers",
        kind: &ListValue::at_least_one(header_edit::REQUEST, |to, edits| {
            to.route.policies.request_headers = edits;
        }),
        doc: "Changes to the headers that the application gets, after Sideman has dropped forged ones and added its \
              own. They are written as those of response_headers.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.allow",
        kind: &ListValue::at_least_one(address::CLIENTS, |to, networks| {
            to.route.allow = networks.concat();
        }),
        doc: "Networks of the clients that may send requests; others get 403. The smallest network that contains a \
              client decides between allow and deny. A route takes both lists from one route.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.deny",
        kind: &ListValue::at_least_one(address::CLIENTS, |to, networks| {
            to.route.deny = networks.concat();
        }),
        doc: "Networks of the clients whose requests get 403. Without allow, all other clients may send requests.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.deny_response",
        kind: &SingleValue(ChoiceFormat(route_match::DENY_RESPONSES), |to, response| {
            to.route.policies.deny_response = Some(response);
        }),
        doc: "The response to requests that allow and deny exclude. close closes the connection without one.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.auth",
        kind: &SingleValue(auth::AUTH, |to, method| to.route.auth.method = Some(method)),
        doc: "How clients prove who they are. basic asks for a user name and a password of auth_users (401), and removes \
              Authorization before the application. The server at a URL decides about each request by its response to a \
              GET without the body: 2xx lets the request pass, 401, 403 and redirects go to the client, and anything else \
              is an error. off lets everybody send requests, whatever less specific routes set. A request takes auth and \
              the settings beside it from one route. Health checks and ACME challenges (/.well-known/acme-challenge/) are \
              exempt.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.auth_users",
        kind: &SingleValue(auth::USERS, |to, users| to.route.auth.users = Some(users)),
        doc: "The users of auth = \"basic\", with hashes by bcrypt (htpasswd -B), SHA-crypt or apr1. A file is read at the start \
              and at each reload. Beside auth.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.auth_realm",
        kind: &SingleValue(auth::REALM, |to, realm| to.route.auth.realm = Some(realm)),
        doc: "The text that browsers may show when they ask for a password; Restricted without it. Beside auth.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.auth_allow",
        kind: &ListValue::at_least_one(address::CLIENTS, |to, networks| {
            to.route.auth.allow = networks.concat();
        }),
        doc: "The networks of the clients that may send requests without authentication. Beside auth.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.auth_response_headers",
        kind: &ListValue::at_least_one(header_name::OF_AUTH, |to, names| {
            to.route.auth.response_headers = names;
        }),
        doc: "The headers of the auth server's response that the application gets. Headers of these names from clients \
              are dropped in all requests. Beside the URL of an auth server.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.auth_timeout",
        kind: &SingleValue(auth::TIMEOUT, |to, time| to.route.auth.timeout = Some(time)),
        doc: "How long the auth server may take, its queue included; then 504. Without it 5s. Beside the URL of an auth \
              server.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.max_body",
        kind: &SingleValue(server::MAX_BODY, |to, bytes| to.route.policies.max_body = Some(bytes)),
        doc: "Maximum size of a request's body, in place of server.max_body.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.read_timeout",
        kind: &SingleValue(upstream::READ_TIMEOUT, |to, time| {
            to.route.policies.read_timeout = Some(time);
        }),
        doc: "How long the application may take to begin its response, in place of upstream.read_timeout.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.total_timeout",
        kind: &SingleValue(upstream::TOTAL_TIMEOUT, |to, time| {
            to.route.policies.total_timeout = Some(time);
        }),
        doc: "How long a request may take at the application, in place of upstream.total_timeout.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.max_in_flight",
        kind: &SingleValue(upstream::MAX_IN_FLIGHT, |to, count| {
            to.route.max_in_flight = Some(count);
        }),
        doc: "Maximum number of requests in flight at each server of upstream, in place of upstream.max_in_flight. \
              Beside upstream; with the address of the application, it keeps workers free for other requests.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.rate_limit",
        kind: &SingleValue(rate_limit::RATE_LIMIT, |to, limit| {
            to.route.policies.rate_limit.limit = Some(limit);
        }),
        doc: "Maximum rate of the requests with one key; more get 429. key is client (an IPv4 address or an IPv6 /64), \
              host, or a header, without which a request is not limited. burst more requests may arrive at once; \
              without it, as many arrive at once as the rate says. global counts for all tasks together, over \
              cache.redis. Files are limited only by a route that names them. \
              off disables the limit of less specific routes.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.rate_limit_exempt",
        kind: &ListValue::at_least_one(address::NETWORKS, |to, networks| {
            to.route.policies.rate_limit.exempt = networks.concat();
        }),
        doc: "The networks of the clients that rate_limit does not apply to.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.rate_limit_dry_run",
        kind: &SingleValue(BoolFormat, |to, on| {
            to.route.policies.rate_limit.is_dry_run = Some(on);
        }),
        doc: "Whether requests over the limit are counted and logged, but not refused.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.errors",
        kind: &ListValue::at_least_one(error_pages::PAGE, |to, pages| {
            to.route.policies.errors = error_pages::most_specific_first(pages);
        }),
        doc: "Files, or texts with a status, that replace Sideman's error pages, by status. One status wins over 4xx and \
              5xx; other statuses have the pages of [errors].",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.intercept",
        kind: &ListValue::or_none(error_pages::STATUS, |to, statuses| {
            to.route.policies.intercept = Some(statuses);
        }),
        doc: "The statuses of the application whose responses are replaced by the error page: that of errors, or of \
              [errors], or the built-in one.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "route.log",
        kind: &SingleValue(ChoiceFormat(route_match::LOGGED), |to, log| {
            to.route.policies.log = Some(log);
        }),
        doc: "Which requests are in the access log: all (as far as log.static_sample logs files), failing for those \
              with an error, a status from 400 on, or at least log.slow, or off. Metrics count all of them.",
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
