//! What the ledger has to say before anything is fetched.

use super::{Trust, UpdateError};
use crate::ledger::{ProvedRelease, ReleaseProof, ReleaseRecord};

/// A proof of an older block proves nothing any more, in milliseconds: a day. A ledger that is quieter has somebody write to it.
pub const PROOF_AGE_MAX_MS: u64 = 86_400_000;

/// What the ledger has of a manifest as a whole: `proof` proves it, `seen` is the last block that the device has seen, and
/// `now_ms` its clock, in milliseconds of Unix time.
/// The block that proves it is to be remembered whatever the verdict is: who has seen a withdrawal is not shown what was
/// before.
///
/// # Errors
/// Where the proof proves nothing, is older than what was seen, or too old altogether.
pub fn proved(
    trust: &Trust,
    seen: u64,
    proof: &[u8],
    manifest: &[u8; 32],
    now_ms: u64,
) -> Result<ProvedRelease, UpdateError> {
    let proof = ReleaseProof::parse(proof).map_err(UpdateError::Proof)?;
    let proved = proof.verify(&trust.ledger, manifest, trust.model, trust.component);
    let proved = proved.map_err(UpdateError::Proof)?;
    if proved.height < seen {
        return Err(UpdateError::Stale { shown: proved.height, seen });
    }
    let age_ms = now_ms.saturating_sub(proved.sealed_ms);
    match age_ms > PROOF_AGE_MAX_MS {
        true => Err(UpdateError::Aged { age_s: age_ms / 1_000, most_s: PROOF_AGE_MAX_MS / 1_000 }),
        false => Ok(proved),
    }
}

/// The release, if the ledger vouches for it, with this sequence number, to this device.
///
/// # Errors
/// Where it does not.
pub fn permit(trust: &Trust, proved: &ProvedRelease, sequence: u64) -> Result<ReleaseRecord, UpdateError> {
    let release = proved.release.ok_or(UpdateError::NotOnLedger)?;
    if !release.valid {
        return Err(UpdateError::Withdrawn);
    }
    let differs = [
        ("model", release.model != trust.model),
        ("component", release.component != trust.component),
        ("sequence number", release.sequence != sequence),
    ];
    if let Some((what, _)) = differs.into_iter().find(|(_, differs)| *differs) {
        return Err(UpdateError::Mismatch { what });
    }
    if sequence < proved.min_sequence {
        return Err(UpdateError::BelowLeast { offered: sequence, least: proved.min_sequence });
    }
    Ok(release)
}
