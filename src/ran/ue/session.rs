//! EPS session management of the UE (TS 24.301 clause 6): the PDN connection that an attach brings.

use std::net::Ipv4Addr;

use oxirush_nas::nas_eps::{
    EsmCause, NasAccessPointName, NasActivateDefaultEpsBearerContextAccept,
    NasActivateDefaultEpsBearerContextRequest, NasDeactivateEpsBearerContextAccept, NasEpsMessage,
    NasEsmCause, NasEsmHeader, NasEsmInformationResponse, NasEsmInformationTransferFlag, NasEsmMessage,
    NasEsmStatus, NasPdnConnectivityRequest, NasPdnType, NasProtocolConfigurationOptions, NasRequestType,
    Pco, PcoDirection, PcoEntry, PdnType, RequestTypeValue,
};

use super::{Ue, UeOutput};
use crate::ran::RanError;

/// DNS server IPv4 address, and IPv4 link MTU (TS 24.008 table 10.5.154).
const PCO_DNS: u16 = 0x000d;
const PCO_MTU: u16 = 0x0010;
/// The MTU of a link that does not say (RFC 791's successor for hosts, TS 23.060 clause 9.3).
const DEFAULT_MTU: u16 = 1358;

/// The session with its transaction.
#[derive(Debug)]
pub(super) struct Session {
    pti: u8,
    bearer: Option<Bearer>,
    /// The ESM part of the ATTACH COMPLETE, in case the network asks for it again.
    pub(super) complete: Option<NasEpsMessage>,
    /// Whether the data radio bearer stands.
    pub(super) radio_bearer: bool,
    /// Attach again once the connection is released.
    pub(super) reattach: bool,
}

#[derive(Debug, Clone)]
struct Bearer {
    ebi: u8,
    ip: Ipv4Addr,
    dns: Option<Ipv4Addr>,
    mtu: u16,
    apn: String,
}

impl Session {
    pub(super) fn new(first_pti: u8) -> Self {
        Self { pti: first_pti, bearer: None, complete: None, radio_bearer: false, reattach: false }
    }

    pub(super) fn clear(&mut self) {
        self.bearer = None;
        self.complete = None;
        self.radio_bearer = false;
    }

    /// PDN CONNECTIVITY REQUEST under the next transaction identity. An access point name travels ciphered
    /// later, which the transfer flag announces (clause 6.5.1.2).
    pub(super) fn connectivity_request(&mut self, with_information: bool) -> Result<NasEpsMessage, RanError> {
        self.pti = self.pti % 254 + 1;
        let asked = Pco::new(
            0,
            vec![
                PcoEntry { identifier: PCO_DNS, contents: Vec::new() },
                PcoEntry { identifier: PCO_MTU, contents: Vec::new() },
            ],
        );
        let options = NasProtocolConfigurationOptions::from_pco(&asked, PcoDirection::Uplink)
            .map_err(|e| fault("PDN CONNECTIVITY REQUEST", &e))?;
        let mut request = NasPdnConnectivityRequest::new(
            NasRequestType::from_request_type(RequestTypeValue::Initial),
            NasPdnType::from_pdn_type(PdnType::Ipv4),
        )
        .with_protocol_configuration_options(options);
        if with_information {
            request.set_esm_information_transfer_flag(NasEsmInformationTransferFlag::from_required(true));
        }
        Ok(NasEpsMessage::new_esm(request, 0, self.pti))
    }

    /// Takes the default bearer of an ATTACH ACCEPT and returns the answer to it; `None` where it is not for
    /// this UE's transaction or has no IPv4 address.
    pub(super) fn activate(
        &mut self,
        header: &NasEsmHeader,
        request: &NasActivateDefaultEpsBearerContextRequest,
    ) -> Result<Option<NasEpsMessage>, RanError> {
        let (Some(ip), true) = (
            request.pdn_address.ipv4(),
            header.procedure_transaction_identity == self.pti && header.eps_bearer_identity >= 5,
        ) else {
            return Ok(None);
        };
        let options =
            request.protocol_configuration_options.as_ref().and_then(|o| o.pco(PcoDirection::Downlink));
        let option = |id: u16| options.as_ref().and_then(|o| o.entry(id)).map(|e| e.contents.as_slice());
        let dns: Option<[u8; 4]> = option(PCO_DNS).and_then(|c| c.try_into().ok());
        let mtu: Option<[u8; 2]> = option(PCO_MTU).and_then(|c| c.try_into().ok());
        self.bearer = Some(Bearer {
            ebi: header.eps_bearer_identity,
            ip: ip.into(),
            dns: dns.map(Ipv4Addr::from),
            mtu: mtu.map_or(DEFAULT_MTU, u16::from_be_bytes),
            apn: request.access_point_name.as_string().unwrap_or_default(),
        });
        let accept = NasActivateDefaultEpsBearerContextAccept::new();
        Ok(Some(NasEpsMessage::new_esm(accept, header.eps_bearer_identity, 0)))
    }

    pub(super) fn attached(&self) -> Option<UeOutput> {
        let bearer = self.bearer.clone()?;
        Some(UeOutput::Attached { ip: bearer.ip, dns: bearer.dns, mtu: bearer.mtu, apn: bearer.apn })
    }
}

impl Ue {
    /// An ESM message outside an EMM message.
    pub(super) fn session_message(
        &mut self,
        header: &NasEsmHeader,
        message: NasEsmMessage,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        match message {
            NasEsmMessage::EsmInformationRequest(_) => {
                if header.procedure_transaction_identity != self.session.pti {
                    return self.session_status(header, EsmCause::InvalidPtiValue, out);
                }
                let mut response = NasEsmInformationResponse::new();
                if let Some(apn) = &self.config.apn {
                    let apn = NasAccessPointName::from_string(apn)
                        .map_err(|e| fault("ESM INFORMATION RESPONSE", &e))?;
                    response.set_access_point_name(apn);
                }
                self.send(&NasEpsMessage::new_esm(response, 0, self.session.pti), out)
            }
            NasEsmMessage::DeactivateEpsBearerContextRequest(_) => {
                if self.session.bearer.as_ref().is_none_or(|b| b.ebi != header.eps_bearer_identity) {
                    return self.session_status(header, EsmCause::InvalidEpsBearerIdentity, out);
                }
                self.session.clear();
                let accept = NasDeactivateEpsBearerContextAccept::new();
                self.send(&NasEpsMessage::new_esm(accept, header.eps_bearer_identity, 0), out)
            }
            NasEsmMessage::EsmStatus(_) => Ok(()),
            _ => self.session_status(header, EsmCause::MessageTypeNotCompatibleWithTheProtocolState, out),
        }
    }

    fn session_status(
        &mut self,
        header: &NasEsmHeader,
        cause: EsmCause,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        let status = NasEsmStatus::new(NasEsmCause::from_cause(cause));
        let message =
            NasEpsMessage::new_esm(status, header.eps_bearer_identity, header.procedure_transaction_identity);
        self.send(&message, out)
    }
}

fn fault(what: &'static str, cause: &impl std::fmt::Display) -> RanError {
    RanError::Encode { place: "UE", what, cause: cause.to_string() }
}
