//! The table of all failures of requests. A row has everything about a kind: its comment says what happened, and is in
//! docs/errors.md too; then name, side, status, the text for the client and advice for the operator. To add a kind,
//! add a row and run `UPDATE_EXPECT=1 cargo test --lib reference`.

use http::StatusCode;

use FailureSide::{Client, Sideman};

/// Whose side a failure lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureSide {
    Client,
    Sideman,
    Upstream,
}

/// Everything about a kind of failure.
#[derive(Clone, Copy, Debug)]
pub struct FailureRow {
    /// The word in the access log's `error` field and in the metrics.
    pub name: &'static str,
    pub side: FailureSide,
    /// The status of the response, unless that has begun.
    pub status: u16,
    /// The text for the client. It names no settings, because clients cannot change them.
    pub text: &'static str,
    /// Advice for the operator, in the event; `None` if the error says it, or nothing can be done.
    pub advice: Option<&'static str>,
    /// Replaces the advice in docs/errors.md.
    pub remedy: Option<&'static str>,
    /// Whether the connection is closed: nothing more can be read from it if the end of the request is unknown, or if
    /// the rest of a body is too long to read.
    pub closes: bool,
    /// Whether it can happen after the response has begun, which is aborted then.
    pub can_abort_response: bool,
    /// The seconds in `Retry-After`.
    pub retry_after: Option<u32>,
    /// What happened, for the operator: the comment of the row.
    pub cause: &'static str,
}

/// For short overload: the shortest time that `Retry-After` can say (RFC 9110, 10.2.3).
const OVERLOAD_RETRY_AFTER: u32 = 1;
/// For maintenance, which takes minutes: short enough that clients return soon after its end.
const MAINTENANCE_RETRY_AFTER: u32 = 30;

