//! The BPP security protocol: SCP03t as SGP.22 clause 2.6.4 uses it, with AES-128, for the SM-DP+ that protects
//! segments and for the eUICC that opens them.
//!
//! A protected segment is one data object. Its value is the payload, encrypted or in clear, and eight bytes of a
//! CMAC that is chained from segment to segment.

use aes::Aes128;
use aes::cipher::{BlockDecryptMut, BlockEncrypt, BlockEncryptMut, InnerIvInit, KeyInit};
use aws_lc_rs::constant_time;
use cmac::{Cmac, Mac};
use sha2::{Digest, Sha256};

/// Bytes of MAC behind each segment.
pub const MAC_BYTES: usize = 8;

/// The most payload that goes into one encrypted segment, so that its data object has at most 1,020 bytes (SGP.22
/// clause 2.5.3): four bytes of header and eight of MAC off, padded to blocks of 16, of which one byte is padding.
pub const PAYLOAD_MAX: usize = 1007;

/// Why a protected segment was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum BspError {
    #[error("the MAC of the segment is wrong: it was changed, lost or repeated, or the keys differ")]
    Mac,
    #[error("the segment has {0} bytes: its ciphertext is no whole number of blocks, or no MAC follows it")]
    Length(usize),
    #[error("the decrypted segment does not end in the padding 80 00 ... 00")]
    Padding,
}

/// Session keys: MAC chaining value, S-ENC and S-MAC.
#[derive(Clone)]
pub struct SessionKeys {
    /// The MAC chaining value that the first piece begins with.
    pub mac_chaining_value: [u8; 16],
    /// S-ENC: encrypts the pieces.
    pub enc: [u8; 16],
    /// S-MAC: authenticates them.
    pub mac: [u8; 16],
}

impl SessionKeys {
    /// Derives session keys from the x-coordinate that both sides have agreed on: the key derivation function of
    /// X9.63 with SHA-256 over key type, key length, and the length-prefixed host identifier and EID (SGP.22
    /// annex G).
    pub fn derive(shared_x: &[u8; 32], key_type: u8, key_length: u8, host_id: &[u8], eid: &[u8; 16]) -> Self {
        let lv = |value: &[u8]| [&[value.len() as u8], value].concat();
        let shared_info = [&[key_type, key_length][..], &lv(host_id), &lv(eid)].concat();
        let block = |counter: u32| -> [u8; 32] {
            Sha256::new()
                .chain_update(shared_x)
                .chain_update(counter.to_be_bytes())
                .chain_update(&shared_info)
                .finalize()
                .into()
        };
        let (first, second) = (block(1), block(2));
        let half = |block: &[u8; 32], at: usize| std::array::from_fn(|i| block[at + i]);
        Self { mac_chaining_value: half(&first, 0), enc: half(&first, 16), mac: half(&second, 0) }
    }
}

/// One end of the protected channel. Segments must come in the order in which they were made.
#[derive(Clone)]
pub struct Bsp {
    enc: Aes128,
    mac: Cmac<Aes128>,
    mac_chaining_value: [u8; 16],
    /// Number of the segment that is next; a segment with a MAC only counts, too.
    counter: u128,
}

impl Bsp {
    /// Begins a package under these keys.
    pub fn new(keys: &SessionKeys) -> Self {
        Self {
            enc: Aes128::new(&keys.enc.into()),
            mac: KeyInit::new(&keys.mac.into()),
            mac_chaining_value: keys.mac_chaining_value,
            counter: 1,
        }
    }

    /// Encrypts `payload` and appends its MAC: the value of a data object with `tag`.
    pub fn seal(&mut self, tag: u8, payload: &[u8]) -> Vec<u8> {
        let mut data = payload.to_vec();
        data.push(0x80);
        data.resize(data.len().next_multiple_of(16), 0);
        let icv = self.icv_of(self.counter);
        let mut cbc = cbc::Encryptor::<Aes128>::inner_iv_init(self.enc.clone(), &icv.into());
        for block in data.chunks_exact_mut(16) {
            cbc.encrypt_block_mut(block.into());
        }
        self.finish(tag, data)
    }

    /// Appends a MAC to `payload`, which stays in clear.
    pub fn sign(&mut self, tag: u8, payload: &[u8]) -> Vec<u8> {
        self.finish(tag, payload.to_vec())
    }

    fn finish(&mut self, tag: u8, mut data: Vec<u8>) -> Vec<u8> {
        let mac = self.next_mac(tag, &data);
        self.advance(mac);
        data.extend_from_slice(&mac[..MAC_BYTES]);
        data
    }

    /// Checks and decrypts the value of a data object with `tag`. After an error the channel is of no use.
    ///
    /// # Errors
    /// [`BspError`].
    pub fn open(&mut self, tag: u8, value: &[u8]) -> Result<Vec<u8>, BspError> {
        let mut data = self.verified(tag, value)?.to_vec();
        if data.is_empty() || !data.len().is_multiple_of(16) {
            return Err(BspError::Length(value.len()));
        }
        let icv = self.icv_of(self.counter - 1);
        let mut cbc = cbc::Decryptor::<Aes128>::inner_iv_init(self.enc.clone(), &icv.into());
        for block in data.chunks_exact_mut(16) {
            cbc.decrypt_block_mut(block.into());
        }
        let end = data.iter().rposition(|byte| *byte != 0).filter(|at| data[*at] == 0x80);
        let end = end.filter(|at| data.len() - at <= 16).ok_or(BspError::Padding)?;
        data.truncate(end);
        Ok(data)
    }

