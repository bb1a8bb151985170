//! Whether the ledger vouches for the server that a device is about to speak to.
//!
//! An authority that was deceived, or that somebody owns, signs for anybody. Where the operator has recorded the certificates of
//! its servers, a device that knows the ledger takes no other: it asks for the record and what proves it, which whoever hands it
//! out can withhold and not forge, and looks whether the server shows that very certificate before it says who it is.

use super::DeviceError;
use crate::ledger::{LightAnchors, ServerStanding, proved_server};
use crate::update::PROOF_AGE_MAX_MS;
use crate::wire::Reason;

/// The SHA-256 of the certificate that the server `name` is to show, as `answer` proves it to somebody whose clock says
/// `now_ms`, in milliseconds since the Unix epoch.
///
/// # Errors
/// A refusal where the answer proves nothing, something else, or what was so more than a day ago.
pub fn vouched_server(
    anchors: &LightAnchors,
    name: &str,
    answer: &[u8],
    now_ms: u64,
) -> Result<[u8; 32], DeviceError> {
    let refused = |detail: String| DeviceError::refused(Reason::ServerNotOnLedger, detail);
    let proved = proved_server(anchors, name, answer).map_err(refused)?;
    let why = match proved.standing {
        _ if now_ms.saturating_sub(proved.sealed_ms) > PROOF_AGE_MAX_MS => {
            "what is shown of the ledger is older than a day"
        }
        ServerStanding::Vouched => return Ok(proved.certificate),
        ServerStanding::Unknown => "nobody has recorded this certificate",
        ServerStanding::Withdrawn => "the operator has withdrawn this certificate",
        ServerStanding::Superseded => "the operator asks for a newer certificate",
    };
    Err(refused(format!("{name}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{EPOCH_UNIX_S, RngTree};
    use crate::ledger::{
        Genesis, Ledger, LedgerKeys, MemorySignerState, MemoryStore, Operators, server_key, server_record,
    };

    const NAME: &str = "mqtt.cellbed.test";

    #[test]
    fn a_record_counts_for_a_day_and_what_nobody_recorded_not_at_all() {
        let rng = RngTree::new(7);
        let mut operators = Operators::from_rng(&mut rng.stream("operators"));
        let keys = LedgerKeys::lab(&rng, &operators, Box::new(MemorySignerState::default())).unwrap();
        let genesis = Genesis::new(4242, EPOCH_UNIX_S - 1, [3; 32], &operators, &keys);
        let mut ledger =
            Ledger::create(&genesis, &mut operators, keys, Box::new(MemoryStore::default())).unwrap();
        let record = server_record(NAME, [1; 32], 1).unwrap();
        ledger.submit(&operators.publisher.publish_firmware(ledger.contract(), &record)).unwrap();
        let sealed_ms = (EPOCH_UNIX_S + 10) * 1_000;
        ledger.seal(sealed_ms).unwrap();
        let (model, component) = server_key(NAME).unwrap();
        let judge = |certificate: [u8; 32], now_ms: u64| {
            let proof = ledger.prove_release(&certificate, model, component).unwrap();
            let answer = [&certificate[..], &proof.to_bytes()].concat();
            vouched_server(&ledger.light_anchors(), NAME, &answer, now_ms)
        };
        assert_eq!(judge([1; 32], sealed_ms).unwrap(), [1; 32]);
        assert_eq!(judge([1; 32], sealed_ms + PROOF_AGE_MAX_MS).unwrap(), [1; 32]);
        for (certificate, now_ms, why) in [
            ([1; 32], sealed_ms + PROOF_AGE_MAX_MS + 1, "older than a day"),
            ([2; 32], sealed_ms, "nobody has recorded"),
        ] {
            let error = judge(certificate, now_ms).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
