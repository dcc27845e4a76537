//! Atomic numbers, locks and channels that all workers share. They are the types of the standard library and of tokio.
//!
//! In unit tests they are replacements that also work under `explore`. A test then runs the real code in every order in
//! which its threads may access them, with every value that a load may return.
//!
//! [`Background`] is a thread for work that no request may wait for.

#[cfg(test)]
mod atomic;
mod background;
#[cfg(test)]
pub(crate) mod channel;
#[cfg(test)]
pub(crate) mod explore;
#[cfg(test)]
mod lock;
#[cfg(test)]
mod order;
#[cfg(test)]
mod tests;

pub(crate) use self::background::Background;
use std::sync::PoisonError;
#[cfg(not(test))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize},
};

#[cfg(not(test))]
pub(crate) use tokio::sync::oneshot;

#[cfg(test)]
pub(crate) use self::{
    atomic::{AtomicBool, AtomicU64, AtomicUsize},
    channel as oneshot,
    lock::{Mutex, MutexGuard},
};

/// Locks a value that is always consistent, so a panic while it was locked does not matter.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a copy of such a value.
#[cfg(not(test))]
pub(crate) fn copy<T: Clone>(mutex: &Mutex<T>) -> T {
    lock(mutex).clone()
}

#[cfg(test)]
pub(crate) fn copy<T: Clone>(mutex: &Mutex<T>) -> T {
    mutex.copy()
}
