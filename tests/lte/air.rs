//! Frames of the radio as somebody makes them who has no keys, and what can be read of frames that have none.

use cellbed::ran::{Bearer, EnbOutput, Frame};
use cellbed::wire::pdcp::Signalling;
use cellbed::wire::rrc::connection::{
    EstablishmentCause, InitialUeIdentity, RrcConnectionRequest, RrcConnectionSetupComplete,
};
use cellbed::wire::rrc::security::{
    CipheringAlgorithm, DedicatedInfo, DlInformationTransfer, IntegrityAlgorithm, SecurityAlgorithmConfig,
    SecurityConfigSmc, SecurityModeCommand, SecurityModeFailure, UlInformationTransfer,
};
use cellbed::wire::rrc::system::{Paging, PagingRecord, PagingUeIdentity, STmsi};
use cellbed::wire::rrc::{DlCcch, DlDcch, List, Octets, Pcch, UlCcch, UlDcch};
use cellbed::world::Payload;

/// An RRC message on SRB1 without integrity, as the first of its bearer.
fn srb1(octets: &[u8]) -> Frame {
    Frame::new(Bearer::Srb1, [&[0][..], octets, &[0; 4]].concat())
}

/// A UE that asks for a connection to signal.
pub fn request() -> Frame {
    request_for(EstablishmentCause::MoSignalling)
}

/// A UE that asks for a connection for this.
pub fn request_for(cause: EstablishmentCause) -> Frame {
    let request = RrcConnectionRequest { cause, ..Default::default() };
    Frame::new(Bearer::Ccch, UlCcch::from(request).encode().unwrap())
}

/// A UE that asks for a connection by this S-TMSI, as MME code and M-TMSI.
pub fn request_of(s_tmsi: (u8, u32)) -> Frame {
    let ue_identity = InitialUeIdentity::STmsi(STmsi::of(s_tmsi));
    let request = RrcConnectionRequest { ue_identity, ..Default::default() };
    Frame::new(Bearer::Ccch, UlCcch::from(request).encode().unwrap())
}

/// A page of the UE with this S-TMSI, as MME code and M-TMSI.
pub fn page(s_tmsi: (u8, u32)) -> Frame {
    let ue_identity = PagingUeIdentity::STmsi(STmsi::of(s_tmsi));
    let record = PagingRecord { ue_identity, ..Default::default() };
    let paging = Paging { records: Some(List::one(record)), ..Default::default() };
    Frame::new(Bearer::Pcch, Pcch::from(paging).encode().unwrap())
}

/// The first NAS message of a connection.
pub fn setup_complete(nas: Vec<u8>) -> Frame {
    let complete = RrcConnectionSetupComplete { nas: Octets(nas), ..Default::default() };
    srb1(&UlDcch::from(complete).encode().unwrap())
}

/// A NAS message to the network.
pub fn up(nas: Vec<u8>) -> Frame {
    let info = DedicatedInfo::Nas(Octets(nas));
    srb1(&UlDcch::from(UlInformationTransfer { info, later: Default::default() }).encode().unwrap())
}

/// A NAS message to a UE.
pub fn down(nas: Vec<u8>) -> Frame {
    let transfer = DlInformationTransfer { info: DedicatedInfo::Nas(Octets(nas)), ..Default::default() };
    srb1(&DlDcch::from(transfer).encode().unwrap())
}

/// A UE that does not take the security in use.
pub fn security_mode_failure() -> Frame {
    srb1(&UlDcch::from(SecurityModeFailure::default()).encode().unwrap())
}

/// A command to secure the radio whose integrity code is wrong.
pub fn security_mode_command() -> Frame {
    let algorithms =
        SecurityAlgorithmConfig { ciphering: CipheringAlgorithm::Eea2, integrity: IntegrityAlgorithm::Eia2 };
    let config = SecurityConfigSmc { algorithms };
    srb1(&DlDcch::from(SecurityModeCommand { config, ..Default::default() }).encode().unwrap())
}

/// The message of a UE in a frame without ciphering.
pub fn of_ue(payload: &Payload) -> Option<UlDcch> {
    match payload {
        Payload::Up(frame) if frame.bearer == Bearer::Srb1 => {
            UlDcch::decode(Signalling::look(&frame.octets)?).ok()
        }
        _ => None,
    }
}

/// The message for a UE in a frame without ciphering.
pub fn for_ue(payload: &Payload) -> Option<DlDcch> {
    match payload {
        Payload::Down(frame) => message_for_ue(frame),
        _ => None,
    }
}

fn message_for_ue(frame: &Frame) -> Option<DlDcch> {
    match frame.bearer {
        Bearer::Srb1 => DlDcch::decode(Signalling::look(&frame.octets)?).ok(),
        _ => None,
    }
}

/// Whether a base station begins security of the radio.
pub fn begins_security(output: &EnbOutput) -> bool {
    matches!(output, EnbOutput::Air { frame, .. }
        if matches!(message_for_ue(frame), Some(DlDcch::SecurityModeCommand(_))))
}

/// Whether a base station rejects a connection.
pub fn rejects(output: &EnbOutput) -> bool {
    matches!(output, EnbOutput::Air { frame: Frame { bearer: Bearer::Ccch, octets }, .. }
        if matches!(DlCcch::decode(octets), Ok(DlCcch::RrcConnectionReject(_))))
}
