//! The encoders of one worker. It keeps those whose tables are worth it, and uses them again.

use std::{
    cell::RefCell,
    hash::{BuildHasher, RandomState},
    io,
    time::Instant,
};

use super::cpu_share::CpuShare;
use crate::{
    compression::{Effort, Encoder, MAX_PADDING, MadeCoding},
    plan::CompressionSettings,
};

/// What a worker needs to compress.
#[derive(Debug)]
pub(in crate::pipeline) struct Encoders {
    gzip: RefCell<Option<Encoder>>,
    zstd: RefCell<Option<Encoder>>,
    /// `None` is no limit.
    pub(super) share: Option<CpuShare>,
    /// Chooses the padding. Nothing else shows its numbers.
    random: RefCell<fastrand::Rng>,
}

// === impl Encoders ===

impl Encoders {
    pub(in crate::pipeline) fn new(settings: CompressionSettings) -> Self {
        // A RandomState is seeded by the operating system.
        let seed = RandomState::new().hash_one("padding");
        Self {
            gzip: RefCell::default(),
            zstd: RefCell::default(),
            share: settings.max_cpu.map(|percent| CpuShare::new(percent, Instant::now())),
            random: RefCell::new(fastrand::Rng::with_seed(seed)),
        }
    }

    /// Returns an encoder for a response, which pads it.
    pub(super) fn take(&self, coding: MadeCoding) -> io::Result<Encoder> {
        let kept = self.place(coding).and_then(RefCell::take);
        let mut encoder = match kept {
            Some(encoder) => encoder,
            None => Encoder::new(coding, Effort::Response)?,
        };
        encoder.pad(self.random.borrow_mut().u8(1..=MAX_PADDING));
        Ok(encoder)
    }

    /// Keeps an encoder that has finished, for the next response.
    pub(super) fn give_back(&self, coding: MadeCoding, mut encoder: Encoder) {
        if let Some(place) = self.place(coding)
            && encoder.reset()
        {
            place.replace(Some(encoder));
        }
    }

    fn place(&self, coding: MadeCoding) -> Option<&RefCell<Option<Encoder>>> {
        match coding {
            MadeCoding::Gzip => Some(&self.gzip),
            MadeCoding::Zstd => Some(&self.zstd),
            MadeCoding::Brotli => None,
        }
    }
}
