//! The subscription concealed identifier, computed on the card (GET IDENTITY, 3GPP TS 31.102 clause 7.5): null
//! scheme and the ECIES profiles A and B of TS 33.501 annex C.3.

use aws_lc_rs::agreement::{self, UnparsedPublicKey, X25519};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use p256::elliptic_curve::point::AffineCoordinates;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::{NonZeroScalar, ProjectivePoint, PublicKey};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use sha2::{Digest, Sha256};

use super::fs::{FileSystem, Index};
use super::{Personalisation, SuciScheme};
use crate::crypto::milenage::hmac_sha256;
use crate::id::Plmn;
use crate::wire::{bcd, tlv};

/// What the SUCI of one subscriber is made of.
pub(super) struct Concealer {
    /// Type of identity, home network, routing indicator: all that stands in front of the scheme.
    head: [u8; 6],
    /// MSIN as packed digits.
    msin: Vec<u8>,
    scheme: SuciScheme,
    key_id: u8,
}

impl Concealer {
    /// The concealer of a card whose profile leaves the calculation to it.
    pub(super) fn new(p: &Personalisation) -> Option<Self> {
        let suci = p.suci.as_ref().filter(|suci| suci.by_card)?;
        let mut head = [0x01; 6];
        head[1..4].copy_from_slice(&bcd::plmn(p.plmn));
        head[4..].copy_from_slice(&bcd::filled::<2>(bcd::values(&suci.routing_indicator)));
        let digits = p.imsi.as_str().get(3 + p.plmn.mnc().len()..).unwrap_or_default();
        let msin = bcd::packed(digits);
        Some(Self { head, msin, scheme: suci.scheme.clone(), key_id: suci.key_id })
    }

    /// The concealer of a package, as the files of its USIM at `adf` say: services 124 and 125 of EF.UST leave the
    /// calculation to the card, which finds schemes and keys in EF.SUCI_Calc_Info_USIM of DF.SAIP, coded as TS
    /// 31.102 clause 4.4.11.8 has it. Of the schemes the first counts that the card knows, with a key that is one.
    pub(super) fn of_files(files: &FileSystem, adf: Index) -> Option<Self> {
        if !Self::is_wanted(files, adf) {
            return None;
        }
        let read = |path: &[u16]| files.content_below(adf, path);
        let digits = imsi_digits(read(&[0x6f07])?)?;
        let mnc_digits = read(&[0x6fad])?.get(3).map_or(2, |length| usize::from(length & 0x0f));
        let (mcc, mnc) = (digits.get(..3)?, digits.get(3..3 + mnc_digits)?);
        let home: Plmn = format!("{mcc}-{mnc}").parse().ok()?;
        let mut head = [0x01, 0, 0, 0, 0xf0, 0xff];
        head[1..4].copy_from_slice(&bcd::plmn(home));
        if let Some([a, b, ..]) = read(&[0x5fc0, 0x4f0a]) {
            head[4..].copy_from_slice(&[*a, *b]);
        }
        let msin = bcd::packed(&digits[3 + mnc_digits..]);
        let (scheme, key_id) = scheme(read(&[0x5fd0, 0x4f01])?)?;
        Some(Self { head, msin, scheme, key_id })
    }

    /// Whether the USIM at `adf` leaves the calculation to the card.
    pub(super) fn is_wanted(files: &FileSystem, adf: Index) -> bool {
        let services = files.content_below(adf, &[0x6f38]).unwrap_or_default();
        let offered = |service: usize| {
            let at = service - 1;
            services.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
        };
        offered(124) && offered(125)
    }

    /// The SUCI as the mobile identity of TS 24.501 clause 9.11.3.4 has it, without identifier and length.
    /// `None` if the home network's key is no point of the curve.
    pub(super) fn suci(&self, stream: &mut ChaCha20Rng) -> Option<Vec<u8>> {
        let (scheme, key_id, output) = match &self.scheme {
            SuciScheme::Null => (0, 0, self.msin.clone()),
            SuciScheme::ProfileA(key) => {
                let mut seed = [0; 32];
                stream.fill_bytes(&mut seed);
                (1, self.key_id, profile_a(key, &seed, &self.msin)?)
            }
            SuciScheme::ProfileB(key) => {
                (2, self.key_id, profile_b(key, &NonZeroScalar::random(stream), &self.msin)?)
            }
        };
        Some([&self.head[..], &[scheme, key_id], &output].concat())
    }
}

/// The digits of EF.IMSI (TS 31.102 clause 4.2.2).
fn imsi_digits(content: &[u8]) -> Option<String> {
    let digits = bcd::nibbles(bcd::imsi_octets(content).ok()?).skip(1).take_while(|digit| *digit < 10);
    Some(digits.map(|digit| char::from(b'0' + digit)).collect())
}

/// The scheme of highest priority in EF.SUCI_Calc_Info that can be used, with the identifier of its key: one that the
/// card does not know, or whose key is missing or none of its curve, is passed over (TS 31.102 clause 4.4.11.8).
fn scheme(info: &[u8]) -> Option<(SuciScheme, u8)> {
    let schemes = tlv::find(info, 0xa0).ok()?;
    let keys = tlv::find(info, 0xa1).unwrap_or_default();
    let of = |tag| tlv::Reader::new(keys).flatten().filter(move |object| object.tag == tag);
    let usable = |scheme: u8, number: u8| {
        if scheme == 0 {
            return Some((SuciScheme::Null, 0));
        }
        let at = usize::from(number).checked_sub(1)?;
        let (id, key) = (of(0x80).nth(at)?.value, of(0x81).nth(at)?.value);
        let scheme = match scheme {
            1 => SuciScheme::ProfileA(key.try_into().ok()?),
            2 => SuciScheme::profile_b(key)?,
            _ => return None,
        };
        Some((scheme, *id.first()?))
    };
    schemes.chunks_exact(2).find_map(|pair| usable(pair[0], pair[1]))
}

