//! The steps of a client, decoded from an input. The first line has a letter for each request that the application
//! receives ([`super::application`]). Everything after it is written, except for steps: `~` and a letter.

use std::time::Duration;

use crate::{fuzz_input, server::head_filter::PREFACE};

/// The most bytes that one input writes.
const LONGEST: usize = 300_000;

/// A whole input.
#[derive(Debug)]
pub(super) struct FuzzScript {
    /// The responses of the application, one for each request. Later requests get the usual response.
    pub(super) behaviours: Vec<u8>,
    pub(super) steps: Vec<FuzzStep>,
}

#[derive(Debug)]
pub(super) enum FuzzStep {
    Write(Vec<u8>),
    Pause(Duration),
    /// The client closes its side.
    EndWriting,
    /// The client closes the connection. This is a reset if it has not read everything.
    Close,
    StopReading,
    Read,
}

// === impl FuzzScript ===

impl FuzzScript {
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
                (b'~', [b's', ..]) => Some(FuzzStep::Pause(Duration::from_millis(1))),
                (b'~', [b'p', ..]) => Some(FuzzStep::Pause(Duration::from_millis(50))),
                (b'~', [b'P', ..]) => Some(FuzzStep::Pause(Duration::from_secs(2))),
                (b'~', [b'T', ..]) => Some(FuzzStep::Pause(Duration::from_secs(7))),
                (b'~', [b'h', ..]) => Some(FuzzStep::EndWriting),
                (b'~', [b'c', ..]) => Some(FuzzStep::Close),
                (b'~', [b'q', ..]) => Some(FuzzStep::StopReading),
                (b'~', [b'r', ..]) => Some(FuzzStep::Read),
                _ => None,
            };
            if filler > 0 && length + filler <= LONGEST {
                rest = &rest[2..];
                length += filler;
                bytes.resize(bytes.len() + filler, b'x');
            } else if let Some(step) = step {
                rest = &rest[1..];
                if !bytes.is_empty() {
                    steps.push(FuzzStep::Write(std::mem::take(&mut bytes)));
                }
                steps.push(step);
            } else {
                length += 1;
                bytes.push(*byte);
            }
        }
        if !bytes.is_empty() {
            steps.push(FuzzStep::Write(bytes));
        }
        Self { behaviours: behaviours.to_vec(), steps }
    }

    /// Whether the client speaks HTTP/2, which this target does not test.
    pub(super) fn is_http2(&self) -> bool {
        let writes = self.steps.iter().filter_map(|step| match step {
            FuzzStep::Write(bytes) => Some(bytes),
            FuzzStep::Pause(_)
            | FuzzStep::EndWriting
            | FuzzStep::Close
            | FuzzStep::StopReading
            | FuzzStep::Read => None,
        });
        writes.flatten().copied().take(PREFACE.len()).eq(PREFACE.iter().copied())
    }
}
