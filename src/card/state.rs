//! The memory of a card that outlives its power: how it is written down and read back.
//!
//! A state is a head, BER-TLV objects and a SHA-256 over both. The objects name what they hold by the card's own
//! identifiers (key references, paths of files, identifiers of the applet's objects), so that a state outlives
//! changes of the tables in the source. What the personalisation gives (K, OPc) is not in it; what the card made
//! itself (private keys of the applet) is, so whoever keeps a state keeps a secret.

use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha256};

use super::CardError;
use crate::wire::tlv::{self, Reader};

/// First bytes of every state; the last one is the version of the format.
const HEAD: &[u8; 8] = b"cb-card\x02";
/// The oldest version that is still understood.
const OLDEST: u8 = 1;

/// Tags of the objects.
pub(super) const ICCID: u16 = 0x5a;
pub(super) const PIN: u16 = 0xa1;
pub(super) const SEQUENCE: u16 = 0xa2;
pub(super) const FILE: u16 = 0xa3;
pub(super) const APPLET_KEY: u16 = 0xa4;
pub(super) const APPLET_FILE: u16 = 0xa5;
pub(super) const STREAM: u16 = 0xa7;
pub(super) const AUTHENTICATIONS: u16 = 0xa8;
pub(super) const GENERATION: u16 = 0xa9;
pub(super) const OTA_COUNTER: u16 = 0xaa;
pub(super) const OTA_GUESSES: u16 = 0xab;

/// A state being written.
pub(super) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self { out: HEAD.to_vec() }
    }

    pub(super) fn put(&mut self, tag: u16, value: &[u8]) {
        tlv::push(&mut self.out, tag, value);
    }

    /// An object of parts, which have the tags 80, 81 and so on.
    pub(super) fn put_parts(&mut self, tag: u16, parts: &[&[u8]]) {
        let mut body = Vec::new();
        for (part, number) in parts.iter().zip(0x80..) {
            tlv::push(&mut body, number, part);
        }
        self.put(tag, &body);
    }

    /// How far a stream of random numbers has been drawn.
    pub(super) fn put_stream(&mut self, purpose: &str, stream: &ChaCha20Rng) {
        self.put_parts(STREAM, &[purpose.as_bytes(), &stream.get_word_pos().to_be_bytes()]);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let check = Sha256::digest(&self.out);
        self.out.extend_from_slice(&check);
        self.out
    }
}

/// A state whose head and check value are right.
#[derive(Clone, Copy)]
pub(super) struct Stored<'a> {
    version: u8,
    objects: &'a [u8],
}

impl<'a> Stored<'a> {
    pub(super) fn open(state: &'a [u8]) -> Result<Self, CardError> {
        let (body, check) = state.split_last_chunk::<32>().ok_or(damaged("it is too short"))?;
        let (head, objects) = body.split_first_chunk::<8>().ok_or(damaged("it is too short"))?;
        if head[..7] != HEAD[..7] {
            return Err(damaged("it does not begin as a state does"));
        }
        if !(OLDEST..=HEAD[7]).contains(&head[7]) {
            return Err(CardError::StateVersion { found: head[7], known: HEAD[7] });
        }
        if <[u8; 32]>::from(Sha256::digest(body)) != *check {
            return Err(damaged("its check value is wrong"));
        }
        match Reader::new(objects).find_map(Result::err) {
            Some(_) => Err(damaged("an object is cut off")),
            None => Ok(Self { version: head[7], objects }),
        }
    }

    /// The version of the format: in the first one, directories go by a number and all PINs belong to the MF.
    pub(super) fn version(self) -> u8 {
        self.version
    }

