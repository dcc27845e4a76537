//! A target of [`crate::fuzzing`]: a whole HTTP/1.1 connection from accept to close. It runs in one thread, with a
//! clock that stands still unless all tasks wait. A client plays a [`script`] over a socket pair, and an
//! [`application`] behind the server responds as the script says. [`check`] compares what both have observed with an
//! independent reading of the client's bytes ([`requests`]) and of the server's ([`responses`]).
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a target fails by panicking, and nothing of it is in the program"
)]

mod application;
mod check;
mod client;
mod plan;
mod requests;
mod responses;
mod script;

use std::{
    future::poll_fn,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr as UnixAddress, UnixListener, UnixStream},
    },
    pin::pin,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    runtime::Builder,
    task::{LocalSet, spawn_local},
    time::{sleep, timeout},
};

use self::{application::Application, check::FuzzOutcome, client::FuzzClient, script::FuzzScript};
use super::{
    connection::{self, AcceptedConnection},
    current_settings::CurrentSettings,
    drain::ConnectionList,
    stream::{AcceptedSocket, Transport},
};
use crate::{
    phase::Phase,
    pipeline::{App, WorkerState},
    telemetry::{LogBuffer, LogSink, Metrics, WorkerMetrics, log_writer::LogTarget},
};

/// The longest time that a connection may last after its client's last step. All timeouts are shorter.
const LONGEST: Duration = Duration::from_secs(600);
/// A connection that is polled more often is in an endless loop.
const POLLS: u64 = 200_000;
/// Bytes of the server's that the kernel accepts before the client reads them. The kernel doubles the value.
const SOCKET: usize = 8 * 1024;

/// Tests one script.
pub fn connection(data: &[u8]) {
    let script = FuzzScript::decode(data);
    if !script.is_http2() {
        check::check(&outcome(&script));
    }
}

/// Plays a script with its own runtime.
fn outcome(script: &FuzzScript) -> FuzzOutcome {
    // It spreads the timeouts of idle connections.
    fastrand::seed(1);
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), run(script))
}

/// Plays a script to the end of its connection.
async fn run(script: &FuzzScript) -> FuzzOutcome {
    let application = Application::new(script.behaviours.clone());
    let (name, listener) = listener().expect("a listener");
    drop(spawn_local(Rc::clone(&application).listen(listener)));

    let metrics = Arc::new(Metrics::new(1));
    let app = Arc::new(App::new(plan::plan(&name), Arc::clone(&metrics)));
    let shard = Arc::clone(&metrics.shards()[0]);
    let log = LogBuffer::new(&app.plan.log, Some(SINK.with(|(sink, _)| sink.clone())));
    let local = WorkerState::start(app, Arc::clone(&shard), log, Phase::Ready);
    let log = Rc::clone(&local.log);
    let drain = Rc::<ConnectionList>::default();

    let (theirs, ours) = UnixStream::pair().expect("a pair of sockets");
    for socket in [&theirs, &ours] {
        socket.set_nonblocking(true).expect("a socket");
        SockRef::from(socket).set_send_buffer_size(SOCKET).expect("a socket");
    }
    let transport = Transport::new(AcceptedSocket::Unix(theirs)).expect("a socket");
    let peer = Some(SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 1)));
    let entry = Box::new(AcceptedConnection {
        transport,
        peer,
        proxy_header: None,
        handshake: None,
        permit: None,
    });
    let (current, guard) = (Rc::new(CurrentSettings::new(local)), drain.enter(None));
    let server = spawn_local(async move {
        let (mut served, mut polls) = (pin!(connection::serve(current, entry, guard)), 0);
        poll_fn(|cx| {
            polls += 1;
            assert!(polls < POLLS, "the connection is polled for ever");
            served.as_mut().poll(cx)
        })
        .await;
    });

    let mut client = FuzzClient::new(tokio::net::UnixStream::from_std(ours).expect("a socket"));
    for step in &script.steps {
        client.play(step).await;
    }
    let ended = timeout(LONGEST, async {
        client.finish().await;
        server.await
    });
    match ended.await {
        Err(_) => panic!("the connection does not end"),
        Ok(Err(error)) => std::panic::resume_unwind(error.into_panic()),
        Ok(Ok(())) => {}
    }
    client.finish_late().await;
    let _ = timeout(LONGEST, idle(&shard)).await;
    assert!(drain.is_empty(), "a connection is left");
    log.flush();
    let lines = SINK.with(|(sink, lines)| {
        assert!(sink.flush(Duration::from_secs(60)), "the log is stuck");
        std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner))
    });
    FuzzOutcome { client, application, metrics, lines }
}

/// Waits for the requests of disconnected clients.
async fn idle(shard: &WorkerMetrics) {
    while shard.upstream_in_flight.value() > 0 {
        sleep(Duration::from_secs(1)).await;
    }
}

/// Creates a listener with a unique abstract name, which is in no directory.
fn listener() -> io::Result<(String, tokio::net::UnixListener)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("sideman-fuzz-{}-{count}", std::process::id());
    let listener = UnixListener::bind_addr(&UnixAddress::from_abstract_name(&name)?)?;
    listener.set_nonblocking(true)?;
    Ok((name, tokio::net::UnixListener::from_std(listener)?))
}

/// The lines of the access log.
type Lines = Arc<Mutex<Vec<u8>>>;

struct FuzzLog(Lines);

impl Write for FuzzLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

thread_local! {
    /// One log for all scripts, because each costs a thread.
    static SINK: (LogSink, Lines) = {
        let lines = Lines::default();
        let out = Box::new(FuzzLog(Arc::clone(&lines)));
        let on_error = |_: &io::Error| {};
        let target = LogTarget { out, name: "lines", limit: 1 << 20, full_at: None, on_error };
        (LogSink::start(target, Arc::default()).expect("a thread"), lines)
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    /// The inputs of the corpus lead to the results in their names, because a target that tests nothing never fails. A
    /// name gives the statuses in the log, and the number of requests that the application received.
    #[test]
    fn scripts_have_the_expected_outcome() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/connection");
        for (name, statuses, received) in [
            ("bad_application", "502 200 200 200", 4),
            ("bare_lf", "200 400", 1),
            ("big", "200 200 200", 3),
            ("both_lengths", "400", 0),
            ("closes_unread", "200 200 200", 6),
            ("ends_at_once", "", 0),
            ("half_close", "200", 1),
            ("idle", "200", 1),
            ("large_body", "200 200", 2),
            ("left", "499", 1),
            ("long_head", "431", 0),
            ("many", "200 200 200 200 200 200 200 200", 8),
            ("pipelined", "200 200 200 200 200 200", 5),
            ("short_unwanted", "405 200", 1),
            ("silent", "504 200", 2),
            ("slow_body", "408", 0),
            ("slow_head", "408", 0),
            ("too_large", "413", 0),
            ("unbuffered", "200 200 200", 3),
            ("unread_for_ever", "200", 1),
            ("websocket", "101", 1),
        ] {
            let outcome = outcome(&FuzzScript::decode(&fs::read(corpus.join(name)).unwrap()));
            let got = (outcome.statuses(), outcome.application.received.borrow().len());
            assert_eq!(got, (statuses.to_owned(), received), "{name}");
        }
    }
}
