//! The headers of the auth server's request, and those of its response that application and client get.

use super::{AuthServer, echo, guarded, response};
use crate::support::{After, App, Head, Http2, Packet, Settings, TempDir, UwsgiApp, http2::usual};

#[test]
fn auth_server_gets_the_headers_of_the_client_and_what_it_asks_for() {
    let auth = AuthServer::allowing();
    let application = echo();
    let sideman = guarded(&application, &format!("{}?rd=https://login.example/", auth.url()))
        .set("server.trusted_proxies", "127.0.0.0/8")
        .start();
    let fields = "Cookie: a=b\r\nAuthorization: Bearer t\r\nUser-Agent: test\r\nAccept: */*\r\n\
        X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Own: c\r\nX-Own: d\r\n\
        X-Request-ID: known-0123456789\r\nCDN-Loop: other\r\n\
        Connection: X-Named\r\nX-Named: e\r\nTE: trailers\r\nContent-Type: text/plain\r\n\
        If-None-Match: \"x\"\r\nIf-Modified-Since: x\r\nRange: bytes=0-1\r\n";
    sideman.connect().post("/p%61th//x?q=%20", fields, b"body");
    let head = auth.last().head;
    assert_eq!(head.start, "GET /check?rd=https://login.example/ HTTP/1.1");
    for (name, values) in [
        ("host", &["example.test"][..]),
        ("cookie", &["a=b"]),
        ("authorization", &["Bearer t"]),
        ("user-agent", &["test"]),
        ("accept", &["*/*"]),
        ("x-own", &["c", "d"]),
        ("x-request-id", &["known-0123456789"]),
        ("x-real-ip", &["192.0.2.7"]),
        ("x-forwarded-for", &["192.0.2.7"]),
        ("x-forwarded-proto", &["https"]),
        ("x-forwarded-host", &["example.test"]),
        ("x-forwarded-port", &["443"]),
        ("x-forwarded-method", &["POST"]),
        ("x-forwarded-uri", &["/p%61th//x?q=%20"]),
        ("x-original-method", &["POST"]),
        ("x-original-uri", &["/p%61th//x?q=%20"]),
        ("x-original-url", &["https://example.test/p%61th//x?q=%20"]),
        ("x-named", &[]),
        ("te", &[]),
        ("if-none-match", &[]),
        ("if-modified-since", &[]),
        ("range", &[]),
        ("content-length", &[]),
        ("transfer-encoding", &[]),
        ("expect", &[]),
        ("upgrade", &[]),
    ] {
        assert_eq!(head.all(name), values, "{name}");
    }
    assert_eq!(head.all("cdn-loop").len(), 2, "{head:?}");
}

/// The auth server decides by these, so a client must not choose them.
#[test]
fn client_cannot_set_what_sideman_says_about_the_request() {
    let auth = AuthServer::allowing();
    let application = echo();
    let sideman = guarded(&application, &auth.url()).start();
    let own = [
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-method",
        "x-forwarded-uri",
        "x-original-method",
        "x-original-uri",
        "x-original-url",
        "x-real-ip",
    ];
    let mut fields = String::new();
    for name in own {
        let folded = name.replace('-', "_");
        fields.push_str(&format!(
            "{name}: evil\r\n{}: evil\r\n{folded}: evil\r\n",
            name.to_uppercase()
        ));
    }
    assert_eq!(sideman.connect().ask("GET", "/a", &fields).status, 200);
    let mut client = Http2::connect(sideman.address());
    let evil: Vec<_> = own.iter().map(|name| (*name, "evil")).collect();
    let stream = client.ask("GET", "/a", &evil);
    assert_eq!(client.response(stream).status, 200);
    let asked = auth.asked();
    assert_eq!(asked.len(), 2);
    for request in asked {
        assert!(request.head.fields.iter().all(|(_, value)| value != "evil"), "{request:?}");
        for name in own {
            assert_eq!(request.head.all(name).len(), 1, "{name}");
        }
    }
}

const CHOSEN: &str = "Remote-User, X-Auth-Request-Email, X-Tenant";

