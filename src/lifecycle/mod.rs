//! The life of the process: bind, start, watch the application, follow signals, drain, end.

mod limits;
mod parts;
mod shutdown;
mod signals;
mod start;

pub use self::{
    shutdown::Outcome,
    start::{Addresses, Running, StartError, start},
};
