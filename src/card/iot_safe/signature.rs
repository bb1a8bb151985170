//! COMPUTE SIGNATURE and VERIFY SIGNATURE, INIT and UPDATE (GSMA IoT.05 clause 3): ECDSA on P-256 with SHA-256
//! over a full text, over a last block behind an intermediate hash, or over a hash.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use super::{Applet, compress, objects};
use crate::card::{CardOp, Reply};
use crate::crypto::ecdsa;
use crate::wire::{Command, StatusWord, tlv};

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Sign,
    Verify,
}

/// How the hash comes about (tag A1).
enum Mode {
    /// The card hashes the text. `missing` bytes of the announced length are still to come; `None` before the
    /// announcement.
    FullText {
        hash: Box<Sha256>,
        missing: Option<usize>,
    },
    LastBlock,
    Hash,
}

struct Session {
    channel: usize,
    number: u8,
    purpose: Purpose,
    /// Place of the key in the store.
    key: usize,
    mode: Mode,
}

/// A session at its end, the hash, and what follows the data.
type Finished<'a> = (Session, [u8; 32], &'a [u8]);

/// The open sessions.
#[derive(Default)]
pub(super) struct Sessions(Vec<Session>);

impl Sessions {
    pub(super) fn end_all_of(&mut self, channel: usize) {
        self.0.retain(|s| s.channel != channel);
    }

    pub(super) fn end_all_with(&mut self, key: usize) {
        self.0.retain(|s| s.key != key);
    }

    fn end(&mut self, channel: usize, number: u8, purpose: Purpose) -> Option<Session> {
        let at =
            self.0.iter().position(|s| (s.channel, s.number, s.purpose) == (channel, number, purpose))?;
        Some(self.0.swap_remove(at))
    }
}

impl Applet {
    /// COMPUTE SIGNATURE INIT and VERIFY SIGNATURE INIT: P1 opens (`00`) or closes (`01`) session P2.
    pub(super) fn signature_init(&mut self, channel: usize, c: &Command<'_>, purpose: Purpose) -> Reply {
        if usize::from(c.p2) >= objects::SESSIONS || c.p1 > 1 {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        self.sessions.end(channel, c.p2, purpose);
        if c.p1 == 1 {
            return Ok(Vec::new());
        }
        let (key, spec) = match purpose {
            Purpose::Sign => self.private_key(c.data)?,
            Purpose::Verify => self.public_key(c.data)?,
        };
        let filled = match purpose {
            Purpose::Sign => self.keys[key].private.is_some(),
            Purpose::Verify => self.keys[key].public.is_some(),
        };
        if spec.functions & objects::SIGNATURE == 0 || !filled {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        // SHA-256, on two bytes as IoT.05 has it or on one, and ECDSA.
        let sha_256 = matches!(tlv::find(c.data, 0x91), Ok([0x00, 0x01] | [0x01]));
        let ecdsa = matches!(tlv::find(c.data, 0x92), Ok([0x04]));
        let mode = match tlv::find(c.data, 0xa1) {
            Ok([0x01]) => Mode::FullText { hash: Box::default(), missing: None },
            Ok([0x02]) => Mode::LastBlock,
            Ok([0x03]) => Mode::Hash,
            _ => return Err(StatusWord::INCORRECT_DATA),
        };
        if !(sha_256 && ecdsa) {
            return Err(StatusWord::INCORRECT_DATA);
        }
        self.sessions.0.push(Session { channel, number: c.p2, purpose, key, mode });
        Ok(Vec::new())
    }

    /// COMPUTE SIGNATURE UPDATE: gives `33 LV(r || s)` on the last command (P1 `80`).
    pub(super) fn compute_signature_update(&mut self, channel: usize, c: &Command<'_>) -> Reply {
        let Some((session, digest, rest)) = self.update(channel, c, Purpose::Sign)? else {
            return Ok(Vec::new());
        };
        if !rest.is_empty() {
            return Err(StatusWord::INCORRECT_DATA);
        }
        let private = self.keys[session.key].private.as_ref();
        let private = private.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let signature = ecdsa::sign_digest(private.as_nonzero_scalar(), &digest);
        self.tally(CardOp::Sign);
        // Clients do not agree on the length of tag 33: two bytes for those who set bit 8 of the class byte,
        // one byte for the others.
        let head: &[u8] = if c.class & 0x80 != 0 { &[0x33, 0x00, 0x40] } else { &[0x33, 0x40] };
        Ok([head, &signature].concat())
    }

    /// VERIFY SIGNATURE UPDATE: the last command (P1 `80`) carries the signature behind the data.
    pub(super) fn verify_signature_update(&mut self, channel: usize, c: &Command<'_>) -> Reply {
        let Some((session, digest, rest)) = self.update(channel, c, Purpose::Verify)? else {
            return Ok(Vec::new());
        };
        let signature = match rest {
            [0x33, 0x40, signature @ ..] | [0x33, 0x00, 0x40, signature @ ..] => signature,
            _ => return Err(StatusWord::INCORRECT_DATA),
        };
        let public = self.keys[session.key].public.as_ref();
        let public = public.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let signature = Signature::from_slice(signature).map_err(|_| StatusWord::SIGNATURE_MISMATCH)?;
        self.tally(CardOp::Verify);
        let matches = verifying_key(public)?.verify_prehash(&digest, &signature).is_ok();
        if matches { Ok(Vec::new()) } else { Err(StatusWord::SIGNATURE_MISMATCH) }
    }

    /// Takes the data of an UPDATE. On the last one the session ends and gives the hash, with what follows the
    /// data. Any error ends the session too.
    fn update<'a>(
        &mut self,
        channel: usize,
        c: &Command<'a>,
        purpose: Purpose,
    ) -> Result<Option<Finished<'a>>, StatusWord> {
        let last = match c.p1 {
            0x00 => false,
            0x80 => true,
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        let session = self.sessions.end(channel, c.p2, purpose);
        let mut session = session.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let (digest, rest) = match &mut session.mode {
            Mode::FullText { hash, missing } => {
                let rest = absorb(hash, missing, c.data)?;
                if !last {
                    self.sessions.0.push(session);
                    return if rest.is_empty() { Ok(None) } else { Err(StatusWord::INCORRECT_DATA) };
                }
                if *missing != Some(0) {
                    return Err(StatusWord::INCORRECT_DATA);
                }
                (std::mem::take(&mut **hash).finalize().into(), rest)
            }
            // These two are never chained.
            Mode::LastBlock | Mode::Hash if !last => return Err(StatusWord::INCORRECT_P1_P2),
            Mode::LastBlock => last_block(c.data)?,
            Mode::Hash => prehashed(c.data)?,
        };
        Ok(Some((session, digest, rest)))
    }
}

/// Hashes text of tag 9B. Its length covers all commands of the chain; those after the first go on with the
/// bare text. Returns what follows the text.
fn absorb<'a>(
    hash: &mut Sha256,
    missing: &mut Option<usize>,
    data: &'a [u8],
) -> Result<&'a [u8], StatusWord> {
    let (length, text) = match *missing {
        None => match tlv::header(data) {
            Ok((0x9b, length, text)) => (length, text),
            _ => return Err(StatusWord::INCORRECT_DATA),
        },
        Some(length) => (length, data),
    };
    let (text, rest) = text.split_at(length.min(text.len()));
    hash.update(text);
    *missing = Some(length - text.len());
    Ok(rest)
}