/// Profile A: X25519 with the ephemeral private key `seed`.
fn profile_a(home: &[u8; 32], seed: &[u8; 32], plain: &[u8]) -> Option<Vec<u8>> {
    let private = agreement::PrivateKey::from_private_key(&X25519, seed).ok()?;
    let public = private.compute_public_key().ok()?;
    let peer = UnparsedPublicKey::new(&X25519, home);
    let shared = agreement::agree(&private, peer, (), |shared| <[u8; 32]>::try_from(shared).map_err(drop));
    protect(&shared.ok()?, public.as_ref(), plain)
}

/// Profile B: ECDH on P-256 with the ephemeral private key `private`; public keys are compressed points.
fn profile_b(home: &[u8; 33], private: &NonZeroScalar, plain: &[u8]) -> Option<Vec<u8>> {
    let home = PublicKey::from_sec1_bytes(home).ok()?;
    let shared = (ProjectivePoint::from(*home.as_affine()) * private.as_ref()).to_affine().x();
    let public = PublicKey::from_secret_scalar(private).to_encoded_point(true);
    protect(&shared[..], public.as_bytes(), plain)
}

/// ECIES behind the key agreement (TS 33.501 clause C.3.2): ANSI X9.63 key derivation, AES-128 in counter mode,
/// HMAC-SHA-256 cut to 8 bytes.
fn protect(shared: &[u8], public: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let block = |counter: u32| -> [u8; 32] {
        Sha256::new()
            .chain_update(shared)
            .chain_update(counter.to_be_bytes())
            .chain_update(public)
            .finalize()
            .into()
    };
    let (cipher_key, mac_key) = (block(1), block(2));
    let (key, counter) = cipher_key.split_at(16);
    let mut text = plain.to_vec();
    let key = EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, key).ok()?).ok()?;
    let counter = FixedLength::from(<[u8; 16]>::try_from(counter).ok()?);
    key.less_safe_encrypt(&mut text, EncryptionContext::Iv128(counter)).ok()?;
    let mac = hmac_sha256(&mac_key, &text);
    Some([public, &text, &mac[..8]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn profile_a_of_the_annex() {
        // TS 33.501 clause C.4.3.1.
        let home = octets("5a8d38864820197c3394b92613b20b91633cbd897119273bf8e4a6f4eec0a650");
        let seed = octets("c80949f13ebe61af4ebdbd293ea4f942696b9e815d7e8f0096bbf6ed7de62256");
        let output = profile_a(&home, &seed, &octets::<5>("00012080f6")).unwrap();
        assert_eq!(
            hex::encode(output),
            "b2e92f836055a255837debf850b528997ce0201cb82adfe4be1f587d07d8457dcb02352410cddd9e730ef3fa87"
        );
    }

    #[test]
    fn profile_b_of_the_annex() {
        // TS 33.501 clause C.4.4.1.
        let home = octets("0272da71976234ce833a6907425867b82e074d44ef907dfb4b3e21c1c2256ebcd1");
        let scalar = octets::<32>("99798858a1dc6a2c68637149a4b1dbfd1fdff5addd62a2142f06699ed7602529");
        let private = NonZeroScalar::try_from(&scalar[..]).unwrap();
        let output = profile_b(&home, &private, &octets::<5>("00012080f6")).unwrap();
        assert_eq!(
            hex::encode(output),
            "039aab8376597021e855679a9778ea0b67396e68c66df32c0f41e9acca2da9b9d146a33fc2716ac7dae96aa30a4d"
        );
    }

    #[test]
    fn the_first_scheme_that_can_be_used_counts() {
        let a = "5a8d38864820197c3394b92613b20b91633cbd897119273bf8e4a6f4eec0a650";
        let b = "0272da71976234ce833a6907425867b82e074d44ef907dfb4b3e21c1c2256ebcd1";
        let point = PublicKey::from_sec1_bytes(&octets::<33>(b)).unwrap();
        let long = hex::encode(point.to_encoded_point(false));
        let info = |schemes: &str, keys: &[&str]| {
            let mut list = Vec::new();
            for (id, key) in (27u8..).zip(keys) {
                tlv::push(&mut list, 0x80, &[id]);
                tlv::push(&mut list, 0x81, &hex::decode(key).unwrap());
            }
            let mut info = Vec::new();
            tlv::push(&mut info, 0xa0, &hex::decode(schemes).unwrap());
            tlv::push(&mut info, 0xa1, &list);
            info
        };
        let (a_27, b_27) = (SuciScheme::ProfileA(octets(a)), SuciScheme::ProfileB(octets(b)));
        for (what, schemes, keys, expected) in [
            ("the first", "02010102", vec![b, a], Some((b_27.clone(), 27))),
            ("both forms of a point", "0201", vec![&long], Some((b_27, 27))),
            ("an unknown scheme", "03010101", vec![a], Some((a_27.clone(), 27))),
            ("a key that is no point", "02010102", vec!["0011", a], Some((a_27.clone(), 28))),
            ("a key that is not there", "02030101", vec![a], Some((a_27, 27))),
            ("the null scheme behind", "0301020300 00", vec![a], Some((SuciScheme::Null, 0))),
            ("none", "0301", vec![a], None),
        ] {
            assert_eq!(scheme(&info(&schemes.replace(' ', ""), &keys)), expected, "{what}");
        }
    }
}
