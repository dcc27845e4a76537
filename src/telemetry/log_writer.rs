//! A thread that writes lines to stdout or stderr. Whoever hands it lines never waits: what it can't
//! take in time is dropped and counted.

use std::{
    fmt, io,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// The near end of a writer's thread.
#[derive(Clone, Debug)]
pub struct LogSink {
    messages: mpsc::Sender<Message>,
    shared: Arc<Shared>,
}

/// Where lines go, and what is told when they can't be written.
pub struct Target {
    pub out: Box<dyn Write + Send>,
    /// The thread's name.
    pub name: &'static str,
    /// Bytes that may wait, at the most.
    pub limit: usize,
    /// Called with the first error of a series.
    pub on_error: fn(&io::Error),
}

enum Message {
    Lines {
        bytes: Vec<u8>,
        count: u64,
    },
    /// Answered when everything before it is written.
    Flush(mpsc::Sender<()>),
}

#[derive(Debug)]
struct Shared {
    /// Bytes on their way.
    pending: AtomicUsize,
    limit: usize,
    lost: Arc<AtomicU64>,
}

// === impl LogSink ===

impl LogSink {
    /// Starts the thread. Lines that are lost are counted in `lost`.
    pub fn start(target: Target, lost: Arc<AtomicU64>) -> io::Result<Self> {
        let (messages, incoming) = mpsc::channel();
        let shared = Arc::new(Shared { pending: AtomicUsize::new(0), limit: target.limit, lost });
        let sink = Self { messages, shared: Arc::clone(&shared) };
        thread::Builder::new()
            .name(target.name.to_owned())
            .spawn(move || write_all(target, &incoming, &shared))?;
        Ok(sink)
    }

    /// Hands over `count` lines.
    pub fn send(&self, bytes: Vec<u8>, count: u64) {
        let length = bytes.len();
        let pending = self.shared.pending.fetch_add(length, Ordering::Relaxed);
        let fits = pending + length <= self.shared.limit;
        if !fits || self.messages.send(Message::Lines { bytes, count }).is_err() {
            self.shared.pending.fetch_sub(length, Ordering::Relaxed);
            self.shared.lost.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Waits until everything that was handed over is written; `false` if that takes longer than
    /// `patience`.
    pub fn flush(&self, patience: Duration) -> bool {
        let (written, done) = mpsc::channel();
        self.messages.send(Message::Flush(written)).is_ok() && done.recv_timeout(patience).is_ok()
    }
}

// === impl Target ===

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.name)
    }
}

fn write_all(mut target: Target, incoming: &mpsc::Receiver<Message>, shared: &Shared) {
    let mut has_failed = false;
    for message in incoming {
        let (bytes, count) = match message {
            Message::Lines { bytes, count } => (bytes, count),
            Message::Flush(written) => {
                // Nobody may be waiting any more.
                let _ = written.send(());
                continue;
            }
        };
        // A line that was torn by an error must not swallow the next one.
        let begin: &[u8] = if has_failed { b"\n" } else { b"" };
        let out = &mut target.out;
        let result =
            out.write_all(begin).and_then(|()| out.write_all(&bytes)).and_then(|()| out.flush());
        shared.pending.fetch_sub(bytes.len(), Ordering::Relaxed);
        if let Err(error) = &result {
            shared.lost.fetch_add(count, Ordering::Relaxed);
            if !has_failed {
                (target.on_error)(error);
            }
        }
        has_failed = result.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Takes three bytes, then is full once.
    #[derive(Clone, Default)]
    struct FullOnce(Out, u32);

    impl Write for FullOnce {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            match self.1 {
                1 => self.0.write(&bytes[..3]),
                2 => Err(io::ErrorKind::StorageFull.into()),
                _ => self.0.write(bytes),
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Blocks in its first write until released.
    struct Stuck(mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const PATIENCE: Duration = Duration::from_secs(20);

    fn start(out: impl Write + Send + 'static, limit: usize) -> (LogSink, Arc<AtomicU64>) {
        let lost = Arc::<AtomicU64>::default();
        let target = Target { out: Box::new(out), name: "test", limit, on_error: |_| {} };
        (LogSink::start(target, Arc::clone(&lost)).unwrap(), lost)
    }

    #[test]
    fn everything_is_written_before_a_flush_ends() {
        let out = Out::default();
        let (sink, lost) = start(out.clone(), 1 << 20);
        for number in 0..100 {
            sink.clone().send(format!("{number}\n").into_bytes(), 1);
        }
        assert!(sink.flush(PATIENCE));
        assert_eq!(String::from_utf8(out.0.lock().unwrap().clone()).unwrap().lines().count(), 100);
        assert_eq!(lost.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_full_disk_loses_lines_counts_them_and_tears_no_other() {
        let out = FullOnce::default();
        let (sink, lost) = start(out.clone(), 1 << 20);
        sink.send(b"one\ntwo\n".to_vec(), 2);
        sink.send(b"three\n".to_vec(), 1);
        assert!(sink.flush(PATIENCE));
        assert_eq!(lost.load(Ordering::Relaxed), 2);
        assert_eq!(*out.0.0.lock().unwrap(), b"one\nthree\n");
    }

    #[test]
    fn a_stuck_reader_never_blocks_the_sender() {
        let (release, stuck) = mpsc::channel();
        let (sink, lost) = start(Stuck(stuck), 10);
        for _ in 0..10 {
            sink.send(b"12345".to_vec(), 1);
        }
        assert_eq!(lost.load(Ordering::Relaxed), 8);
        assert!(!sink.flush(Duration::from_millis(1)));
        drop(release);
        assert!(sink.flush(PATIENCE));
    }
}
