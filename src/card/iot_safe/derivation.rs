//! COMPUTE PRF and COMPUTE HKDF (GSMA IoT.05 clause 3): the pseudo-random function of TLS 1.2 (RFC 5246 clause 5)
//! and HKDF-Extract (RFC 5869 clause 2.2), both on HMAC-SHA-256, over a secret that comes with the command or that
//! the applet holds.

use super::{Applet, objects};
use crate::card::Reply;
use crate::crypto::milenage::hmac_sha256;
use crate::wire::{Command, StatusWord, tlv};

impl Applet {
    /// COMPUTE PRF. P1 says where the pre-master secret comes from: `00` tag D1; `01` the pre-shared key of the
    /// applet alone (RFC 4279 clause 2); `02` that key behind the shared secret of tag D4 (RFC 5489 clause 2). Tag
    /// D2 is label and seed, D3 how many bytes are wanted, 1 to 255.
    pub(super) fn compute_prf(&self, c: &Command<'_>) -> Reply {
        if c.p2 != 0 {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        let secret = match c.p1 {
            0x00 => part(c.data, 0xd1)?.to_vec(),
            0x01 => {
                let key = self.pre_shared_key(c.data)?;
                premaster(&vec![0; key.len()], key)
            }
            0x02 => premaster(part(c.data, 0xd4)?, self.pre_shared_key(c.data)?),
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        let label_and_seed = part(c.data, 0xd2)?;
        match part(c.data, 0xd3)? {
            [wanted @ 1..=0xff] => Ok(prf(&secret, label_and_seed, usize::from(*wanted))),
            _ => Err(StatusWord::INCORRECT_DATA),
        }
    }

    /// COMPUTE HKDF: extracts a pseudo-random key from the secret of tag D1, or from one that the applet holds,
    /// with the salt of tag D5. Tag 91 names the hash, SHA-256.
    pub(super) fn compute_hkdf(&self, c: &Command<'_>) -> Reply {
        super::no_parameters(c)?;
        let secret = match tlv::find(c.data, 0xd1) {
            Ok(secret) => secret,
            Err(_) => self.pre_shared_key(c.data)?,
        };
        // No salt is the same as one of zeros, which HMAC makes of an empty key.
        let salt = tlv::find(c.data, 0xd5).unwrap_or_default();
        if !matches!(tlv::find(c.data, 0x91), Ok([0x00, 0x01] | [0x01])) {
            return Err(StatusWord::INCORRECT_DATA);
        }
        Ok(hmac_sha256(salt, secret).to_vec())
    }

    /// The secret that the data names, if its functions permit derivation.
    fn pre_shared_key(&self, data: &[u8]) -> Result<&[u8], StatusWord> {
        let (at, spec) = self.secret(data)?;
        let held = self.secrets[at].as_ref().filter(|_| spec.functions & objects::KEY_DERIVATION != 0);
        held.map(|secret| &secret[..]).ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)
    }
}

fn part(data: &[u8], tag: u16) -> Result<&[u8], StatusWord> {
    tlv::find(data, tag).map_err(|_| StatusWord::INCORRECT_DATA)
}

/// The pre-master secret of a pre-shared key suite: both parts with their lengths on two bytes.
fn premaster(other: &[u8], key: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| (bytes.len() as u16).to_be_bytes();
    [&length(other)[..], other, &length(key), key].concat()
}

/// P_SHA256 of RFC 5246 clause 5; label and seed come joined.
fn prf(secret: &[u8], label_and_seed: &[u8], wanted: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(wanted + 32);
    let mut a = hmac_sha256(secret, label_and_seed);
    while out.len() < wanted {
        out.extend_from_slice(&*hmac_sha256(secret, &[&a[..], label_and_seed].concat()));
        a = hmac_sha256(secret, &a[..]);
    }
    out.truncate(wanted);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pseudo_random_function() {
        // The P_SHA256 vector that the IETF TLS working group agreed on for TLS 1.2.
        let secret = hex::decode("9bbe436ba940f017b17652849a71db35").unwrap();
        let seed = hex::decode("a0ba9f936cda311827a6f796ffd5198c").unwrap();
        let out = prf(&secret, &[b"test label", &seed[..]].concat(), 100);
        assert_eq!(
            hex::encode(out),
            "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7\
             077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66"
        );
    }

    #[test]
    fn pre_shared_keys_are_joined_with_their_lengths() {
        // RFC 4279 clause 2 and RFC 5489 clause 2.
        assert_eq!(hex::encode(premaster(&[0; 2], &[0xaa, 0xbb])), "000200000002aabb");
        assert_eq!(hex::encode(premaster(&[1, 2, 3], &[0xaa])), "00030102030001aa");
    }
}
