//! UPDATE FILE: how a certificate comes into its file.

use super::objects::{self, DEVICE_KEY};
use super::remote::OVER_THE_AIR;
use super::{Applet, offset};
use crate::card::Reply;
use crate::wire::{Command, StatusWord, tlv};

/// A certificate of which the parts come one after the other.
pub(super) struct Incoming {
    /// Place of the file in the store.
    file: usize,
    data: Vec<u8>,
}

impl Applet {
    /// UPDATE FILE at the offset in P1-P2: zero begins, and what follows goes on where the part before has ended. With
    /// the last part the file changes, all at once.
    ///
    /// Any program of the device can select the applet, so that what it writes has to prove itself: a whole DER object
    /// that holds the public key of the device. An empty file is for the operator alone, over the air.
    pub(super) fn update_file(&mut self, channel: usize, c: &Command<'_>) -> Reply {
        let (file, spec) = self.file(c.data)?;
        if spec.access & objects::UPDATE == 0 {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let bytes = tlv::find(c.data, 0x53).map_err(|_| StatusWord::INCORRECT_DATA)?;
        let before = self.incoming.remove(&channel).filter(|incoming| incoming.file == file);
        let mut data = match (offset(c), before) {
            (0, _) if bytes.is_empty() => return self.empty_file(channel, file),
            (0, _) => Vec::new(),
            (at, Some(incoming)) if at == incoming.data.len() => incoming.data,
            _ => return Err(StatusWord::WRONG_OFFSET),
        };
        data.extend_from_slice(bytes);
        match whole(&data) {
            Whole::Longer(length) if length > spec.capacity => Err(StatusWord::INSUFFICIENT_MEMORY),
            Whole::Longer(_) => {
                self.incoming.insert(channel, Incoming { file, data });
                Ok(Vec::new())
            }
            Whole::Exactly if data.len() > spec.capacity => Err(StatusWord::INSUFFICIENT_MEMORY),
            Whole::Exactly if self.certifies_the_device(&data) => {
                self.files[file] = data;
                self.changes += 1;
                Ok(Vec::new())
            }
            Whole::Exactly | Whole::No => Err(StatusWord::INCORRECT_DATA),
        }
    }

    fn empty_file(&mut self, channel: usize, file: usize) -> Reply {
        if channel != OVER_THE_AIR {
            return Err(StatusWord::SECURITY_STATUS);
        }
        self.files[file].clear();
        self.changes += 1;
        Ok(Vec::new())
    }

    /// Whether the public key of the device stands in `data` as a certificate has it: a BIT STRING of an uncompressed
    /// point (RFC 5480 clause 2.2).
    fn certifies_the_device(&self, data: &[u8]) -> bool {
        let mut keys = self.store.keys.iter().zip(&self.keys);
        let device = keys.find(|(spec, _)| spec.id == DEVICE_KEY).and_then(|(_, key)| key.public.as_ref());
        device.is_some_and(|public| {
            let bits = [&[0x03, 0x42, 0x00, 0x04][..], &public[..]].concat();
            data.windows(bits.len()).any(|part| part == bits)
        })
    }
}

enum Whole {
    Exactly,
    /// It has so many bytes when it is.
    Longer(usize),
    No,
}

/// Whether `data` is a DER SEQUENCE, or the beginning of one.
fn whole(data: &[u8]) -> Whole {
    let announced = match data {
        [0x30] | [0x30, 0x81] | [0x30, 0x82] | [0x30, 0x82, _] => return Whole::Longer(data.len() + 1),
        [0x30, length @ 0..=0x7f, ..] => 2 + usize::from(*length),
        [0x30, 0x81, length, ..] => 3 + usize::from(*length),
        [0x30, 0x82, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => return Whole::No,
    };
    match announced.cmp(&data.len()) {
        std::cmp::Ordering::Equal => Whole::Exactly,
        std::cmp::Ordering::Greater => Whole::Longer(announced),
        std::cmp::Ordering::Less => Whole::No,
    }
}
