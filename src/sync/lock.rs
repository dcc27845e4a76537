//! A lock whose order of access a run decides.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    panic::Location,
    sync::{self, LockResult, PoisonError},
};

use super::{
    explore::{CurrentThread, here},
    order::{Access, VectorClock, join},
};

/// Like the type of the standard library.
#[derive(Default)]
pub(crate) struct Mutex<T> {
    inner: sync::Mutex<T>,
    /// The knowledge of a thread that locks it, in a run.
    clock: sync::Mutex<(u64, VectorClock)>,
}

/// Like the type of the standard library.
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    guard: Option<sync::MutexGuard<'a, T>>,
    here: Option<CurrentThread>,
}

// === impl Mutex ===

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { inner: sync::Mutex::new(value), clock: sync::Mutex::default() }
    }

    #[track_caller]
    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let here = here();
        if let Some(here) = &here {
            here.stop(Access::Lock(self.address()), Location::caller());
            self.join_clock(here);
        }
        let guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(MutexGuard { mutex: self, guard: Some(guard), here })
    }

    /// Returns a copy of the value.
    #[track_caller]
    pub(crate) fn copy(&self) -> T
    where
        T: Clone,
    {
        if let Some(here) = here() {
            here.stop(Access::Copy(self.address()), Location::caller());
            self.join_clock(&here);
        }
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The knowledge of the threads that held the lock before.
    fn join_clock(&self, here: &CurrentThread) {
        let clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        if clock.0 == here.run.id {
            here.learn(&clock.1);
        }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl<T: fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

// === impl MutexGuard ===

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_ref().unwrap()
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_mut().unwrap()
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        if let Some(here) = &self.here {
            here.stop(Access::Unlock(self.mutex.address()), Location::caller());
            let mut clock = self.mutex.clock.lock().unwrap_or_else(PoisonError::into_inner);
            if clock.0 != here.run.id {
                *clock = (here.run.id, VectorClock::default());
            }
            join(&mut clock.1, &here.clock());
        }
        self.guard = None;
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.guard.fmt(f)
    }
}
