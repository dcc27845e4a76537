//! Keys of roles, from an endpoint as that of ECS or EKS.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use super::{S3, error, object};
use crate::support::{App, Request, ReservedPort, Settings, Sideman, TempDir, eventually};

const FIRST: (&str, &str) = ("ASIAFIRST", "first-secret");
const SECOND: (&str, &str) = ("ASIASECOND", "second-secret");

/// A document with keys that expire in some seconds.
fn document((id, secret): (&str, &str), seconds: u64) -> Vec<u8> {
    let end = SystemTime::now() + Duration::from_secs(seconds);
    let end = humantime(end);
    let text = format!(
        "{{\"AccessKeyId\":\"{id}\",\"SecretAccessKey\":\"{secret}\",\"Token\":\"token-of-{id}\",\
         \"Expiration\":\"{end}\"}}"
    );
    App::reply(text.as_bytes())
}

/// RFC 3339, by `date`, which is not Sideman's code.
fn humantime(moment: SystemTime) -> String {
    let seconds = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let mut date = std::process::Command::new("date");
    let output = date.args(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%dT%H:%M:%SZ"]).output();
    String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
}

fn start(s3: &S3, endpoint: &str, more: impl FnOnce(Settings) -> Settings) -> Sideman {
    let application = ReservedPort::new();
    let settings = Settings::before(&application.url())
        .args(&["--media", &format!("/media/={}", s3.url())])
        .variable("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint);
    more(settings).start()
}

fn id(request: &Request) -> &str {
    let authorization = request.head.get("authorization").unwrap();
    authorization.split(['=', '/']).nth(1).unwrap()
}

#[test]
fn keys_of_a_role_sign_with_their_token() {
    let s3 = S3::with_secrets(&[FIRST], |_| object("", b"a"));
    let directory = TempDir::new();
    let file = directory.write("token", "a-token-of-the-pod\n");
    let endpoint = App::start(|request| {
        assert_eq!(request.target(), "/v1/credentials");
        match request.head.get("authorization") {
            Some("a-token-of-the-pod") => document(FIRST, 3600),
            _ => b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".into(),
        }
    });
    let url = format!("{}/v1/credentials", endpoint.url());
    let sideman = start(&s3, &url, |settings| {
        let path = file.to_str().unwrap();
        settings.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path)
    });
    assert_eq!(sideman.get("/media/a.txt").text(), "a");
    let request = s3.last();
    assert_eq!(request.head.get("x-amz-security-token"), Some("token-of-ASIAFIRST"));
    let event = sideman.event("got AWS credentials");
    assert!(!event.contains("secret") && !event.contains("token"), "{event}");
    for _ in 0..3 {
        assert_eq!(sideman.get("/media/a.txt").status, 200);
    }
    assert_eq!(endpoint.requests(), 1, "all requests use the same keys");
}

#[test]
fn keys_are_replaced_before_they_expire() {
    let s3 = S3::with_secrets(&[FIRST, SECOND], |_| object("", b"a"));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // Five minutes and a few seconds: they are due at once.
    let endpoint = App::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => document(FIRST, 303),
        _ => document(SECOND, 3600),
    });
    let sideman = start(&s3, &endpoint.url(), |settings| settings);
    assert_eq!(sideman.get("/media/a.txt").status, 200);
    assert_eq!(id(&s3.last()), FIRST.0);
    eventually("the second keys", || {
        assert_eq!(sideman.get("/media/a.txt").status, 200);
        (id(&s3.last()) == SECOND.0).then_some(())
    });
}

#[test]
fn keys_in_use_are_kept_while_the_endpoint_fails() {
    let s3 = S3::with_secrets(&[FIRST], |_| object("", b"a"));
    let count = AtomicUsize::new(0);
    let endpoint = App::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => document(FIRST, 302),
        _ => b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".into(),
    });
    let sideman = start(&s3, &endpoint.url(), |settings| settings);
    let event = sideman.late_event("cannot refresh AWS credentials");
    assert!(event.contains("status 500"), "{event}");
    assert_eq!(sideman.get("/media/a.txt").status, 200);
}

