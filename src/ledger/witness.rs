//! A witness: somebody who has seen a ledger grow, and says so with a cosignature (C2SP tlog-cosignature, the Ed25519
//! type). It signs only what continues what it has signed before, so a ledger that is shown in two versions gets the
//! cosignature on one of them.

use base64::prelude::*;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use signed_note::{Note, Signer, StandardVerifier, Verifier, is_key_name_valid, key_id};
use tlog_tiles::tlog::{Hash, check_tree};

use super::checkpoint::{TreeHead, read_signed};
use super::error::LedgerError;

/// The type of an Ed25519 cosignature (C2SP signed-note, "Signature types").
const COSIGNATURE: u8 = 4;

/// The most hashes that a consistency proof has: two a level.
const PROOF_MAX: usize = 126;

/// The key of a witness, with its name.
pub struct WitnessKey {
    name: String,
    key: SigningKey,
}

impl WitnessKey {
    /// The key whose seed (RFC 8032) is `seed`.
    ///
    /// # Errors
    /// Where the name is empty or has spaces or plus signs.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, LedgerError> {
        if !is_key_name_valid(name) || name.contains('\n') {
            return Err(refused(format!("{name:?} is no name of a key: it has no spaces and no plus sign")));
        }
        Ok(Self { name: name.to_owned(), key: SigningKey::from_bytes(seed) })
    }

    /// The verifier key in the text form of signed-note.
    pub fn verifier_key(&self) -> String {
        let (public, id) = (self.public(), self.id());
        format!("{}+{id:08x}+{}", self.name, BASE64_STANDARD.encode(public))
    }

    fn public(&self) -> Vec<u8> {
        [[COSIGNATURE].as_slice(), self.key.verifying_key().as_bytes()].concat()
    }

    fn id(&self) -> u32 {
        key_id(&self.name, &self.public())
    }
}

impl std::fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WitnessKey({})", self.verifier_key())
    }
}

fn refused(cause: impl Into<String>) -> LedgerError {
    LedgerError::Witness { cause: cause.into() }
}

/// Cosigns the checkpoint `note` of the log whose verifier key is `log`, where it continues `last`, the checkpoint of
/// that log that this witness has cosigned last. `proof` is the consistency proof between the two (RFC 6962 clause
/// 2.1.2), empty where they are of one size or there is no `last`. `now_s` is in seconds since the Unix epoch.
///
/// Returns the checkpoint with the cosignature. Whoever calls makes it durable as the new `last` before it gives it out.
///
/// # Errors
/// [`LedgerError::Witness`] where the log has not signed it, or it is older than `last` or inconsistent with it.
pub fn cosign(
    key: &WitnessKey,
    log: &str,
    last: Option<&str>,
    note: &str,
    proof: &[[u8; 32]],
    now_s: u64,
) -> Result<String, LedgerError> {
    let read = |note: &str, which: &str| -> Result<TreeHead, LedgerError> {
        let verifier = StandardVerifier::new(log).map_err(|error| refused(format!("{log}: {error}")))?;
        let name = verifier.name().to_owned();
        let (head, origin) =
            read_signed(note, Box::new(verifier)).map_err(|error| refused(format!("{which}: {error}")))?;
        if origin == name { Ok(head) } else { Err(refused(format!("{which} is of {origin}, not of {name}"))) }
    };
    let new = read(note, "the checkpoint")?;
    if let Some(last) = last {
        let last = read(last, "what this witness remembers")?;
        continues(last, new, proof)?;
    }
    if now_s > i64::MAX as u64 {
        return Err(refused("the clock is out of range"));
    }
    let mut note = Note::from_bytes(note.as_bytes()).map_err(|error| refused(error.to_string()))?;
    note.add_sigs(&[&Cosigner { key, now_s }]).map_err(|error| refused(error.to_string()))?;
    String::from_utf8(note.to_bytes()).map_err(|error| refused(error.to_string()))
}

