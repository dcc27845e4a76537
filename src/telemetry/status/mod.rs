//! The status of the process, for people who have no dashboard: what happens now, in the last minute and in the last
//! hour.

mod application;
mod chart;
mod history;
mod page;
mod report;
mod value;
mod window;

pub(super) use self::window::{StatusSample, StatusWindow};
pub use self::{
    application::{ApplicationStatus, ServerStatus},
    history::StatusHistory,
    page::{PAGE_POLICY, page},
    report::StatusReport,
};
