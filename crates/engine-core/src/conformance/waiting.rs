//! Futures without a runtime: the suites run on whatever the embedder runs on.

use std::pin::Pin;
use std::task::Poll;

pub(super) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Drives all of them at once and gives their results in their order.
pub(super) async fn together<T: Send>(work: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut running: Vec<_> = work.into_iter().map(|future| (Some(future), None)).collect();
    std::future::poll_fn(move |context| {
        for (future, result) in &mut running {
            if let Some(polled) = future
                && let Poll::Ready(value) = polled.as_mut().poll(context)
            {
                *result = Some(value);
                *future = None;
            }
        }
        if running.iter().any(|(future, _)| future.is_some()) {
            return Poll::Pending;
        }
        Poll::Ready(running.iter_mut().filter_map(|(_, result)| result.take()).collect())
    })
    .await
}

/// Begins a future, polls it so many times, and drops it, done or not.
pub(super) async fn abandon<T>(mut future: BoxFuture<'_, T>, polls: usize) {
    for _ in 0..polls {
        let done = std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await;
        if done {
            return;
        }
        // Others get a turn in between, so that the next poll finds the work further on.
        let mut yielded = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}
