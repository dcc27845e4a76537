//! Follows the frames that a client of HTTP/2 sends (RFC 9113, 4.1), to know since when a head is
//! incomplete: h2 waits for the rest of one for ever, and nothing else of the connection can be read
//! meanwhile (RFC 9113, 6.10).

use std::{cell::Cell, time::Instant};

use super::preface::PREFACE;

/// The state of one connection's incoming bytes.
#[derive(Debug)]
pub(super) struct Frames {
    state: Cell<State>,
    /// Since when a frame's header, or a request's head, is incomplete.
    since: Cell<Option<Instant>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    /// Bytes of the frame's payload, or of the preface, that are to come.
    left: usize,
    /// What has come of the next frame's header.
    header: [u8; HEADER],
    have: usize,
    /// Whether it is a part of a head that comes.
    is_head: bool,
    /// Whether more parts of the head follow.
    is_open: bool,
}

/// Bytes of a frame's header.
const HEADER: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

// === impl Frames ===

impl Frames {
    /// Before the preface.
    pub(super) fn new() -> Self {
        Self { state: Cell::new(State::new()), since: Cell::new(None) }
    }

    /// These bytes have come. The clock is read only if they end amid a head.
    pub(super) fn on_read(&self, bytes: &[u8]) {
        let mut state = self.state.get();
        let is_same = state.follow(bytes);
        self.state.set(state);
        if !state.is_amid() {
            self.since.set(None);
        } else if !is_same || self.since.get().is_none() {
            self.since.set(Some(Instant::now()));
        }
    }

    /// Since when the last head is incomplete, if it is.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since.get()
    }
}

// === impl State ===

impl State {
    fn new() -> Self {
        Self { left: PREFACE.len(), header: [0; HEADER], have: 0, is_head: false, is_open: false }
    }

    /// Whether something is incomplete that must not take long.
    fn is_amid(&self) -> bool {
        self.have > 0 || self.is_open || self.is_head && self.left > 0
    }

    /// Goes through these bytes; gives whether what was incomplete before was not completed.
    fn follow(&mut self, mut bytes: &[u8]) -> bool {
        let mut is_same = true;
        loop {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            is_same &= self.is_amid();
            if bytes.is_empty() {
                return is_same;
            }
            let taken = (HEADER - self.have).min(bytes.len());
            let (now, rest) = bytes.split_at(taken);
            for (place, byte) in self.header.iter_mut().skip(self.have).zip(now) {
                *place = *byte;
            }
            self.have += taken;
            bytes = rest;
            if self.have < HEADER {
                return is_same;
            }
            self.have = 0;
            let [high, middle, low, kind, flags, ..] = self.header;
            self.left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            self.is_head = matches!(kind, HEADERS | CONTINUATION);
            if self.is_head {
                self.is_open = flags & END_HEADERS == 0;
            }
            is_same &= self.is_amid();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DATA: u8 = 0;
    const SETTINGS: u8 = 4;

    fn frame(kind: u8, flags: u8, length: u16) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let mut frame = vec![0, high, low, kind, flags, 0, 0, 0, 1];
        frame.resize(HEADER + usize::from(length), 0xAB);
        frame
    }

    fn after(parts: &[Vec<u8>]) -> Frames {
        let frames = Frames::new();
        frames.on_read(PREFACE);
        parts.iter().for_each(|part| frames.on_read(part));
        frames
    }

    #[test]
    fn a_head_is_incomplete_until_its_end() {
        let cut = |mut frame: Vec<u8>, length| {
            frame.truncate(length);
            frame
        };
        for (parts, is_amid) in [
            (vec![], false),
            (vec![frame(SETTINGS, 0, 6)], false),
            (vec![frame(HEADERS, END_HEADERS, 20)], false),
            (vec![frame(HEADERS, END_HEADERS, 0)], false),
            (vec![frame(HEADERS, 0, 20)], true),
            (vec![frame(HEADERS, 0, 20), frame(CONTINUATION, 0, 5)], true),
            (vec![frame(HEADERS, 0, 20), frame(CONTINUATION, END_HEADERS, 5)], false),
            (vec![cut(frame(HEADERS, END_HEADERS, 20), 28)], true),
            (vec![cut(frame(HEADERS, END_HEADERS, 20), 9)], true),
            (vec![cut(frame(DATA, 0, 20), 1)], true),
            (vec![cut(frame(DATA, 0, 20), 8)], true),
            // The rest of a body may take its time.
            (vec![cut(frame(DATA, 0, 20), 9)], false),
            (vec![cut(frame(DATA, 0, 20), 28)], false),
            (vec![frame(DATA, 0, 20), frame(HEADERS, END_HEADERS, 20), frame(DATA, 1, 9)], false),
        ] {
            assert_eq!(after(&parts).since().is_some(), is_amid, "{parts:?}");
        }
    }

    #[test]
    fn the_time_of_each_begins_anew() {
        let frames = after(&[frame(HEADERS, 0, 20)]);
        let first = frames.since().unwrap();
        frames.on_read(&frame(CONTINUATION, 0, 3));
        frames.on_read(b"\0");
        assert_eq!(frames.since(), Some(first));
        // The rest of it, and the beginning of another.
        let rest = frame(CONTINUATION, END_HEADERS, 3);
        let both = [&rest[1..], &frame(HEADERS, 0, 5)].concat();
        while Instant::now() == first {}
        frames.on_read(&both);
        assert!(frames.since().unwrap() > first);
    }

    proptest! {
        /// It does not matter how bytes are cut into pieces, and nothing that comes is too strange.
        #[test]
        fn pieces_make_no_difference(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            kinds in proptest::collection::vec((0_u8..12, any::<u8>(), 0_u16..40), 0..10),
            cut in 1_usize..30,
        ) {
            let framed: Vec<u8> = kinds.iter().flat_map(|(k, f, l)| frame(*k, *f, *l)).collect();
            for bytes in [&bytes, &framed] {
                let pieces: Vec<Vec<u8>> = bytes.chunks(cut).map(<[u8]>::to_vec).collect();
                let (whole, cut) = (after(std::slice::from_ref(bytes)), after(&pieces));
                prop_assert_eq!(whole.state.get(), cut.state.get());
                prop_assert_eq!(whole.since().is_some(), cut.since().is_some());
            }
        }
    }
}
