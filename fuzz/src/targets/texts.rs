//! Texts that people and peers write: SIM profiles, registrations, checkpoints, what a server may be asked for. Any text is
//! one or refused with a sentence.

use cellbed::ca::est::{Operation, RetryAfter};
use cellbed::ca::index::Index;
use cellbed::card::SimProfile;
use cellbed::esim::lpa::ActivationCode;
use cellbed::id::{Eid, Iccid, Imei, Imsi, Plmn};
use cellbed::wire::alarm::Alarm;
use cellbed::wire::cbor::Value;
use cellbed::wire::cose::Sign1;
use cellbed::wire::registration::{Claim, Offer, Problem, Registered};

/// Any bytes.
pub fn run(bytes: &[u8]) {
    if let Ok(value) = Value::decode(bytes) {
        assert_eq!(Value::decode(&value.encode()).as_ref(), Ok(&value));
    }
    if let Ok(message) = Sign1::decode(bytes) {
        assert_eq!(Sign1::decode(&message.encode()).as_ref(), Ok(&message));
    }
    if let Ok(alarm) = Alarm::decode(bytes, |_, _, _| true) {
        assert_eq!(Alarm::decode(&alarm.encode(|_| [0; 64]), |_, _, _| true), Ok(alarm));
    }
    if let Ok(model) = cellbed_guard::Model::parse(bytes) {
        assert_eq!(model.to_bytes()[..], *bytes);
    }
    if let Ok(packet) = cellbed_guard::Packet::parse(bytes, 0x0a2d_0002) {
        assert!(usize::from(packet.length) <= bytes.len());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(profile) = SimProfile::parse(text) {
        let _ = profile.personalise(0);
    }
    if let Ok(code) = text.parse::<ActivationCode>() {
        let again = code.to_string().parse::<ActivationCode>();
        assert_eq!(again.as_ref().ok(), Some(&code), "{code}");
    }
    let _ = (text.parse::<Imsi>().is_ok(), text.parse::<Iccid>().is_ok(), text.parse::<Eid>().is_ok());
    let _ = (text.parse::<Imei>().is_ok(), text.parse::<Plmn>().is_ok());
    let _ = (RetryAfter::parse(text), Operation::of("POST", text).is_ok(), Index::read(text).is_ok());
    let _ = serde_json::from_str::<Offer>(text).is_ok();
    let _ = serde_json::from_str::<Claim>(text).is_ok();
    let _ = serde_json::from_str::<Registered>(text).is_ok();
    let _ = serde_json::from_str::<Problem>(text).is_ok();
}
