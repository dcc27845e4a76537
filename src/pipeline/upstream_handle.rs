//! An application together with the supervisor of its servers. The supervisor runs as long as any settings with this
//! application are in use, even if only by one last request.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::oneshot;

use crate::{plan, upstream::Backends};

/// An application that is supervised until this is dropped.
#[derive(Debug)]
pub(super) struct UpstreamHandle {
    pub(super) backends: Arc<Backends>,
    /// Dropping it ends the task.
    _ends: oneshot::Sender<Infallible>,
    /// The receiver for the task, until the task has begun.
    end: Mutex<Option<oneshot::Receiver<Infallible>>>,
}

// === impl UpstreamHandle ===

impl UpstreamHandle {
    /// Creates a handle. Starts no supervisor yet.
    pub(super) fn new(backends: Arc<Backends>) -> Arc<Self> {
        let (ends, end) = oneshot::channel();
        Arc::new(Self { backends, _ends: ends, end: Mutex::new(Some(end)) })
    }

    /// Supervises the servers under these settings from now on. `is_main` is for the application of `upstream.url`,
    /// whose limit the metrics show.
    pub(super) fn supervise(&self, plan: &plan::UpstreamSettings, is_main: bool) {
        self.backends.change(plan);
        self.backends.show_limit(is_main);
        let Some(end) = self.end.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        let backends = Arc::clone(&self.backends);
        drop(tokio::spawn(async move {
            tokio::select! {
                () = backends.supervise() => {}
                _ = end => {}
            }
        }));
    }
}

/// Returns an application for each of the plans. Each existing one is reused at most once: for equal settings if
/// possible, else for the same servers. The other plans get new ones.
pub(super) fn matched(
    known: &mut Vec<Arc<UpstreamHandle>>,
    plans: Vec<&plan::UpstreamSettings>,
    new: impl Fn(&plan::UpstreamSettings) -> Arc<UpstreamHandle>,
) -> Vec<Arc<UpstreamHandle>> {
    let mut take = |fits: &dyn Fn(&Backends) -> bool| {
        let place = known.iter().position(|upstream_handle| fits(&upstream_handle.backends))?;
        Some(known.swap_remove(place))
    };
    let same: Vec<_> =
        plans.iter().map(|plan| take(&|backends| *backends.settings() == **plan)).collect();
    let found = plans.into_iter().zip(same).map(|(plan, same)| {
        same.or_else(|| take(&|backends| backends.serves(plan))).unwrap_or_else(|| new(plan))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(path: &str, max_idle: usize) -> plan::UpstreamSettings {
        let targets = vec![plan::UpstreamTarget::Unix(path.into())];
        plan::UpstreamSettings { max_idle, ..plan::UpstreamSettings::of_tests(targets) }
    }

    #[test]
    fn unchanged_upstreams_keep_their_backends() {
        let new = |plan: &plan::UpstreamSettings| {
            UpstreamHandle::new(Backends::new(plan, &Arc::default()))
        };
        let check = |old: &[(&str, usize)],
                     wanted: &[(&str, usize)],
                     expected: &[Option<usize>]| {
            let old: Vec<_> = old.iter().map(|(path, idle)| new(&plan(path, *idle))).collect();
            let plans: Vec<_> = wanted.iter().map(|(path, idle)| plan(path, *idle)).collect();
            let found = matched(&mut old.clone(), plans.iter().collect(), new);
            let places = found.iter().map(|one| old.iter().position(|old| Arc::ptr_eq(old, one)));
            assert_eq!(places.collect::<Vec<_>>(), expected, "{wanted:?}");
        };
        check(&[], &[("/a", 1)], &[None]);
        check(&[("/a", 1)], &[("/b", 1), ("/a", 1)], &[None, Some(0)]);
        // Only one plan takes over the queue and the permits. The one with equal settings goes first.
        check(&[("/a", 1)], &[("/a", 2), ("/a", 1)], &[None, Some(0)]);
        check(&[("/a", 1), ("/a", 2)], &[("/a", 2), ("/a", 3)], &[Some(1), Some(0)]);
        check(&[("/a", 1)], &[("/a", 9)], &[Some(0)]);
    }
}
