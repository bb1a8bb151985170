//! The one event heap of a run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Instant;

/// A priority queue on virtual time. Items of the same moment leave in the order in which they came.
///
/// Items are large and heaps move what they hold at each step, so that the heap has places and the items lie beside it.
#[derive(Debug)]
pub struct Queue<T> {
    heap: BinaryHeap<Reverse<Entry>>,
    /// The items by place; `None` where a place is free.
    items: Vec<Option<T>>,
    /// The places that are free.
    free: Vec<u32>,
    next: u64,
}

/// In the order in which items leave. No two have one `order`, so that the place decides nothing.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Instant,
    order: u64,
    place: u32,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), items: Vec::new(), free: Vec::new(), next: 0 }
    }
}

impl<T> Queue<T> {
    /// Puts `item` in for the moment `at`.
    pub fn push(&mut self, at: Instant, item: T) {
        let place = match self.free.pop() {
            Some(place) => {
                self.items[place as usize] = Some(item);
                place
            }
            None => {
                self.items.push(Some(item));
                (self.items.len() - 1) as u32
            }
        };
        self.heap.push(Reverse(Entry { at, order: self.next, place }));
        self.next += 1;
    }

    /// Takes out the earliest item.
    pub fn pop(&mut self) -> Option<(Instant, T)> {
        let Reverse(Entry { at, place, .. }) = self.heap.pop()?;
        let item = self.items.get_mut(place as usize)?.take()?;
        self.free.push(place);
        Some((at, item))
    }

    /// The moment of the earliest item.
    pub fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earliest_first_and_fair_within_a_moment() {
        let mut queue = Queue::default();
        for (ns, item) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b')] {
            queue.push(Instant::from_nanos(ns), item);
        }
        assert_eq!(queue.next_at(), Some(Instant::from_nanos(1)));
        let order: String = std::iter::from_fn(|| queue.pop()).map(|(_, item)| item).collect();
        assert_eq!(order, "abcd");
    }

    #[test]
    fn places_are_used_again() {
        let mut queue = Queue::default();
        for round in 0..100u64 {
            for item in 0..10 {
                queue.push(Instant::from_nanos(1000 - round), round * 10 + item);
            }
            assert_eq!(queue.len(), 10);
            let left: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, item)| item).collect();
            assert_eq!(left, (round * 10..round * 10 + 10).collect::<Vec<_>>());
        }
        assert!(queue.is_empty() && queue.items.len() == 10);
    }
}