/// An auth server that names the user in requests with a cookie, and nobody in others.
fn naming() -> AuthServer {
    AuthServer::start(|request| match request.head.get("cookie") {
        Some(_) => response(
            "200 OK",
            "Remote-User: ann\r\nX-Auth-Request-Email: ann@example.org\r\nX-Other: no\r\nX-Tenant: \r\n",
            "",
        ),
        None => response("200 OK", "", ""),
    })
}

fn with_names(application: &str, auth: &AuthServer) -> Settings {
    Settings::before(application)
        .route("all", &[("auth", &auth.url()), ("auth_response_headers", CHOSEN)])
        .route("open", &[("path", "/open/"), ("auth", "off")])
}

/// The lines of the echoed head about the user.
fn about_the_user(echoed: &str) -> Vec<String> {
    let names = ["remote", "x-auth", "x-tenant", "x-other", "x_"];
    let is_named = |line: &&str| names.iter().any(|name| line.starts_with(name));
    echoed.lines().filter(is_named).map(str::to_owned).collect()
}

const FORGED: [&str; 9] = [
    "Remote-User: evil",
    "REMOTE-USER: evil",
    "remote-user: evil\r\nRemote-User: evil",
    "Remote_User: evil",
    "REMOTE_USER: evil",
    "X_Tenant: evil",
    "X-Tenant: evil",
    "x-auth_request-Email: evil",
    // A client cannot name what Sideman adds either.
    "Connection: Remote-User, X-Tenant\r\nRemote-User: evil",
];

#[test]
fn application_gets_the_chosen_headers_and_never_those_of_a_client() {
    let auth = naming();
    let application = echo();
    let sideman = with_names(&application.url(), &auth).start();
    let named = ["remote-user: ann", "x-auth-request-email: ann@example.org"];
    let mut client = sideman.connect();
    assert_eq!(about_the_user(&client.ask("GET", "/", "Cookie: a=b\r\n").text()), named);
    for forged in FORGED {
        let told = client.ask("GET", "/", &format!("{forged}\r\n")).text();
        assert_eq!(about_the_user(&told), [""; 0], "{forged}");
        let told = client.ask("GET", "/", &format!("{forged}\r\nCookie: a=b\r\n")).text();
        assert_eq!(about_the_user(&told), named, "{forged}");
        // The application believes them there too.
        let told = client.ask("GET", "/open/", &format!("{forged}\r\nCookie: a=b\r\n")).text();
        assert_eq!(about_the_user(&told), [""; 0], "{forged}");
    }
    let asked = auth.asked();
    assert!(asked.iter().all(|request| !is_forged(&request.head)), "{asked:?}");
}

fn is_forged(head: &Head) -> bool {
    head.fields.iter().any(|(_, value)| value == "evil")
}

#[test]
fn http2_clients_cannot_forge_them_either() {
    let auth = naming();
    let application = echo();
    let sideman = with_names(&application.url(), &auth).start();
    let mut client = Http2::connect(sideman.address());
    for (path, cookie, expected) in [
        ("/", true, &["remote-user: ann", "x-auth-request-email: ann@example.org"][..]),
        ("/", false, &[]),
        ("/open/", true, &[]),
    ] {
        let mut fields = usual("GET", path, &[]);
        fields.extend([("remote-user", "evil"), ("remote_user", "evil"), ("x-tenant", "evil")]);
        if cookie {
            fields.push(("cookie", "a=b"));
        }
        let stream = client.open(&fields, true);
        assert_eq!(about_the_user(&client.response(stream).text()), expected, "{path} {cookie}");
    }
}

/// A proxy in front names users for other routes.
#[test]
fn trusted_proxy_names_users_where_no_auth_server_does() {
    let auth = naming();
    let application = echo();
    let sideman = with_names(&application.url(), &auth)
        .set("server.trusted_proxies", "127.0.0.0/8")
        .set("server.trusted_headers", "Remote-User")
        .start();
    let mut client = sideman.connect();
    let told = client.ask("GET", "/open/", "Remote-User: bob\r\nX-Tenant: x\r\n").text();
    assert_eq!(about_the_user(&told), ["remote-user: bob"]);
    let told = client.ask("GET", "/", "Remote-User: bob\r\n").text();
    assert_eq!(about_the_user(&told), [""; 0]);
}

