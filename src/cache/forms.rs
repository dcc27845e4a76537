//! Forms of a stored body: compressed once in the background, at high quality, and sent many times.

use std::{
    io,
    sync::{
        OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

use bytes::Bytes;

use crate::{
    compression::{After, Effort, Encoder, MadeCoding},
    rfc::response_lines::ResponseLines,
};

/// The forms of one response. Each is made once, or found to be not worth it.
#[derive(Debug, Default)]
pub(super) struct Forms {
    made: [OnceLock<Option<Bytes>>; CODINGS],
    /// The fields that are sent with each, from its first use on.
    fields: [OnceLock<ResponseLines>; CODINGS],
    /// A bit for each form that is queued, or was made.
    begun: AtomicU8,
}

const CODINGS: usize = 3;
/// Smaller bodies are not compressed: the header section is larger than the savings.
const MIN_LENGTH: usize = 1024;

// === impl Forms ===

impl Forms {
    /// Returns the body in a coding: `None` if it was not made, `Some(None)` if it is not worth it.
    pub(super) fn get(&self, coding: MadeCoding) -> Option<Option<&Bytes>> {
        self.made.get(index(coding))?.get().map(Option::as_ref)
    }

    /// Returns the fields to send with a form.
    pub(super) fn fields(
        &self,
        coding: MadeCoding,
        make: impl FnOnce() -> ResponseLines,
    ) -> ResponseLines {
        match self.fields.get(index(coding)) {
            Some(fields) => fields.get_or_init(make).clone(),
            None => make(),
        }
    }

    /// Whether the caller is the first to want this form of a body of `length` bytes, and must make it.
    pub(super) fn begin(&self, coding: MadeCoding, length: usize) -> bool {
        let bit = 1 << index(coding);
        length >= MIN_LENGTH
            && self.begun.load(Ordering::Relaxed) & bit == 0
            && self.begun.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Lets another caller make this form.
    pub(super) fn give_up(&self, coding: MadeCoding) {
        self.begun.fetch_and(!(1 << index(coding)), Ordering::Relaxed);
    }

    /// Sets a form; `None` if it is not worth it.
    pub(super) fn set(&self, coding: MadeCoding, form: Option<Bytes>) {
        if let Some(made) = self.made.get(index(coding)) {
            let _ = made.set(form);
        }
    }

    /// Takes over the forms of the same body. Their fields may be others.
    pub(super) fn continue_from(&self, other: &Self) {
        for coding in [MadeCoding::Gzip, MadeCoding::Brotli, MadeCoding::Zstd] {
            if let Some(form) = other.made.get(index(coding)).and_then(OnceLock::get)
                && self.begin(coding, MIN_LENGTH)
            {
                self.set(coding, form.clone());
            }
        }
    }

    /// Returns the bytes of memory that they take, of a response with so many bytes of fields.
    pub(super) fn memory(&self, fields: usize) -> u64 {
        let forms = self.made.iter().filter_map(|form| form.get()?.as_ref());
        forms.map(|form| memory(form.len(), fields)).sum()
    }
}

/// Returns the bytes of memory of one form: of its body, and of its fields, whose bytes are those of the response and a
/// few more.
pub(super) fn memory(form: usize, fields: usize) -> u64 {
    (form + fields + 64) as u64
}

fn index(coding: MadeCoding) -> usize {
    match coding {
        MadeCoding::Gzip => 0,
        MadeCoding::Brotli => 1,
        MadeCoding::Zstd => 2,
    }
}

/// Compresses a body; `None` if that saves less than a twentieth.
pub(super) fn compress(body: &[u8], coding: MadeCoding) -> io::Result<Option<Bytes>> {
    let mut packed = Vec::new();
    Encoder::new(coding, Effort::File(body.len()))?.encode(body, After::Finish, &mut packed)?;
    let is_worthwhile = packed.len() < body.len() - body.len() / 20;
    Ok(is_worthwhile.then(|| Bytes::from(packed.into_boxed_slice())))
}