    /// The objects with `tag`, in the order in which they were written.
    pub(super) fn all(self, tag: u16) -> impl Iterator<Item = &'a [u8]> {
        Reader::new(self.objects).flatten().filter(move |object| object.tag == tag).map(|object| object.value)
    }

    /// The parts of each object with `tag`.
    pub(super) fn all_parts<const N: usize>(
        self,
        tag: u16,
    ) -> impl Iterator<Item = Result<[&'a [u8]; N], CardError>> {
        self.all(tag).map(parts)
    }

    /// Takes a stream of random numbers to where the state says, never back.
    pub(super) fn forward(self, purpose: &str, stream: &mut ChaCha20Rng) -> Result<(), CardError> {
        for parts in self.all_parts::<2>(STREAM) {
            let [name, position] = parts?;
            if name == purpose.as_bytes() {
                let position = u128::from_be_bytes(exactly(position)?);
                stream.set_word_pos(position.max(stream.get_word_pos()));
            }
        }
        Ok(())
    }
}

/// The values of the tags 80, 81 and so on.
pub(super) fn parts<const N: usize>(body: &[u8]) -> Result<[&[u8]; N], CardError> {
    let mut out = [&[][..]; N];
    for (part, number) in out.iter_mut().zip(0x80..) {
        *part = tlv::find(body, number).map_err(|_| damaged("a part of an object is missing"))?;
    }
    Ok(out)
}

/// A part that has a fixed length.
pub(super) fn exactly<const N: usize>(part: &[u8]) -> Result<[u8; N], CardError> {
    part.try_into().map_err(|_| damaged("a part of an object has the wrong length"))
}

