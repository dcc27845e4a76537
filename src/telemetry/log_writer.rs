//! The thread that writes the access log. Workers never wait for it: what it can't take in time is
//! dropped and counted.

use std::{
    fmt, io,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use super::{metrics::Process, repeat::Repeat};

/// The writing end, one for each worker.
#[derive(Clone, Debug)]
pub struct LogSink {
    batches: mpsc::Sender<Batch>,
    shared: Arc<Shared>,
}

/// The writer's thread; [`finish`](LogWriter::finish) waits for it.
#[derive(Debug)]
pub struct LogWriter {
    done: mpsc::Receiver<()>,
}

struct Batch {
    lines: Vec<u8>,
    count: u64,
}

#[derive(Debug)]
struct Shared {
    /// Bytes on their way.
    pending: AtomicUsize,
    limit: usize,
    metrics: Arc<Process>,
}

// === impl LogWriter ===

impl LogWriter {
    /// Starts the thread. `limit` is how many bytes may wait for `out`.
    pub fn start(
        out: impl Write + Send + 'static,
        limit: usize,
        metrics: Arc<Process>,
    ) -> io::Result<(Self, LogSink)> {
        let (batches, incoming) = mpsc::channel();
        let (finished, done) = mpsc::channel();
        let shared = Arc::new(Shared { pending: AtomicUsize::new(0), limit, metrics });
        let sink = LogSink { batches, shared: Arc::clone(&shared) };
        thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            write_all(out, &incoming, &shared);
            // Nobody listens any more if the process leaves without waiting.
            let _ = finished.send(());
        })?;
        Ok((Self { done }, sink))
    }

    /// Waits until every line is written, once all sinks are gone; `false` if that took longer
    /// than `patience`.
    pub fn finish(&self, patience: Duration) -> bool {
        self.done.recv_timeout(patience).is_ok()
    }
}

// === impl LogSink ===

impl LogSink {
    /// Hands over `count` lines.
    pub fn send(&self, lines: Vec<u8>, count: u64) {
        let length = lines.len();
        let pending = self.shared.pending.fetch_add(length, Ordering::Relaxed);
        let fits = pending + length <= self.shared.limit;
        if !fits || self.batches.send(Batch { lines, count }).is_err() {
            self.shared.pending.fetch_sub(length, Ordering::Relaxed);
            self.shared.metrics.access_log_dropped.fetch_add(count, Ordering::Relaxed);
        }
    }
}

// === impl Batch ===

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({} lines)", self.count)
    }
}

fn write_all(mut out: impl Write, incoming: &mpsc::Receiver<Batch>, shared: &Shared) {
    let failures = Repeat::default();
    for batch in incoming {
        let result = out.write_all(&batch.lines).and_then(|()| out.flush());
        shared.pending.fetch_sub(batch.lines.len(), Ordering::Relaxed);
        let Err(error) = result else { continue };
        shared.metrics.access_log_dropped.fetch_add(batch.count, Ordering::Relaxed);
        if let Some(missed) = failures.allow() {
            tracing::error!(
                %error, missed,
                "access log can't be written: free space behind stdout or set log.access = \"off\""
            );
        }
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

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Blocks for ever in its first write.
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

    #[test]
    fn everything_is_written_before_the_end() {
        let out = Out::default();
        let (writer, sink) = LogWriter::start(out.clone(), 1 << 20, Arc::default()).unwrap();
        for number in 0..100 {
            sink.clone().send(format!("{number}\n").into_bytes(), 1);
        }
        drop(sink);
        assert!(writer.finish(PATIENCE));
        assert_eq!(String::from_utf8(out.0.lock().unwrap().clone()).unwrap().lines().count(), 100);
    }

    #[test]
    fn a_full_disk_loses_lines_and_counts_them() {
        let metrics = Arc::<Process>::default();
        let (writer, sink) = LogWriter::start(Full, 1 << 20, Arc::clone(&metrics)).unwrap();
        sink.send(b"one\ntwo\n".to_vec(), 2);
        drop(sink);
        assert!(writer.finish(PATIENCE));
        assert_eq!(Process::read(&metrics.access_log_dropped), 2);
    }

    #[test]
    fn a_stuck_reader_never_blocks_the_sender() {
        let metrics = Arc::<Process>::default();
        let (release, stuck) = mpsc::channel();
        let (writer, sink) = LogWriter::start(Stuck(stuck), 10, Arc::clone(&metrics)).unwrap();
        for _ in 0..10 {
            sink.send(b"12345".to_vec(), 1);
        }
        assert_eq!(Process::read(&metrics.access_log_dropped), 8);
        drop(sink);
        assert!(!writer.finish(Duration::from_millis(1)));
        drop(release);
        assert!(writer.finish(PATIENCE));
    }
}