/// Makes the enum, the list of all kinds and `FailureKind::row` from the rows. The comment of a row is its cause.
macro_rules! kinds {
    ($($(#[doc = $cause:literal])+ $kind:ident: $row:expr;)+) => {
        /// The kinds of failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum FailureKind {
            $($(#[doc = $cause])+ $kind,)+
        }

        impl FailureKind {
            pub const ALL: [Self; [$(FailureKind::$kind),+].len()] = [$(Self::$kind),+];

            /// Everything about this kind.
            pub const fn row(self) -> &'static FailureRow {
                match self {
                    $(Self::$kind => const { &FailureRow { cause: concat!($($cause),+), ..$row } },)+
                }
            }
        }
    };
}

kinds! {
    /// `upstream.queue` requests are queued already.
    QueueFull: row("queue_full", Sideman, 503, "The server is busy. Please try again in a moment.")
        .retry_after(OVERLOAD_RETRY_AFTER)
        .advice("the application is busy: give it more workers; if upstream.max_in_flight is set, set it to \
            their number");
    /// The request was queued for `upstream.queue_timeout`.
    QueueTimeout: row("queue_timeout", Sideman, 503, "The server is busy. Please try again in a moment.")
        .retry_after(OVERLOAD_RETRY_AFTER)
        .advice("the application is busy: give it more workers; if upstream.max_in_flight is set, set it to \
            their number");
    /// The request returned to the Sideman that had forwarded it.
    LoopDetected: row("loop_detected", Sideman, 508, "The request returned to the server that had forwarded it.")
        .advice("set upstream.url (or upstream of a route) to the application's own address: the current one leads \
            back to Sideman, perhaps through a name, a load balancer or another proxy");
    /// The file of `maintenance.flag` exists.
    Maintenance: row("maintenance", Sideman, 503, "The site is under maintenance. Please try again in a few minutes.")
        .retry_after(MAINTENANCE_RETRY_AFTER)
        .remedy("remove the file");
    /// Long request heads have used their share of `memory.limit`.
    HeadsFull:
        row("heads_full", Sideman, 503,
            "The server has no memory for the request's headers now. Please try again in a moment.")
        .retry_after(OVERLOAD_RETRY_AFTER)
        .closes()
        .advice("raise memory.limit if there is memory, or lower server.max_head");
    /// Buffered bodies have used `buffers.memory` and `buffers.disk`.
    BuffersFull:
        row("buffers_full", Sideman, 503,
            "The server has no space for the request's body now. Please try again in a moment.")
        .retry_after(OVERLOAD_RETRY_AFTER)
        .advice("raise buffers.memory or buffers.disk if there is space")
        .remedy("raise buffers.memory or buffers.disk, or set buffers.directory to a volume");
    /// The body is longer than `buffers.disk`, or than `buffers.memory` where there is no disk. It could never be
    /// buffered, and is refused before it is read.
    BodyExceedsBuffers:
        row("body_exceeds_buffers", Client, 413, "The request's body is longer than this server can buffer.")
        .closes()
        .advice("raise buffers.disk (or buffers.memory, where files are in memory), lower server.max_body, or \
            stream the path (stream of a route)")
        .remedy("raise them, set buffers.directory to a volume, lower server.max_body, or stream the path \
            (stream of a route)");
    /// The disk of `buffers.directory` is full.
    DiskFull: row("disk_full", Sideman, 507, "The server has no disk space for the request's body.")
        .advice("free space on the disk of buffers.directory, or lower buffers.disk");
    /// A buffered body could not be written or read, although there is space.
    BufferFailed: row("buffer_failed", Sideman, 500, "The server could not store the request's body.")
        .can_abort_response()
        .advice("see the error: the disk or the file system of buffers.directory fails; set another directory");
    /// The body is longer than `server.max_body`.
    BodyTooLarge: row("body_too_large", Client, 413, "The request's body is longer than this server accepts.")
        .closes()
        .advice("raise server.max_body if such uploads are legitimate");
    /// The client has asked for a stored response only (`only-if-cached`; RFC 9111, 5.2.1.7), and there is none.
    NotCached: row("not_cached", Client, 504, "The response is not stored.");
    /// The head is larger than the uwsgi server accepts.
    HeadTooLarge:
        row("head_too_large", Client, 431, "The request's headers are larger than the application accepts.")
        .advice("raise the application server's buffer-size and upstream.uwsgi_buffer_size");
    /// This process may not connect to the Unix socket. The event names the file or directory that denies access, and
    /// the process's user.
    UpstreamForbidden: upstream("upstream_forbidden", 502, "The application does not accept connections.")
        .advice("allow the user or group of this process to use the socket: use a common group with gunicorn \
            --umask 007 or uWSGI chmod-socket = 660 and chown-socket, or run both as one user; also allow x on the \
            directories above the socket");
    /// Nothing accepted a connection within `upstream.wait`.
    UpstreamRefused: upstream("upstream_refused", 502, "The application does not accept connections.")
        .advice("check that the application runs and listens at this address");
    /// The host name did not resolve within `upstream.wait`.
    UpstreamUnresolved:
        upstream("upstream_unresolved", 502, "The application's host name could not be resolved.")
        .advice("check that DNS knows the host in upstream.url");
    /// Nothing responded at the address within `upstream.connect_timeout` and `upstream.wait`.
    UpstreamConnectTimeout:
        upstream("upstream_connect_timeout", 504, "The application did not respond in time.")
        .advice("nothing responds at this address: check whether security groups or firewalls block it, or the \
            listen queue is full")
        .remedy("check security groups and firewalls; if the listen queue is full, lower upstream.max_in_flight");
    /// The server's certificate was not accepted: it has expired, is for another name, or comes from an authority that
    /// is not trusted. The event names the fault.
    UpstreamCertificate:
        upstream("upstream_certificate", 502, "The identity of the application's server could not be verified.")
        .advice("the error says what is wrong with the certificate and what to do; never set tls_verify to insecure \
            on a network that others use")
        .remedy("renew the certificate, or set `upstream.tls_ca` or `upstream.tls_server_name`; [what each fault \
            means](workers.md#https-to-the-application)");
    /// The TLS handshake failed for another reason: no common version, a client certificate that is missing or refused,
    /// no TLS at the address, or a connection that the server closed. The event names it.
    UpstreamTls:
        upstream("upstream_tls", 502, "A secure connection to the application could not be made.")
        .advice("the error says why the server or Sideman ended the TLS handshake; the server's log may say more")
        .remedy("check the server's log, and `upstream.tls_client_certificate` if it demands one; [what each fault \
            means](workers.md#https-to-the-application)");
    /// The application was silent for `upstream.read_timeout`.
    UpstreamReadTimeout: upstream("upstream_read_timeout", 504, "The application did not respond in time.")
        .can_abort_response()
        .advice("find out what the application waits for, or raise upstream.read_timeout; if it never responds, \
            check that upstream.url names its protocol (http or uwsgi)");
    /// The response was not complete within `upstream.total_timeout`.
    UpstreamTotalTimeout: upstream("upstream_total_timeout", 504, "The application did not respond in time.")
        .can_abort_response()
        .advice("find out why the application takes so long, or raise upstream.total_timeout");
    /// The connection closed before the head of a response.
    UpstreamClosed:
        upstream("upstream_closed", 502, "The application closed the connection without a response.")
        .advice("check the application's log: its worker exited or was killed, or it closed the connection, as \
            uWSGI does if a head is longer than its buffer-size, or if it gets HTTP at a uwsgi socket (then \
            upstream.url must begin with uwsgi)")
        .remedy("check the application's log: a worker was killed (memory, `--timeout`, `harakiri`)");
    /// The connection closed before the response was complete.
    UpstreamTruncated: upstream("upstream_truncated", 502, "The application's response ended too early.")
        .can_abort_response()
        .advice(ENDED)
        .remedy("check the application's log: a worker was killed (memory, `--timeout`, `harakiri`)");
    /// The response is not valid HTTP: a status outside 100 to 599, a `Content-Length` of 2^63 or more, a malformed
    /// header, more than 1000 interim responses. The event names the fault.
    UpstreamInvalidResponse: upstream("upstream_invalid_response", 502, "The application's response is not valid HTTP.")
        .can_abort_response()
        .advice("fix the application's response, or check that upstream.url names its protocol (http or uwsgi)");
    /// The server uses the other protocol: HTTP where `upstream.url` begins with `uwsgi`, or the reverse. The event
    /// names the right URL.
    UpstreamProtocol:
        upstream("upstream_protocol", 502, "The application does not speak the protocol that this server expects.")
        .advice("set upstream.url (or upstream of a route) to the URL in the error, or switch the application server \
            to the other protocol")
        .remedy("set `upstream.url`, or `upstream` of a route, to this URL; [how it is detected](workers.md#the-uwsgi-protocol)");
    /// The response's head is larger than 64 KiB, or has more than 1024 headers.
    UpstreamHeadTooLarge:
        upstream("upstream_head_too_large", 502, "The application's response has too many or too long headers.")
        .advice("have the application send fewer or shorter headers")
        .remedy("send fewer or shorter headers and cookies");
    /// `X-Accel-Redirect` or `X-Sendfile` does not name a file that may be sent.
    AccelRefused: upstream("accel_refused", 502, "The application named a file that this server may not send.")
        .advice("have the application name a file below one of accel.roots");
    /// No file descriptor was left.
    DescriptorsExhausted:
        row("descriptors_exhausted", Sideman, 503,
            "The server has too many open files and connections. Please try again in a moment.")
        .retry_after(OVERLOAD_RETRY_AFTER)
        .advice("raise the container's limit of open files (nofile)");
    /// The client disconnected.
    ClientDisconnected: row("client_disconnected", Client, 400, "The request's body was incomplete or malformed.")
        .closes()
        .can_abort_response()
        .remedy("nothing; if there are many, look at `duration_ms`");
    /// The request's body was incomplete or malformed.
    ClientBody: row("client_body", Client, 400, "The request's body was incomplete or malformed.")
        .closes();
    /// The client sent nothing of its body for `server.body_timeout`.
    ClientBodyTimeout:
        row("client_body_timeout", Client, 408, "The client paused for too long while it sent the request's body.")
        .closes()
        .advice("raise server.body_timeout if such clients are legitimate")
        .remedy("nothing, if the client's network is slow; otherwise raise server.body_timeout");
    /// The client sent its body more slowly than `server.min_body_rate`.
    ClientBodySlow: row("client_body_slow", Client, 408, "The client sent the request's body too slowly.")
        .closes()
        .advice("lower server.min_body_rate if such clients are legitimate")
        .remedy("nothing, if the client's network is slow; otherwise lower server.min_body_rate");
    /// The request's head was not complete within `server.header_timeout`.
    ClientHeadTimeout: row("client_head_timeout", Client, 408, "The request's headers were not complete in time.")
        .closes()
        .advice("raise server.header_timeout if such clients are legitimate")
        .remedy("nothing: browsers do not do this");
    /// The host is not among `server.allowed_hosts`.
    HostNotAllowed: row("host_not_allowed", Client, 421, "This server does not serve the request's Host.")
        .advice("add the host to server.allowed_hosts if it is yours");
    /// `allow` or `deny` of a route excludes the client. With `deny_response = "close"` it gets no response, and the
    /// log has 444.
    AccessDenied: row("access_denied", Client, 403, "Access to this address is not allowed from yours.")
        .advice("if this client should have access, add its network to allow of the route; if the address is that of a \
            proxy, add the proxy to server.trusted_proxies");
    /// The URL of a file of `media.signed` has no signature, or one that is not that of its path and of
    /// `media.signing_keys`.
    SignatureInvalid: row("signature_invalid", Client, 403, "This link is not valid.")
        .advice("if the application made the link, compare its SECRET_KEY with the file of media.signing_keys, and the \
            salt and the path that it signs with docs/files.md");
    /// The signature of a URL is older than `max_age` of `media.signed`.
    SignatureExpired: row("signature_expired", Client, 403, "This link has expired.")
        .advice("let the application make links when it makes the page, raise max_age of media.signed, or correct the \
            clocks of both containers");
    /// The server of `auth` could not be reached, or its response is no verdict: its status is none of 2xx, 401, 403
    /// and redirects, or it is not valid HTTP. The event names the server and the fault.
    AuthServerFailed: upstream("auth_server_failed", 502, "The server could not check whether you have access.")
        .advice("check that the server of auth runs at its address, and that auth of the route has the path of its \
            check: 2xx lets a request pass, 401, 403 and redirects go to the client");
    /// The server of `auth` did not respond within `auth_timeout`.
    AuthServerTimeout:
        upstream("auth_server_timeout", 504, "The server could not check in time whether you have access.")
        .advice("find out what the server of auth waits for, or raise auth_timeout of the route");
    /// Too many requests wait for the server of `auth`: `upstream.queue` of them, or one for `upstream.queue_timeout`.
    AuthServerBusy: upstream("auth_server_busy", 503, "The server is busy. Please try again in a moment.")
        .retry_after(OVERLOAD_RETRY_AFTER)
        .advice("give the server of auth more workers, and raise upstream.max_in_flight if it can handle more requests \
            at once");
    /// The bucket or file server did not respond after several attempts, responded with 5xx or SlowDown, ended its
    /// response too early. The event names it and the fault.
    BucketUnavailable:
        upstream("bucket_unavailable", 503, "The storage of this file is unavailable. Please try again in a moment.")
        .retry_after(OVERLOAD_RETRY_AFTER)
        .can_abort_response()
        .advice("check that its address can be reached from here (a NAT gateway or a VPC endpoint), and the status of \
            the service");
    /// The bucket or file server has 256 requests of a worker in flight, or 64 of one client. Each runs until its
    /// client has the object.
    BucketBusy: row("bucket_busy", Sideman, 503, "The server is busy. Please try again in a moment.")
        .retry_after(OVERLOAD_RETRY_AFTER)
        .advice("let a CDN send large objects, or limit its clients with rate_limit of a route; if the client is a \
            proxy, add it to server.trusted_proxies");
    /// The bucket or file server refuses requests for a reason that stays: a wrong signature, region or name, a clock
    /// that is off, a login or a redirect. The event names the code of S3 or the status, and what to do.
    BucketRefused: upstream("bucket_refused", 502, "The storage of this file refused the request.")
        .advice("do what the event says; docs/how-to/buckets.md has all codes and statuses");
    /// There are no valid keys for the bucket: the endpoint of the role has none, or they have expired.
    BucketCredentials:
        upstream("bucket_credentials", 503, "The storage of this file is unavailable. Please try again in a moment.")
        .retry_after(OVERLOAD_RETRY_AFTER)
        .advice("check the role of the task or pod, or the keys in the environment (AWS_ACCESS_KEY_ID)");
    /// `auth = "basic"` of a route wants a user name and a password, and the request has none. Browsers send the first
    /// request without.
    AuthRequired: row("auth_required", Client, 401, "This address needs a user name and a password.")
        .remedy("nothing, if the next request has them");
    /// The user name or the password is wrong.
    AuthFailed: row("auth_failed", Client, 401, "The user name or the password is wrong.")
        .advice("if this client should have access, check its name and password against auth_users of the route: \
            htpasswd -v");
    /// The client has sent too many wrong passwords: 10 at once, then one every 5 seconds, for each client's network.
    AuthLimited:
        row("auth_limited", Client, 429, "Too many wrong passwords. Please try again later.")
        .advice("somebody may be guessing passwords of auth_users of the route; if the client is yours, correct its \
            password");
    /// 64 passwords wait to be checked, or this one has waited for 10 seconds.
    AuthBusy: row("auth_busy", Sideman, 503, "The server is busy. Please try again in a moment.")
        .retry_after(OVERLOAD_RETRY_AFTER)
        .advice("many clients send new passwords at once: somebody may be guessing them; limit the clients with allow \
            or rate_limit of the route, or lower the cost of the hashes in auth_users");
    /// The request exceeds the `rate_limit` of its route.
    RateLimited: row("rate_limited", Client, 429, "Too many requests. Please try again later.")
        .advice("raise rate_limit of the route if such clients are legitimate, or add their network to \
            rate_limit_exempt");
    /// HTTP/1.1 without `Host` (RFC 9112, 3.2).
    HostMissing: row("host_missing", Client, 400, "The request has no Host header.").closes();
    /// The request has more than one `Host`.
    HostRepeated: row("host_repeated", Client, 400, "The request has more than one Host header.").closes();
    /// `Host` is not a host and port.
    HostInvalid: row("host_invalid", Client, 400, "The request's Host is not a host name.").closes();
    /// The request's target names another host or scheme than the request.
    HostMismatch:
        row("host_mismatch", Client, 400, "The request's target names another host or scheme than the request.")
        .closes();
    /// The request's target has no path, or characters that no URI may have.
    TargetInvalid: row("target_invalid", Client, 400, "The request's target is not a valid path.").closes();
    /// A path below a prefix for files cannot be decoded.
    PathInvalid: row("path_invalid", Client, 400, "The request's path cannot be decoded.");
    /// A transfer coding other than `chunked`, or `chunked` twice.
    CodingUnknown:
        row("coding_unknown", Client, 501, "The only supported transfer coding is chunked.").closes();
    /// The method is `CONNECT`: a client looks for an open proxy.
    ConnectMethod: row("connect_method", Client, 405, "This server is not a forward proxy.")
        .closes()
        .remedy("nothing");
    /// The method is `TRACE`, which reveals headers that scripts must not see.
    TraceMethod: row("trace_method", Client, 405, "This server does not support TRACE.")
        .closes()
        .remedy("nothing");
    /// A bare CR or LF in the head (RFC 9112, 2.2): [what is refused, and why](requests.md#refused-requests).
    LineEndInvalid:
        row("line_end_invalid", Client, 400, "A line of the request's headers does not end with CR and LF.").closes();
    /// The first line is not a request line (RFC 9112, 3), such as TLS on a plain port.
    RequestLineInvalid:
        row("request_line_invalid", Client, 400, "The request's first line is not a request line of HTTP/1.")
        .closes();
    /// Neither HTTP/1.0 nor HTTP/1.1.
    VersionUnsupported:
        row("version_unsupported", Client, 505, "The request's version is neither HTTP/1.0 nor HTTP/1.1.").closes();
    /// A line of the head is not a header (RFC 9112, 5).
    FieldInvalid: row("field_invalid", Client, 400, "A line of the request's headers is not a header.").closes();
    /// `Content-Length` is not a number (RFC 9110, 8.6).
    LengthInvalid:
        row("length_invalid", Client, 400, "The request's Content-Length is not a number of bytes.").closes();
    /// The request has more than one `Content-Length`.
    LengthRepeated: row("length_repeated", Client, 400, "The request has more than one Content-Length.").closes();
    /// The request has both `Content-Length` and `Transfer-Encoding` (RFC 9112, 6.1).
    LengthAndCoding:
        row("length_and_coding", Client, 400,
            "The request has both a Content-Length and a Transfer-Encoding.").closes();
    /// `Transfer-Encoding` in HTTP/1.0 (RFC 9112, 6.1).
    CodingUnexpected:
        row("coding_unexpected", Client, 400, "The request has a Transfer-Encoding, which HTTP/1.0 does not have.")
        .closes();
    /// Over HTTP/2 a `:method`, `:scheme`, `:path` or `:authority` is missing, repeated, invalid or out of place, or
    /// there is another pseudo-header (RFC 9113, 8.3).
    PseudoHeaderInvalid:
        row("pseudo_header_invalid", Client, 400,
            "A pseudo-header of the request (:method, :scheme, :path, :authority) is missing, repeated, \
            unknown or not valid.")
        .closes();
    /// Over HTTP/2 a header about the connection (RFC 9113, 8.2.2): `Connection`, `Keep-Alive`, `Proxy-Connection`,
    /// `Transfer-Encoding`, `Upgrade`, or `TE` with more than `trailers`.
    ConnectionField:
        row("connection_field", Client, 400, "The request has a header that HTTP/2 does not allow.").closes();
    /// The first line is longer than `server.max_request_line`.
    RequestLineTooLong:
        row("request_line_too_long", Client, 414, "The request's first line is longer than this server accepts.")
        .closes()
        .advice("raise server.max_request_line if such URLs are legitimate");
    /// A header is longer than `server.max_header`.
    HeaderTooLong:
        row("header_too_long", Client, 431, "A header of the request is longer than this server accepts.")
        .closes()
        .advice("raise server.max_header, or have the site set fewer cookies");
    /// The head is longer than `server.max_head`.
    HeadersTooLong:
        row("headers_too_long", Client, 431, "The request's headers are larger than this server accepts.")
        .closes()
        .advice("raise server.max_head, or have the site set fewer cookies");
    /// The request has more headers than `server.max_headers`.
    TooManyHeaders:
        row("too_many_headers", Client, 431, "The request has more headers than this server accepts.")
        .closes()
        .advice("raise server.max_headers if such requests are legitimate");
    /// The encoder failed, for example because no memory was left.
    CompressionFailed: row("compression_failed", Sideman, 500, "The server could not compress the response.")
        .can_abort_response()
        .advice("set compression.responses = false, and report the error with its event");
    /// This process may not read the file. The event names the file or directory that denies access, and Sideman's
    /// user.
    FileForbidden: row("file_forbidden", Sideman, 403, "The server is not permitted to read the file.")
        .advice("give the user or group of this process r on the file and x on the directories above it, or run it \
            as the user that writes them (FILE_UPLOAD_PERMISSIONS, umask)");
    /// A file could not be read.
    FileUnreadable: row("file_unreadable", Sideman, 500, "The file cannot be read.")
        .can_abort_response()
        .remedy("check the disk; the event names the error");
    /// A file became shorter while it was sent.
    FileTruncated: row("file_truncated", Sideman, 500, "The file cannot be read.")
        .can_abort_response()
        .remedy("replace files by renaming, don't write into them");
    /// A file changed while it was sent.
    FileChanged: row("file_changed", Sideman, 500, "The file changed while it was read. Please try again.")
        .can_abort_response()
        .remedy("replace files by renaming, don't write into them");
}

const ENDED: &str = "check the application's log: its worker exited or was killed, or it closed the connection, \
                     as uWSGI does if a head is longer than its buffer-size";

const fn row(name: &'static str, side: FailureSide, status: u16, text: &'static str) -> FailureRow {
    FailureRow {
        name,
        side,
        status,
        text,
        advice: None,
        remedy: None,
        closes: false,
        can_abort_response: false,
        retry_after: None,
        cause: "",
    }
}

const fn upstream(name: &'static str, status: u16, text: &'static str) -> FailureRow {
    row(name, FailureSide::Upstream, status, text)
}

// === impl FailureRow ===

impl FailureRow {
    const fn advice(self, advice: &'static str) -> Self {
        Self { advice: Some(advice), ..self }
    }

    const fn remedy(self, remedy: &'static str) -> Self {
        Self { remedy: Some(remedy), ..self }
    }

    const fn closes(self) -> Self {
        Self { closes: true, ..self }
    }

    const fn can_abort_response(self) -> Self {
        Self { can_abort_response: true, ..self }
    }

    const fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

// === impl FailureKind ===

impl FailureKind {
    /// The word in the access log's `error` field.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whose side it lies on.
    pub fn side(self) -> FailureSide {
        self.row().side
    }

    /// Whether it lies on the side of an auth server, and not of the application.
    pub fn is_of_auth_server(self) -> bool {
        matches!(self, Self::AuthServerFailed | Self::AuthServerTimeout | Self::AuthServerBusy)
    }

    /// Whether it lies on the side of a bucket, and not of the application.
    pub fn is_of_bucket(self) -> bool {
        matches!(self, Self::BucketUnavailable | Self::BucketRefused | Self::BucketCredentials)
    }

    /// The status of the response, unless that has begun.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}
