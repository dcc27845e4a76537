//! The in-flight limit: how many requests the application gets at once, which are queued, and which is next.

mod auto;
mod client_share;
mod disconnects;
mod network_namespaces;
mod order;
mod permits;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use crate::support::{App, Client, Gate, Settings, Sideman, eventually_is};

/// An application that works on each request until the test releases it.
#[derive(Debug)]
struct Workers {
    app: App,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    paths: Vec<String>,
    gates: HashMap<String, Gate>,
}

// === impl Workers ===

impl Workers {
    fn start() -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let shared = Arc::clone(&seen);
        let app = App::start(move |request| {
            let path = request.head.start.split(' ').nth(1).unwrap().to_owned();
            let gate = {
                let mut seen = shared.lock().unwrap();
                seen.paths.push(path.clone());
                seen.gates.entry(path.clone()).or_default().clone()
            };
            gate.pass();
            App::reply(path.as_bytes())
        });
        Self { app, seen }
    }

    /// The paths of the received requests, in order.
    fn paths(&self) -> Vec<String> {
        self.seen.lock().unwrap().paths.clone()
    }

    /// Waits until exactly these requests have arrived.
    #[track_caller]
    fn until(&self, paths: &[&str]) {
        let paths: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
        eventually_is("requests at the application", &paths, || self.paths());
    }

    /// Lets the application respond to a request.
    fn finish(&self, path: &str) {
        self.seen.lock().unwrap().gates.entry(path.to_owned()).or_default().open();
    }
}

/// Sideman in front of an application, with this in-flight limit.
fn settings(workers: &Workers, max_in_flight: usize) -> Settings {
    Settings::before(&workers.app.url()).set("upstream.max_in_flight", &max_in_flight.to_string())
}

/// Sends a request without waiting for the response.
fn ask(sideman: &Sideman, path: &str) -> Client {
    let mut client = sideman.connect();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: example.test\r\n\r\n"));
    client
}

/// Sends a request, and returns when this many requests are queued.
#[track_caller]
fn ask_in_queue(sideman: &Sideman, path: &str, length: u32) -> Client {
    let client = ask(sideman, path);
    sideman.until_metric("sideman_queue_length", &[], length.into());
    client
}
