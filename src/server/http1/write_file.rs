//! Writes a body that is a part of a file, when the client can take some of it. Until then it costs no memory: what is
//! read goes through the one buffer of the worker, and what is not written at once is read again. Bytes that never become
//! others, the kernel sends from its cache.

use std::{
    cell::RefCell,
    task::{Context, Poll},
};

use super::socket::{ClientSocket, ENOUGH};
use crate::{
    body::{CachedPart, FilePiece},
    error::Error,
    pipeline::TrackedResponse,
};

/// Bytes read at a time, at the most: a little less than two of the largest segments that TCP sends over loopback and
/// between containers of one host. 128 KiB would be a little more: their rest, a hundred bytes, would be a segment of its
/// own, which costs as much as a large one. So few also stay in the processor's cache on their way to the kernel.
const PIECE: usize = 124 * 1024;
/// The same for a client that takes little at a time.
const LEAST: usize = 16 * 1024;
/// So much is written at once to a client that takes everything; then others have their turn.
const TURN: usize = 4 * 1024 * 1024;

thread_local! {
    /// What was read of any file, on its way to the kernel or into TLS. Nothing stays in it.
    static MEMORY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// How a file is being written.
#[derive(Debug)]
pub(super) struct FileWriter {
    /// Bytes to be read next.
    wanted: usize,
    /// Bytes written in this turn.
    written: usize,
}

/// What came of writing some of it.
#[derive(Debug)]
pub(super) enum FileStep {
    Written,
    /// It has written enough for now, and goes on later.
    Enough,
    /// The client takes nothing at the moment.
    Blocked,
    /// The bytes have to come from the disk.
    Reading,
    /// All of it was written.
    Over,
    /// The file has changed, or can't be read.
    Broken,
    /// The client has left.
    Disconnected,
}

// === impl FileWriter ===

impl FileWriter {
    /// Nothing was written so far.
    pub(super) fn new() -> Self {
        Self { wanted: PIECE / 2, written: 0 }
    }

    /// Others had their turn.
    pub(super) fn begin_turn(&mut self) {
        self.written = 0;
    }

    /// Writes the head, if it is still there, and some of the file.
    pub(super) fn poll(
        &mut self,
        response: &mut TrackedResponse,
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
    ) -> FileStep {
        if response.file().is_none_or(|file| file.left() == 0) {
            return FileStep::Over;
        }
        if self.written >= TURN {
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
            Ok(None) => MEMORY.with_borrow_mut(|memory| {
                memory.resize(PIECE, 0);
                self.copy(response, socket, (memory, cx))
            }),
            Err(error) => Err(error),
        };
        step.unwrap_or_else(|error| {
            response.on_file_failed(&error);
            FileStep::Broken
        })
    }

    /// Has the kernel send some of it; `None` if it is to be read.
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
        // If it does not send it, what is wrong shows when it is written.
        let Some(sent) = sent else { return Ok(None) };
        let is_all = stream.left() == 0;
        response.on_file_sent(sent, is_all);
        self.written += sent;
        Ok(Some(FileStep::Written))
    }

    /// Reads some of it and writes that.
    fn copy(
        &mut self,
        response: &mut TrackedResponse,
        socket: &mut ClientSocket,
        (memory, cx): (&mut [u8], &mut Context<'_>),
    ) -> Result<FileStep, Error> {
        let Some(file) = response.file() else { return Ok(FileStep::Over) };
        let room = memory.get_mut(..self.wanted).unwrap_or_default();
        let Poll::Ready(piece) = file.poll_read(cx, room) else { return Ok(FileStep::Reading) };
        let piece = piece?;
        let data = match &piece {
            FilePiece::Read(count) => room.get(..*count).unwrap_or_default(),
            FilePiece::Held(bytes) => bytes,
        };
        let is_last = data.len() as u64 == file.left();
        if is_last && socket.output.len() + data.len() <= ENOUGH {
            // Counted before its client can know.
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
        self.wanted = if written < data.len() {
            written.next_multiple_of(LEAST).clamp(LEAST, PIECE)
        } else {
            (self.wanted * 2).min(PIECE)
        };
        self.written += written;
        Ok(FileStep::Written)
    }
}
