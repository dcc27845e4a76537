//! Client information for the application: from trusted proxies only.

use serde_json::{Value, json};

use crate::support::{After, App, Packet, Settings, Sideman, UwsgiApp};

const PROXIES: &str = "127.0.0.0/8, 10.0.0.0/8, 2001:db8:ffff::/48";

/// An application that shows the received headers, and Sideman in front of it.
fn start(trusted: &str) -> (App, Sideman) {
    let application = App::start(|request| {
        let fields: Vec<Value> = request
            .head
            .fields
            .iter()
            .map(|(name, value)| json!([name.to_lowercase(), value]))
            .collect();
        App::reply(json!(fields).to_string().as_bytes())
    });
    let sideman =
        Settings::before(&application.url()).set("server.trusted_proxies", trusted).start();
    (application, sideman)
}

/// The values that arrived under a name, for a request with these headers.
#[track_caller]
fn arrived(sideman: &Sideman, fields: &str, name: &str) -> Vec<String> {
    let all = sideman.connect().ask("GET", "/", fields).json();
    let named = all.as_array().unwrap().iter().filter(|field| field[0] == name);
    named.map(|field| field[1].as_str().unwrap().to_owned()).collect()
}

#[test]
fn untrusted_peer_headers_are_ignored() {
    let (_application, sideman) = start("10.0.0.0/8");
    for fields in [
        "",
        "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n",
        "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\n",
        "x-forwarded-for: \r\nx-forwarded-proto: \r\n",
        "X-FORWARDED-FOR: a\r\nX-FORWARDED-PROTO: https\r\nX-Forwarded-Proto: https\r\n",
    ] {
        assert_eq!(arrived(&sideman, fields, "x-forwarded-for"), ["127.0.0.1"], "{fields}");
        assert_eq!(arrived(&sideman, fields, "x-forwarded-proto"), ["http"], "{fields}");
    }
}

#[test]
fn forwarded_for_is_trusted_from_right_to_left() {
    let (_application, sideman) = start(PROXIES);
    for (fields, client) in [
        ("", "127.0.0.1"),
        ("X-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7"),
        // Values from the client itself are on the left.
        ("X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\n", "203.0.113.7"),
        ("X-Forwarded-For: 198.51.100.1,203.0.113.7 , 10.0.0.5\r\n", "203.0.113.7"),
        ("X-Forwarded-For: 203.0.113.7, 10.0.0.5,10.9.9.9\r\n", "203.0.113.7"),
        // Several header lines are one list (RFC 9110, 5.3).
        ("X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7"),
        ("X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 10.0.0.5\r\n", "203.0.113.7"),
        // A load balancer can be configured to add the port.
        ("X-Forwarded-For: 203.0.113.7:51000\r\n", "203.0.113.7"),
        ("X-Forwarded-For: [2001:db8::7]:51000\r\n", "2001:db8::7"),
        ("X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7"),
        ("X-Forwarded-For: 203.0.113.7, 2001:db8:ffff::1\r\n", "203.0.113.7"),
        ("X-Forwarded-For: unknown, 203.0.113.7\r\n", "203.0.113.7"),
        // Values left of an invalid address are ignored: the last valid one is used.
        ("X-Forwarded-For: 203.0.113.7, unknown\r\n", "127.0.0.1"),
        ("X-Forwarded-For: 203.0.113.7, unknown, 10.0.0.5\r\n", "10.0.0.5"),
        // All addresses are proxies: the leftmost one is the client.
        ("X-Forwarded-For: 10.1.1.1, 10.0.0.5\r\n", "10.1.1.1"),
        ("X-Forwarded-For: \r\n", "127.0.0.1"),
        ("X-Forwarded-For: ,203.0.113.7,,\r\n", "203.0.113.7"),
        ("X-Forwarded-For: fe80::1%eth0\r\n", "fe80::1"),
        ("X-Forwarded-For: \"[2001:db8::7]:443\"\r\n", "2001:db8::7"),
        ("X-Forwarded-For: ::ffff:203.0.113.7\r\n", "203.0.113.7"),
        // Bytes that a client put before it do not hide it.
        ("X-Forwarded-For: caf\u{e9}, 203.0.113.7\r\n", "203.0.113.7"),
        ("X-Forwarded-For: 203.0.113.7, caf\u{e9}\r\n", "127.0.0.1"),
    ] {
        assert_eq!(arrived(&sideman, fields, "x-forwarded-for"), [client], "{fields}");
        assert_eq!(arrived(&sideman, fields, "x-real-ip"), [client], "{fields}");
    }
}

