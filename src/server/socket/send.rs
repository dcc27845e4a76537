//! Parts of files go from the system's cache to the socket, by sendfile(2), though hyper has them in memory.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustix::{
    fs::sendfile,
    net::{SendAncillaryBuffer, SendFlags, sendmsg},
};
use tokio::{
    io::{AsyncWrite as _, Interest},
    net::TcpStream,
};

use super::Socket;
use crate::pipeline::Sendable;

// === impl Socket ===

impl Socket {
    /// Writes slices of which one stands in a file: what is before it from memory, then it by
    /// sendfile(2). Whatever the kernel does not want to send that way is written from memory.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        sendable: &Sendable,
    ) -> Poll<io::Result<usize>> {
        if self.stream.bare_tcp().is_none() {
            self.client.clear_sendable();
            return Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        }
        let found = slices.iter().enumerate().find_map(|(index, slice)| {
            sendable.position(slice).map(|position| (slices.get(..index), position, slice.len()))
        });
        let Some((Some(before), position, length)) = found else {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        };
        self.shorten();
        let head: usize = before.iter().map(|slice| slice.len()).sum();
        if head > 0 {
            // More follows at once: both shall leave in the same segments.
            let sent = ready!(self.poll_io(cx, |tcp| {
                let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
                Ok(sendmsg(tcp, before, &mut SendAncillaryBuffer::default(), flags)?)
            }))?;
            if sent < head {
                return Poll::Ready(Ok(sent));
            }
        }
        let sent = self.poll_io(cx, |tcp| {
            let mut offset = position;
            Ok(sendfile(tcp, &*sendable.file, Some(&mut offset), length)?)
        });
        match sent {
            Poll::Ready(Ok(count)) if count > 0 => {
                if sendable.ends_at(position + count as u64) {
                    self.client.clear_sendable();
                }
                Poll::Ready(Ok(head + count))
            }
            Poll::Pending if head == 0 => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(head)),
            // The file has become shorter, or its file system can't: memory has it all.
            Poll::Ready(_) => {
                self.client.clear_sendable();
                if head > 0 {
                    return Poll::Ready(Ok(head));
                }
                Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
            }
        }
    }

    /// Does one system call on the socket as soon as it is writable.
    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        call: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let Some(tcp) = self.stream.bare_tcp() else {
            return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
        };
        loop {
            ready!(tcp.poll_write_ready(cx))?;
            match tcp.try_io(Interest::WRITABLE, || call(tcp)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }
}
