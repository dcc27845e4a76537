//! The access log: one line for each request, as JSON or in the `combined` format of nginx and Apache.
//! [`AccessLogLine`] has the data of a request. A [`LineLayout`], made once, selects fields and format. `redact` hides
//! secrets.

mod layout;
mod line;
mod redact;
mod value;

pub use self::{
    layout::{LineLayout, MAX_LINE_LENGTH},
    line::AccessLogLine,
};

#[cfg(test)]
mod tests;
