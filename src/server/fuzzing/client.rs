//! Plays the client of a script on its end of the socket.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    select,
    time::{sleep, timeout},
};

use super::script::FuzzStep;

/// How long the client tries to write while nothing is accepted.
const PATIENCE: Duration = Duration::from_secs(30);
/// The sum of pauses in which no timeout of the server expires. The shortest timeout is 5 s.
const PROMPT: Duration = Duration::from_secs(3);

/// A client and what it has observed.
#[derive(Debug)]
pub(super) struct FuzzClient {
    /// `None` after it has closed the connection.
    stream: Option<UnixStream>,
    /// The bytes that the kernel has accepted.
    pub(super) sent: Vec<u8>,
    pub(super) received: Vec<u8>,
    /// Whether it reads what arrives.
    is_reading: bool,
    /// Whether it has read everything at once and caused no timeout of the server.
    pub(super) is_good: bool,
    pub(super) has_ended_writing: bool,
    /// Whether the server has ended the connection.
    pub(super) has_seen_end: bool,
    paused: Duration,
}

// === impl FuzzClient ===

impl FuzzClient {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream: Some(stream),
            sent: Vec::new(),
            received: Vec::new(),
            is_reading: true,
            is_good: true,
            has_ended_writing: false,
            has_seen_end: false,
            paused: Duration::ZERO,
        }
    }

    /// Plays one step.
    pub(super) async fn play(&mut self, step: &FuzzStep) {
        match step {
            FuzzStep::Write(bytes) => self.write(bytes).await,
            FuzzStep::Pause(pause) => self.pause(*pause).await,
            FuzzStep::EndWriting => {
                self.has_ended_writing = true;
                if let Some(stream) = &mut self.stream {
                    // The server may be gone.
                    let _ = stream.shutdown().await;
                }
            }
            FuzzStep::Close => {
                self.is_good = false;
                self.stream = None;
            }
            FuzzStep::StopReading => {
                self.is_good = false;
                self.is_reading = false;
            }
            FuzzStep::Read => self.is_reading = true,
        }
    }

    async fn write(&mut self, mut bytes: &[u8]) {
        while !self.has_ended_writing && !bytes.is_empty() {
            let Some(stream) = &mut self.stream else { return };
            let (mut reader, mut writer) = stream.split();
            let (received, has_seen_end) = (&mut self.received, &mut self.has_seen_end);
            let is_reading = self.is_reading && !*has_seen_end;
            let reading = async {
                *has_seen_end |= reader.read_buf(received).await.is_ok_and(|count| count == 0);
            };
            select! {
                biased;
                written = writer.write(bytes) => match written {
                    Ok(count) => {
                        self.sent.extend_from_slice(&bytes[..count]);
                        bytes = &bytes[count..];
                    }
                    // The server is gone.
                    Err(_) => return,
                },
                () = reading, if is_reading => {}
                () = sleep(PATIENCE) => {
                    // The client must not skip a part of what it writes.
                    self.has_ended_writing = true;
                    self.is_good = false;
                }
            }
        }
    }

    async fn pause(&mut self, pause: Duration) {
        self.paused += pause;
        self.is_good &= self.paused < PROMPT;
        let wakes = sleep(pause);
        if self.is_reading {
            // The pause continues after the end of the connection.
            let _ = timeout(pause, self.read()).await;
        }
        wakes.await;
    }

    /// Reads to the end of the connection, if it reads at all.
    pub(super) async fn finish(&mut self) {
        if self.is_reading {
            self.read().await;
        }
    }

    /// Reads the rest after the server has closed the connection.
    pub(super) async fn finish_late(&mut self) {
        self.read().await;
    }

    async fn read(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        while !self.has_seen_end {
            // A reset is an end too.
            let count = stream.read_buf(&mut self.received).await.unwrap_or(0);
            self.has_seen_end = count == 0;
        }
    }
}