/// As many values as a head can have.
#[test]
fn long_forwarded_for_is_read_from_its_end() {
    let (_application, sideman) = start(PROXIES);
    let claims = "X-Forwarded-For: 198.51.100.1, unknown, 10.0.0.1\r\n".repeat(80);
    let fields = format!("{claims}X-Forwarded-For: 203.0.113.7\r\n");
    assert_eq!(arrived(&sideman, &fields, "x-forwarded-for"), ["203.0.113.7"]);
    let list = "10.0.0.1,".repeat(1800);
    let fields = format!("X-Forwarded-For: 203.0.113.7,{list}\r\n");
    assert_eq!(arrived(&sideman, &fields, "x-forwarded-for"), ["203.0.113.7"]);
}

#[test]
fn access_log_has_the_forwarded_client() {
    let (_application, sideman) = start(PROXIES);
    arrived(&sideman, "X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\n", "x-forwarded-for");
    assert_eq!(sideman.log_of("/")["client"], "203.0.113.7");
}

#[test]
fn trusted_peer_sets_the_scheme() {
    let (_application, sideman) = start(PROXIES);
    for (fields, scheme) in [
        ("", "http"),
        ("X-Forwarded-Proto: https\r\n", "https"),
        ("X-Forwarded-Proto: http\r\n", "http"),
        ("X-Forwarded-Proto: HTTPS\r\n", "https"),
        // Some proxies send the scheme of a WebSocket URL.
        ("X-Forwarded-Proto: wss\r\n", "https"),
        ("X-Forwarded-Proto: ws\r\n", "http"),
        // The last value is that of the proxy itself.
        ("X-Forwarded-Proto: https, http\r\n", "http"),
        ("X-Forwarded-Proto: http\r\nX-Forwarded-Proto: https\r\n", "https"),
        ("X-Forwarded-Proto: ftp\r\n", "http"),
        ("X-Forwarded-Proto: https\" onload=x\r\n", "http"),
        ("Forwarded: proto=https\r\nX-Forwarded-Ssl: on\r\n", "http"),
    ] {
        assert_eq!(arrived(&sideman, fields, "x-forwarded-proto"), [scheme], "{fields}");
    }
}

#[test]
fn forwarded_port_is_that_of_the_client() {
    for (trusted, host, fields, port) in [
        (PROXIES, "a.test", "X-Forwarded-Port: 8443\r\n", Some(8443)),
        (PROXIES, "a.test:81", "X-Forwarded-Port: 443\r\n", Some(443)),
        (PROXIES, "a.test", "X-Forwarded-Port: 81, 443\r\n", Some(443)),
        (PROXIES, "a.test", "X-Forwarded-Port: 81\r\nX-Forwarded-Port: 443\r\n", Some(443)),
        // No port: that of Host is used.
        (PROXIES, "a.test:81", "X-Forwarded-Port: 0\r\n", Some(81)),
        (PROXIES, "a.test:81", "X-Forwarded-Port: 65536\r\n", Some(81)),
        (PROXIES, "a.test:81", "X-Forwarded-Port: 443x\r\n", Some(81)),
        (PROXIES, "[::1]:81", "", Some(81)),
        // Host has no port either: that of the scheme is used.
        (PROXIES, "a.test", "", Some(80)),
        (PROXIES, "a.test:", "X-Forwarded-Proto: https\r\n", Some(443)),
        // For an untrusted client only its address is known.
        ("none", "a.test:81", "X-Forwarded-Port: 443\r\n", Some(81)),
        ("none", "a.test", "X-Forwarded-Port: 443\r\nX-Forwarded-Proto: https\r\n", None),
        ("none", "[::1]", "", None),
    ] {
        let (_application, sideman) = start(trusted);
        let mut client = sideman.connect();
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"));
        let all = client.response().json();
        let named = all.as_array().unwrap().iter().filter(|field| field[0] == "x-forwarded-port");
        let ports: Vec<&str> = named.map(|field| field[1].as_str().unwrap()).collect();
        let port = port.unwrap_or_else(|| sideman.address().port()).to_string();
        assert_eq!(ports, [port.as_str()], "{trusted} {host} {fields}");
    }
}