    /// Checks the MAC of the value of a data object with `tag` and returns its payload, which was sent in clear.
    ///
    /// # Errors
    /// [`BspError`].
    pub fn verify(&mut self, tag: u8, value: &[u8]) -> Result<Vec<u8>, BspError> {
        self.verified(tag, value).map(<[u8]>::to_vec)
    }

    fn verified<'a>(&mut self, tag: u8, value: &'a [u8]) -> Result<&'a [u8], BspError> {
        let (data, mac) = value.split_last_chunk::<MAC_BYTES>().ok_or(BspError::Length(value.len()))?;
        let expected = self.next_mac(tag, data);
        constant_time::verify_slices_are_equal(&expected[..MAC_BYTES], mac).map_err(|_| BspError::Mac)?;
        self.advance(expected);
        Ok(data)
    }

    /// CMAC over chaining value, tag, the length of data with MAC, and data.
    fn next_mac(&self, tag: u8, data: &[u8]) -> [u8; 16] {
        let header = header(tag, data.len() + MAC_BYTES);
        let mac = self.mac.clone().chain_update(self.mac_chaining_value).chain_update(header);
        mac.chain_update(data).finalize().into_bytes().into()
    }

    fn advance(&mut self, mac: [u8; 16]) {
        self.mac_chaining_value = mac;
        self.counter += 1;
    }

    /// The initial chaining vector of the segment with number `counter`.
    fn icv_of(&self, counter: u128) -> [u8; 16] {
        let mut block = counter.to_be_bytes().into();
        self.enc.encrypt_block(&mut block);
        block.into()
    }
}

/// Tag and length of a data object whose value has `length` bytes, at most 65,535 (X.690 clause 8.1.3).
fn header(tag: u8, length: usize) -> Vec<u8> {
    match length {
        0..=0x7f => vec![tag, length as u8],
        0x80..=0xff => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> SessionKeys {
        SessionKeys { mac_chaining_value: [1; 16], enc: [2; 16], mac: [3; 16] }
    }

    fn hex_of<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn a_payload_of_the_most_bytes_makes_an_object_of_1020() {
        let object = |payload: usize| {
            let value = Bsp::new(&keys()).seal(0x86, &vec![0; payload]);
            header(0x86, value.len()).len() + value.len()
        };
        assert_eq!(object(PAYLOAD_MAX), 1020);
        assert!(object(PAYLOAD_MAX + 1) > 1020);
    }

    #[test]
    fn segments_in_clear_count() {
        let (mut one, mut other) = (Bsp::new(&keys()), Bsp::new(&keys()));
        let first = one.sign(0x88, b"clear");
        let second = one.seal(0x86, b"secret");
        assert_eq!(first[..5], *b"clear");
        assert_eq!(other.verify(0x88, &first).unwrap(), b"clear");
        assert_eq!(other.open(0x86, &second).unwrap(), b"secret");
        // The first segment's number is 1, so the second is encrypted under E(2).
        let icv = Bsp::new(&keys()).icv_of(2);
        let mut cbc = cbc::Encryptor::<Aes128>::inner_iv_init(Aes128::new(&[2; 16].into()), &icv.into());
        let mut block = *b"secret\x80\0\0\0\0\0\0\0\0\0";
        cbc.encrypt_block_mut((&mut block[..]).into());
        assert_eq!(second[..16], block);
    }

    #[test]
    fn order_tag_and_keys_are_all_under_the_mac() {
        let mut bsp = Bsp::new(&keys());
        let (first, second) = (bsp.seal(0x86, b"one"), bsp.seal(0x86, b"two"));
        assert_eq!(Bsp::new(&keys()).open(0x86, &second), Err(BspError::Mac), "out of order");
        assert_eq!(Bsp::new(&keys()).open(0x87, &first), Err(BspError::Mac), "another tag");
        let other = SessionKeys { mac: [4; 16], ..keys() };
        assert_eq!(Bsp::new(&other).open(0x86, &first), Err(BspError::Mac), "another key");
        let mut bsp = Bsp::new(&keys());
        bsp.open(0x86, &first).unwrap();
        assert_eq!(bsp.open(0x86, &first), Err(BspError::Mac), "repeated");
        assert_eq!(Bsp::new(&keys()).open(0x86, &[0; 7]), Err(BspError::Length(7)));
    }

    #[test]
    fn a_cmac_is_that_of_rfc_4493() {
        // RFC 4493 section 4, example 2, taken apart: chaining value, tag, length and data are what is covered.
        let message: [u8; 16] = hex_of("6bc1bee22e409f96e93d7e117393172a");
        let key: [u8; 16] = hex_of("2b7e151628aed2a6abf7158809cf4f3c");
        let mac = <Cmac<Aes128> as KeyInit>::new(&key.into()).chain_update(message).finalize().into_bytes();
        assert_eq!(hex::encode(mac), "070a16b46b4d4144f79bdd9dd04a287c");
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(payloads in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..200), 1..5)) {
            let (mut one, mut other) = (Bsp::new(&keys()), Bsp::new(&keys()));
            for payload in &payloads {
                prop_assert_eq!(&other.open(0x86, &one.seal(0x86, payload)).unwrap(), payload);
            }
        }

        #[test]
        fn any_changed_bit_is_found(at in 0usize..1000, bit in 0u8..8) {
            let mut segment = Bsp::new(&keys()).seal(0x86, b"a profile element");
            let at = at % segment.len();
            segment[at] ^= 1 << bit;
            prop_assert_eq!(Bsp::new(&keys()).open(0x86, &segment), Err(BspError::Mac));
        }

        #[test]
        fn any_bytes_are_answered(value in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(Bsp::new(&keys()).open(0x86, &value).is_err());
            prop_assert!(Bsp::new(&keys()).verify(0x88, &value).is_err());
        }
    }
}
