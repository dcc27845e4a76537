//! One line for each request, as JSON or in the `combined` form of nginx and Apache. [`Line`] is what
//! is known of a request; a [`Layout`], made once, says what of it is written, and in which form;
//! `redact` hides what must not be.

mod layout;
mod line;
mod redact;
mod value;

pub use self::{
    layout::{LONGEST_LINE, Layout},
    line::Line,
};

#[cfg(test)]
mod tests;