#[test]
fn uwsgi_applications_get_the_chosen_headers() {
    let auth = naming();
    let application = UwsgiApp::tcp(After::Close, |packet: &Packet| {
        let keys =
            ["HTTP_REMOTE_USER", "HTTP_X_AUTH_REQUEST_EMAIL", "HTTP_X_TENANT", "HTTP_X_OTHER"];
        let told = keys.map(|key| packet.get(key).unwrap_or("-")).join(" ");
        App::reply(told.as_bytes())
    });
    let sideman = with_names(&application.url(), &auth).start();
    for forged in FORGED {
        let forged = format!("{forged}\r\n");
        let told = sideman.connect().ask("GET", "/", &forged).text();
        assert_eq!(told, "- - - -", "{forged}");
        let told = sideman.connect().ask("GET", "/", &format!("{forged}Cookie: a=b\r\n")).text();
        assert_eq!(told, "ann ann@example.org - -", "{forged}");
    }
}

/// Changes by routes come afterwards.
#[test]
fn request_headers_of_routes_see_those_of_the_auth_server() {
    let auth = naming();
    let application = echo();
    let sideman = with_names(&application.url(), &auth)
        .route(
            "all",
            &[("request_headers", "default Remote-User: guest, remove X-Auth-Request-Email")],
        )
        .start();
    for (fields, expected) in [("", "remote-user: guest"), ("Cookie: a=b\r\n", "remote-user: ann")]
    {
        let told = sideman.connect().ask("GET", "/", fields).text();
        assert_eq!(about_the_user(&told), [expected], "{fields}");
    }
}

/// A response is for one client, whatever its own headers say.
#[test]
fn cookies_of_a_success_are_added_to_the_response() {
    let directory = TempDir::new();
    directory.write("a.css", "style");
    let auth = AuthServer::saying("200 OK", "Set-Cookie: s=1; Path=/\r\nSet-Cookie: t=2\r\n", "");
    let application = App::start(|_| {
        response("200 OK", "Set-Cookie: own=3\r\nCache-Control: public, max-age=60\r\n", "text")
    });
    let sideman = guarded(&application, &auth.url())
        .files("/static/", directory.path())
        .route("gone", &[("path", "/gone"), ("respond", "404")])
        .route("open", &[("path", "/open/"), ("auth", "off")])
        .start();
    for (target, own, control) in [
        ("/", &["own=3"][..], "private, max-age=60"),
        // Both forms of this path need a verdict.
        ("/open/../a", &["own=3"], "private, max-age=60"),
        ("/a/../open/", &["own=3"], "private, max-age=60"),
        ("/static/a.css", &[], "private, max-age=60"),
        ("/static/none.css", &[], "private, max-age=5"),
        ("/gone", &[], "no-store"),
    ] {
        let received = sideman.get(target);
        let cookies = [own, &["s=1; Path=/", "t=2"]].concat();
        assert_eq!(received.head.all("set-cookie"), cookies, "{target}");
        assert_eq!(received.header("cache-control"), Some(control), "{target}");
    }
    let open = sideman.get("/open/");
    assert_eq!(open.head.all("set-cookie"), ["own=3"]);
    assert_eq!(open.header("cache-control"), Some("public, max-age=60"));
    let mut client = Http2::connect(sideman.address());
    let file = client.get("/static/a.css");
    assert_eq!(file.header("cache-control"), Some("private, max-age=60"));
    assert!(file.fields.contains(&("set-cookie".into(), "t=2".into())), "{file:?}");
}

/// Exempt clients are not asked about, and cannot name a user either.
#[test]
fn exempt_networks_need_no_verdict() {
    let auth = naming();
    let application = echo();
    let sideman = with_names(&application.url(), &auth)
        .set("server.trusted_proxies", "127.0.0.0/8")
        .route("all", &[("auth_allow", "192.0.2.0/24")])
        .start();
    for (client, asked) in [("192.0.2.1", 0), ("198.51.100.1", 1)] {
        let fields = format!("X-Forwarded-For: {client}\r\nRemote-User: evil\r\n");
        let told = sideman.connect().ask("GET", "/", &fields).text();
        assert_eq!(about_the_user(&told), [""; 0], "{client}");
        assert_eq!(auth.asked().len(), asked, "{client}");
    }
}
