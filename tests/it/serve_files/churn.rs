//! A tree that changes at random under load: every response is exactly one version of its file, or a
//! recognisable error.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::support::{ReservedPort, Settings, Sideman, TempDir, eventually};

/// How long the tree changes; `SIDEMAN_CHURN_SECONDS` overrides it.
const SECONDS: u64 = 5;
/// Sizes up to 2.5 MiB: held in memory, sent by the kernel, and streamed.
const NAMES: [(&str, usize); 9] = [
    ("a.css", 3_000),
    ("b.js", 9_000),
    ("c.0123456789ab.css", 2_000),
    ("deep/d.bin", 60_000),
    ("deep/e.0123456789ab.bin", 90_000),
    ("f.bin", 700_000),
    ("g.bin", 1_500_000),
    ("deep/h.0123456789ab.bin", 2_500_000),
    ("i.html", 12_000),
];
/// The mark in names whose contents are declared immutable.
const HASH: &str = ".0123456789ab.";
/// Size of the largest file held in memory here, where it is compared after it was read.
const HELD: u64 = 100_000;
/// A version begins with its number and its length: 16 hex digits each and a line end.
const MARK: usize = 33;

/// The valid versions: each version's number with every length that it was ever truncated to.
#[derive(Debug, Default)]
struct Versions {
    next: AtomicU64,
    cuts: Mutex<HashSet<(u64, usize)>>,
    /// Locked for a change: two writers of one file would mix versions in the file itself.
    turn: Mutex<()>,
}

/// The results of the readers.
#[derive(Debug, Default)]
struct Seen {
    whole: AtomicU64,
    cut: AtomicU64,
    missing: AtomicU64,
    errors: AtomicU64,
    broken: AtomicU64,
}

// === impl Versions ===

impl Versions {
    /// A new version of about this size.
    fn make(&self, size: usize, random: &mut fastrand::Rng) -> Vec<u8> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        content(number, random.usize(MARK + 100..size))
    }

    fn allow_cut(&self, number: u64, length: usize) {
        self.cuts.lock().unwrap().insert((number, length));
    }

    /// Returns the fault of a body.
    fn check(&self, body: &[u8]) -> Result<bool, String> {
        let (number, length) = mark(body).ok_or_else(|| {
            format!(
                "no version begins so: {:?}",
                String::from_utf8_lossy(&body[..body.len().min(40)])
            )
        })?;
        let whole = content(number, length);
        if body.len() > whole.len() || body != &whole[..body.len()] {
            let at = body.iter().zip(&whole).position(|(got, expected)| got != expected);
            return Err(format!(
                "version {number} of {length}: differs at {at:?} of {}",
                body.len()
            ));
        }
        if body.len() < length && !self.cuts.lock().unwrap().contains(&(number, body.len())) {
            return Err(format!("version {number} of {length} was never cut to {}", body.len()));
        }
        Ok(body.len() == length)
    }
}

fn content(number: u64, length: usize) -> Vec<u8> {
    let mut content = format!("{number:016x}{length:016x}\n").into_bytes();
    // No two versions share a byte at any position, and no two positions of a version do.
    let step = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut word = number;
    while content.len() < length {
        word = word.wrapping_add(step);
        content.extend_from_slice(&word.to_le_bytes());
    }
    content.truncate(length);
    content
}

fn mark(body: &[u8]) -> Option<(u64, usize)> {
    let text = std::str::from_utf8(body.get(..MARK)?).ok()?.strip_suffix('\n')?;
    let number = u64::from_str_radix(text.get(..16)?, 16).ok()?;
    Some((number, usize::from_str_radix(text.get(16..)?, 16).ok()?))
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the length of the test is no setting of the program"
)]
fn every_response_is_one_version_or_an_error() {
    let seconds =
        std::env::var("SIDEMAN_CHURN_SECONDS").ok().map_or(SECONDS, |text| text.parse().unwrap());
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    let (versions, seen, over) = (Versions::default(), Seen::default(), AtomicBool::new(false));
    let mut random = fastrand::Rng::with_seed(11);
    for (name, size) in NAMES {
        directory.write(name, versions.make(size, &mut random));
    }
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("static.check_interval", "0s")
        .start();
    for (name, _) in NAMES {
        assert_eq!(sideman.get(&format!("/static/{name}")).status, 200);
    }
    let before = descriptors(&sideman);
    let end = Instant::now() + Duration::from_secs(seconds);

    thread::scope(|scope| {
        let (versions, seen, over, directory) = (&versions, &seen, &over, &directory);
        let writers: Vec<_> = (0..2)
            .map(|seed| scope.spawn(move || change(directory.path(), seed, versions, end)))
            .collect();
        for seed in 0..4 {
            let address = sideman.address();
            scope.spawn(move || read(address, seed, versions, seen, over));
        }
        for writer in writers {
            writer.join().unwrap();
        }
        over.store(true, Ordering::Relaxed);
    });

    // The load was sufficient: whole files were sent, and missing files were requested.
    assert!(seen.whole.load(Ordering::Relaxed) > 10 * seconds, "{seen:?}");
    assert!(seen.missing.load(Ordering::Relaxed) > 0, "{seen:?}");
    assert_eq!(sideman.metric("sideman_panics_total", &[]), 0.0);
    // Only names hold descriptors once the readers' connections are closed.
    eventually(&format!("no more than {} descriptors; {seen:?}", before + NAMES.len()), || {
        (descriptors(&sideman) <= before + NAMES.len()).then_some(())
    });
}