/// The hash of tag 9E, 32 bytes.
fn prehashed(data: &[u8]) -> Result<([u8; 32], &[u8]), StatusWord> {
    match tlv::header(data) {
        Ok((0x9e, 32, value)) => match value.split_first_chunk::<32>() {
            Some((digest, rest)) => Ok((*digest, rest)),
            None => Err(StatusWord::INCORRECT_DATA),
        },
        _ => Err(StatusWord::INCORRECT_DATA),
    }
}

/// Finishes SHA-256: tag 9A is the last part of the text, 9C the state
/// behind the part before, 9D how many bytes that part had, a multiple of the block length.
fn last_block(data: &[u8]) -> Result<([u8; 32], &[u8]), StatusWord> {
    let (text, rest) = object(data, 0x9a)?;
    let (state, rest) = object(rest, 0x9c)?;
    let (hashed, rest) = object(rest, 0x9d)?;
    let hashed =
        <[u8; 4]>::try_from(hashed).map(u32::from_be_bytes).map_err(|_| StatusWord::INCORRECT_DATA)?;
    let state = <&[u8; 32]>::try_from(state).map_err(|_| StatusWord::INCORRECT_DATA)?;
    if !hashed.is_multiple_of(64) || text.len() > 128 {
        return Err(StatusWord::INCORRECT_DATA);
    }
    Ok((compress::finish(state, hashed, text), rest))
}

/// The value of the object with `tag` at the start of `data`, and what follows it.
fn object(data: &[u8], tag: u16) -> Result<(&[u8], &[u8]), StatusWord> {
    match tlv::header(data) {
        Ok((found, length, value)) if found == tag => {
            value.split_at_checked(length).ok_or(StatusWord::INCORRECT_DATA)
        }
        _ => Err(StatusWord::INCORRECT_DATA),
    }
}

/// The point X || Y as a key.
pub(super) fn verifying_key(public: &[u8; 64]) -> Result<VerifyingKey, StatusWord> {
    let sec1 = [&[0x04][..], public].concat();
    VerifyingKey::from_sec1_bytes(&sec1).map_err(|_| StatusWord::INCORRECT_DATA)
}
