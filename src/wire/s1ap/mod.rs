//! S1AP (TS 36.413): each message that eNB and MME exchange as a plain type with its builder and its reader, and the
//! answers to what cannot be understood.
//!
//! The codec is `oxirush-s1ap`; its types stay inside this module. A message is built from its type, and read from a
//! [`Pdu`], of which the [`Kind`] says what to read. A reader fails where the receiver cannot go on; what it can do
//! without is an `Option`.

mod connection;
mod context;
mod failure;
mod interface;
mod overload;
mod paging;
mod values;

use oxirush_s1ap::{ErrorKind, S1apPduKind, ie, s1ap::*};

use crate::wire::{Label, Proto};

pub use connection::{DownlinkNasTransport, InitialUeMessage, UplinkNasTransport};
pub use context::{
    ContextReleaseCommand, ContextReleaseComplete, ContextReleaseRequest, ContextSetupFailure,
    ContextSetupRequest, ContextSetupResponse, ErabReleaseCommand, ErabReleaseResponse,
};
pub use failure::{enb_configuration_updated, handover_cancelled};
pub use interface::{
    ErrorIndication, Gummei, Reset, ResetAcknowledge, S1SetupFailure, S1SetupRequest, S1SetupResponse,
};
pub use overload::{OverloadAction, OverloadStart, OverloadStop};
pub use paging::Paging;
pub use values::{
    Cause, Connection, Diagnostics, Location, SecurityCapabilities, TransportAddress, Tunnel, UeIds,
};

/// Why octets are no message, a message does not say what its reader needs, or a value has no octets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The octets are no S1AP PDU: a transfer syntax error (TS 36.413 clause 10.2).
    #[error("no S1AP PDU: {0}")]
    TransferSyntax(String),
    /// An information element is missing or does not decode: an abstract syntax error (clause 10.3), which
    /// [`Pdu::abstract_syntax_error`] answers.
    #[error("{0}")]
    AbstractSyntax(String),
    /// A value that its field cannot hold.
    #[error("{0}")]
    Value(String),
}

impl From<oxirush_s1ap::Error> for Error {
    fn from(error: oxirush_s1ap::Error) -> Self {
        match error.kind() {
            ErrorKind::Encode | ErrorKind::Argument => Self::Value(error.to_string()),
            _ => Self::AbstractSyntax(error.to_string()),
        }
    }
}

/// Which message a PDU is, as far as eNB and MME tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`S1SetupRequest`].
    S1SetupRequest,
    /// [`S1SetupResponse`].
    S1SetupResponse,
    /// [`S1SetupFailure`].
    S1SetupFailure,
    /// [`InitialUeMessage`].
    InitialUeMessage,
    /// [`DownlinkNasTransport`].
    DownlinkNasTransport,
    /// [`UplinkNasTransport`].
    UplinkNasTransport,
    /// [`ContextSetupRequest`].
    InitialContextSetupRequest,
    /// [`ContextSetupResponse`].
    InitialContextSetupResponse,
    /// [`ContextSetupFailure`].
    InitialContextSetupFailure,
    /// [`ContextReleaseRequest`].
    UeContextReleaseRequest,
    /// [`ContextReleaseCommand`].
    UeContextReleaseCommand,
    /// [`ContextReleaseComplete`].
    UeContextReleaseComplete,
    /// [`ErabReleaseCommand`].
    ErabReleaseCommand,
    /// [`ErabReleaseResponse`].
    ErabReleaseResponse,
    /// [`Reset`].
    Reset,
    /// [`ResetAcknowledge`].
    ResetAcknowledge,
    /// [`ErrorIndication`].
    ErrorIndication,
    /// [`OverloadStart`].
    OverloadStart,
    /// [`OverloadStop`].
    OverloadStop,
    /// HANDOVER REQUIRED (clause 9.1.5.1); there is no handover here.
    HandoverRequired,
    /// HANDOVER REQUEST (clause 9.1.5.4); there is no handover here.
    HandoverRequest,
    /// PATH SWITCH REQUEST (clause 9.1.5.8); there is no handover here.
    PathSwitchRequest,
    /// HANDOVER CANCEL (clause 9.1.5.11).
    HandoverCancel,
    /// ENB CONFIGURATION UPDATE (clause 9.1.8.7), which [`Pdu::updated_areas`] reads.
    EnbConfigurationUpdate,
    /// MME CONFIGURATION UPDATE (clause 9.1.8.10).
    MmeConfigurationUpdate,
    /// UE CONTEXT MODIFICATION REQUEST (clause 9.1.4.8).
    UeContextModificationRequest,
    /// UE CONTEXT RESUME REQUEST (clause 9.1.4.17); nobody is suspended here.
    UeContextResumeRequest,
    /// PAGING (clause 9.1.6); nobody here reads it.
    Paging,
    /// UE CAPABILITY INFO INDICATION (clause 9.1.10); nobody here reads it.
    UeCapabilityInfoIndication,
    /// Any other message, one of an unknown procedure included.
    Other,
}

