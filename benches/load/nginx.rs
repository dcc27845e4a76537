//! nginx, configured to do the same as Sideman by default, as fast as nginx can.
//!
//! The rules behind each line are in README.md, under "Fairness".

use std::{
    fs::{self, File},
    io,
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::{Resource, getrlimit};

use crate::{
    certificate::Certificate,
    setup::{Application, Setup},
};

/// Debian installs nginx outside an ordinary user's PATH.
const PLACES: &[&str] = &["nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx"];

/// More files than any row requests repeatedly.
const OPEN_FILES: u64 = 51_000;
const CONNECTIONS: u64 = 4_096;

/// A body of 100 KiB fits the buffers: it is never written to a temporary file.
const HTTP: &str = r#"proxy_pass http://application;
            proxy_http_version 1.1;
            proxy_buffers 16 16k;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Request-ID $request_name;"#;

/// The variables are those of nginx's own file `uwsgi_params`.
const UWSGI: &str = "uwsgi_pass application;
            uwsgi_buffers 16 16k;
            uwsgi_param QUERY_STRING $query_string;
            uwsgi_param REQUEST_METHOD $request_method;
            uwsgi_param CONTENT_TYPE $content_type;
            uwsgi_param CONTENT_LENGTH $content_length;
            uwsgi_param REQUEST_URI $request_uri;
            uwsgi_param PATH_INFO $document_uri;
            uwsgi_param DOCUMENT_ROOT $document_root;
            uwsgi_param SERVER_PROTOCOL $server_protocol;
            uwsgi_param REQUEST_SCHEME $scheme;
            uwsgi_param HTTPS $https if_not_empty;
            uwsgi_param REMOTE_ADDR $remote_addr;
            uwsgi_param REMOTE_PORT $remote_port;
            uwsgi_param SERVER_PORT $server_port;
            uwsgi_param SERVER_NAME $server_name;
            uwsgi_param HTTP_X_FORWARDED_FOR $remote_addr;
            uwsgi_param HTTP_X_FORWARDED_PROTO $scheme;
            uwsgi_param HTTP_X_REQUEST_ID $request_name;";

const CACHE: &str = "proxy_cache pages;
            proxy_cache_lock on;
            proxy_cache_revalidate on;
            proxy_cache_background_update on;
            proxy_cache_use_stale error timeout updating http_500 http_502 http_503 http_504;";

/// The command that runs nginx with `setup`; `sending` is how it sends files.
pub(crate) fn command(setup: &Setup<'_>, sending: &str) -> io::Result<Command> {
    let configuration = setup.directory.join("nginx.conf");
    fs::write(&configuration, text(setup, sending)?)?;
    let mut command = setup.program(find()?);
    command
        .arg("-p")
        .arg(setup.directory)
        .arg("-c")
        .arg(configuration)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(setup.error_log())?);
    Ok(command)
}

/// `nginx -v`.
pub(crate) fn version() -> io::Result<String> {
    let output = Command::new(find()?).arg("-v").stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    Ok(text.trim().trim_start_matches("nginx version: ").to_owned())
}

/// The installed nginx.
pub(crate) fn find() -> io::Result<&'static str> {
    let runs = |place: &&&str| {
        Command::new(place)
            .arg("-v")
            .stdin(Stdio::null())
            .output()
            .is_ok_and(|o| o.status.success())
    };
    PLACES.iter().find(runs).copied().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "nginx is not installed: there is none on PATH nor in /usr/sbin; \
             install it (on Debian the package nginx-light) or leave out `nginx`",
        )
    })
}