/// No other header is added, and none is repeated.
#[test]
fn application_gets_one_canonical_set_of_headers() {
    let (_application, sideman) = start(PROXIES);
    let mut client = sideman.connect();
    client.send(
        "GET / HTTP/1.1\r\nHost: a.test:8443\r\nX-Forwarded-For: 198.51.100.1, 203.0.113.7\r\n\
         X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Host: b.test\r\n\
         X-Real-IP: 198.51.100.1\r\nForwarded: for=198.51.100.1\r\nX-Request-ID: the-id\r\n\
         Accept: */*\r\n\r\n",
    );
    let expected = json!([
        ["accept", "*/*"],
        ["host", "a.test:8443"],
        ["x-forwarded-for", "203.0.113.7"],
        ["x-forwarded-port", "443"],
        ["x-forwarded-proto", "https"],
        ["x-real-ip", "203.0.113.7"],
        ["x-request-id", "the-id"],
    ]);
    let mut fields = client.response().json().as_array().unwrap().clone();
    fields.sort_by_key(|field| field[0].as_str().unwrap().to_owned());
    // The process name differs each time: upstream_trouble::loops.
    let token = fields.remove(1);
    assert!(
        token[0] == "cdn-loop" && token[1].as_str().unwrap().starts_with("sideman-"),
        "{token}"
    );
    // trace_headers has its value.
    fields.retain(|field| field[0] != "x-request-start");
    assert_eq!(json!(fields), expected);
}

#[test]
fn trace_headers_are_forwarded() {
    let (_application, sideman) = start("none");
    for (name, value) in [
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "a=1,b=2"),
        ("x-amzn-trace-id", "Self=1-a;Root=1-67891233-abcdef012345678912345678"),
        ("x-request-id", "the-id"),
    ] {
        assert_eq!(arrived(&sideman, &format!("{name}: {value}\r\n"), name), [value]);
    }
}

#[test]
fn dropped_headers_are_counted() {
    const DROPPED: &str = "sideman_request_headers_dropped_total";
    for (trusted, fields, count) in [
        ("none", "Accept: */*\r\nX-Forwardedness: 1\r\n", 0.0),
        ("none", "X-Forwarded-For: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n", 3.0),
        (PROXIES, "X-Forwarded-For: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n", 0.0),
        (PROXIES, "X-Forwarded-Host: a\r\nX-Forwarded-Host: b\r\nForwarded: for=a\r\n", 3.0),
        (PROXIES, "X-Forwarded-Ssl: on\r\nX-Forwarded: a\r\nProxy: a\r\nX_A: 1\r\n_: 1\r\n", 5.0),
    ] {
        let (_application, sideman) = start(trusted);
        sideman.connect().ask("GET", "/", fields);
        assert_eq!(sideman.metric(DROPPED, &[]), count, "{trusted} {fields}");
    }
}

#[test]
fn private_networks_can_be_trusted_by_name() {
    let (_application, sideman) = start("private");
    let fields = "X-Forwarded-For: 203.0.113.7, 192.168.1.1, 172.16.0.1, 10.0.0.1, fd00::1\r\n";
    assert_eq!(arrived(&sideman, fields, "x-forwarded-for"), ["203.0.113.7"]);
}

