//! The memory budget under a thousand concurrent uploads. It moves 20 GiB over loopback and needs
//! 10 GiB below the directory for temporary files and 3,100 descriptors, so it is run by hand:
//! `cargo test --test it -- --ignored --nocapture a_thousand_uploads`

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::support::{Client, Settings, Sideman, eventually_within, pattern};

const UPLOADS: usize = 1000;
const SIZE: usize = 10 << 20;
const MIB: u64 = 1 << 20;
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// Memory of the process: its own, and that of memory files.
fn resident(sideman: &Sideman) -> u64 {
    sideman.memory("RssAnon") + sideman.memory("RssShmem")
}

/// Receives uploads and discards them; responds with the length of each.
fn sink() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            thread::spawn(move || take(stream));
        }
    });
    url
}

fn take(mut stream: TcpStream) {
    let (mut piece, mut seen) = (vec![0; 256 << 10], Vec::new());
    let end = loop {
        let Ok(length @ 1..) = stream.read(&mut piece) else { return };
        seen.extend_from_slice(&piece[..length]);
        if let Some(at) = memchr::memmem::find(&seen, b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = String::from_utf8_lossy(&seen[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |text| text.parse().unwrap());
    let mut got = seen.len() - end;
    while got < length {
        let Ok(more @ 1..) = stream.read(&mut piece) else { return };
        got += more;
    }
    let answer =
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 8\r\n\r\n{got:08}");
    let _ = stream.write_all(answer.as_bytes());
}

#[test]
#[ignore = "moves 20 GiB: see above how to run it"]
fn a_thousand_uploads_stay_within_the_budget() {
    // The space on disk is limited separately: 4 GiB by default.
    let settings = Settings::before(&sink()).set("buffers.disk", "12GiB");
    let sideman = settings
        .set("upstream.read_timeout", "5m")
        .set("server.idle_timeout", "5m")
        .set("upstream.queue_timeout", "5m")
        .start();
    let begin = Instant::now();
    let first = resident(&sideman);
    let (most, ends) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let body = pattern(SIZE);
    let mut clients: Vec<Client> =
        (0..UPLOADS).map(|_| sideman.connect().with_timeout(TIME_LIMIT)).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut told = Instant::now();
            while !ends.load(Ordering::Relaxed) {
                let now = resident(&sideman);
                most.fetch_max(now, Ordering::Relaxed);
                if told.elapsed() > Duration::from_secs(3) {
                    told = Instant::now();
                    let held = |kind| sideman.metric("sideman_buffer_bytes", &[("kind", kind)]);
                    println!(
                        "{:>5.1} s: {} MiB resident, {:.0} MiB in memory, {:.0} MiB on disk",
                        begin.elapsed().as_secs_f64(),
                        now / MIB,
                        held("memory") / MIB as f64,
                        held("disk") / MIB as f64
                    );
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        let head =
            format!("POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: {SIZE}\r\n\r\n");
        /// Ends the measurement, also when waiting for a condition has failed.
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _end = End(&ends);
        for client in &mut clients {
            client.send(&head);
        }
        for piece in body[..SIZE - 1].chunks(256 << 10) {
            for client in &mut clients {
                client.send(piece);
            }
        }
        // Only the last bytes are missing, so no upload has a response yet.
        let all = (UPLOADS * SIZE) as f64;
        eventually_within(TIME_LIMIT, "all of it here", || {
            (sideman.metric("sideman_buffer_bytes", &[]) > all * 0.99).then_some(())
        });
        println!("{:>5.1} s: all of it waits", begin.elapsed().as_secs_f64());
        let groups = clients.chunks_mut(UPLOADS / 10).map(|clients| {
            let last = &body[SIZE - 1..];
            scope.spawn(move || {
                for client in &mut *clients {
                    client.send(last);
                }
                for client in clients {
                    assert_eq!(client.response().text(), format!("{SIZE:08}"));
                }
            })
        });
        let groups: Vec<_> = groups.collect();
        groups.into_iter().for_each(|group| group.join().unwrap());
    });
    let most = most.load(Ordering::Relaxed);
    println!(
        "{:>5.1} s: {} MiB at the start, {} MiB at most, {} MiB at the end",
        begin.elapsed().as_secs_f64(),
        first / MIB,
        most / MIB,
        resident(&sideman) / MIB
    );
    for kind in ["disk", "memory"] {
        sideman.until_metric("sideman_buffer_bytes", &[("kind", kind)], 0.0);
    }
    // buffers.memory, and for each connection its fixed cost: the read buffer of hyper, one frame
    // in memory and one being written to the file, 64 KiB each, and the overhead of the allocator.
    let allowed = first + 64 * MIB + UPLOADS as u64 * 320 * 1024;
    assert!(most < allowed, "{most} bytes, more than {allowed}");
}
