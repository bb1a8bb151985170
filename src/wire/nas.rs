//! NAS of EPS (TS 24.301) as both ends share it: sets of algorithms, and the name and the telling fields
//! of a message.
//!
//! The codec is `oxirush-nas`; what a transcript says of a message is decided here alone.

use oxirush_nas::nas_eps::{
    CipheringAlgorithm, Direction, IntegrityAlgorithm, NasDetachType, NasEmmCause, NasEmmMessage,
    NasEpsMessage, NasEpsMobileIdentity, NasError, NasEsmMessage, NasEsmMessageContainer, Validate,
};
use oxirush_security::Plmn as PlmnOctets;

use crate::id::Plmn;
use crate::wire::{Label, Proto};

/// A set of EPS algorithms (EEA0 to EEA3, or EIA0 to EIA3), as the UE network capability codes it: bit 8 is
/// algorithm 0 (TS 24.301 clause 9.9.3.34).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlgorithmSet(u8);

impl AlgorithmSet {
    /// The three algorithms that protect: SNOW 3G, AES and ZUC.
    pub const PROTECTING: Self = Self(0x70);
    /// These and the null algorithm.
    pub const ALL: Self = Self(0xf0);

    /// The set of the algorithms `numbers`, 0 to 3; other numbers are reserved and left out.
    pub fn of(numbers: &[u8]) -> Self {
        Self(numbers.iter().filter(|&&n| n < 4).fold(0, |octet, n| octet | (0x80 >> n)))
    }

    /// Whether algorithm `number` is in the set.
    pub fn contains(self, number: u8) -> bool {
        number < 4 && self.0 & (0x80 >> number) != 0
    }

    /// The octet of the UE network capability.
    pub fn octet(self) -> u8 {
        self.0
    }
}

/// The integrity algorithm EIA`number`; `None` for a reserved number.
pub fn eia(number: u8) -> Option<IntegrityAlgorithm> {
    IntegrityAlgorithm::from_u8(number).filter(|_| number < 4)
}

/// The ciphering algorithm EEA`number`; `None` for a reserved number.
pub fn eea(number: u8) -> Option<CipheringAlgorithm> {
    CipheringAlgorithm::from_u8(number).filter(|_| number < 4)
}

/// A PLMN as the codecs take it. It has the same digits, so it always converts.
pub fn plmn(plmn: Plmn) -> PlmnOctets {
    let digits = |text: &str| text.bytes().map(|b| b - b'0').collect::<Vec<u8>>();
    let mcc = digits(plmn.mcc());
    PlmnOctets::from_digits([mcc[0], mcc[1], mcc[2]], &digits(plmn.mnc()))
        .expect("a Plmn has three and two or three decimal digits by construction")
}

/// The label of a plain message, or of one inside its security header.
pub fn label(message: &NasEpsMessage) -> Label {
    match message {
        NasEpsMessage::Emm(_, emm) => emm_label(emm),
        NasEpsMessage::Esm(header, esm) => {
            esm_fields(esm, Label::new(Proto::Esm, words(&format!("{:?}", header.message_type))))
        }
        NasEpsMessage::ServiceRequest(_) => Label::new(Proto::Emm, "Service Request"),
        NasEpsMessage::SecurityProtected(header, inner) => match inner.as_ref() {
            NasEpsMessage::Opaque(_) => Label::new(Proto::Emm, "Security Protected NAS Message")
                .with("type", header.security_header_type as u8),
            inner => label(inner),
        },
        _ => Label::new(Proto::Emm, "NAS Message"),
    }
}

/// The label of octets that were received and not taken.
pub fn undecoded(octets: &[u8]) -> Label {
    NasEpsMessage::decode(octets).map_or_else(|_| Label::new(Proto::Emm, "Malformed Message"), |m| label(&m))
}

/// The answer that TS 24.301 clause 7 has for octets that were refused with `error`; `None` where they are
/// ignored. An ESM message is answered only where it was authentic (clauses 4.4.4.2 and 4.4.4.3).
pub fn answer_to_malformed(octets: &[u8], error: &NasError, direction: Direction) -> Option<NasEpsMessage> {
    const EMM: u8 = 0x07;
    let authentic = matches!(error, NasError::AuthenticMessageRefused { .. });
    if !authentic && octets.first()? & 0x0f != EMM {
        return None;
    }
    let answer = NasEpsMessage::answer_to_refused(octets, error, direction)?;
    // The codec answers some ESM requests under the refused message's own, impossible bearer identity.
    answer.validate().is_empty().then_some(answer)
}

