//! The life of the process: bind, start, watch the application, handle signals, reload, drain, exit.

mod cgroup;
mod child;
mod descriptors;
mod emf;
mod memory;
mod memory_watch;
mod parts;
mod prepare;
mod process;
mod process_checks;
mod reload;
mod service_manager;
mod shutdown;
mod signals;
mod source;
mod start;
mod traces;

pub use crate::pipeline::matching_routes;

pub use self::{
    cgroup::container_memory,
    child::{ChildCommand, ProgramCall},
    prepare::file_faults,
    process::TooFewDescriptors,
    service_manager::{InheritedSocketError, ServiceManager},
    shutdown::ShutdownOutcome,
    source::SettingsSource,
    start::{BoundAddresses, RunningProcess, StartError, start},
};