fn text(setup: &Setup<'_>, sending: &str) -> io::Result<String> {
    // As root, nginx would give its workers to a user who may not read the build directory.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let directory = quoted(setup.directory)?;
    let access_log = setup.access_log();
    let access_log = quoted(&access_log)?;
    let root = quoted(setup.root)?;
    let Setup { listen, workers, connections, .. } = setup;
    let (server, pass) = match setup.application {
        Application::Http(address) => (address.to_string(), HTTP),
        Application::Unix(path) => (format!("\"unix:{}\"", quoted(path)?), HTTP),
        Application::Uwsgi(address) => (address.to_string(), UWSGI),
    };
    // Protocols, tickets and their number are the defaults of nginx and Sideman; a session cache
    // beside the tickets would be work that Sideman does not do.
    let tls = match &setup.tls {
        Some((listen, Certificate { chain, key, .. })) => format!(
            r#"listen {listen} ssl http2 backlog=1024;
        ssl_certificate "{}";
        ssl_certificate_key "{}";
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_tickets on;"#,
            quoted(chain)?,
            quoted(key)?
        ),
        None => String::new(),
    };
    // With fewer idle connections than the load can have in flight, nginx would reconnect.
    let kept = (*connections).max(32);
    // A proxied request uses two.
    let clients = CONNECTIONS.max(2 * u64::from(*connections) + 1_000);
    let others = 2 * clients;
    let descriptors = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let descriptors = descriptors.min(OPEN_FILES + others);
    let open_files = descriptors.saturating_sub(others).max(1_000);
    // Files requested in turn evict each other from a cache that is too small.
    let for_tree = if open_files < OPEN_FILES { "open_file_cache off;" } else { "" };
    // Like Sideman: one request a page at the application, stale pages while it revalidates or fails.
    let (zone, cache) = match setup.is_cached {
        true => (format!("proxy_cache_path \"{directory}/cache\" keys_zone=pages:10m;"), CACHE),
        false => (String::new(), ""),
    };
    // A launcher sees one process only: then the master does the worker's work.
    let single = if setup.launcher.is_empty() { "" } else { "master_process off;" };
    Ok(format!(
        r#"{user}
daemon off;
{single}
worker_processes {workers};
worker_rlimit_nofile {descriptors};
pid "{directory}/nginx.pid";
error_log stderr warn;

events {{
    worker_connections {clients};
}}

http {{
    client_body_temp_path "{directory}/body";
    proxy_temp_path "{directory}/proxy";
    fastcgi_temp_path "{directory}/fastcgi";
    uwsgi_temp_path "{directory}/uwsgi";
    scgi_temp_path "{directory}/scgi";

    {zone}
    {sending}
    open_file_cache max={open_files} inactive=60s;
    open_file_cache_valid 60s;
    open_file_cache_errors on;
    keepalive_requests 1000000;
    server_tokens off;
    default_type application/octet-stream;

    map $http_x_request_id $request_name {{
        "" $request_id;
        default $http_x_request_id;
    }}
    log_format json escape=json '{{"time":"$time_iso8601","client":"$remote_addr",'
        '"method":"$request_method","host":"$host","path":"$uri","query":"$args",'
        '"status":$status,"bytes":$body_bytes_sent,"duration":$request_time,'
        '"upstream_time":"$upstream_response_time","request_id":"$request_name",'
        '"trace_id":"$http_x_amzn_trace_id","user_agent":"$http_user_agent",'
        '"referer":"$http_referer"}}';
    access_log "{access_log}" json buffer=32k flush=1s;

    upstream application {{
        server {server};
        keepalive {kept};
        keepalive_requests 1000000;
    }}

    server {{
        listen {listen} backlog=1024;
        {tls}

        location = /healthz {{
            access_log off;
            default_type text/plain;
            return 200 "ready\n";
        }}
        location /static/ {{
            root "{root}";
            etag on;
            log_not_found off;
            add_header Cache-Control "public, max-age=31536000, immutable";

            location /static/css/ {{
                types {{ text/css css; }}
                gzip_static on;
                gzip_vary on;
            }}
            location /static/tree/ {{
                {for_tree}
            }}
            location /static/cold/ {{
                open_file_cache off;
            }}
            location /static/uncached/ {{
                open_file_cache off;
            }}
            location /static/mutable/ {{
                add_header Cache-Control "public, max-age=60";
            }}
        }}
        location / {{
            {pass}
            {cache}
        }}
        location ~ ^/(stored/)?text/ {{
            {pass}
            {cache}
            gzip on;
            gzip_comp_level 4;
            gzip_min_length 1024;
            gzip_proxied any;
            gzip_vary on;
        }}
    }}
}}
"#
    ))
}

/// A path inside double quotes of the configuration, where nginx knows no escape for `$`.
fn quoted(path: &Path) -> io::Result<&str> {
    path.to_str().filter(|path| !path.contains(['"', '$', '\\'])).ok_or_else(|| {
        io::Error::other(format!(
            "{path:?} cannot be named in nginx's configuration; build in another directory"
        ))
    })
}
