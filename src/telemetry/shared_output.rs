//! An output that other processes write to as well, such as the stdout that the application has inherited.

use std::{
    io::{self, Write},
    os::fd::AsFd,
};

use rustix::event::{PollFd, PollFlags, poll};

/// The longest write to a pipe that never mixes with those of others (PIPE_BUF).
const MAX_ATOMIC: usize = 4096;

/// Writes whole lines, each write short enough that no other writer gets in between. Only a line that is longer than
/// [`MAX_ATOMIC`] may be divided.
#[derive(Debug)]
pub struct SharedOutput<W>(pub W);

impl<W: Write + AsFd> Write for SharedOutput<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = bytes.get(..whole_lines(bytes)).unwrap_or(bytes);
        loop {
            match self.0.write(piece) {
                // The other process may have switched the common description to non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None)?;
                }
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Returns the length of the lines at the beginning that fit into one write, and at least one line.
fn whole_lines(bytes: &[u8]) -> usize {
    let start = bytes.get(..MAX_ATOMIC).unwrap_or(bytes);
    let end = match memchr::memrchr(b'\n', start) {
        Some(end) => Some(end),
        None => memchr::memchr(b'\n', bytes),
    };
    end.map_or(bytes.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_write_is_whole_lines_and_short() {
        let lines: String = (0..1000).map(|number| format!("line {number}\n")).collect();
        let mut rest = lines.as_bytes();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(whole_lines(rest));
            assert!(piece.len() <= MAX_ATOMIC && piece.ends_with(b"\n"));
            rest = after;
        }
    }

    #[test]
    fn long_line_is_one_write() {
        let long = format!("{}\nnext\n", "x".repeat(10_000));
        assert_eq!(whole_lines(long.as_bytes()), 10_001);
        assert_eq!(whole_lines(b"no end"), 6);
        assert_eq!(whole_lines(b""), 0);
    }

    #[test]
    fn output_that_does_not_block_is_waited_for() {
        let (mut reader, writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        let lines = "0123456789abcde\n".repeat(16 * 1024);
        let expected = lines.clone();
        let thread = std::thread::spawn(move || SharedOutput(writer).write_all(lines.as_bytes()));
        let mut read = String::new();
        io::Read::read_to_string(&mut reader, &mut read).unwrap();
        thread.join().unwrap().unwrap();
        assert!(read == expected);
    }
}
