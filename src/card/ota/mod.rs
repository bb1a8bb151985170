//! Packets over the air (ETSI TS 102 225 and TS 102 226, 3GPP TS 31.115): short messages that a terminal hands to the
//! card with ENVELOPE (3GPP TS 31.111 clause 7.1.1), and the proof of receipt that goes back.
//!
//! The counter of a packet, and what its script has done, are one change of the card's state: who keeps that before an
//! answer leaves has both or neither, and no packet is done twice.

mod domains;
mod receive;
mod registry;
mod script;

use zeroize::Zeroize;

pub(super) use domains::{
    Administration, IOT_SAFE_MINIMUM, ISSUER_AID, ISSUER_TAR, MNO_TAR, UICC_FILES, USIM_FILES,
};

#[cfg(test)]
pub(super) use domains::GUESSES_MAX;

use self::receive::Admitted;
use super::Reply;
use super::installed::InstalledProfile;
use super::toolkit::Toolkit;
use super::uicc::Uicc;
use crate::wire::ota::{
    Address, Check, Deliver, Header, KeySet, Kind, Part, Proof, Response, SmsPpDownload, Spi, Status, Submit,
    USER_DATA_MAX, split,
};
use crate::wire::{Command, StatusWord};

/// Octets of the report of delivery, the header of user data included (3GPP TS 31.111 clause 7.1.1.2).
const REPORT_MAX: usize = 128;
/// Octets of a packet that the messages hold which carry the longest answer: of the first, and of seven more.
const SUBMIT_MAX: usize = USER_DATA_MAX - 8 + 7 * (USER_DATA_MAX - 6);
/// Octets of the header of user data of a packet in one message.
const HEADER: usize = 3;

/// ENVELOPE: a short message for the card. What is no command packet of somebody who has the keys is taken and answered
/// with nothing, so that a host does not learn what was wrong with it.
///
/// # Errors
/// The status word where the terminal has not said that it hands messages over, the profile takes none, a proactive
/// command waits, or the data is no short message.
pub(super) fn envelope(card: &mut Uicc, c: &Command<'_>) -> Reply {
    if (c.p1, c.p2) != (0, 0) {
        return Err(StatusWord::INCORRECT_P1_P2);
    }
    let takes = card.profile().is_some_and(|profile| profile.administration.is_some());
    if !takes || !card.toolkit.downloads_short_messages() {
        return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
    }
    if card.toolkit.is_busy() {
        return Err(StatusWord::TOOLKIT_BUSY);
    }
    let incorrect = StatusWord::INCORRECT_DATA;
    let message = SmsPpDownload::parse(c.data).map_err(|_| incorrect)?;
    let message = Deliver::parse(&message.tpdu).map_err(|_| incorrect)?;
    if !message.is_for_card() {
        return Err(incorrect);
    }
    let part = Part::parse(&message.user_data).map_err(|_| incorrect)?;
    match card.messages.take(part).map_err(|_| incorrect)? {
        Some((Kind::Command, packet)) => Ok(received(card, &packet, message.originator)),
        Some((Kind::Response, _)) => Err(incorrect),
        None => Ok(Vec::new()),
    }
}

/// Does what a whole packet asks, and gives the user data of the report of delivery, or nothing.
fn received(card: &mut Uicc, packet: &[u8], originator: Address) -> Vec<u8> {
    let (profile, toolkit) = card.profile_and_toolkit();
    let Some(admitted) = profile.administration.admit(packet) else { return Vec::new() };
    let spi = admitted.command.header.spi;
    let answer = done(profile, admitted, &Way::of(spi, toolkit));
    let Some(Sealed { packet, notice, counter }) = answer else { return Vec::new() };
    if !spi.proof_by_submit() && HEADER + packet.len() <= REPORT_MAX {
        return Part::whole(Kind::Response, packet).encode();
    }
    if toolkit.sends_short_messages() {
        let parts = split(Kind::Response, &packet, counter).unwrap_or_default();
        let messages = parts.iter().filter_map(|part| {
            let destination = originator.clone();
            let user_data = part.encode();
            Submit { reference: 0, destination, protocol: 0, coding: 0xf6, user_data }.encode().ok()
        });
        toolkit.send_short_messages(messages);
    }
    match spi.proof_by_submit() {
        true => Vec::new(),
        false => notice.map(|packet| Part::whole(Kind::Response, packet).encode()).unwrap_or_default(),
    }
}

/// How much of an answer goes back.
struct Way {
    /// Octets of the packet.
    octets: usize,
}

impl Way {
    /// A terminal that sends no messages leaves the report of delivery.
    fn of(spi: Spi, toolkit: &Toolkit) -> Self {
        let by_message = spi.proof_by_submit() || toolkit.sends_short_messages();
        Self { octets: if by_message { SUBMIT_MAX } else { REPORT_MAX - HEADER } }
    }

    /// Octets of data that a packet of that size has, protected as the header asks.
    fn room(&self, header: &Header, keys: &KeySet) -> usize {
        let checksum = match header.spi.proof_check() {
            Check::None => 0,
            Check::Redundancy => 4,
            Check::Cryptographic | Check::Signature => keys.checksum_octets(),
        };
        // Lengths and reference in clear; counter, padding counter, status.
        let (clear, fields) = (6, 7 + checksum);
        let secured = self.octets.saturating_sub(clear);
        let secured = match (header.spi.proof_is_ciphered(), keys.kic().is_aes()) {
            (false, _) => secured,
            (true, true) => secured / 16 * 16,
            (true, false) => secured / 8 * 8,
        };
        secured.saturating_sub(fields)
    }
}

/// A proof of receipt.
struct Sealed {
    packet: Vec<u8>,
    /// What stands in the report of delivery where the answer does not fit there.
    notice: Option<Vec<u8>>,
    /// Tells its messages from those of another answer.
    counter: u8,
}

/// Runs the script of an admitted packet and seals the answer, where one is asked for.
fn done(profile: &mut InstalledProfile, admitted: Admitted, way: &Way) -> Option<Sealed> {
    let Admitted { mut command, target, keys, status } = admitted;
    let header = command.header;
    let data = match status {
        Status::OK => script::run(profile, &target, &command.data, way.room(&header, &keys)),
        _ => Vec::new(),
    };
    command.data.zeroize();
    match header.spi.proof() {
        Proof::Always => {}
        Proof::OnError if status != Status::OK => {}
        Proof::OnError | Proof::Never | Proof::Reserved => return None,
    }
    let response = Response { tar: header.tar, counter: command.counter, status, data };
    let packet = response.seal(&header, Some(&keys)).ok()?;
    let notice = Response { status: Status::BY_SUBMIT, data: Vec::new(), ..response };
    let notice = notice.seal(&header, Some(&keys)).ok();
    let [.., counter] = command.counter.to_bytes();
    Some(Sealed { packet, notice, counter })
}
