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
