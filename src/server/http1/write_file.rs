//! Writes a body that is a range of a file, when the client accepts more. Until then it takes no memory. Reads go
//! through one buffer per worker, and bytes that are not written at once are read again. If the file's bytes can never
//! change, the kernel sends them from the page cache.

use std::{
    cell::RefCell,
    task::{Context, Poll},
};

use super::socket::{ClientSocket, MAX_GATHERED};
use crate::{
    body::{CachedPart, FilePiece},
    error::Error,
    pipeline::TrackedResponse,
};

/// The most bytes read at a time: a little less than two of the largest TCP segments over loopback and between
/// containers of one host. With 128 KiB, about a hundred bytes would remain for a third segment, which costs as much as
/// a large one. Reads of this size also stay in the processor's cache until the kernel copies them.
const READ_SIZE: usize = 124 * 1024;
/// Bytes read at a time for a client that accepts little at a time.
const MIN_READ_SIZE: usize = 16 * 1024;
/// The most that is written in one turn to a client that accepts everything. Then other tasks run.
const MAX_PER_TURN: usize = 4 * 1024 * 1024;

thread_local! {
    /// The buffer for file bytes on their way to the kernel or into TLS. It is empty between polls.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The progress of a file that is being written.
#[derive(Debug)]
pub(super) struct FileWriter {
    /// Bytes to read next.
    next_size: usize,
    /// Bytes written in this turn.
    written: usize,
}

/// The result of a step.
#[derive(Debug)]
pub(super) enum FileStep {
    Written,
    /// Enough was written for now; continue later.
    Enough,
    /// The client does not accept bytes at the moment.
    Blocked,
    /// The bytes must be read from the disk.
    Reading,
    /// The whole file was written.
    Over,
    /// The file has changed or cannot be read.
    Broken,
    /// The client has disconnected.
    Disconnected,
}

// === impl FileWriter ===

impl FileWriter {
    /// Begins with nothing written.
    pub(super) fn new() -> Self {
        Self { next_size: READ_SIZE / 2, written: 0 }
    }

    /// Begins a new turn after other tasks have run.
    pub(super) fn begin_turn(&mut self) {
        self.written = 0;
    }

    /// Writes the rest of the head and some of the file.
    pub(super) fn poll(
        &mut self,
        response: &mut TrackedResponse,
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
    ) -> FileStep {
        if response.file().is_none_or(|file| file.left() == 0) {
            return FileStep::Over;
        }
        if self.written >= MAX_PER_TURN {
            cx.waker().wake_by_ref();
            return FileStep::Enough;
        }
        match socket.stream.poll_write_ready(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return FileStep::Disconnected,
            Poll::Pending => return FileStep::Blocked,
        }
        let step = match self.send(response, socket, cx) {
            Ok(Some(step)) => Ok(step),
            Ok(None) => BUFFER.with_borrow_mut(|memory| {
                memory.resize(READ_SIZE, 0);
                self.copy(response, socket, (memory, cx))
            }),
            Err(error) => Err(error),
        };
        step.unwrap_or_else(|error| {
            response.on_file_failed(&error);
            FileStep::Broken
        })
    }

    /// Lets the kernel send some of the file. Returns `None` if it must be read instead.
    fn send(
        &mut self,
        response: &mut TrackedResponse,
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
    ) -> Result<Option<FileStep>, Error> {
        let Some(stream) = response.file().filter(|_| socket.stream.takes_files()) else {
            return Ok(None);
        };
        let CachedPart { file, offset, length } = match stream.poll_sendable(cx) {
            Poll::Ready(Ok(Some(part))) => part,
            Poll::Ready(Ok(None)) => return Ok(None),
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => return Ok(Some(FileStep::Reading)),
        };
        if !socket.output.is_empty() {
            return Ok(Some(match socket.stream.poll_write_more(cx, &socket.output) {
                Poll::Ready(Ok(written)) => {
                    socket.advance_output(written);
                    FileStep::Written
                }
                Poll::Ready(Err(_)) => FileStep::Disconnected,
                Poll::Pending => FileStep::Blocked,
            }));
        }
        let sent = match socket.stream.poll_send_file(cx, file, offset, length) {
            Poll::Ready(sent) => sent.ok(),
            Poll::Pending => return Ok(Some(FileStep::Blocked)),
        };
        stream.advance_sent(sent)?;
        // If the kernel cannot send it, the following write reports the error.
        let Some(sent) = sent else { return Ok(None) };
        let is_all = stream.left() == 0;
        response.on_file_sent(sent, is_all);
        self.written += sent;
        Ok(Some(FileStep::Written))
    }

    /// Reads some of the file and writes it.
    fn copy(
        &mut self,
        response: &mut TrackedResponse,
        socket: &mut ClientSocket,
        (memory, cx): (&mut [u8], &mut Context<'_>),
    ) -> Result<FileStep, Error> {
        let Some(file) = response.file() else { return Ok(FileStep::Over) };
        let space = memory.get_mut(..self.next_size).unwrap_or_default();
        let Poll::Ready(piece) = file.poll_read(cx, space) else { return Ok(FileStep::Reading) };
        let piece = piece?;
        let data = match &piece {
            FilePiece::Read(count) => space.get(..*count).unwrap_or_default(),
            FilePiece::Held(bytes) => bytes,
        };
        let is_last = data.len() as u64 == file.left();
        if is_last && socket.output.len() + data.len() <= MAX_GATHERED {
            // Counted before the client can see the bytes.
            response.on_file_sent(data.len(), true);
            response.finish();
        }
        let written = match socket.poll_write(cx, data, &[]) {
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(_)) => return Ok(FileStep::Disconnected),
            Poll::Pending => return Ok(FileStep::Blocked),
        };
        response.on_file_sent(written, is_last && written == data.len());
        if let Some(file) = response.file() {
            file.advance(data.get(..written).unwrap_or_default());
        }
        self.next_size = if written < data.len() {
            written.next_multiple_of(MIN_READ_SIZE).clamp(MIN_READ_SIZE, READ_SIZE)
        } else {
            (self.next_size * 2).min(READ_SIZE)
        };
        self.written += written;
        Ok(FileStep::Written)
    }
}
