//! A tree of 50,000 files: it is not scanned before files are served, and memory stays within its limit.

use std::{fs, time::Instant};

use crate::support::{ReservedPort, Settings, TempDir};

const DIRECTORIES: usize = 500;
const FILES: usize = 100;
/// Bytes; the budget of `static.memory` and other memory of the process, in a build for tests.
const RESIDENT: u64 = (32 + 64) << 20;

#[test]
fn fifty_thousand_files_are_served_within_the_memory_limit() {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    for d in 0..DIRECTORIES {
        let path = directory.join(&format!("d{d}"));
        fs::create_dir(&path).unwrap();
        for f in 0..FILES {
            fs::write(path.join(format!("f{f}.{:012x}.txt", d * FILES + f)), content(d, f))
                .unwrap();
        }
    }
    let begin = Instant::now();
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("static.memory", "32MiB")
        .set("static.compress", "false")
        .set("server.max_requests", "1000000")
        .start();
    assert!(ask(&mut sideman.connect(), DIRECTORIES - 1, FILES - 1));
    // Listing so many files takes several times as long; this allows for a loaded machine.
    assert!(begin.elapsed().as_secs() < 5, "{:?} to the first answer", begin.elapsed());

    let mut client = sideman.connect();
    // Twice as many as the store can hold, in another order than they were created.
    for f in 0..FILES {
        for d in (0..DIRECTORIES).rev().step_by(4) {
            assert!(ask(&mut client, d, f));
        }
    }
    let store = [("store", "static")];
    let bytes = sideman.metric("sideman_file_store_bytes", &store);
    assert!(bytes <= f64::from(32 << 20) && bytes > f64::from(16 << 20), "{bytes} bytes");
    let entries = sideman.metric("sideman_file_store_entries", &store);
    let evicted = sideman.metric("sideman_file_store_evicted_total", &store);
    assert!(
        entries + evicted >= 12_500.0 && evicted > 1000.0,
        "{entries} kept, {evicted} thrown away"
    );
    let resident = sideman.memory("VmRSS");
    assert!(resident < RESIDENT, "{} MiB", resident >> 20);
}

fn content(d: usize, f: usize) -> String {
    format!("file {f} of directory {d}\n").repeat(40)
}

fn ask(client: &mut crate::support::Client, d: usize, f: usize) -> bool {
    let response = client.get(&format!("/static/d{d}/f{f}.{:012x}.txt", d * FILES + f));
    response.status == 200 && response.text() == content(d, f)
}
