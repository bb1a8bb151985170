//! Messages in a stream of octets, as TCP carries them.

use super::{HEADER, OpenflowError};
use crate::wire::byte_queue::ByteQueue;

/// Cuts a stream into messages. It holds at most one message that is not whole, of 65,535 octets.
#[derive(Debug, Default)]
pub struct Framer {
    waiting: ByteQueue,
}

impl Framer {
    /// Adds octets as they come. Messages are to be taken out before more are added.
    pub fn push(&mut self, octets: &[u8]) {
        self.waiting.push(octets);
    }

    /// Takes out the next whole message, as octets.
    ///
    /// # Errors
    /// [`OpenflowError::Unframed`]: the stream is of no use any more.
    pub fn next_message(&mut self) -> Result<Option<Vec<u8>>, OpenflowError> {
        let Some(&[_, _, high, low]) = self.waiting.as_slice().first_chunk() else { return Ok(None) };
        let length = u16::from_be_bytes([high, low]);
        let size = usize::from(length);
        if size < HEADER {
            return Err(OpenflowError::Unframed { length });
        }
        Ok((self.waiting.len() >= size).then(|| self.waiting.take(size)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_they_are_cut(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6),
            pieces in proptest::collection::vec(1_usize..30, 1..40),
        ) {
            let framed = messages.iter().map(|body| {
                let length = (HEADER + body.len()) as u16;
                [&[4, 2][..], &length.to_be_bytes(), &[0; 4], body].concat()
            });
            let framed: Vec<Vec<u8>> = framed.collect();
            let stream = framed.concat();
            let (mut framer, mut found, mut rest) = (Framer::default(), Vec::new(), &stream[..]);
            for piece in pieces.iter().cycle() {
                let (now, later) = rest.split_at(rest.len().min(*piece));
                framer.push(now);
                while let Some(message) = framer.next_message().unwrap() {
                    found.push(message);
                }
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(found, framed);
        }
    }

    #[test]
    fn a_length_below_the_header_ends_the_stream() {
        for length in 0..8 {
            let mut framer = Framer::default();
            framer.push(&[4, 0, 0, length]);
            assert_eq!(framer.next_message(), Err(OpenflowError::Unframed { length: length.into() }));
        }
    }
}
