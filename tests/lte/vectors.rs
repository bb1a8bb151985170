//! What the specifications print, against the codecs and algorithms that the network is built on.

use oxirush_security::nas_eps::{KNasEnc, KNasInt};
use oxirush_security::nas_eps::{derive_kasme, derive_kenb, derive_knas_enc, derive_knas_int};
use oxirush_security::{
    Autn, Bearer, CipheringAlgorithm, Ck, Direction, Ik, IntegrityAlgorithm, NasCount, Plmn, nea_cipher_bits,
    nia_mac_bits,
};
use sha2::{Digest, Sha256};

fn octets<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

struct Ciphering {
    algorithm: CipheringAlgorithm,
    key: &'static str,
    count: u32,
    bearer: u8,
    direction: Direction,
    bits: u64,
    plain: &'static str,
    ciphered: &'static str,
}

/// TS 33.401 annex C.1 (EEA2), ETSI/SAGE UEA2 document 3 (EEA1) and EEA3 document 3, test set 1 of each.
#[test]
fn ciphering_test_sets() {
    let common = "981ba6824c1bfb1ab485472029b71d808ce33e2cc3c0b5fc1f3de8a6dc66b1f0";
    let sets = [
        Ciphering {
            algorithm: CipheringAlgorithm::EEA1,
            key: "d3c5d592327fb11c4035c6680af8c6d1",
            count: 0x398a_59b4,
            bearer: 0x15,
            direction: Direction::Downlink,
            bits: 253,
            plain: common,
            ciphered: "5d5bfe75eb04f68ce0a12377ea00b37d47c6a0ba06309155086a859c4341b378",
        },
        Ciphering {
            algorithm: CipheringAlgorithm::EEA2,
            key: "d3c5d592327fb11c4035c6680af8c6d1",
            count: 0x398a_59b4,
            bearer: 0x15,
            direction: Direction::Downlink,
            bits: 253,
            plain: common,
            ciphered: "e9fed8a63d155304d71df20bf3e82214b20ed7dad2f233dc3c22d7bdeeed8e78",
        },
        Ciphering {
            algorithm: CipheringAlgorithm::EEA3,
            key: "173d14ba5003731d7a60049470f00a29",
            count: 0x6603_5492,
            bearer: 0x0f,
            direction: Direction::Uplink,
            bits: 193,
            plain: "6cf65340735552ab0c9752fa6f9025fe0bd675d9005875b200",
            ciphered: "a6c85fc66afb8533aafc2518dfe784940ee1e4b030238cc800",
        },
    ];
    for set in sets {
        let mut data = hex::decode(set.plain).unwrap();
        let key = KNasEnc::new(&octets(set.key));
        let bearer = Bearer::new(set.bearer).unwrap();
        nea_cipher_bits(&key, set.count, bearer, set.direction, &mut data, set.bits, set.algorithm).unwrap();
        assert_eq!(hex::encode(&data), set.ciphered, "{:?}", set.algorithm);
    }
}

struct Integrity {
    algorithm: IntegrityAlgorithm,
    key: &'static str,
    count: u32,
    bearer: u8,
    direction: Direction,
    bits: u64,
    message: &'static str,
    mac: u32,
}

/// TS 33.401 annexes C.2 (EIA2) and C.4 (EIA1), ETSI/SAGE EIA3 document 3.
#[test]
fn integrity_test_sets() {
    let sets = [
        Integrity {
            algorithm: IntegrityAlgorithm::EIA1,
            key: "2bd6459f82c5b300952c49104881ff48",
            count: 0x38a6_f056,
            bearer: 0x1f,
            direction: Direction::Uplink,
            bits: 88,
            message: "3332346263393861373479",
            mac: 0x731f_1165,
        },
        Integrity {
            algorithm: IntegrityAlgorithm::EIA2,
            key: "2bd6459f82c5b300952c49104881ff48",
            count: 0x38a6_f056,
            bearer: 0x18,
            direction: Direction::Uplink,
            bits: 58,
            message: "3332346263393840",
            mac: 0x118c_6eb8,
        },
        Integrity {
            algorithm: IntegrityAlgorithm::EIA2,
            key: "d3c5d592327fb11c4035c6680af8c6d1",
            count: 0x398a_59b4,
            bearer: 0x1a,
            direction: Direction::Downlink,
            bits: 64,
            message: "484583d5afe082ae",
            mac: 0xb937_87e6,
        },
        Integrity {
            algorithm: IntegrityAlgorithm::EIA3,
            key: "00000000000000000000000000000000",
            count: 0,
            bearer: 0,
            direction: Direction::Uplink,
            bits: 1,
            message: "00",
            mac: 0xc8a9_595e,
        },
        Integrity {
            algorithm: IntegrityAlgorithm::EIA3,
            key: "47054125561eb2dda94059da05097850",
            count: 0x561e_b2dd,
            bearer: 0x14,
            direction: Direction::Uplink,
            bits: 90,
            message: "000000000000000000000000",
            mac: 0x6719_a088,
        },
    ];
    for set in sets {
        let key = KNasInt::new(&octets(set.key));
        let message = hex::decode(set.message).unwrap();
        let bearer = Bearer::new(set.bearer).unwrap();
        let mac =
            nia_mac_bits(&key, set.count, bearer, set.direction, &message, set.bits, set.algorithm).unwrap();
        assert_eq!(mac, set.mac, "{:?} over {} bits", set.algorithm, set.bits);
    }
}

/// HMAC-SHA-256 (RFC 2104), written out so that it checks the crate and not itself.
fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize().into()
}

/// The strings of TS 33.401 annexes A.2 (KASME), A.3 (KeNB) and A.7 (algorithm keys), fed to HMAC as TS 33.220
/// annex B says.
#[test]
fn the_eps_key_hierarchy() {
    let (ck, ik, autn) = ([0x11; 16], [0x22; 16], octets::<16>("55f328b43577b9b94a9ffac354dfafb3"));
    let kasme =
        derive_kasme(&Ck::new(&ck), &Ik::new(&ik), Plmn::new("001", "01").unwrap(), &Autn::new(&autn));
    let key: [u8; 32] = [ck, ik].concat().try_into().unwrap();
    let string = hex::decode("1000f110000355f328b435770006").unwrap();
    assert_eq!(kasme.as_octets(), &hmac(&key, &string));

    let kasme_octets = kasme.as_octets();
    let string = hex::decode("11000000050004").unwrap();
    assert_eq!(derive_kenb(&kasme, NasCount::new(5).unwrap()).as_octets(), &hmac(kasme_octets, &string));

    // Algorithm type 1 is NAS encryption, 2 is NAS integrity; the key is the last half.
    let string = hex::decode("15010001020001").unwrap();
    let knas_enc = derive_knas_enc(&kasme, CipheringAlgorithm::EEA2);
    assert_eq!(knas_enc.as_octets()[..], hmac(kasme_octets, &string)[16..]);
    let string = hex::decode("15020001030001").unwrap();
    let knas_int = derive_knas_int(&kasme, IntegrityAlgorithm::EIA3);
    assert_eq!(knas_int.as_octets()[..], hmac(kasme_octets, &string)[16..]);
}
