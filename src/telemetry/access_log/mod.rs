//! One line for each request, as JSON or in the `combined` form of nginx and Apache. [`AccessLogLine`] is what
//! is known of a request; a [`LineLayout`], made once, says what of it is written, and in which form;
//! `redact` hides what must not be.

mod layout;
mod line;
mod redact;
mod value;

pub use self::{
    layout::{LONGEST_LINE, LineLayout},
    line::AccessLogLine,
};

#[cfg(test)]
mod tests;
