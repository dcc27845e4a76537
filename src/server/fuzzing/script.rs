//! What a client does, as the bytes of an input say it. The first line has a letter for each request that the application
//! gets ([`super::application`]); all that follows is written, except for steps: `~` and a letter.

use std::time::Duration;

use crate::{fuzz_input, server::head_filter::PREFACE};

/// Bytes that one input writes, at the most.
const LONGEST: usize = 300_000;

/// The whole input.
#[derive(Debug)]
pub(super) struct Script {
    /// How the application responds, request by request. It responds as usual to those beyond.
    pub(super) behaviours: Vec<u8>,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug)]
pub(super) enum Step {
    Write(Vec<u8>),
    Pause(Duration),
    /// The client closes its side.
    EndWriting,
    /// It closes the connection, which is a reset if it has not read everything.
    Close,
    StopReading,
    Read,
}

// === impl Script ===

impl Script {
    pub(super) fn decode(input: &[u8]) -> Self {
        let (behaviours, mut rest) = fuzz_input::first_line(input);
        let (mut steps, mut bytes, mut length) = (Vec::new(), Vec::new(), 0);
        while let [byte, after @ ..] = rest {
            rest = after;
            let filler = if let (b'~', [b'x', digit @ b'0'..=b'9', ..]) = (byte, rest) {
                (usize::from(digit - b'0') * 1000).max(1)
            } else {
                0
            };
            let step = match (byte, rest) {
                _ if filler > 0 => None,
                (b'~', [b's', ..]) => Some(Step::Pause(Duration::from_millis(1))),
                (b'~', [b'p', ..]) => Some(Step::Pause(Duration::from_millis(50))),
                (b'~', [b'P', ..]) => Some(Step::Pause(Duration::from_secs(2))),
                (b'~', [b'T', ..]) => Some(Step::Pause(Duration::from_secs(7))),
                (b'~', [b'h', ..]) => Some(Step::EndWriting),
                (b'~', [b'c', ..]) => Some(Step::Close),
                (b'~', [b'q', ..]) => Some(Step::StopReading),
                (b'~', [b'r', ..]) => Some(Step::Read),
                _ => None,
            };
            if filler > 0 && length + filler <= LONGEST {
                rest = &rest[2..];
                length += filler;
                bytes.resize(bytes.len() + filler, b'x');
            } else if let Some(step) = step {
                rest = &rest[1..];
                if !bytes.is_empty() {
                    steps.push(Step::Write(std::mem::take(&mut bytes)));
                }
                steps.push(step);
            } else {
                length += 1;
                bytes.push(*byte);
            }
        }
        if !bytes.is_empty() {
            steps.push(Step::Write(bytes));
        }
        Self { behaviours: behaviours.to_vec(), steps }
    }

    /// Whether its client speaks HTTP/2, which is none of this loop's.
    pub(super) fn is_http2(&self) -> bool {
        let writes = self.steps.iter().filter_map(|step| match step {
            Step::Write(bytes) => Some(bytes),
            Step::Pause(_) | Step::EndWriting | Step::Close | Step::StopReading | Step::Read => {
                None
            }
        });
        writes.flatten().copied().take(PREFACE.len()).eq(PREFACE.iter().copied())
    }
}