pub(super) fn damaged(what: &'static str) -> CardError {
    CardError::StateDamaged { what }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{card, send};
    use super::*;
    use crate::card::CardPort;

    const SELECT_APPLET: &str = "00a4040007a0000005590010";

    #[test]
    fn what_a_card_was_told_and_what_it_made_outlives_its_power() {
        let mut old = card();
        assert!(!old.dirty());
        // PIN1 with two tries left, a written file, a key, a certificate.
        send(&mut old, "0028000108 39393939ffffffff");
        send(&mut old, "00a4040407a0000000871002");
        send(&mut old, "00a4000c026f7b");
        send(&mut old, "00d6000003 00f110");
        send(&mut old, SELECT_APPLET);
        let key = send(&mut old, "00b90000038401 0100");
        let certificate =
            crate::card::tests::applet::certificate(&key["84010185010134454943864104".len()..][..128], 0);
        assert_eq!(send(&mut old, &format!("00d600004b 830101 5346 {certificate}")), "9000");
        assert!(old.dirty());
        let state = old.save();
        assert!(!old.dirty());

        let mut new = card();
        new.restore(&state).unwrap();
        assert!(!new.dirty());
        assert_eq!(new.save(), state, "a state says the same of the card that was made from it");
        assert_eq!(send(&mut new, "00200001"), "63c2");
        send(&mut new, "00a4040407a0000000871002");
        send(&mut new, "00a4000c026f7b");
        assert_eq!(send(&mut new, "00b0000003"), "00f1109000");
        send(&mut new, SELECT_APPLET);
        let read = send(&mut new, "00cd0000038501 0100");
        assert!(key.ends_with(&read), "the same public key");
        assert_eq!(send(&mut new, "00b00000038301 0100"), format!("{certificate}9000"));
        // Reading has nothing to write down.
        assert!(!new.dirty());
    }

    #[test]
    fn no_random_number_comes_twice() {
        let mut old = card();
        send(&mut old, SELECT_APPLET);
        let drawn = send(&mut old, "0084000020");
        assert!(old.dirty(), "a drawn number is a change");
        let state = old.save();
        let continued = send(&mut old, "0084000020");

        let mut new = card();
        new.restore(&state).unwrap();
        send(&mut new, SELECT_APPLET);
        let next = send(&mut new, "0084000020");
        assert_ne!(next, drawn);
        assert_eq!(next, continued, "it goes on where the first card stood");
        // An older state does not take a card back to numbers that it has given.
        new.restore(&state).unwrap();
        send(&mut new, SELECT_APPLET);
        assert_ne!(send(&mut new, "0084000020"), next);
    }

    /// A state as the first version of the format had it, which named directories by a number.
    fn of_the_first_version(objects: &[(u16, &[&[u8]])]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.put(ICCID, b"8988211000000000011");
        for (tag, parts) in objects {
            writer.put_parts(*tag, parts);
        }
        writer.out[7] = 1;
        writer.finish()
    }

    #[test]
    fn a_state_of_the_first_version_is_understood() {
        let seq: Vec<u8> = [3u64; 32].iter().flat_map(|seq| seq.to_be_bytes()).collect();
        let networks = [&[0x00, 0xf1, 0x10][..], &[0xff; 9]].concat();
        let state = of_the_first_version(&[
            (PIN, &[&[0x01], b"1234\xff\xff\xff\xff", &[1, 2, 10]]),
            (PIN, &[&[0x81], b"5678\xff\xff\xff\xff", &[1, 3, 9]]),
            (SEQUENCE, &[&[0, 0, 0, 0, 0, 0, 0, 0x60], &seq]),
            (FILE, &[&[0x10, 0x02], &[0x6f, 0x7b], &networks]),
            (FILE, &[&[0x7f, 0x10], &[0x6f, 0x43], &[1, 2]]),
            (FILE, &[&[0x3f, 0x00], &[0x2f, 0x05], b"de"]),
        ]);
        let mut card = card();
        card.restore(&state).unwrap();
        assert_eq!(send(&mut card, "00200001"), "63c2");
        assert_eq!(send(&mut card, "002c0081"), "63c9");
        send(&mut card, "00a4000c022f05");
        assert_eq!(send(&mut card, "00b0000002"), "64659000");
        send(&mut card, "00a4040c07a0000000871002");
        assert_eq!(send(&mut card, "0020000108 31323334ffffffff"), "9000");
        send(&mut card, "00a4000c026f7b");
        assert_eq!(send(&mut card, "00b0000003"), "00f1109000");
        // The sequence numbers that were accepted are refused.
        let challenge = super::super::tests::challenge(0x60);
        assert_eq!(send(&mut card, &format!("0088008122{challenge}")), "6110");
        let nowhere: &[&[u8]] = &[&[0x10, 0x09], &[0x6f, 0x7b], &networks];
        let damaged = card.restore(&of_the_first_version(&[(FILE, nowhere)]));
        assert!(matches!(damaged, Err(CardError::StateDamaged { .. })));
    }

    #[test]
    fn a_state_of_another_card_or_version_is_refused_and_changes_nothing() {
        let mut card = card();
        let state = card.save();
        let mut later = state.clone();
        later[7] = 9;
        assert_eq!(card.restore(&later), Err(CardError::StateVersion { found: 9, known: 2 }));
        let mut foreign = Writer::new();
        foreign.put(ICCID, b"8988211000000000029");
        assert!(matches!(card.restore(&foreign.finish()), Err(CardError::StateForeign { .. })));
        assert_eq!(card.save(), state);
    }

    proptest! {
        #[test]
        fn a_damaged_state_is_refused_and_changes_nothing(
            at in 0usize..4096, bit in 0u8..8, cut in proptest::option::of(0usize..4096),
        ) {
            let mut card = card();
            send(&mut card, SELECT_APPLET);
            send(&mut card, "0084000020");
            let state = card.save();
            let mut other = state.clone();
            match cut {
                Some(cut) => other.truncate(cut % state.len()),
                None => other[at % state.len()] ^= 1 << bit,
            }
            prop_assert!(card.restore(&other).is_err());
            prop_assert_eq!(card.save(), state);
            prop_assert!(card.transmit(&[0x00, 0xa4, 0x00, 0x0c]).is_ok());
        }

        #[test]
        fn well_signed_nonsense_is_refused_or_taken_whole(
            objects in proptest::collection::vec(
                (prop::sample::select(vec![
                    ICCID, PIN, SEQUENCE, FILE, APPLET_KEY, APPLET_FILE, STREAM, AUTHENTICATIONS, GENERATION, OTA_COUNTER,
                    OTA_GUESSES,
                ]),
                 proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6)), 0..8),
        ) {
            let mut writer = Writer::new();
            writer.put(ICCID, b"8988211000000000011");
            for (tag, parts) in &objects {
                let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                writer.put_parts(*tag, &parts);
            }
            let mut card = card();
            let before = card.save();
            if card.restore(&writer.finish()).is_err() {
                prop_assert_eq!(card.save(), before);
            }
        }
    }
}