#[test]
fn forgeable_headers_never_arrive() {
    let names = [
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Ssl",
        "X-Forwarded-Protocol",
        "X-Forwarded-Server",
        "X-Forwarded-Prefix",
        "X-Forwarded",
        "X-Real-IP",
        "Forwarded",
        "Proxy",
        // WSGI cannot distinguish these from the names with hyphens.
        "X_Forwarded_For",
        "X-Forwarded_Proto",
        "X_Real_IP",
        "REMOTE_USER",
        "Content_Length",
    ];
    let lines: String = names.iter().map(|name| format!("{name}: forged\r\n")).collect();
    for trusted in ["none", PROXIES] {
        let (_application, sideman) = start(trusted);
        let mut client = sideman.connect();
        let all = client.ask("GET", "/", &format!("{lines}X-Kept: 1\r\n")).json();
        let all = all.as_array().unwrap();
        assert!(all.iter().any(|field| field[0] == "x-kept"), "{all:?}");
        for field in all {
            assert_ne!(field[1], "forged", "{trusted}");
            assert!(!field[0].as_str().unwrap().contains('_'), "{field} with {trusted}");
        }
    }
}

#[test]
fn valid_request_id_is_kept() {
    let (_application, sideman) = start("none");
    let longest = "a".repeat(128);
    for id in ["a", "0af7651916cd43dd", "Root=1-67891233-abc", "a.b_c:d=e/f+g@h-i", &longest] {
        let mut client = sideman.connect();
        let response = client.ask("GET", "/", &format!("X-Request-ID: {id}\r\n"));
        assert!(response.text().contains(&format!("[\"x-request-id\",\"{id}\"]")), "{id}");
        assert_eq!(response.header("x-request-id"), Some(id));
        sideman.log_line("with the same id", |line| line["request_id"] == id);
    }
}

#[test]
fn invalid_request_id_is_replaced() {
    let (_application, sideman) = start("none");
    let too_long = "a".repeat(129);
    let mut seen = std::collections::BTreeSet::new();
    for id in ["", "a b", "a\"b", "a,b", "<script>", "caf\u{e9}", "{}", &too_long] {
        let fields = format!("X-Request-ID: {id}\r\n");
        let arrived = arrived(&sideman, &fields, "x-request-id");
        assert_eq!(arrived.len(), 1, "{id}");
        let made = &arrived[0];
        assert!(made.len() == 32 && made.bytes().all(|b| b.is_ascii_hexdigit()), "{id}: {made}");
        assert!(seen.insert(made.clone()), "made twice: {made}");
    }
    let two = arrived(&sideman, "X-Request-ID: a\r\nX-Request-ID: b\r\n", "x-request-id");
    assert_eq!(two.len(), 1, "{two:?}");
}

#[test]
fn request_id_of_the_application_is_kept_in_the_response() {
    let application = App::start(|_| {
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nX-Request-ID: its-own\r\n\
          Content-Length: 0\r\n\r\n"
            .to_vec()
    });
    let sideman = Settings::before(&application.url()).start();
    let response = sideman.connect().ask("GET", "/", "X-Request-ID: of-the-client\r\n");
    assert_eq!(response.header("x-request-id"), Some("its-own"));
}

/// The port of the application is not exposed.
#[test]
fn port_without_a_host_is_that_of_the_listener() {
    for (trusted, fields, port) in [
        ("none", "", None),
        ("none", "X-Forwarded-Port: 444\r\nX-Forwarded-Proto: https\r\n", None),
        (PROXIES, "", Some(80)),
        (PROXIES, "X-Forwarded-Proto: https\r\n", Some(443)),
        (PROXIES, "X-Forwarded-Port: 8443\r\n", Some(8443)),
    ] {
        let uwsgi = UwsgiApp::tcp(After::Close, |packet: &Packet| {
            let shown = [packet.get("SERVER_PORT"), packet.get("HTTP_X_FORWARDED_PORT")];
            format!("HTTP/1.1 200 OK\r\n\r\n{shown:?}").into_bytes()
        });
        let (_application, sideman) = start(trusted);
        let before_uwsgi =
            Settings::before(&uwsgi.url()).set("server.trusted_proxies", trusted).start();
        for (sideman, is_uwsgi) in [(sideman, false), (before_uwsgi, true)] {
            let port = port.unwrap_or_else(|| sideman.address().port()).to_string();
            let mut client = sideman.connect();
            let text = client.send(format!("GET / HTTP/1.0\r\n{fields}\r\n")).response().text();
            let expected = match is_uwsgi {
                true => format!("{:?}", [Some(&port), Some(&port)]),
                false => format!("[\"x-forwarded-port\",\"{port}\"]"),
            };
            assert!(text.contains(&expected), "{trusted} {fields}: {text}");
        }
    }
}