/// An S1AP PDU: one that was built, or one that was received and waits to be read.
#[derive(Debug)]
pub struct Pdu<'a>(S1APPDU<'a>);

impl<'a> Pdu<'a> {
    /// Reads octets. Fails with [`Error::TransferSyntax`] on octets that are no PDU.
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        S1AP_PDU::decode_borrowed(octets).map(Self).map_err(|e| Error::TransferSyntax(e.to_string()))
    }

    /// The octets of the PDU.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        Ok(self.0.encode()?.to_vec())
    }

    /// Which message it is.
    pub fn kind(&self) -> Kind {
        use S1apPduKind as K;
        match self.0.kind() {
            K::Initiating_S1Setup => Kind::S1SetupRequest,
            K::Successful_S1Setup => Kind::S1SetupResponse,
            K::Unsuccessful_S1Setup => Kind::S1SetupFailure,
            K::Initiating_initialUEMessage => Kind::InitialUeMessage,
            K::Initiating_downlinkNASTransport => Kind::DownlinkNasTransport,
            K::Initiating_uplinkNASTransport => Kind::UplinkNasTransport,
            K::Initiating_InitialContextSetup => Kind::InitialContextSetupRequest,
            K::Successful_InitialContextSetup => Kind::InitialContextSetupResponse,
            K::Unsuccessful_InitialContextSetup => Kind::InitialContextSetupFailure,
            K::Initiating_UEContextReleaseRequest => Kind::UeContextReleaseRequest,
            K::Initiating_UEContextRelease => Kind::UeContextReleaseCommand,
            K::Successful_UEContextRelease => Kind::UeContextReleaseComplete,
            K::Initiating_E_RABRelease => Kind::ErabReleaseCommand,
            K::Successful_E_RABRelease => Kind::ErabReleaseResponse,
            K::Initiating_Reset => Kind::Reset,
            K::Successful_Reset => Kind::ResetAcknowledge,
            K::Initiating_ErrorIndication => Kind::ErrorIndication,
            K::Initiating_OverloadStart => Kind::OverloadStart,
            K::Initiating_OverloadStop => Kind::OverloadStop,
            K::Initiating_HandoverPreparation => Kind::HandoverRequired,
            K::Initiating_HandoverResourceAllocation => Kind::HandoverRequest,
            K::Initiating_PathSwitchRequest => Kind::PathSwitchRequest,
            K::Initiating_HandoverCancel => Kind::HandoverCancel,
            K::Initiating_ENBConfigurationUpdate => Kind::EnbConfigurationUpdate,
            K::Initiating_MMEConfigurationUpdate => Kind::MmeConfigurationUpdate,
            K::Initiating_UEContextModification => Kind::UeContextModificationRequest,
            K::Initiating_UEContextResume => Kind::UeContextResumeRequest,
            K::Initiating_Paging => Kind::Paging,
            K::Initiating_UECapabilityInfoIndication => Kind::UeCapabilityInfoIndication,
            _ => Kind::Other,
        }
    }

    /// The MME UE S1AP ID and the eNB UE S1AP ID that the PDU carries.
    pub fn ids(&self) -> (Option<u32>, Option<u32>) {
        if let Some(Ok(ids)) = self.0.ie::<ie::UE_S1AP_IDs>() {
            return match ids {
                UES1APIDs::uE_S1AP_ID_pair(pair) => {
                    (Some(pair.mme_ue_s1ap_id.0), Some(pair.enb_ue_s1ap_id.0))
                }
                UES1APIDs::mME_UE_S1AP_ID(id) => (Some(id.0), None),
                _ => (None, None),
            };
        }
        let mme = self.0.ie::<ie::MME_UE_S1AP_ID>().and_then(Result::ok).map(|id| id.0);
        let enb = self.0.ie::<ie::eNB_UE_S1AP_ID>().and_then(Result::ok).map(|id| id.0);
        (mme, enb)
    }

    /// Both identifiers. Fails where one is missing or does not decode.
    fn ue_ids(&self) -> Result<UeIds, Error> {
        match self.ids() {
            (Some(mme), Some(enb)) => Ok(UeIds { mme, enb }),
            _ => Err(Error::AbstractSyntax("no pair of MME UE S1AP ID and eNB UE S1AP ID".to_owned())),
        }
    }

    /// The cause, where there is one that decodes.
    fn cause(&self) -> Option<Cause> {
        self.0.ie::<ie::Cause>().and_then(Result::ok).map(Cause)
    }

    /// The label: the name as TS 36.413 writes it, the two identifiers and the cause.
    pub fn label(&self) -> Label {
        let mut label = Label::new(Proto::S1ap, self.name());
        let (mme, enb) = self.ids();
        if let Some(enb) = enb {
            label = label.with("enb-ue-id", enb);
        }
        if let Some(mme) = mme {
            label = label.with("mme-ue-id", mme);
        }
        match self.cause() {
            Some(cause) => label.with("cause", cause),
            None => label,
        }
    }

    fn name(&self) -> String {
        match self.kind() {
            Kind::S1SetupRequest => "S1SetupRequest",
            Kind::S1SetupResponse => "S1SetupResponse",
            Kind::S1SetupFailure => "S1SetupFailure",
            Kind::InitialUeMessage => "InitialUEMessage",
            Kind::DownlinkNasTransport => "DownlinkNASTransport",
            Kind::UplinkNasTransport => "UplinkNASTransport",
            Kind::InitialContextSetupRequest => "InitialContextSetupRequest",
            Kind::InitialContextSetupResponse => "InitialContextSetupResponse",
            Kind::InitialContextSetupFailure => "InitialContextSetupFailure",
            Kind::UeContextReleaseRequest => "UEContextReleaseRequest",
            Kind::UeContextReleaseCommand => "UEContextReleaseCommand",
            Kind::UeContextReleaseComplete => "UEContextReleaseComplete",
            Kind::ErabReleaseCommand => "E-RABReleaseCommand",
            Kind::ErabReleaseResponse => "E-RABReleaseResponse",
            Kind::Reset => "Reset",
            Kind::ResetAcknowledge => "ResetAcknowledge",
            Kind::ErrorIndication => "ErrorIndication",
            Kind::OverloadStart => "OverloadStart",
            Kind::OverloadStop => "OverloadStop",
            Kind::HandoverRequired => "HandoverRequired",
            Kind::HandoverRequest => "HandoverRequest",
            Kind::PathSwitchRequest => "PathSwitchRequest",
            Kind::HandoverCancel => "HandoverCancel",
            Kind::EnbConfigurationUpdate => "ENBConfigurationUpdate",
            Kind::MmeConfigurationUpdate => "MMEConfigurationUpdate",
            Kind::UeContextModificationRequest => "UEContextModificationRequest",
            Kind::UeContextResumeRequest => "UEContextResumeRequest",
            Kind::Paging | Kind::UeCapabilityInfoIndication | Kind::Other => {
                return self.refusal_name().unwrap_or(self.0.procedure_name()).to_owned();
            }
        }
        .to_owned()
    }

    /// The ErrorIndication about this PDU, which was not understood, is incomplete, or came in a state that has no
    /// use for it (TS 36.413 clauses 10.3 and 10.4). `None` for an ErrorIndication, which is never answered with
    /// another, and for a procedure of criticality `ignore` that is merely unknown.
    pub fn abstract_syntax_error(&self) -> Option<ErrorIndication> {
        if self.kind() == Kind::ErrorIndication {
            return None;
        }
        let unknown = matches!(self.0.kind(), S1apPduKind::Other { .. });
        if unknown && self.0.criticality() == Criticality::ignore {
            return None;
        }
        let deviations = self.0.check_structure().unwrap_or_default();
        let diagnostics = Diagnostics(self.0.criticality_diagnostics(&deviations));
        let (mme, enb) = self.ids();
        let cause = Some(Cause::of_deviations(&deviations));
        Some(ErrorIndication { mme, enb, cause, diagnostics: Some(diagnostics) })
    }

    /// The refusal of this S1 SETUP REQUEST, which does not say what it must (clause 10.3.5).
    pub fn s1_setup_not_understood(&self) -> S1SetupFailure {
        let deviations = self.0.check_structure().unwrap_or_default();
        S1SetupFailure {
            cause: Some(Cause::of_deviations(&deviations)),
            wait_s: None,
            diagnostics: Some(Diagnostics(self.0.criticality_diagnostics_for_response(&deviations))),
        }
    }
}