fn continues(last: TreeHead, new: TreeHead, proof: &[[u8; 32]]) -> Result<(), LedgerError> {
    if new.size < last.size {
        return Err(refused(format!(
            "the checkpoint covers {} blocks, and it has cosigned {} before: it is an older one",
            new.size, last.size
        )));
    }
    if new.size == last.size {
        return match new.root == last.root {
            true => Ok(()),
            false => Err(refused(format!("it has cosigned other {} blocks before: a fork", new.size))),
        };
    }
    if last.size == 0 {
        return Ok(());
    }
    if proof.len() > PROOF_MAX {
        return Err(refused(format!("a proof has at most {PROOF_MAX} hashes")));
    }
    let proof = proof.iter().copied().map(Hash).collect();
    check_tree(&proof, new.size, Hash(new.root), last.size, Hash(last.root)).map_err(|_| {
        refused(format!(
            "the {} blocks do not begin with the {} that it has cosigned before: a fork",
            new.size, last.size
        ))
    })
}

/// The tree head of a checkpoint that the log with verifier key `log` has signed.
///
/// # Errors
/// [`LedgerError`] with what is wrong with key or checkpoint.
pub fn cosigned_head(log: &str, note: &str) -> Result<TreeHead, LedgerError> {
    let verifier = StandardVerifier::new(log).map_err(|error| refused(format!("{log}: {error}")))?;
    Ok(read_signed(note, Box::new(verifier))?.0)
}

/// Whether the witness with this verifier key has cosigned the checkpoint `note` of the log called `origin`.
pub fn is_cosigned(note: &str, origin: &str, witness: &str) -> bool {
    let Some(verifier) = Cosigned::parse(witness) else { return false };
    read_signed(note, Box::new(verifier)).is_ok_and(|(_, named)| named == origin)
}

/// What an Ed25519 cosignature is over.
fn message(now_s: u64, text: &[u8]) -> Vec<u8> {
    [format!("cosignature/v1\ntime {now_s}\n").as_bytes(), text].concat()
}

struct Cosigner<'a> {
    key: &'a WitnessKey,
    now_s: u64,
}

impl Signer for Cosigner<'_> {
    fn name(&self) -> &str {
        &self.key.name
    }

    fn key_id(&self) -> u32 {
        self.key.id()
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        let signature = self.key.key.try_sign(&message(self.now_s, text))?;
        Ok([self.now_s.to_be_bytes().as_slice(), &signature.to_bytes()].concat())
    }
}

/// Checks cosignatures.
struct Cosigned {
    name: String,
    id: u32,
    key: VerifyingKey,
}

impl Cosigned {
    /// Reads a verifier key; none if it is none of this type.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '+');
        let (name, id, public) = (parts.next()?, parts.next()?, parts.next()?);
        let public = BASE64_STANDARD.decode(public).ok()?;
        let id = u32::from_str_radix(id, 16).ok().filter(|_| id.len() == 8)?;
        let (COSIGNATURE, key) = public.split_first().map(|(kind, key)| (*kind, key))? else { return None };
        let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
        (is_key_name_valid(name) && key_id(name, &public) == id).then(|| Self {
            name: name.to_owned(),
            id,
            key,
        })
    }
}

impl Verifier for Cosigned {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let Some((time, signature)) = signature.split_first_chunk::<8>() else { return false };
        let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else { return false };
        self.key.verify_strict(&message(u64::from_be_bytes(*time), text), &signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of C2SP tlog-cosignature, signed by a log whose key the text does not give.
    const EXAMPLE: &str =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn what_is_signed_is_what_the_specification_says() {
        let expected = "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n\
                        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        assert_eq!(message(1_679_315_147, EXAMPLE.as_bytes()), expected.as_bytes());
    }

    #[test]
    fn keys_are_read_back_and_others_are_not_taken() {
        let key = WitnessKey::new("witness.example.com/w1", &[7; 32]).unwrap();
        let text = key.verifier_key();
        assert_eq!(Cosigned::parse(&text).unwrap().id, key.id());
        let log_key =
            signed_note::new_ed25519_verifier_key("witness.example.com/w1", &key.key.verifying_key());
        for wrong in [&log_key, "", "a+b", "a+00000000+BA==", &text.replace("w1", "w2")] {
            assert!(Cosigned::parse(wrong).is_none(), "{wrong}");
        }
        assert!(WitnessKey::new("with space", &[7; 32]).is_err());
    }
}
