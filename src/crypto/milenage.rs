//! Authentication and key agreement: Milenage with its values (TS 35.206, TS 33.102 clause 6.3), and the keyed hash
//! from which the keys of 3GPP are derived (TS 33.220 clause B.2).
//!
//! The crate is `oxirush-security`: a key is a type of its own there, is wiped when it is dropped, and is not printed.
//! The keys of a NAS connection stand in `wire::nas`, with the messages that they protect.

pub use oxirush_security::kdf::kdf as hmac_sha256;
pub use oxirush_security::milenage::{Amf, AuthenticationVector, Auts, K, Milenage, Op, Opc, Res, Sqn};
pub use oxirush_security::{Autn, Ck, Ik, Rand};
