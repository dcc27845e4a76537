//! The status of the process, for people who have no dashboard: what happens now, in the last minute and in the last hour.

mod chart;
mod history;
mod page;
mod report;
mod value;
mod window;

pub(super) use self::window::{StatusSample, StatusWindow};
pub use self::{
    history::StatusHistory,
    page::{PAGE_POLICY, page},
    report::StatusReport,
};