fn descriptors(sideman: &Sideman) -> usize {
    fs::read_dir(format!("/proc/{}/fd", sideman.pid())).unwrap().count()
}

/// Changes the tree at random.
fn change(directory: &Path, seed: u64, versions: &Versions, end: Instant) {
    let mut random = fastrand::Rng::with_seed(seed);
    while Instant::now() < end {
        let (name, size) = NAMES[random.usize(..NAMES.len())];
        let path = directory.join(name);
        let turn = versions.turn.lock().unwrap();
        // Another writer may have removed the file: that is expected.
        let _ = match random.u8(..10) {
            0..=6 | 8.. if is_write_once(name, size, &path) => {
                replace(directory, &path, seed, &versions.make(size, &mut random))
            }
            0..=3 => replace(directory, &path, seed, &versions.make(size, &mut random)),
            4..=5 => rewrite(&path, &versions.make(size, &mut random), versions),
            6 => truncate(&path, versions, &mut random),
            7 => fs::remove_file(&path),
            8 => {
                let (other, _) = NAMES[random.usize(..NAMES.len())];
                fs::rename(&path, directory.join(other))
            }
            _ => overwrite(&path, versions),
        };
        drop(turn);
        // Pauses between two changes, so that most responses are of an unchanged file.
        thread::sleep(Duration::from_millis(random.u64(..30)));
    }
}

/// Whether the kernel sends this file without comparison: its name is immutable, and it is too large for
/// memory, or was moved to this name. It is only replaced, never written to.
fn is_write_once(name: &str, size: usize, path: &Path) -> bool {
    let is_large = || fs::metadata(path).map_or(true, |metadata| metadata.len() > HELD);
    name.contains(HASH) && (size as u64 > HELD || is_large())
}

/// collectstatic and deploys should do this.
fn replace(directory: &Path, path: &Path, seed: u64, content: &[u8]) -> io::Result<()> {
    let temporary: PathBuf = directory.join(format!(".new-{seed}"));
    fs::write(&temporary, content)?;
    fs::rename(temporary, path)
}

/// In place: empty for a moment.
fn rewrite(path: &Path, content: &[u8], versions: &Versions) -> io::Result<()> {
    if let Some((number, length)) = mark(content) {
        // A write is not atomic either.
        for cut in 0..=length / 4096 {
            versions.allow_cut(number, cut * 4096);
        }
    }
    File::create(path)?.write_all(content)
}

fn truncate(path: &Path, versions: &Versions, random: &mut fastrand::Rng) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut head = [0; MARK];
    file.read_exact_at(&mut head, 0)?;
    let Some((number, _)) = mark(&head) else { return Ok(()) };
    let length = usize::try_from(file.metadata()?.len()).unwrap();
    let cut = random.usize(MARK..length.max(MARK + 1));
    versions.allow_cut(number, cut);
    file.set_len(cut as u64)
}

/// Another version of the same length, in place: the file is a mixture while it is written.
fn overwrite(path: &Path, versions: &Versions) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap();
    if length < MARK {
        return Ok(());
    }
    let number = versions.next.fetch_add(1, Ordering::Relaxed);
    file.write_all_at(&content(number, length), 0)
}

/// Sends random requests until the end.
fn read(address: SocketAddr, seed: u64, versions: &Versions, seen: &Seen, over: &AtomicBool) {
    let mut random = fastrand::Rng::with_seed(100 + seed);
    let mut connection = None;
    while !over.load(Ordering::Relaxed) {
        let (name, _) = NAMES[random.usize(..NAMES.len())];
        let mut stream = connection.take().unwrap_or_else(|| connect(address));
        match ask(&mut stream, name) {
            Ok((200, body)) if body.is_empty() => add(&seen.cut),
            Ok((200, body)) => match versions.check(&body) {
                Ok(true) => add(&seen.whole),
                Ok(false) => add(&seen.cut),
                Err(fault) => panic!("{name}: {fault}"),
            },
            Ok((404, _)) => add(&seen.missing),
            Ok((500, _)) => add(&seen.errors),
            Ok((status, _)) => panic!("{name}: {status}"),
            // Fewer bytes than announced arrived: a client notices the truncation.
            Err(_) => {
                add(&seen.broken);
                continue;
            }
        }
        connection = Some(stream);
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn ask(stream: &mut TcpStream, name: &str) -> io::Result<(u16, Vec<u8>)> {
    write!(stream, "GET /static/{name} HTTP/1.1\r\nHost: example.test\r\n\r\n")?;
    let mut head = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    let end = loop {
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => head.extend_from_slice(&chunk[..count]),
        }
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let mut body = head.split_off(end);
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let status = head[9..12].parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let length: usize = length.parse().unwrap();
    assert!(body.len() <= length, "{name}: more than {length} bytes came");
    let filled = body.len();
    body.resize(length, 0);
    stream.read_exact(&mut body[filled..])?;
    Ok((status, body))
}
