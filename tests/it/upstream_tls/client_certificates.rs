//! Servers that demand a certificate of Sideman.

use super::{authority::Authority, openssl::OpensslServer, trusting};
use crate::support::TempDir;

#[test]
fn certificate_is_sent_to_a_server_that_demands_one() {
    let (authority, unknown) = (Authority::new("Our authority"), Authority::new("A stranger"));
    let directory = TempDir::new();
    let issued = authority.issue(&["localhost"]);
    let pair = |authority: &Authority, name: &str| {
        let (certificate, key) = authority.issue(&["sideman.test"]).write(&directory, name);
        format!("{certificate}={key}")
    };
    let (own, strange) = (pair(&authority, "own"), pair(&unknown, "strange"));
    let clients = authority.write(&directory, "clients");
    for version in ["-tls1_3", "-tls1_2"] {
        let demands = [version, "-Verify", "1", "-verify_return_error", "-CAfile", &clients];
        let Some(server) = OpensslServer::start(&issued, &demands) else { return };
        let settings = trusting(&authority, &directory, &server.url("localhost"));
        let sideman = settings.clone().set("upstream.tls_client_certificate", &own).start();
        let response = sideman.get("/");
        assert_eq!(response.status, 200, "{version}");
        assert!(response.text().contains("Client certificate"), "{version}");
        for (certificate, parts) in [
            (None, ["client certificate", "tls_client_certificate"]),
            (Some(&strange), ["client certificate", "authority"]),
        ] {
            let mut settings = settings.clone();
            if let Some(certificate) = certificate {
                settings = settings.set("upstream.tls_client_certificate", certificate);
            }
            let sideman = settings.start();
            assert_eq!(sideman.get("/a").status, 502, "{version} {certificate:?}");
            assert_eq!(sideman.log_of("/a")["error"], "upstream_tls", "{version} {certificate:?}");
            for part in parts {
                sideman.event(part);
            }
        }
    }
}
