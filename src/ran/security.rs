//! Access stratum security (TS 33.401 clause 7.4): the integrity code of the RRC SecurityModeCommand.

use oxirush_security::nas_eps::{KEnb, derive_krrc_int};
use oxirush_security::{Bearer, Direction, IntegrityAlgorithm, nia_mac};

/// SRB1 is radio bearer 0 of the integrity algorithm (TS 36.323: identity minus 1).
const SRB1: Bearer = Bearer::ZERO;

/// The MAC-I of a SecurityModeCommand that selects EIA`eia` and EEA`eea`; `None` for a reserved algorithm.
/// It is the first downlink PDCP PDU under these keys, so COUNT is 0.
pub fn mac_i(kenb: &KEnb, eia: u8, eea: u8) -> Option<[u8; 4]> {
    let algorithm = IntegrityAlgorithm::try_from(eia).ok()?;
    let key = derive_krrc_int(kenb, algorithm);
    Some(nia_mac(&key, 0, SRB1, Direction::Downlink, &[eia, eea], algorithm).to_be_bytes())
}
