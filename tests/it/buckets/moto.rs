//! A bucket of moto, which imitates S3, filled by boto3; and botocore's signatures.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use super::{KEY_ID, S3, SECRET, assert_clean, signed};
use crate::support::{ReservedPort, Settings, Sideman, python, skip};

const SERVER: &str = r#"
import logging
import sys
import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").disabled = True
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://127.0.0.1:{port}"
s3 = boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=Config(s3={"addressing_style": "path"}))
s3.create_bucket(Bucket="site")
for key in ["a b+c.txt", "\u00fcber 100%.txt", "q?#&=.txt", "\U0001f600/x.txt"]:
    s3.put_object(Bucket="site", Key=f"up/{key}", Body=key.encode(), ContentType="text/plain")
s3.put_object(Bucket="site", Key="up/zip.css", Body=b"zipped", ContentType="text/css", ContentEncoding="gzip",
              CacheControl="max-age=5", Metadata={"owner": "SECRET"})
print(url, flush=True)
sys.stdin.read()
"#;

/// Prints the value of `Authorization` that botocore makes for each line: method, URL, date and region.
const SIGN: &str = r#"
import sys
from unittest import mock
import datetime
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

for line in sys.stdin:
    method, url, date, region, host = line.split()
    request = AWSRequest(method=method, url=url, headers={"host": host})
    signer = auth.S3SigV4Auth(Credentials(*sys.argv[1:]), "s3", region)
    moment = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    with mock.patch("botocore.auth.get_current_datetime", return_value=moment):
        signer.add_auth(request)
    print(request.headers["Authorization"])
"#;

/// Ends with the test.
struct Moto {
    child: Child,
    url: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Python with moto and boto3. Skips the test if they cannot be set up.
#[track_caller]
fn interpreter() -> Option<Command> {
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/moto/requirements.txt");
    match python::environment("moto", &requirements) {
        Ok(environment) => {
            let mut command = Command::new(environment.join("bin/python"));
            command
                .env_clear()
                .env("AWS_ACCESS_KEY_ID", KEY_ID)
                .env("AWS_SECRET_ACCESS_KEY", SECRET)
                .env("AWS_EC2_METADATA_DISABLED", "true")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped());
            Some(command)
        }
        Err(missing) => {
            skip(&missing, python::REMEDY);
            None
        }
    }
}

impl Moto {
    #[track_caller]
    fn start() -> Option<Self> {
        let mut child = interpreter()?.args(["-c", SERVER]).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://"), "moto has not started: {url:?}");
        Some(Self { child, url: url.trim().to_owned() })
    }
}

#[test]
fn objects_that_boto3_has_stored_are_sent() {
    let Some(moto) = Moto::start() else { return };
    let application = ReservedPort::new();
    let url = format!("/media/=s3://site/up?endpoint={}", moto.url);
    let settings = signed(Settings::before(&application.url())).args(&["--media", &url]);
    for memory in ["off", "64MiB"] {
        are_sent(&settings.clone().set("cache.memory", memory).start());
    }
}

#[track_caller]
fn are_sent(sideman: &Sideman) {
    let mut client = sideman.connect();
    for (path, expected) in [
        ("/media/a%20b+c.txt", "a b+c.txt"),
        ("/media/%C3%BCber%20100%25.txt", "\u{fc}ber 100%.txt"),
        ("/media/q%3F%23&=.txt", "q?#&=.txt"),
        ("/media/%F0%9F%98%80/x.txt", "\u{1f600}/x.txt"),
    ] {
        let response = client.get(path);
        assert_eq!((response.status, response.text().as_str()), (200, expected), "{path}");
        assert_clean(&response);
        let etag = response.header("etag").unwrap();
        let fields = format!("If-None-Match: {etag}\r\n");
        assert_eq!(client.ask("GET", path, &fields).status, 304, "{path}");
        let part = client.ask("GET", path, "Range: bytes=1-2\r\n");
        assert_eq!((part.status, part.body), (206, expected.as_bytes()[1..3].to_vec()), "{path}");
        let head = client.ask("HEAD", path, "");
        assert_eq!(head.header("content-length"), Some(&*expected.len().to_string()));
    }
    let zipped = client.get("/media/zip.css");
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    assert_eq!(zipped.header("cache-control"), Some("max-age=5"));
    assert_clean(&zipped);
    for method in ["GET", "HEAD"] {
        assert_eq!(client.ask(method, "/media/missing.txt", "").status, 404, "{method}");
    }
    assert_eq!(client.ask("GET", "/media/a%20b+c.txt", "Range: bytes=99-\r\n").status, 416);
}

#[test]
fn signatures_are_those_of_botocore() {
    let Some(mut python) = interpreter() else { return };
    let s3 = S3::saying("", b"a");
    let site = s3.site();
    let mut client = site.sideman.connect();
    for path in ["a%20b+c.txt", "%C3%BC/100%25.txt", "q%3F%23&=*~!'().txt", "%F0%9F%98%80"] {
        for method in ["GET", "HEAD"] {
            client.ask(method, &format!("/media/{path}"), "");
        }
    }
    let requests = s3.requests();
    assert!(requests.len() >= 8);
    let lines = requests.iter().map(|request| {
        let get = |name| request.head.get(name).unwrap();
        let (method, target, host) = (request.method(), request.target(), get("host"));
        format!("{method} http://{host}{target} {} eu-west-1 {host}\n", get("x-amz-date"))
    });
    let lines: String = lines.collect();
    let mut child = python.args(["-c", SIGN, KEY_ID, SECRET]).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let expected = String::from_utf8(output.stdout).unwrap();
    let received: Vec<&str> =
        requests.iter().map(|request| request.head.get("authorization").unwrap()).collect();
    assert_eq!(expected.lines().collect::<Vec<_>>(), received);
}
