//! Bytes that came in and wait to be understood.

/// A queue of bytes that is read from the front as one slice. Taking from it moves no bytes; adding to it
/// moves what is left at most once for every time that much was taken.
#[derive(Debug, Default)]
pub(crate) struct ByteQueue {
    bytes: Vec<u8>,
    start: usize,
}

impl ByteQueue {
    /// Adds at the end.
    pub fn push(&mut self, more: &[u8]) {
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(more);
    }

    /// Everything that waits.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// How much waits.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops the first `size` bytes, or all. A queue that becomes empty gives its memory back.
    pub fn skip(&mut self, size: usize) {
        self.start += size.min(self.len());
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Takes out the first `size` bytes, or all.
    pub fn take(&mut self, size: usize) -> Vec<u8> {
        let taken = self.as_slice()[..size.min(self.len())].to_vec();
        self.skip(size);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_and_memory_goes_with_the_last() {
        let mut queue = ByteQueue::default();
        queue.push(b"abcdef");
        assert_eq!(queue.take(4), b"abcd");
        queue.push(b"gh");
        assert_eq!((queue.as_slice(), queue.len()), (&b"efgh"[..], 4));
        queue.skip(1);
        assert_eq!(queue.take(9), b"fgh");
        assert!(queue.is_empty());
        assert_eq!(queue.bytes.capacity(), 0);
    }
}
