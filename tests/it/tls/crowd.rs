//! Handshakes that do not come to their end: where others wait for their places, the oldest are closed.

use std::{
    io::Write as _,
    net::TcpStream,
    time::{Duration, Instant},
};

use super::{
    address,
    client::{Tls, Trust},
    self_signed,
};
use crate::support::App;

/// With `tls.handshakes` of the first or `server.max_connections` of the second, whatever is less.
const BOUNDS: [(usize, usize); 2] = [(1000, 200), (100, 10_000)];

#[test]
fn handshakes_that_do_not_end_make_room() {
    let application = App::saying("hello");
    // A record of a handshake, of which the most is missing.
    for said in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        for (handshakes, connections) in BOUNDS {
            let sideman = self_signed(&application.url())
                .set("health.wait_for_application", "false")
                .set("tls.handshake_timeout", "1m")
                .set("tls.handshakes", &handshakes.to_string())
                .set("server.max_connections", &connections.to_string())
                .start();
            let address = address(&sideman);
            let crowd: Vec<TcpStream> = (0..400)
                .map(|_| {
                    let mut stream = TcpStream::connect(address).unwrap();
                    // Some are closed already.
                    let _ = stream.write_all(said);
                    stream
                })
                .collect();
            let begin = Instant::now();
            let mut client = Tls::connect(address, &Trust::Anyone.config(), "localhost");
            let status = client.get("/healthz", "").status;
            let what = format!("{said:?} {handshakes} {connections}: {:?}", begin.elapsed());
            assert_eq!(status, 200, "{what}");
            // Far below tls.handshake_timeout.
            assert!(begin.elapsed() < Duration::from_secs(10), "{what}");
            assert_eq!(sideman.get("/healthz").status, 200, "{what}");
            let shed = sideman.metric("sideman_client_connections_shed_total", &[]);
            assert!(shed >= 100.0, "{shed} {what}");
            drop(crowd);
        }
    }
}