const IDENTITIES: [&str; 24] = [
    "Remote-User",
    "REMOTE-USER",
    "Remote-Groups",
    "X-Remote-User",
    "X-Remote-Group",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Auth-Request-Groups",
    "X-Auth-Request-Access-Token",
    "X-Authentik-Username",
    "X-WEBAUTH-USER",
    "X-Goog-Authenticated-User-Email",
    "X-MS-Client-Principal-Name",
    "X-Amzn-Oidc-Identity",
    "Ssl-Client-Verify",
    "X-SSL-Client-S-DN",
    "Client-Cert",
    "X-Forwarded-Client-Cert",
    "Tailscale-User-Login",
    "X-Client-Verify",
];

#[test]
fn identity_headers_arrive_only_if_listed() {
    let lines: String = IDENTITIES.iter().map(|name| format!("{name}: forged\r\n")).collect();
    for trusted in ["none", PROXIES] {
        let (_application, sideman) = start(trusted);
        let text = sideman.connect().ask("GET", "/", &format!("{lines}X-Kept: 1\r\n")).text();
        assert!(text.contains("x-kept") && !text.contains("forged"), "{trusted}: {text}");
        let dropped = sideman.metric("sideman_request_headers_dropped_total", &[]);
        assert_eq!(dropped, IDENTITIES.len() as f64);
        if trusted == PROXIES {
            let event = sideman.event("server.trusted_headers");
            assert!(event.contains("remote-user") && !event.contains("forged"), "{event}");
        }
    }
}

#[test]
fn named_headers_arrive_from_trusted_proxies_alone() {
    let named = "Remote-User, X-Forwarded-User, X-Forwarded-Host, X-Forwarded-Prefix, X-Own-Name";
    let names: Vec<&str> = named.split(", ").collect();
    let lines: String = names.iter().map(|name| format!("{name}: told\r\n")).collect();
    let others = "X-Forwarded-Email: no\r\nX_Forwarded_User: no\r\nREMOTE_USER: no\r\n\
                  X-Forwarded-Server: no\r\n";
    for (trusted, count) in [("none", 0), ("10.0.0.0/8", 0), (PROXIES, names.len())] {
        let application = App::start(|request| {
            let fields =
                request.head.fields.iter().map(|(name, value)| format!("{name}={value}\n"));
            App::reply(fields.collect::<String>().as_bytes())
        });
        let sideman = Settings::before(&application.url())
            .set("server.trusted_proxies", trusted)
            .set("server.trusted_headers", named)
            .start();
        let text = sideman.connect().ask("GET", "/", &format!("{lines}{others}")).text();
        assert_eq!(text.matches("=told").count(), count, "{trusted}: {text}");
        assert!(!text.contains("=no"), "{trusted}: {text}");
    }
}

/// The headers of CDNs that packages such as django-ipware believe.
const ADDRESSES: &[&str] = &[
    "CF-Connecting-IP",
    "True-Client-IP",
    "Fastly-Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "Client-IP",
    "Forwarded-For",
];

