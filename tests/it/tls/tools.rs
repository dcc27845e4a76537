//! Common TLS clients: openssl s_client and curl.

use std::process::Output;

use super::{Pair, address, self_signed};
use crate::support::{App, Settings, TempDir, Tool, pattern};

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

#[test]
fn openssl_s_client_connects() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    let first = Pair::new(&["first.test"]).write(&directory, "a");
    let second = Pair::new(&["second.test"]).write(&directory, "b");
    let sideman = Settings::before(&application.url())
        .set("tls.listen", "127.0.0.1:0")
        .set("tls.certificates", &format!("{first},{second}"))
        .start()
        .until_ready();
    let address = address(&sideman).to_string();
    let root = directory.join("b.pem").display().to_string();
    for (version, shown) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let arguments = [
            "s_client",
            "-connect",
            &address,
            version,
            "-alpn",
            "spdy/3,http/1.1",
            "-servername",
            "second.test",
            "-CAfile",
            &root,
            "-verify_return_error",
            "-ign_eof",
        ];
        let request = "GET / HTTP/1.1\r\nHost: second.test\r\nConnection: close\r\n\r\n";
        let Some(output) = Tool::Openssl.run(&arguments, request) else { return };
        let found = text(&output);
        assert!(output.status.success(), "{found}");
        for part in ["ALPN protocol: http/1.1", shown, "Verification: OK", "\r\n\r\nhello"] {
            assert!(found.contains(part), "{part}: {found}");
        }
    }
    let arguments = ["s_client", "-connect", &address, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    let Some(output) = Tool::Openssl.run(&arguments, "") else { return };
    assert!(!output.status.success(), "{}", text(&output));
}

#[test]
fn curl_gets_a_file() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    directory.write("a.bin", pattern(1 << 20));
    let sideman = self_signed(&application.url()).files("/s/", directory.path()).start();
    let url = format!("https://{}/s/a.bin", address(&sideman));
    for flags in
        [&["-sk"][..], &["-sk", "--http1.0"], &["-sk", "--tls-max", "1.2"], &["-sk", "-r", "5-"]]
    {
        let Some(output) = Tool::Curl.run(&[flags, &[&url]].concat(), "") else { return };
        assert!(output.status.success(), "{flags:?} {}", String::from_utf8_lossy(&output.stderr));
        let whole = pattern(1 << 20);
        let expected = if flags.contains(&"-r") { &whole[5..] } else { &whole[..] };
        assert!(output.stdout == expected, "{flags:?}");
    }
    for (flags, version) in [(&["-sk"][..], "2"), (&["-sk", "--http1.1"], "1.1")] {
        let shown = ["-o", "/dev/null", "-w", "%{http_version}", &url];
        let Some(output) = Tool::Curl.run(&[flags, &shown].concat(), "") else { return };
        assert_eq!(String::from_utf8_lossy(&output.stdout), version);
    }
    // The certificate is self-signed.
    let Some(output) = Tool::Curl.run(&["-sS", &url], "") else { return };
    assert!(!output.status.success());
    sideman.until_metric("sideman_tls_handshakes_total", &[("result", "refused")], 1.0);
}
