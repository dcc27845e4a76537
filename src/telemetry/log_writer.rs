//! A thread that writes lines to stdout or stderr. Callers never wait for it: it drops and counts lines that it cannot
//! write in time. Before they make lines, callers may check whether there is space, and wait for it.

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

use tokio::sync::Notify;

/// The sending side of a writer's thread.
#[derive(Clone, Debug)]
pub struct LogSink {
    messages: mpsc::Sender<LogMessage>,
    shared: Arc<LogSinkState>,
}

/// The output of lines, and the report of write errors.
pub struct LogTarget {
    pub out: Box<dyn Write + Send>,
    /// The thread's name.
    pub name: &'static str,
    /// Maximum number of waiting bytes.
    pub limit: usize,
    /// The writer is full when this many bytes wait; `None` is never.
    pub full_at: Option<usize>,
    /// Called with the first error of a series.
    pub on_error: fn(&io::Error),
}

enum LogMessage {
    Lines {
        bytes: Vec<u8>,
        count: u64,
    },
    /// Acknowledged when everything before it is written.
    Flush(mpsc::Sender<()>),
}

#[derive(Debug)]
struct LogSinkState {
    /// Bytes that wait to be written.
    pending: AtomicUsize,
    limit: usize,
    full_at: Option<usize>,
    /// Notified when the writer is no longer full.
    freed: Notify,
    lost: Arc<AtomicU64>,
}

// === impl LogSink ===

impl LogSink {
    /// Starts the thread. Lost lines are counted in `lost`.
    pub fn start(target: LogTarget, lost: Arc<AtomicU64>) -> io::Result<Self> {
        let (messages, incoming) = mpsc::channel();
        let shared = Arc::new(LogSinkState {
            pending: AtomicUsize::new(0),
            limit: target.limit,
            full_at: target.full_at,
            freed: Notify::new(),
            lost,
        });
        let sink = Self { messages, shared: Arc::clone(&shared) };
        thread::Builder::new()
            .name(target.name.to_owned())
            .spawn(move || write_all(target, &incoming, &shared))?;
        Ok(sink)
    }

    /// Passes `count` lines to the thread. Returns `false` if they are lost.
    pub fn send(&self, bytes: Vec<u8>, count: u64) -> bool {
        let length = bytes.len();
        let pending = self.shared.pending.fetch_add(length, Ordering::SeqCst);
        let fits = pending + length <= self.shared.limit;
        let is_sent = fits && self.messages.send(LogMessage::Lines { bytes, count }).is_ok();
        if !is_sent {
            self.shared.take_off(length);
            self.shared.lost.fetch_add(count, Ordering::Relaxed);
        }
        is_sent
    }

    /// Returns whether the writer is full.
    pub fn is_full(&self) -> bool {
        self.shared.full_at.is_some_and(|max| self.shared.pending.load(Ordering::SeqCst) >= max)
    }

    /// Waits until the writer is no longer full.
    pub async fn wait_for_space(&self) {
        loop {
            // Registered before the check, so no notification in between is missed.
            let notified = self.shared.freed.notified();
            if !self.is_full() {
                return;
            }
            notified.await;
        }
    }

    /// Waits until all passed lines are written. Returns `false` if that takes longer than `max_wait`.
    pub fn flush(&self, max_wait: Duration) -> bool {
        let (written, done) = mpsc::channel();
        self.messages.send(LogMessage::Flush(written)).is_ok()
            && done.recv_timeout(max_wait).is_ok()
    }
}

// === impl LogTarget ===

impl fmt::Debug for LogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogTarget({})", self.name)
    }
}

// === impl LogSinkState ===

impl LogSinkState {
    /// Subtracts bytes that no longer wait.
    fn take_off(&self, length: usize) {
        let left = self.pending.fetch_sub(length, Ordering::SeqCst).saturating_sub(length);
        // Not earlier: all waiting callers resume together, and each adds a line.
        if self.full_at.is_some_and(|max| left <= max / 2) {
            self.freed.notify_waiters();
        }
    }
}

fn write_all(mut target: LogTarget, incoming: &mpsc::Receiver<LogMessage>, shared: &LogSinkState) {
    let mut has_failed = false;
    for message in incoming {
        let (bytes, count) = match message {
            LogMessage::Lines { bytes, count } => (bytes, count),
            LogMessage::Flush(written) => {
                // The receiver may be gone.
                let _ = written.send(());
                continue;
            }
        };
        // After an error, an incomplete line must not merge with the next one.
        let begin: &[u8] = if has_failed { b"\n" } else { b"" };
        let out = &mut target.out;
        let result =
            out.write_all(begin).and_then(|()| out.write_all(&bytes)).and_then(|()| out.flush());
        shared.take_off(bytes.len());
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
    struct SharedOutput(Arc<Mutex<Vec<u8>>>);

    impl Write for SharedOutput {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Takes three bytes, then is full once.
    #[derive(Clone, Default)]
    struct FullOnce(SharedOutput, u32);

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
        start_full_at(out, limit, None)
    }

    fn start_full_at(
        out: impl Write + Send + 'static,
        limit: usize,
        full_at: Option<usize>,
    ) -> (LogSink, Arc<AtomicU64>) {
        let lost = Arc::<AtomicU64>::default();
        let (out, name) = (Box::new(out), "test");
        let target = LogTarget { out, name, limit, full_at, on_error: |_| {} };
        (LogSink::start(target, Arc::clone(&lost)).unwrap(), lost)
    }

    #[test]
    fn everything_is_written_before_a_flush_ends() {
        let out = SharedOutput::default();
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

    #[test]
    fn waiter_is_woken_when_the_log_has_room() {
        let (release, stuck) = mpsc::channel();
        let (sink, lost) = start_full_at(Stuck(stuck), 40, Some(20));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let waits = |max_wait| {
            runtime.block_on(async {
                tokio::time::timeout(max_wait, sink.wait_for_space()).await.is_err()
            })
        };
        assert!(sink.send(vec![b'x'; 19], 1));
        assert!(!waits(PATIENCE));
        assert!(sink.send(vec![b'x'; 1], 1) && sink.is_full());
        assert!(waits(Duration::from_millis(20)));
        // Lines of requests in flight are still accepted, up to a second limit.
        assert!(sink.send(vec![b'x'; 20], 1));
        assert!(!sink.send(vec![b'x'; 1], 1));
        assert_eq!(lost.load(Ordering::Relaxed), 1);
        let released = thread::spawn(move || drop(release));
        assert!(!waits(PATIENCE));
        released.join().unwrap();
        assert!(sink.flush(PATIENCE) && !sink.is_full());
    }
}
