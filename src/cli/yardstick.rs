//! What the public-key operations of a run cost alone: the yardstick of everything around them.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use alloy_consensus::crypto::secp256k1;
use alloy_primitives::B256;
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, PublicKey, UnparsedPublicKey, X25519};

use crate::crypto::rsp_cert::{Curve, RspKey};
use crate::crypto::{Op, SoftKey, Tally, key};
use crate::io::clock::thread_cpu_time;
use crate::kernel::RngTree;

/// How often each operation is done to measure it.
const ROUNDS: u32 = 200;

/// What one kind of operation costs.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub op: Op,
    pub count: u64,
    /// CPU time of one operation.
    pub unit: Duration,
}

impl Cost {
    /// CPU time of all of them.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(
            u64::try_from(self.unit.as_nanos()).unwrap_or(u64::MAX).saturating_mul(self.count),
        )
    }
}

/// Measures each operation that `counters` (`crypto.NAME`) holds, with the code that the run itself used.
pub fn costs(counters: &BTreeMap<String, u64>) -> Vec<Cost> {
    Op::ALL
        .into_iter()
        .filter_map(|op| {
            let count = counters.get(&format!("crypto.{op}")).copied()?;
            Some(Cost { op, count, unit: measure(op) })
        })
        .collect()
}

fn measure(op: Op) -> Duration {
    let mut stream = RngTree::new(1).stream("yardstick");
    let soft = SoftKey::from_stream(&mut stream);
    let (message, public) = ([7; 64], soft.public());
    let signature = soft.sign(&message);
    let digest = B256::repeat_byte(7);
    let secret = B256::repeat_byte(9);
    match op {
        Op::P256KeyGen => timed(|| {
            black_box(SoftKey::from_stream(&mut stream).public());
        }),
        Op::P256Sign => timed(|| {
            black_box(soft.sign(black_box(&message)));
        }),
        Op::P256Verify => timed(|| {
            black_box(key::verify(&public, black_box(&message), &signature).is_ok());
        }),
        // A key pair on either group costs about the same; TLS here prefers P-256.
        Op::EcdhKeyGen => timed(|| {
            black_box(pair(&ECDH_P256, black_box([9; 32])).is_some());
        }),
        Op::P256Agree => agree(&ECDH_P256),
        Op::X25519Agree => agree(&X25519),
        Op::Secp256k1Sign => timed(|| {
            black_box(secp256k1::sign_message(secret, black_box(digest)).is_ok());
        }),
        Op::BrainpoolKeyGen | Op::BrainpoolSign | Op::BrainpoolVerify | Op::BrainpoolAgree => brainpool(op),
        Op::Secp256k1Recover => {
            let Ok(signature) = secp256k1::sign_message(secret, digest) else { return Duration::ZERO };
            timed(|| {
                black_box(secp256k1::recover_signer(black_box(&signature), digest).is_ok());
            })
        }
    }
}

fn brainpool(op: Op) -> Duration {
    let mut stream = RngTree::new(1).stream("yardstick");
    let key = RspKey::from_stream(Curve::BrainpoolP256r1, &mut stream);
    let (message, tally) = ([7; 64], Tally::new());
    let signature = key.sign(&message);
    timed(|| match op {
        Op::BrainpoolSign => {
            black_box(key.sign(black_box(&message)));
        }
        Op::BrainpoolVerify => {
            black_box(key.public().verify(black_box(&message), &signature, &tally).is_ok());
        }
        Op::BrainpoolAgree => {
            black_box(key.agree(black_box(key.public())).is_ok());
        }
        _ => {
            black_box(RspKey::from_stream(Curve::BrainpoolP256r1, &mut stream).curve());
        }
    })
}

fn pair(algorithm: &'static agreement::Algorithm, scalar: [u8; 32]) -> Option<(PrivateKey, PublicKey)> {
    let private = PrivateKey::from_private_key(algorithm, &scalar).ok()?;
    let public = private.compute_public_key().ok()?;
    Some((private, public))
}

fn agree(algorithm: &'static agreement::Algorithm) -> Duration {
    let (Some((ours, _)), Some((_, theirs))) = (pair(algorithm, [9; 32]), pair(algorithm, [11; 32])) else {
        return Duration::ZERO;
    };
    let peer = UnparsedPublicKey::new(algorithm, theirs);
    timed(|| {
        let agreed = agreement::agree(&ours, &peer, (), |secret| {
            black_box(secret.len());
            Ok(())
        });
        black_box(agreed.is_ok());
    })
}

/// CPU time of one call, over many.
fn timed(mut call: impl FnMut()) -> Duration {
    call();
    let before = thread_cpu_time().unwrap_or_default();
    for _ in 0..ROUNDS {
        call();
    }
    thread_cpu_time().unwrap_or_default().saturating_sub(before) / ROUNDS
}