#[test]
fn client_addresses_of_strangers_are_dropped() {
    let lines: String = ADDRESSES.iter().map(|name| format!("{name}: 198.51.100.66\r\n")).collect();
    let client = "X-Forwarded-For: 198.51.100.66, 203.0.113.7\r\n";
    // Neither a stranger nor a client of the load balancer can choose its address.
    for (trusted, others) in [("none", 1), (PROXIES, 0)] {
        let (_application, sideman) = start(trusted);
        let fields = format!("{lines}{client}X-Real-IP: 198.51.100.66\r\n");
        let text = sideman.connect().ask("GET", "/", &fields).text();
        assert!(!text.contains("198.51.100.66"), "{trusted}: {text}");
        let dropped = sideman.metric("sideman_request_headers_dropped_total", &[]);
        assert_eq!(dropped, (ADDRESSES.len() + 1 + others) as f64, "{trusted}");
        if trusted == PROXIES {
            let event = sideman.event("names another client");
            assert!(event.contains("cf-connecting-ip") && !event.contains("198.51"), "{event}");
        }
    }
}

#[test]
fn client_address_of_a_trusted_cdn_arrives() {
    // The edge of the CDN, in 10.0.0.0/8, is a trusted proxy too.
    let client = "X-Forwarded-For: 203.0.113.7, 10.0.0.5\r\n";
    let (_application, sideman) = start(PROXIES);
    for name in ADDRESSES {
        let fields = format!("{client}{name}: 203.0.113.7\r\n");
        assert_eq!(arrived(&sideman, &fields, &name.to_lowercase()), ["203.0.113.7"]);
        let fields = format!("{client}{name}: 203.0.113.8\r\n");
        assert_eq!(arrived(&sideman, &fields, &name.to_lowercase()), [""; 0]);
    }
    for (name, value) in [
        ("cf-connecting-ip", "2001:DB8:0::7"),
        ("cloudfront-viewer-address", "2001:db8::7:46532"),
        ("cloudfront-viewer-address", "[2001:db8::7]:46532"),
    ] {
        let fields = format!("X-Forwarded-For: 2001:db8::7\r\n{name}: {value}\r\n");
        assert_eq!(arrived(&sideman, &fields, name), [value]);
    }
    let fields = format!("{client}CloudFront-Viewer-Address: 203.0.113.7:46532\r\n");
    assert_eq!(arrived(&sideman, &fields, "cloudfront-viewer-address"), ["203.0.113.7:46532"]);
    for value in ["", "x", "203.0.113.7, 203.0.113.7", "203.0.113.7 10.0.0.1"] {
        let fields = format!("{client}CF-Connecting-IP: {value}\r\n");
        assert_eq!(arrived(&sideman, &fields, "cf-connecting-ip"), [""; 0], "{value}");
    }
}

#[test]
fn named_client_address_arrives_as_a_trusted_proxy_sends_it() {
    for (trusted, expected) in [("none", &[][..]), (PROXIES, &["198.51.100.66"])] {
        let application = App::start(|request| {
            let fields: Vec<Value> = request
                .head
                .fields
                .iter()
                .map(|(name, value)| json!([name.to_lowercase(), value]))
                .collect();
            App::reply(json!(fields).to_string().as_bytes())
        });
        let sideman = Settings::before(&application.url())
            .set("server.trusted_proxies", trusted)
            .set("server.trusted_headers", "CF-Connecting-IP")
            .start();
        let fields = "X-Forwarded-For: 203.0.113.7\r\nCF-Connecting-IP: 198.51.100.66\r\n";
        assert_eq!(arrived(&sideman, fields, "cf-connecting-ip"), expected, "{trusted}");
    }
}

/// uWSGI and gunicorn pass it as `HTTP_REMOTE_USER`, which Django may be configured to trust.
#[test]
fn identity_headers_are_not_sent_as_uwsgi_variables() {
    let shown = |packet: &Packet| {
        let name = packet.get("HTTP_REMOTE_USER").unwrap_or("nobody");
        format!("HTTP/1.1 200 OK\r\n\r\n{name}").into_bytes()
    };
    for (named, expected) in [("none", "nobody"), ("Remote-User", "alice")] {
        let application = UwsgiApp::tcp(After::Close, shown);
        let sideman = Settings::before(&application.url())
            .set("server.trusted_proxies", PROXIES)
            .set("server.trusted_headers", named)
            .start();
        let response = sideman.connect().ask("GET", "/", "Remote-User: alice\r\n");
        assert_eq!(response.text(), expected, "{named}");
    }
}
