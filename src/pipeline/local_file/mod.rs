//! A file of a directory: [`lookup`] finds it, [`mod@select`] decides which part of it to send, and [`mod@render`]
//! makes the response. [`files`](super::files) and [`accel`](super::accel) say which file that is.

mod lookup;
mod render;
mod select;

pub(super) use self::{
    lookup::{failure, find, is_hidden},
    render::{HeaderSource, render},
    select::{FileStatus, select},
};
