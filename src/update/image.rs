//! What a virtual device starts: a header that says what becomes of it, and bytes that stand for a program.
//!
//! ```text
//! "cellbed firmware" (16)  version (8, big endian)  behaviour on boards of revision 0, 1 and 2 (1 each)  program
//! ```

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

const MAGIC: [u8; 16] = *b"cellbed firmware";
const HEADER: usize = MAGIC.len() + 8 + BOARDS;
/// How many revisions of the board there are.
const BOARDS: usize = 3;

/// What becomes of an image that is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// It works.
    Works,
    /// It hangs at once; the watchdog resets the device.
    Hangs,
    /// It starts, and never reaches its service.
    Mute,
}

impl Behaviour {
    const ALL: [Self; 3] = [Self::Works, Self::Hangs, Self::Mute];
}

/// The header of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// The version of the program, for people.
    pub version: u64,
    /// What becomes of it on the revisions of the board, from 0.
    pub boards: [Behaviour; BOARDS],
}

impl Image {
    /// An image that works everywhere.
    pub fn good(version: u64) -> Self {
        Self { version, boards: [Behaviour::Works; BOARDS] }
    }

    /// An image that nobody has tried on all boards: on revision 1 it hangs, on revision 2 it is mute.
    pub fn untried(version: u64) -> Self {
        Self { version, boards: [Behaviour::Works, Behaviour::Hangs, Behaviour::Mute] }
    }

    /// An image with this header, of `size` bytes in all.
    pub fn build(&self, size: usize, program: &mut ChaCha20Rng) -> Vec<u8> {
        let mut image = MAGIC.to_vec();
        image.extend(self.version.to_be_bytes());
        image.extend(self.boards.map(|behaviour| behaviour as u8));
        let mut rest = vec![0; size.saturating_sub(image.len())];
        program.fill_bytes(&mut rest);
        image.extend(rest);
        image
    }

    /// The header of `image`; `None` where it is nothing that a virtual device can start.
    pub fn of(image: &[u8]) -> Option<Self> {
        let header: [u8; HEADER] = image.get(..HEADER)?.try_into().ok()?;
        let version = u64::from_be_bytes(header[16..24].try_into().ok()?);
        let mut boards = [Behaviour::Works; BOARDS];
        for (behaviour, number) in boards.iter_mut().zip(&header[24..]) {
            *behaviour = Behaviour::ALL.into_iter().find(|known| *known as u8 == *number)?;
        }
        header.starts_with(&MAGIC).then_some(Self { version, boards })
    }

    /// What becomes of it on a board of this revision; on one that it does not know it hangs.
    pub fn on(&self, revision: u8) -> Behaviour {
        self.boards.get(usize::from(revision)).copied().unwrap_or(Behaviour::Hangs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::RngTree;
    use proptest::prelude::*;

    #[test]
    fn an_image_says_on_which_boards_it_does_not_work() {
        let bad = Image::untried(2);
        let bytes = bad.build(1000, &mut RngTree::new(7).stream("image"));
        assert_eq!((bytes.len(), Image::of(&bytes)), (1000, Some(bad)));
        assert_eq!([0, 1, 2].map(|board| bad.on(board)), bad.boards);
        assert_eq!((bad.on(0), bad.on(3)), (Behaviour::Works, Behaviour::Hangs));
        assert_eq!(Image::of(&bytes[1..]), None);
        assert_eq!(Image::of(&bytes[..HEADER - 1]), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_written(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let bytes = [&MAGIC[..], &bytes].concat();
            if let Some(image) = Image::of(&bytes) {
                let again = image.build(bytes.len(), &mut RngTree::new(7).stream("image"));
                prop_assert_eq!(&again[..HEADER], &bytes[..HEADER]);
            }
        }
    }
}
