//! The application as a child process of Sideman (`sideman exec`): started, restarted if it ends, and stopped after the
//! last request. Read `supervisor` first.

mod acceptance;
mod call;
mod child_setup;
mod exit;
mod forwarding;
mod group;
mod reaper;
mod restarts;
mod stop;
mod supervisor;

pub use self::call::{ChildCommand, ProgramCall};

pub(super) use self::{
    stop::ChildStop,
    supervisor::{ChildOutcome, ChildSupervisor, supervise},
};
