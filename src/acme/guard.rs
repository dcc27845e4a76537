//! Catches panics, so that a fault in a library that reads responses ends one attempt and not the thread.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::Poll,
};

/// The future has panicked. The panic hook has logged it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Panicked;

/// Returns the result of a future, or that it has panicked. It is dropped then, and nothing of it may be used.
pub(super) async fn catch_panic<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut future = pin!(future);
    let mut future: Pin<&mut dyn Future<Output = T>> = future.as_mut();
    poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(Panicked)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panic_is_a_result() {
        assert_eq!(catch_panic(async { 1 }).await, Ok(1));
        let panics = async {
            tokio::task::yield_now().await;
            assert!(std::hint::black_box(false), "a test panics");
        };
        assert_eq!(catch_panic(panics).await, Err(Panicked));
    }
}
