//! The client side: listeners, the workers that serve connections, and the admin listener.

mod acceptor;
mod admin;
mod connection;
mod drain;
mod linger;
mod listener;
mod plain;
mod socket;
mod tunnel;
mod workers;

pub use self::{
    acceptor::Accepting,
    admin::Admin,
    listener::{BindError, bind},
    workers::{Placement, Workers},
};
