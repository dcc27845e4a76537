//! What each directive of nginx becomes, by name.

use super::parser::Directive;

/// What is done with a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// Another module translates it, and reports what it cannot translate.
    Translated,
    /// It has no effect any more, for this reason.
    Unnecessary(&'static str),
    /// There is nothing like it; this is what to do.
    Lost(&'static str),
    /// It restricts access in a way that cannot be translated: what it protects is closed.
    Closes(&'static str),
}

use Duty::{Closes, Lost, Translated, Unnecessary};

const PROCESS: &str = "of nginx's own process; Sideman has one worker thread for each usable core, and raises the limit \
                       of open files";
pub(super) const LOGS: &str =
    "Sideman writes its access log to stdout and events to stderr: log.access, log.fields";
const SENDING: &str = "files are sent efficiently without it, and small writes are combined";
const COMPRESSED_FILES: &str =
    "precompressed files are found, and text files are compressed, without it";
const TYPES: &str =
    "the built-in types and the charset utf-8 suit static files: static.types, static.charset";
const TLS_DEFAULTS: &str =
    "TLS 1.2 and 1.3 with safe ciphers, session tickets, and HTTP/2 are the default";
const TLS_TO_UPSTREAM: &str = "TLS 1.2 and 1.3 with safe ciphers, SNI and resumed sessions are the default to https:// addresses";
const BUFFERS: &str = "requests and responses are buffered without it: buffers.*";
const CONNECTIONS: &str = "connections to the application are reused and retried without it: upstream.idle_timeout, \
                           upstream.connect_timeout, upstream.wait";
const NAMES: &str = "names are looked up again by themselves";
const CLIENT_HEADERS: &str =
    "all request heads that a load balancer passes on are accepted: server.max_head";
const KEEPALIVE: &str =
    "75s suits load balancers that keep connections for 60s: server.idle_timeout";
const CACHE_PART: &str = "only has an effect together with a cache";
const VARIABLE: &str = "defines a variable; where it is used, the directive that uses it is translated or listed above";
const PASSED: &str = "request headers, bodies and all response headers are passed on without it";
const PATHS: &str = "slashes, ports and redirects of directories are handled without it";
const FILES_CACHE: &str =
    "contents and missing names are remembered without it: static.memory, static.check_interval";
const HASHES: &str = "tables grow by themselves";
const STATUS: &str = "/metrics has more than this: admin.listen";

const NO_CACHE: &str = "responses are stored once you set cache.memory, such as to 64MiB, if their Cache-Control allows it; for others set \
     cache of the route, such as to anonymous 5s";
const COMPRESSED: &str = "files and responses of the application are compressed without it: static.compress, \
                          compression.responses";
const NO_REWRITE_OF_BODIES: &str = "bodies are never changed: do it in the application";
const NO_COOKIES: &str =
    "cookies are never changed: set SESSION_COOKIE_* and CSRF_COOKIE_* in Django";
const NO_CONNECTIONS: &str = "connections are not limited by client: upstream.max_in_flight and upstream.queue bound the \
                              load of the application";
pub(super) const NO_LIST: &str = "directories are never listed";
const NO_RATE: &str =
    "limit the rate of uploads with media.rate, or of one response with X-Accel-Limit-Rate";
const NO_OTHER_PROTOCOL: &str = "only HTTP and uwsgi are spoken to applications";
const NO_CERTIFICATE: &str = "client certificates are not verified: do it at the load balancer";
const NO_TOKENS: &str =
    "protect these paths in the application, which can send files with X-Accel-Redirect";
const NO_LUA: &str = "there are no scripts: do it in the application";

/// The table. A name with `*` at the end is every name that begins so; the first match counts.
const DUTIES: &[(&str, Duty)] = &[
    // Structure, and what other modules translate.
    ("http", Translated),
    ("server", Translated),
    ("location", Translated),
    ("upstream", Translated),
    ("include", Translated),
    ("events", Translated),
    ("if", Translated),
    ("limit_except", Translated),
    ("map", Unnecessary(VARIABLE)),
    ("geo", Unnecessary(VARIABLE)),
    ("split_clients", Unnecessary(VARIABLE)),
    ("types", Unnecessary(TYPES)),
    ("set", Unnecessary(VARIABLE)),
    ("break", Unnecessary("nothing follows it")),
    ("listen", Translated),
    ("server_name", Translated),
    ("root", Translated),
    ("alias", Translated),
    ("index", Translated),
    ("try_files", Translated),
    ("internal", Translated),
    ("return", Translated),
    ("rewrite", Translated),
    ("proxy_pass", Translated),
    ("uwsgi_pass", Translated),
    ("error_page", Translated),
    ("client_max_body_size", Translated),
    ("proxy_read_timeout", Translated),
    ("uwsgi_read_timeout", Translated),
    ("proxy_buffering", Translated),
    ("uwsgi_buffering", Translated),
    ("proxy_request_buffering", Translated),
    ("uwsgi_request_buffering", Translated),
    ("proxy_set_header", Translated),
    ("uwsgi_param", Translated),
    ("add_header", Translated),
    ("expires", Translated),
    ("proxy_hide_header", Translated),
    ("uwsgi_hide_header", Translated),
    ("set_real_ip_from", Translated),
    ("real_ip_header", Translated),
    ("allow", Translated),
    ("deny", Translated),
    ("auth_basic", Translated),
    ("auth_basic_user_file", Translated),
    ("auth_request", Translated),
    ("satisfy", Translated),
    ("limit_req", Translated),
    ("limit_req_zone", Translated),
    ("ssl_certificate", Translated),
    ("ssl_certificate_key", Translated),
    ("ssl_protocols", Translated),
    ("ssl", Translated),
    ("client_header_timeout", Translated),
    ("client_body_timeout", Translated),
    ("send_timeout", Translated),
    ("keepalive_requests", Translated),
    ("proxy_redirect", Translated),
    ("proxy_intercept_errors", Translated),
    ("uwsgi_intercept_errors", Translated),
    ("stub_status", Unnecessary(STATUS)),
    (
        "uwsgi_modifier1",
        Lost("uwsgi requests are always those of WSGI (modifier 0): set script_name in a route"),
    ),
    ("uwsgi_modifier2", Lost("uwsgi requests are always those of WSGI (modifier 0)")),
    // The process.
    ("user", Unnecessary(PROCESS)),
    ("worker_*", Unnecessary(PROCESS)),
    ("daemon", Unnecessary(PROCESS)),
    ("master_process", Unnecessary(PROCESS)),
    ("pid", Unnecessary(PROCESS)),
    ("lock_file", Unnecessary(PROCESS)),
    ("env", Unnecessary(PROCESS)),
    ("load_module", Unnecessary(PROCESS)),
    ("pcre_jit", Unnecessary(PROCESS)),
    ("thread_pool", Unnecessary(PROCESS)),
    ("use", Unnecessary(PROCESS)),
    ("multi_accept", Unnecessary(PROCESS)),
    ("accept_mutex*", Unnecessary(PROCESS)),
    ("timer_resolution", Unnecessary(PROCESS)),
    ("debug_*", Unnecessary(PROCESS)),
    ("ssl_engine", Unnecessary(PROCESS)),
    // Logs.
    ("access_log", Translated),
    ("error_log", Unnecessary(LOGS)),
    ("log_format", Unnecessary(LOGS)),
    ("log_not_found", Unnecessary(LOGS)),
    ("log_subrequest", Unnecessary(LOGS)),
    ("open_log_file_cache", Unnecessary(LOGS)),
    ("rewrite_log", Unnecessary(LOGS)),
    // Files.
    ("sendfile*", Unnecessary(SENDING)),
    ("tcp_*", Unnecessary(SENDING)),
    ("aio*", Unnecessary(SENDING)),
    ("directio*", Unnecessary(SENDING)),
    ("output_buffers", Unnecessary(SENDING)),
    ("postpone_output", Unnecessary(SENDING)),
    ("read_ahead", Unnecessary(SENDING)),
    ("open_file_cache*", Unnecessary(FILES_CACHE)),
    ("etag", Unnecessary("every file has an ETag of its contents")),
    ("if_modified_since", Unnecessary("conditional requests follow RFC 9110")),
    ("max_ranges", Unnecessary("ranges are limited without it")),
    ("default_type", Unnecessary(TYPES)),
    ("charset*", Unnecessary(TYPES)),
    ("override_charset", Unnecessary(TYPES)),
    ("types_hash_*", Unnecessary(HASHES)),
    ("server_names_hash_*", Unnecessary(HASHES)),
    ("variables_hash_*", Unnecessary(HASHES)),
    ("map_hash_*", Unnecessary(HASHES)),
    ("proxy_headers_hash_*", Unnecessary(HASHES)),
    ("uwsgi_headers_hash_*", Unnecessary(HASHES)),
    (
        "disable_symlinks",
        Unnecessary("links that leave the directory are not followed: static.symlinks"),
    ),
    ("autoindex", Translated),
    ("autoindex_*", Unnecessary("only has an effect together with autoindex")),
    ("fancyindex*", Lost(NO_LIST)),
    ("gzip_static", Unnecessary(COMPRESSED_FILES)),
    ("gunzip", Unnecessary(COMPRESSED_FILES)),
    ("gzip", Unnecessary(COMPRESSED)),
    ("gzip_*", Unnecessary("only has an effect together with gzip")),
    ("brotli_static", Unnecessary(COMPRESSED_FILES)),
    ("brotli", Unnecessary(COMPRESSED)),
    ("brotli_*", Unnecessary("only has an effect together with brotli")),
    ("zstd_static", Unnecessary(COMPRESSED_FILES)),
    ("zstd", Unnecessary(COMPRESSED)),
    ("zstd_*", Unnecessary("only has an effect together with zstd")),
    ("limit_rate*", Lost(NO_RATE)),
    ("mp4*", Lost("ranges of a video are enough for most players; there is no seeking by time")),
    ("flv", Lost("there is no seeking by time")),
    ("image_filter*", Lost("images are never changed: use a thumbnail library of Django")),
    // Clients.
    ("server_tokens", Unnecessary("no version is sent")),
    ("server_name_in_redirect", Unnecessary(PATHS)),
    ("port_in_redirect", Unnecessary(PATHS)),
    ("absolute_redirect", Unnecessary(PATHS)),
    ("merge_slashes", Unnecessary(PATHS)),
    ("msie_*", Unnecessary(PATHS)),
    ("recursive_error_pages", Unnecessary(PATHS)),
    ("keepalive_timeout", Unnecessary(KEEPALIVE)),
    ("keepalive_time", Unnecessary(KEEPALIVE)),
    ("keepalive_disable", Unnecessary(KEEPALIVE)),
    ("keepalive_min_timeout", Unnecessary(KEEPALIVE)),
    ("lingering_*", Unnecessary("connections are closed without losing responses")),
    ("reset_timedout_connection", Unnecessary("connections are closed without losing responses")),
    ("client_header_buffer_size", Unnecessary(CLIENT_HEADERS)),
    ("large_client_header_buffers", Unnecessary(CLIENT_HEADERS)),
    ("request_pool_size", Unnecessary(CLIENT_HEADERS)),
    ("connection_pool_size", Unnecessary(CLIENT_HEADERS)),
    ("ignore_invalid_headers", Unnecessary("requests with invalid headers are refused")),
    (
        "underscores_in_headers",
        Lost("headers with _ in their name are dropped, because Django cannot tell them from -"),
    ),
    ("client_body_*", Unnecessary(BUFFERS)),
    ("client_body_in_file_only", Unnecessary(BUFFERS)),
    ("chunked_transfer_encoding", Unnecessary(PASSED)),
    ("early_hints", Unnecessary(PASSED)),
    ("http2*", Unnecessary(TLS_DEFAULTS)),
    ("http3*", Lost("HTTP/3 is not there: use a CDN, or HTTP/2")),
    ("quic_*", Lost("HTTP/3 is not there: use a CDN, or HTTP/2")),
    (
        "real_ip_recursive",
        Unnecessary(
            "X-Forwarded-For is always read from right to left through the trusted proxies",
        ),
    ),
    ("resolver*", Unnecessary(NAMES)),
    ("limit_req_*", Unnecessary("only has an effect together with limit_req")),
    ("limit_conn", Lost(NO_CONNECTIONS)),
    ("limit_conn_*", Unnecessary("only has an effect together with limit_conn")),
    ("limit_zone", Unnecessary("only has an effect together with limit_conn")),
    // TLS.
    ("ssl_verify_client", Closes(NO_CERTIFICATE)),
    ("ssl_client_certificate", Unnecessary("only has an effect together with ssl_verify_client")),
    ("ssl_crl", Unnecessary("only has an effect together with ssl_verify_client")),
    ("ssl_verify_depth", Unnecessary("only has an effect together with ssl_verify_client")),
    ("ssl_reject_handshake", Translated),
    ("ssl_password_file", Lost("keys must not be encrypted: protect the file by its permissions")),
    ("ssl_*", Unnecessary(TLS_DEFAULTS)),
    // Applications.
    ("proxy_http_version", Unnecessary(CONNECTIONS)),
    ("proxy_connect_timeout", Unnecessary(CONNECTIONS)),
    ("uwsgi_connect_timeout", Unnecessary(CONNECTIONS)),
    ("proxy_send_timeout", Unnecessary("upstream.read_timeout limits sending as well")),
    ("uwsgi_send_timeout", Unnecessary("upstream.read_timeout limits sending as well")),
    ("proxy_socket_keepalive", Unnecessary(CONNECTIONS)),
    ("uwsgi_socket_keepalive", Unnecessary(CONNECTIONS)),
    ("proxy_next_upstream*", Unnecessary("safe requests are retried without it")),
    ("uwsgi_next_upstream*", Unnecessary("safe requests are retried without it")),
    (
        "proxy_ignore_client_abort",
        Unnecessary("a request runs to its end if its client leaves: upstream.abort"),
    ),
    (
        "uwsgi_ignore_client_abort",
        Unnecessary("a request runs to its end if its client leaves: upstream.abort"),
    ),
    ("proxy_pass_request_headers", Translated),
    ("proxy_pass_request_body", Translated),
    ("uwsgi_pass_request_headers", Translated),
    ("uwsgi_pass_request_body", Translated),
    ("proxy_pass_header", Unnecessary(PASSED)),
    ("uwsgi_pass_header", Unnecessary(PASSED)),
    ("proxy_pass_trailers", Unnecessary(PASSED)),
    ("proxy_force_ranges", Unnecessary(PASSED)),
    ("uwsgi_force_ranges", Unnecessary(PASSED)),
    ("proxy_method", Lost("the method is never changed")),
    ("proxy_set_body", Lost("the body is never changed")),
    ("proxy_bind", Lost("the kernel chooses the address")),
    ("proxy_ssl_verify", Translated),
    ("proxy_ssl_trusted_certificate", Translated),
    ("proxy_ssl_certificate", Translated),
    ("proxy_ssl_certificate_key", Translated),
    ("proxy_ssl_name", Translated),
    (
        "proxy_ssl_crl",
        Lost("revocation lists are not read: let certificates be valid for a short time"),
    ),
    (
        "proxy_ssl_password_file",
        Lost("keys with a passphrase are not read: write the key without one"),
    ),
    ("proxy_ssl_*", Unnecessary(TLS_TO_UPSTREAM)),
    (
        "uwsgi_ssl_*",
        Lost(
            "the uwsgi protocol over TLS is not possible: give uWSGI an https socket, or a plain one",
        ),
    ),
    ("proxy_cookie_*", Lost(NO_COOKIES)),
    ("uwsgi_cookie_*", Lost(NO_COOKIES)),
    ("proxy_limit_rate", Lost(NO_RATE)),
    ("proxy_cache", Lost(NO_CACHE)),
    ("uwsgi_cache", Lost(NO_CACHE)),
    ("proxy_store*", Lost(NO_CACHE)),
    ("proxy_cache_*", Unnecessary(CACHE_PART)),
    ("uwsgi_cache_*", Unnecessary(CACHE_PART)),
    ("proxy_no_cache", Unnecessary(CACHE_PART)),
    ("uwsgi_no_cache", Unnecessary(CACHE_PART)),
    ("proxy_ignore_headers", Unnecessary(CACHE_PART)),
    ("uwsgi_ignore_headers", Unnecessary(CACHE_PART)),
    ("proxy_buffer_size", Unnecessary(BUFFERS)),
    ("proxy_buffers", Unnecessary(BUFFERS)),
    ("proxy_busy_buffers_size", Unnecessary(BUFFERS)),
    ("proxy_max_temp_file_size", Unnecessary(BUFFERS)),
    ("proxy_temp_*", Unnecessary(BUFFERS)),
    ("uwsgi_buffer_size", Unnecessary(BUFFERS)),
    ("uwsgi_buffers", Unnecessary(BUFFERS)),
    ("uwsgi_busy_buffers_size", Unnecessary(BUFFERS)),
    ("uwsgi_max_temp_file_size", Unnecessary(BUFFERS)),
    ("uwsgi_temp_*", Unnecessary(BUFFERS)),
    ("fastcgi_temp_*", Unnecessary(BUFFERS)),
    ("scgi_temp_*", Unnecessary(BUFFERS)),
    ("fastcgi_pass", Lost(NO_OTHER_PROTOCOL)),
    ("scgi_pass", Lost(NO_OTHER_PROTOCOL)),
    ("grpc_pass", Lost(NO_OTHER_PROTOCOL)),
    ("memcached_pass", Lost(NO_OTHER_PROTOCOL)),
    ("fastcgi_*", Unnecessary("only has an effect together with fastcgi_pass")),
    ("scgi_*", Unnecessary("only has an effect together with scgi_pass")),
    ("grpc_*", Unnecessary("only has an effect together with grpc_pass")),
    // Bodies and scripts.
    ("sub_filter", Lost(NO_REWRITE_OF_BODIES)),
    ("sub_filter_*", Unnecessary("only has an effect together with sub_filter")),
    ("add_before_body", Lost(NO_REWRITE_OF_BODIES)),
    ("add_after_body", Lost(NO_REWRITE_OF_BODIES)),
    ("ssi", Lost(NO_REWRITE_OF_BODIES)),
    ("ssi_*", Unnecessary("only has an effect together with ssi")),
    ("add_trailer", Lost("trailers of the application are passed on; there are no others")),
    ("uninitialized_variable_warn", Unnecessary(LOGS)),
    ("more_set_headers", Translated),
    ("more_clear_headers", Translated),
    ("mirror*", Lost("requests are not copied to a second application")),
    ("lua_*", Unnecessary("only has an effect together with Lua code")),
    ("rewrite_by_lua*", Closes(NO_LUA)),
    ("content_by_lua*", Closes(NO_LUA)),
    // Access.
    ("auth_basic_*", Translated),
    ("auth_delay", Unnecessary("only has an effect together with auth_basic")),
    ("auth_request_set", Translated),
    ("auth_*", Closes(NO_TOKENS)),
    ("secure_link*", Closes(NO_TOKENS)),
    ("valid_referers", Closes(NO_TOKENS)),
    ("referer_hash_*", Unnecessary(HASHES)),
    ("vhost_traffic_status*", Unnecessary(STATUS)),
    ("geoip*", Unnecessary(VARIABLE)),
    ("userid*", Lost("cookies are never changed")),
    ("perl_*", Closes(NO_LUA)),
    (
        "opentracing*",
        Lost("set OTEL_EXPORTER_OTLP_ENDPOINT in the environment: docs/how-to/tracing.md"),
    ),
    ("otel_*", Lost("set OTEL_EXPORTER_OTLP_ENDPOINT in the environment: docs/how-to/tracing.md")),
    ("passenger_*", Lost("applications are not started: run gunicorn or uWSGI")),
    ("mail", Lost("only HTTP is spoken")),
    ("stream", Lost("only HTTP is spoken: use another proxy for TCP and UDP")),
];

/// Directives for which `off` is the default.
const OFF_IS_DEFAULT: [&str; 16] = [
    "autoindex",
    "fancyindex",
    "gzip",
    "brotli",
    "zstd",
    "proxy_cache",
    "uwsgi_cache",
    "auth_basic",
    "auth_request",
    "ssi",
    "ssl_verify_client",
    "underscores_in_headers",
    "proxy_bind",
    "http3",
    "proxy_store",
    "mirror",
];

/// Whether a directive with this value is as if it were not there.
pub(super) fn is_off(directive: &Directive) -> bool {
    directive.arg(0) == "off" && OFF_IS_DEFAULT.contains(&directive.name.as_str())
}

/// Returns what is done with a directive; `None` if it is unknown.
pub(super) fn duty(directive: &Directive) -> Option<Duty> {
    let name = directive.name.as_str();
    if is_off(directive) {
        return Some(Unnecessary("off is the default"));
    }
    let is_match = |pattern: &str| match pattern.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => name == pattern,
    };
    DUTIES.iter().find(|(pattern, _)| is_match(pattern)).map(|(_, duty)| *duty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import_nginx::parser;

    fn duty_of(text: &str) -> Option<Duty> {
        duty(&parser::parse(text, &"f".into()).unwrap()[0])
    }

    #[test]
    fn every_row_is_reached_by_its_own_name() {
        for (pattern, expected) in DUTIES {
            let name = pattern.trim_end_matches('*');
            assert_eq!(duty_of(&format!("{name} on;")), Some(*expected), "{pattern}");
        }
    }

    #[test]
    fn directives_that_are_off_are_unnecessary() {
        assert!(matches!(duty_of("proxy_cache a;"), Some(Lost(_))));
        assert!(matches!(duty_of("proxy_cache off;"), Some(Unnecessary(_))));
        assert!(matches!(duty_of("auth_request off;"), Some(Unnecessary(_))));
        assert_eq!(duty_of("sendfile off;"), Some(Unnecessary(SENDING)));
    }

    #[test]
    fn access_that_is_not_understood_closes() {
        for text in
            ["auth_jwt on;", "secure_link $arg;", "rewrite_by_lua 'x';", "ssl_verify_client on;"]
        {
            assert!(matches!(duty_of(text), Some(Closes(_))), "{text}");
        }
        assert_eq!(duty_of("modsecurity on;"), None);
    }
}
