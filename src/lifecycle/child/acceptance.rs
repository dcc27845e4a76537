//! Finds out when a started application accepts connections, and reports one that does not.

use std::{
    cell::RefCell,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::call::ChildCommand;
use crate::pipeline::{self, App};

/// The interval of attempts to connect.
const INTERVAL: Duration = Duration::from_millis(100);
/// The same when it takes long.
const LONG_INTERVAL: Duration = Duration::from_secs(1);
/// After this time the application is reported.
const LATE: Duration = Duration::from_secs(10);

/// Waits until the application accepts a connection.
pub(super) async fn until_accepted(app: &RefCell<Arc<App>>, command: &ChildCommand) {
    let begin = Instant::now();
    let mut is_reported = false;
    loop {
        // A reload may have changed the settings.
        let app = Arc::clone(&app.borrow());
        if pipeline::application_accepts(&app).await {
            tracing::info!(after = ?begin.elapsed(), "application accepts connections");
            return;
        }
        let is_late = begin.elapsed() >= LATE;
        if is_late && !is_reported {
            is_reported = true;
            let target = app.plan.upstream.names();
            let advice = &command.advice;
            tracing::warn!(
                target,
                advice,
                "the application runs, but has not accepted a connection there yet"
            );
        }
        drop(app);
        sleep(if is_late { LONG_INTERVAL } else { INTERVAL }).await;
    }
}
