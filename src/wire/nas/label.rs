//! The name of a NAS message of EPS and its telling fields: what a transcript says of it.

use oxirush_nas::nas_eps::{
    NasDetachType, NasEmmCause, NasEmmMessage, NasEpsMessage, NasEpsMobileIdentity, NasEsmMessage,
    NasEsmMessageContainer,
};

use crate::wire::{Label, Proto};

/// The label of a plain message, or of one inside its security header.
pub(super) fn label(message: &NasEpsMessage) -> Label {
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
            let label = match m.pdn_address.ipv6_interface_id() {
                Some(interface) => label.with("interface", hex::encode(interface)),
                None => label,
            };
            let label = match &m.esm_cause {
                Some(cause) => label.with("esm-cause", cause.cause_raw()),
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
}
