//! Change streams: bounded, merging, one per subscriber.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use futures::stream;
use gitops_engine_core::{ChangeBatch, ChangeStream, ObjectId};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// All subscribers of one cache.
#[derive(Debug)]
pub(crate) struct Subscribers {
    list: Mutex<List>,
    most: usize,
}

#[derive(Debug, Default)]
struct List {
    subscribers: Vec<Weak<Subscriber>>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Subscriber {
    pending: Mutex<Pending>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    generation: u64,
    objects: BTreeSet<ObjectId>,
    kinds: bool,
    lagged: bool,
    closed: bool,
}

impl Pending {
    fn merge(&mut self, batch: &ChangeBatch, most: usize) {
        self.generation = batch.generation;
        self.kinds |= batch.kinds;
        self.lagged |= batch.lagged;
        if !self.lagged {
            self.objects.extend(batch.objects.iter().cloned());
            self.lagged = self.objects.len() > most;
        }
        if self.lagged {
            self.objects.clear();
        }
    }

    fn take(&mut self) -> Option<ChangeBatch> {
        if self.generation == 0 {
            return None;
        }
        let mut batch = ChangeBatch::new(self.generation, std::mem::take(&mut self.objects).into_iter().collect());
        batch.kinds = std::mem::take(&mut self.kinds);
        batch.lagged = std::mem::take(&mut self.lagged);
        self.generation = 0;
        Some(batch)
    }
}

impl Subscribers {
    /// Each subscriber holds the names of at most `most` objects; beyond that it is told to look at everything.
    pub(crate) fn new(most: usize) -> Self {
        Self { list: Mutex::default(), most }
    }

    pub(crate) fn subscribe(&self) -> ChangeStream {
        let subscriber = Arc::new(Subscriber::default());
        {
            let mut list = self.list.lock();
            subscriber.pending.lock().closed = list.closed;
            list.subscribers.push(Arc::downgrade(&subscriber));
        }
        Box::pin(stream::unfold(subscriber, async |subscriber| {
            loop {
                let (batch, closed) = {
                    let mut pending = subscriber.pending.lock();
                    (pending.take(), pending.closed)
                };
                match batch {
                    Some(batch) => return Some((batch, subscriber)),
                    None if closed => return None,
                    // `notify_one` leaves a permit: a change between the look and the wait still wakes.
                    None => subscriber.wake.notified().await,
                }
            }
        }))
    }

    pub(crate) fn announce(&self, batch: &ChangeBatch) {
        self.each(|pending| pending.merge(batch, self.most));
    }

    /// Ends all streams, after what they still hold.
    pub(crate) fn close(&self) {
        self.list.lock().closed = true;
        self.each(|pending| pending.closed = true);
    }

    fn each(&self, mut change: impl FnMut(&mut Pending)) {
        self.list.lock().subscribers.retain(|subscriber| {
            let Some(subscriber) = subscriber.upgrade() else { return false };
            change(&mut subscriber.pending.lock());
            subscriber.wake.notify_one();
            true
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use futures::StreamExt;

    fn batch(generation: u64, names: &[&str]) -> ChangeBatch {
        ChangeBatch::new(generation, names.iter().map(|name| ObjectId::cluster("", "Node", *name)).collect())
    }

    #[tokio::test]
    async fn batches_merge_and_a_slow_reader_is_told() {
        let subscribers = Subscribers::new(3);
        let mut stream = subscribers.subscribe();
        subscribers.announce(&batch(1, &["b", "c"]));
        subscribers.announce(&batch(2, &["a"]));
        assert_eq!(stream.next().await.unwrap(), batch(2, &["a", "b", "c"]));

        subscribers.announce(&batch(3, &["a", "b"]));
        subscribers.announce(&batch(4, &["c", "d"]));
        subscribers.announce(&batch(5, &["e"]));
        let mut lagged = batch(5, &[]);
        lagged.lagged = true;
        assert_eq!(stream.next().await.unwrap(), lagged);

        subscribers.announce(&batch(6, &["a"]));
        subscribers.close();
        assert_eq!(stream.next().await.unwrap(), batch(6, &["a"]));
        assert!(stream.next().await.is_none());
        assert!(subscribers.subscribe().next().await.is_none());
    }

    #[tokio::test]
    async fn a_waiting_reader_wakes() {
        let subscribers = Arc::new(Subscribers::new(3));
        let mut stream = subscribers.subscribe();
        let reader = tokio::spawn(async move { stream.next().await });
        tokio::task::yield_now().await;
        subscribers.announce(&batch(1, &["a"]));
        assert_eq!(reader.await.unwrap().unwrap(), batch(1, &["a"]));
        // The stream is gone, and so is its place.
        subscribers.announce(&batch(2, &["a"]));
        assert!(subscribers.list.lock().subscribers.is_empty());
    }
}
