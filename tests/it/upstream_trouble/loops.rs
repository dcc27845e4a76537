//! An application's address that leads back to Sideman itself.

use crate::support::{ReservedPort, Settings};

#[test]
fn an_own_address_is_refused_at_the_start() {
    let port = ReservedPort::new().url().rsplit(':').next().unwrap().to_owned();
    for (listen, upstream) in [
        (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}")),
        (format!("0.0.0.0:{port}"), format!("http://127.0.0.1:{port}")),
        (format!("0.0.0.0:{port}"), format!("http://localhost:{port}")),
        (format!("127.0.0.1:{port}"), format!("uwsgi://localhost:{port}")),
        (format!("[::]:{port}"), format!("http://[::1]:{port}")),
        ("unix:/tmp/none.test.sock".to_owned(), "http+unix:/tmp/none.test.sock".to_owned()),
    ] {
        let here = Settings::default().args(&["run", "--listen", &listen]);
        let ended = here.args(&["--upstream", &upstream]).run_to_end();
        assert_ne!(ended.code, Some(0), "{listen} {upstream}");
        let told = &ended.stderr;
        assert!(
            told.contains("where Sideman itself listens") && told.contains("upstream"),
            "{told}"
        );
    }
    let listen = format!("127.0.0.1:{port}");
    let route = format!("/api/=http://localhost:{port}");
    let settings = Settings::default().args(&["run", "--listen", &listen]);
    let settings = settings.args(&["--upstream", "http://127.0.0.1:1"]);
    let ended = settings.set("routes.upstreams", &route).run_to_end();
    assert!(ended.stderr.contains("routes.upstreams"), "{}", ended.stderr);
    assert!(ended.stderr.contains("where Sideman itself listens"), "{}", ended.stderr);
}
