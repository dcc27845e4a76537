//! Memory use stays close to the budgets, so that the program fits into a small container.

use crate::support::{App, Settings, TempDir, eventually, pattern};

const TEXTS: usize = 20;
const TEXT: usize = 200_000;
const SHORT: usize = 20_000;
/// The value of `static.memory`.
const BUDGET: u64 = 8 << 20;
/// The idle process. It was 10 MiB with huge pages, of which a few bytes each were used.
const IDLE: u64 = 6 << 20;
/// At most what the largest text takes while it is compressed. It is compressed at the lowest priority: on a busy
/// machine that thread may stop before the allocator gives back the memory of the last text, so that there may be two.
/// With the hasher that the brotli crate takes for small windows, one took 32 MiB more.
const WORK: u64 = 12 << 20;

#[test]
fn idle_process_holds_no_huge_pages() {
    let sideman = Settings::before("http://127.0.0.1:1")
        .set("health.wait_for_application", "false")
        .set("server.workers", "2")
        .start();
    assert_eq!(sideman.get("/healthz").status, 200);
    assert_eq!(sideman.status("THP_enabled"), "0");
    let own = sideman.memory("RssAnon");
    assert!(own < IDLE, "{own} bytes");
}

/// Texts are read by one thread, compressed by another, and kept or discarded by a third.
#[test]
fn compression_leaks_no_memory() {
    let directory = TempDir::new();
    for index in 0..TEXTS {
        let text: String =
            pattern(TEXT).iter().map(|byte| char::from(b'a' + (byte ^ index as u8) % 23)).collect();
        directory.write(&format!("{index}.css"), &text);
        directory.write(&format!("{index}.js"), &text[..SHORT]);
    }
    let application = App::start(|_| App::reply(b"hello"));
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        // Which worker serves a new connection depends on when the last one was closed, and each has its own threads
        // that read files and keep some memory.
        .set("server.workers", "1")
        .set("static.memory", "8MiB")
        .start();
    assert_eq!(sideman.get("/static/none").status, 404);
    // Anonymous and shared memory, without pages of files: the program's own code, which the kernel maps and reclaims
    // as it likes.
    let data = || sideman.memory("RssAnon") + sideman.memory("RssShmem");
    let (first, mut peak) = (data(), 0);
    let ask = |name: &str| {
        let target = format!("/static/{name}");
        sideman.connect().ask("GET", &target, "Accept-Encoding: br\r\n")
    };
    let names = (0..TEXTS).flat_map(|index| [format!("{index}.js"), format!("{index}.css")]);
    for name in names {
        eventually("its compressed form", || {
            let is_compressed = ask(&name).header("content-encoding") == Some("br");
            // Also while the text is compressed.
            peak = peak.max(data());
            is_compressed.then_some(())
        });
    }
    assert!(peak - first < BUDGET + 2 * WORK, "{first} bytes at first, then {peak}");
    let own = sideman.memory("RssAnon");
    assert!(own < first + BUDGET + 2 * WORK, "{first} bytes at first, {own} at last");
}