fn emm_label(message: &NasEmmMessage) -> Label {
    use NasEmmMessage as M;
    let name = match message {
        M::DetachRequestUeOriginating(_) | M::DetachRequestUeTerminated(_) => "Detach Request".to_owned(),
        other => words(&format!("{:?}", other.message_type())),
    };
    let label = Label::new(Proto::Emm, name);
    match message {
        M::AttachRequest(m) => {
            with_esm(with_identity(label, &m.eps_mobile_identity), Some(&m.esm_message_container))
        }
        M::AttachAccept(m) => with_esm(label, Some(&m.esm_message_container)),
        M::AttachComplete(m) => with_esm(label, Some(&m.esm_message_container)),
        M::AttachReject(m) => with_esm(with_cause(label, &m.emm_cause), m.esm_message_container.as_ref()),
        M::AuthenticationRequest(m) => label.with("ksi", m.nas_key_set_identifier_asme.ksi()),
        M::AuthenticationFailure(m) => with_cause(label, &m.emm_cause),
        M::SecurityModeCommand(m) => {
            let algorithms = &m.selected_nas_security_algorithms;
            label
                .with("ksi", m.nas_key_set_identifier.ksi())
                .with("eia", algorithms.integrity_raw())
                .with("eea", algorithms.ciphering_raw())
        }
        M::SecurityModeReject(m) => with_cause(label, &m.emm_cause),
        M::IdentityRequest(m) => {
            label.with("type", format!("{:?}", m.identity_type.identity_type()).to_lowercase())
        }
        M::IdentityResponse(m) => match m.mobile_identity.as_imsi() {
            Some(imsi) => label.with("imsi", imsi.as_str()),
            None => label,
        },
        M::DetachRequestUeOriginating(m) => label.with("switch-off", switch_off(&m.detach_type)),
        M::DetachRequestUeTerminated(m) => match &m.emm_cause {
            Some(cause) => with_cause(label, cause),
            None => label,
        },
        M::ServiceReject(m) => with_cause(label, &m.emm_cause),
        M::TrackingAreaUpdateReject(m) => with_cause(label, &m.emm_cause),
        M::EmmStatus(m) => with_cause(label, &m.emm_cause),
        _ => label,
    }
}

fn switch_off(kind: &NasDetachType) -> &'static str {
    if kind.is_switch_off() { "yes" } else { "no" }
}

fn with_cause(label: Label, cause: &NasEmmCause) -> Label {
    label.with("cause", cause.cause_raw())
}

fn with_identity(label: Label, identity: &NasEpsMobileIdentity) -> Label {
    if let Some(imsi) = identity.as_imsi() {
        return label.with("imsi", imsi.as_str());
    }
    match identity.as_guti() {
        Some(guti) => label.with("tmsi", format!("{:08x}", guti.m_tmsi())),
        None => label,
    }
}

fn with_esm(label: Label, container: Option<&NasEsmMessageContainer>) -> Label {
    let Some(Ok(NasEpsMessage::Esm(header, esm))) = container.map(|c| c.decode_as_esm_message()) else {
        return label;
    };
    esm_fields(&esm, label.with("esm", words(&format!("{:?}", header.message_type))))
}

fn esm_fields(message: &NasEsmMessage, label: Label) -> Label {
    use NasEsmMessage as M;
    match message {
        M::ActivateDefaultEpsBearerContextRequest(m) => {
            let label = match m.pdn_address.ipv4() {
                Some(ip) => label.with("ip", std::net::Ipv4Addr::from(ip)),
                None => label,
            };
            label.with("apn", m.access_point_name.as_string().unwrap_or_default())
        }
        M::EsmInformationResponse(m) => match m.access_point_name.as_ref().and_then(|apn| apn.as_string()) {
            Some(apn) => label.with("apn", apn),
            None => label,
        },
        M::PdnConnectivityReject(m) => label.with("esm-cause", m.esm_cause.cause_raw()),
        M::ActivateDefaultEpsBearerContextReject(m) => label.with("esm-cause", m.esm_cause.cause_raw()),
        M::EsmStatus(m) => label.with("esm-cause", m.esm_cause.cause_raw()),
        _ => label,
    }
}

/// The words of a name in camel case, with the abbreviations as TS 24.301 prints them.
fn words(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    let mut word = String::new();
    let mut flush = |word: &mut String| {
        if !word.is_empty() {
            if !out.is_empty() {
                out.push(' ');
            }
            match word.as_str() {
                "Eps" | "Esm" | "Emm" | "Pdn" | "Nas" | "Guti" | "Cs" => out.push_str(&word.to_uppercase()),
                other => out.push_str(other),
            }
            word.clear();
        }
    };
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            flush(&mut word);
        }
        word.push(c);
    }
    flush(&mut word);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithm_sets_are_coded_from_the_high_bit() {
        assert_eq!(AlgorithmSet::of(&[1, 2, 3]), AlgorithmSet::PROTECTING);
        assert_eq!(AlgorithmSet::of(&[0, 1, 2, 3, 9]).octet(), 0xf0);
        assert!(!AlgorithmSet::PROTECTING.contains(0));
        assert!(!AlgorithmSet::ALL.contains(8));
        assert_eq!((eia(4), eea(9)), (None, None));
    }

    #[test]
    fn names_are_those_of_the_specification() {
        let attach = hex::decode("07410108298039000000001002e0e000040201d031").unwrap();
        let label = label(&NasEpsMessage::decode(&attach).unwrap());
        assert_eq!((label.proto, label.name.as_ref()), (Proto::Emm, "Attach Request"));
        assert_eq!(
            label.fields,
            [("imsi", "208930000000001".to_owned()), ("esm", "PDN Connectivity Request".to_owned())]
        );
        assert_eq!(
            words("ActivateDefaultEpsBearerContextRequest"),
            "Activate Default EPS Bearer Context Request"
        );
        assert_eq!(undecoded(&[0x07, 0x44, 0x08]).fields, [("cause", "8".to_owned())]);
        assert_eq!(undecoded(&[]).name, "Malformed Message");
    }

    #[test]
    fn plmns_keep_their_octets() {
        assert_eq!(plmn("001-01".parse().unwrap()).to_nas_octets(), [0x00, 0xf1, 0x10]);
        assert_eq!(plmn("310-410".parse().unwrap()).to_nas_octets(), [0x13, 0x00, 0x14]);
    }
}
