//! One response on its way through an encoder of its worker.

use std::{rc::Rc, time::Instant};

use bytes::Bytes;

use super::encoders::Encoders;
use crate::{
    body::Reservation,
    compression::{After, Encoder, MadeCoding},
    error::{Error, FailureKind},
    telemetry::WorkerMetrics,
};

/// An encoder at work on one response.
#[derive(Debug)]
pub(in crate::pipeline) struct Encoding {
    pub(super) coding: MadeCoding,
    pub(super) encoder: Encoder,
    pub(super) encoders: Rc<Encoders>,
    /// For the memory of the encoder.
    pub(super) _room: Reservation,
}

// === impl Encoding ===

impl Encoding {
    /// Encodes the next piece, and counts it. Returns what is ready.
    pub(super) fn encode(
        &mut self,
        piece: &[u8],
        after: After,
        metrics: &WorkerMetrics,
    ) -> Result<Bytes, Error> {
        let begin = Instant::now();
        let mut out = Vec::new();
        let result = self.encoder.encode(piece, after, &mut out);
        let spent = begin.elapsed();
        if let Some(share) = &self.encoders.share {
            share.take(spent);
        }
        metrics.compression_nanos.add(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX));
        metrics.compression_read.add(piece.len() as u64);
        metrics.compression_written.add(out.len() as u64);
        match result {
            Ok(()) => Ok(Bytes::from(out)),
            Err(error) => Err(Error::io(FailureKind::CompressionFailed, error)),
        }
    }

    /// Encodes a body that is here as a whole.
    pub(super) fn whole(mut self, text: &[u8], metrics: &WorkerMetrics) -> Result<Bytes, Error> {
        let encoded = self.encode(text, After::Finish, metrics)?;
        self.finish();
        Ok(encoded)
    }

    /// Keeps the encoder for the next response.
    pub(super) fn finish(self) {
        self.encoders.give_back(self.coding, self.encoder);
    }
}