/// The label of what may be a PDU.
pub fn label_of(octets: &[u8]) -> Label {
    Pdu::decode(octets).map_or_else(|_| Label::new(Proto::S1ap, "no S1AP PDU"), |pdu| pdu.label())
}

/// The octets of a PDU that was built: of this kind, and clean in the eyes of the codec.
#[cfg(test)]
fn sent(pdu: Result<Pdu<'static>, Error>, kind: Kind) -> Vec<u8> {
    let pdu = pdu.unwrap();
    assert!(pdu.0.check().unwrap().is_empty(), "{:?}", pdu.0.check());
    assert_eq!(pdu.kind(), kind);
    pdu.encode().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_name_message_identifiers_and_cause() {
        // The UE CONTEXT RELEASE REQUEST of the codec's own documentation.
        let octets = hex::decode("0012401500000300000002002a000800020007000240020280").unwrap();
        let label = Pdu::decode(&octets).unwrap().label();
        assert_eq!(label.name, "UEContextReleaseRequest");
        let fields = [("enb-ue-id", "7"), ("mme-ue-id", "42"), ("cause", "radio-network/user-inactivity")];
        assert_eq!(label.fields, fields.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn error_indications_are_clean_and_never_answer_each_other() {
        let error = ErrorIndication::transfer_syntax_error().build().unwrap();
        assert!(error.0.check().unwrap().is_empty());
        assert!(error.abstract_syntax_error().is_none());
        // A UE CONTEXT RELEASE REQUEST with nothing but MME UE S1AP ID 1.
        let octets = hex::decode("0012400900000100000002 0001".replace(' ', "")).unwrap();
        let incomplete = Pdu::decode(&octets).unwrap();
        assert!(matches!(ContextReleaseRequest::read(&incomplete), Err(Error::AbstractSyntax(_))));
        let answer = incomplete.abstract_syntax_error().unwrap().build().unwrap();
        assert!(answer.0.check().unwrap().is_empty());
        assert_eq!(answer.ids(), (Some(1), None));
    }

    #[test]
    fn octets_that_are_no_pdu_are_a_transfer_syntax_error() {
        assert!(matches!(Pdu::decode(&[0xff, 0x00]), Err(Error::TransferSyntax(_))));
        assert!(matches!(Pdu::decode(&[]), Err(Error::TransferSyntax(_))));
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>) {
            if let Ok(pdu) = Pdu::decode(&octets) {
                let answer = pdu.abstract_syntax_error();
                proptest::prop_assert!(answer.is_none_or(|answer| answer.build().is_ok()), "{:?}", pdu.label());
                proptest::prop_assert!(pdu.s1_setup_not_understood().build().is_ok());
            }
        }
    }
}