#[test]
fn role_without_keys_is_503() {
    let s3 = S3::with_secrets(&[FIRST], |_| object("", b"a"));
    let endpoint = App::start(|_| App::reply(b"{\"message\":\"no role\"}"));
    let sideman = start(&s3, &endpoint.url(), |settings| settings);
    let response = sideman.get("/media/a.txt");
    assert_eq!(response.status, 503);
    let event = sideman.event("there are no AWS credentials");
    assert!(event.contains("AccessKeyId"), "{event}");
    assert_eq!(sideman.log_of("/media/a.txt")["error"], "bucket_credentials");
    assert!(s3.requests().is_empty());
}

/// An endpoint that has the second keys from the second request on.
fn rotating() -> App {
    let count = AtomicUsize::new(0);
    App::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => document(FIRST, 3600),
        _ => document(SECOND, 3600),
    })
}

#[test]
fn request_with_refused_keys_is_repeated_with_renewed_ones() {
    for (status, code) in [(400, "ExpiredToken"), (403, "InvalidAccessKeyId")] {
        for method in ["GET", "HEAD"] {
            let s3 = S3::with_secrets(&[FIRST, SECOND], move |request| match id(request) {
                "ASIAFIRST" => error(status, code, ""),
                _ => object("", b"a"),
            });
            let endpoint = rotating();
            let sideman = start(&s3, &endpoint.url(), |settings| settings);
            let response = sideman.connect().ask(method, "/media/a.txt", "");
            assert_eq!(response.status, 200, "{method} {code}");
            assert_eq!(id(&s3.last()), SECOND.0);
            assert_eq!(endpoint.requests(), 2);
            sideman.until_metric("sideman_bucket_retries_total", &[], 1.0);
        }
    }
}

#[test]
fn refused_keys_that_are_not_replaced_are_503_and_asked_for_seldom() {
    let s3 = S3::with_secrets(&[FIRST], |_| error(400, "ExpiredToken", ""));
    let endpoint = App::start(|_| document(FIRST, 3600));
    let sideman = start(&s3, &endpoint.url(), |settings| settings);
    let begin = Instant::now();
    for _ in 0..3 {
        assert_eq!(sideman.get("/media/a.txt").status, 503);
    }
    assert_eq!(s3.requests().len(), 3, "nothing is repeated with the same keys");
    // One at the start, one for the first refusal, and another one every 5 s on a slow machine.
    let most = 2 + usize::try_from(begin.elapsed().as_secs() / 5).unwrap();
    assert!((2..=most).contains(&endpoint.requests()), "{} {most}", endpoint.requests());
    let event = sideman.event("request failed at a bucket");
    assert!(event.contains("ExpiredToken"), "{event}");
}

#[test]
fn renewed_keys_that_are_refused_too_are_503() {
    let s3 = S3::with_secrets(&[FIRST, SECOND], |_| error(403, "InvalidAccessKeyId", ""));
    let endpoint = rotating();
    let sideman = start(&s3, &endpoint.url(), |settings| settings);
    assert_eq!(sideman.get("/media/a.txt").status, 503);
    assert_eq!(s3.requests().iter().map(id).collect::<Vec<_>>(), [FIRST.0, SECOND.0]);
}

#[test]
fn requests_with_refused_keys_share_one_renewal() {
    let s3 = S3::with_secrets(&[FIRST, SECOND], |request| match id(request) {
        "ASIAFIRST" => error(400, "ExpiredToken", ""),
        _ => object("", b"a"),
    });
    let endpoint = rotating();
    let sideman = start(&s3, &endpoint.url(), |settings| settings);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(sideman.get("/media/a.txt").status, 200));
        }
    });
    assert_eq!(endpoint.requests(), 2);
}

#[test]
fn requests_without_keys_are_not_signed() {
    let s3 = App::start(|request| {
        assert_eq!(request.head.get("authorization"), None);
        object("", b"public")
    });
    let application = ReservedPort::new();
    let url = format!("/media/=s3://site?endpoint={}", s3.url());
    let sideman = Settings::before(&application.url()).args(&["--media", &url]).start();
    assert_eq!(sideman.get("/media/a.txt").text(), "public");
    let event = sideman.event("there are no AWS credentials in the environment");
    assert!(event.contains("s3://site"), "{event}");
}
