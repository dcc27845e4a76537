//! Parameters of every encoder: the effort, the step after a piece, and the padding.

/// How much time a text is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Once for each response.
    Response,
    /// Once for a file, of this length in bytes.
    File(usize),
}

/// The step after a piece of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The text continues.
    More,
    /// The text continues later: everything up to here is put out.
    Flush,
    /// The text is complete.
    Finish,
}

/// The maximum padding of a text in bytes.
pub const MAX_PADDING: u8 = 64;
/// The bytes of padding. Only its length is random.
const PADDING: [u8; MAX_PADDING as usize] = [b'-'; MAX_PADDING as usize];

/// Returns padding of this length.
pub(super) fn padding(length: u8) -> &'static [u8] {
    PADDING.get(..usize::from(length)).unwrap_or(&PADDING)
}
