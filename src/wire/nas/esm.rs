//! The messages of session management (TS 24.301 clause 8.3).

use std::net::Ipv4Addr;

use oxirush_nas::nas_eps::{
    self as codec, EpsQos, NasAccessPointName, NasActivateDedicatedEpsBearerContextReject,
    NasActivateDefaultEpsBearerContextAccept, NasActivateDefaultEpsBearerContextReject,
    NasActivateDefaultEpsBearerContextRequest, NasBearerResourceAllocationReject,
    NasBearerResourceModificationReject, NasDeactivateEpsBearerContextAccept, NasEpsMessage,
    NasEpsQualityOfService, NasEsmHeader, NasEsmInformationRequest, NasEsmInformationResponse,
    NasEsmInformationTransferFlag, NasEsmMessage, NasEsmMessageContainer, NasEsmStatus,
    NasModifyEpsBearerContextReject, NasPdnAddress, NasPdnConnectivityReject, NasPdnConnectivityRequest,
    NasPdnDisconnectReject, NasPdnType, NasProtocolConfigurationOptions, NasRequestType, Pco, PcoDirection,
    PcoEntry, RequestTypeValue, ValueError,
};

use super::{Error, EsmCause, Message, unbuilt};

/// DNS server IPv4 address, and IPv4 link MTU (TS 24.008 table 10.5.154).
const PCO_DNS: u16 = 0x000d;
const PCO_MTU: u16 = 0x0010;

/// A message of session management with its header (TS 24.301 clause 9.3.2, TS 24.007 clause 11.2.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EsmMessage {
    /// EPS bearer identity; 0 where none is assigned.
    pub bearer: u8,
    /// Procedure transaction identity; 0 where none is assigned.
    pub pti: u8,
    /// The message type with what follows it.
    pub body: Esm,
}

/// What a message of session management says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Esm {
    /// PDN CONNECTIVITY REQUEST that asks for DNS server and MTU. `information`: an access point name is held back until
    /// it can be sent ciphered (TS 24.301 clause 6.5.1.2).
    PdnConnectivityRequest {
        /// The addresses that the UE wants.
        pdn_type: PdnType,
        /// The ESM information transfer flag (clause 9.9.4.5).
        information: bool,
    },
    /// ACTIVATE DEFAULT EPS BEARER CONTEXT REQUEST.
    DefaultBearerRequest(DefaultBearer),
    /// ACTIVATE DEFAULT EPS BEARER CONTEXT ACCEPT.
    DefaultBearerAccept,
    /// DEACTIVATE EPS BEARER CONTEXT REQUEST; it is only read.
    DeactivateBearerRequest,
    /// DEACTIVATE EPS BEARER CONTEXT ACCEPT.
    DeactivateBearerAccept,
    /// ESM INFORMATION REQUEST.
    InformationRequest,
    /// ESM INFORMATION RESPONSE.
    InformationResponse {
        /// The access point name, as labels with dots (TS 24.008 clause 10.5.6.1); `None` for the default one.
        apn: Option<String>,
    },
    /// The reject of `procedure`.
    Reject {
        /// What is refused.
        procedure: EsmProcedure,
        /// The ESM cause (clause 9.9.4.4).
        cause: EsmCause,
    },
    /// ESM STATUS.
    Status {
        /// What was wrong with a message of the other end.
        cause: EsmCause,
    },
    /// What is nothing that UE or MME take.
    Other,
}

/// The procedures that one end refuses to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EsmProcedure {
    /// PDN CONNECTIVITY REJECT (clause 8.3.19).
    PdnConnectivity,
    /// PDN DISCONNECT REJECT (clause 8.3.21).
    PdnDisconnect,
    /// BEARER RESOURCE ALLOCATION REJECT (clause 8.3.7).
    BearerResourceAllocation,
    /// BEARER RESOURCE MODIFICATION REJECT (clause 8.3.9).
    BearerResourceModification,
    /// ACTIVATE DEFAULT EPS BEARER CONTEXT REJECT (clause 8.3.5), of the UE.
    ActivateDefaultBearer,
    /// ACTIVATE DEDICATED EPS BEARER CONTEXT REJECT (clause 8.3.2), of the UE.
    ActivateDedicatedBearer,
    /// MODIFY EPS BEARER CONTEXT REJECT (clause 8.3.17), of the UE.
    ModifyBearer,
}

/// What a PDN connection carries (clause 9.9.4.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PdnType {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv6.
    Ipv6,
    /// Both.
    Ipv4v6,
    /// Anything but IP.
    NonIp,
    /// Ethernet frames.
    Ethernet,
    /// A value that the specification does not have.
    Reserved,
}

impl PdnType {
    fn of(kind: Option<codec::PdnType>) -> Self {
        match kind {
            Some(codec::PdnType::Ipv4) => Self::Ipv4,
            Some(codec::PdnType::Ipv6) => Self::Ipv6,
            Some(codec::PdnType::Ipv4v6) => Self::Ipv4v6,
            Some(codec::PdnType::NonIp) => Self::NonIp,
            Some(codec::PdnType::Ethernet) => Self::Ethernet,
            _ => Self::Reserved,
        }
    }

    fn codec(self) -> Result<codec::PdnType, Error> {
        match self {
            Self::Ipv4 => Ok(codec::PdnType::Ipv4),
            Self::Ipv6 => Ok(codec::PdnType::Ipv6),
            Self::Ipv4v6 => Ok(codec::PdnType::Ipv4v6),
            Self::NonIp => Ok(codec::PdnType::NonIp),
            Self::Ethernet => Ok(codec::PdnType::Ethernet),
            Self::Reserved => Err(Error::Value("a reserved PDN type is not sent".to_owned())),
        }
    }
}

/// The bearer that an attach brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultBearer {
    /// The QoS class (TS 23.203 table 6.1.7).
    pub qci: u8,
    /// The access point name, as labels with dots (TS 24.008 clause 10.5.6.1).
    pub apn: String,
    /// The address of the UE; `None` where it gets none of IPv4.
    pub ip: Option<Ipv4Addr>,
    /// The identifier of its link-local address of IPv6 (clause 9.9.4.9); `None` where it gets none of IPv6.
    pub interface: Option<[u8; 8]>,
    /// The DNS server in the protocol configuration options.
    pub dns: Option<Ipv4Addr>,
    /// In bytes.
    pub mtu: Option<u16>,
    /// Why the UE gets another PDN type than it has asked for (clause 6.5.1.3).
    pub cause: Option<EsmCause>,
}

impl DefaultBearer {
    fn codec(&self) -> Result<NasActivateDefaultEpsBearerContextRequest, Error> {
        let address = match (self.ip, self.interface) {
            (Some(ip), None) => NasPdnAddress::from_ipv4(ip.octets()),
            (None, Some(interface)) => NasPdnAddress::from_ipv6_iid(interface),
            (Some(ip), Some(interface)) => NasPdnAddress::from_ipv4v6(interface, ip.octets()),
            (None, None) => return Err(Error::Value("a default bearer is sent with an address".to_owned())),
        };
        let mut options = Vec::new();
        if let Some(dns) = self.dns {
            options.push(PcoEntry { identifier: PCO_DNS, contents: dns.octets().to_vec() });
        }
        if let Some(mtu) = self.mtu {
            options.push(PcoEntry { identifier: PCO_MTU, contents: mtu.to_be_bytes().to_vec() });
        }
        let qos =
            NasEpsQualityOfService::from_qos(EpsQos::new(self.qci, None, None, None)).map_err(refused)?;
        let apn = NasAccessPointName::from_string(&self.apn).map_err(refused)?;
        let mut request = NasActivateDefaultEpsBearerContextRequest::new(qos, apn, address);
        if !options.is_empty() {
            let options = Pco::new(0, options);
            let options = NasProtocolConfigurationOptions::from_pco(&options, PcoDirection::Downlink);
            request = request.with_protocol_configuration_options(options.map_err(refused)?);
        }
        if let Some(cause) = self.cause {
            request.set_esm_cause(cause.codec());
        }
        Ok(request)
    }

    fn of(request: &NasActivateDefaultEpsBearerContextRequest) -> Self {
        let options =
            request.protocol_configuration_options.as_ref().and_then(|o| o.pco(PcoDirection::Downlink));
        let option = |id: u16| options.as_ref().and_then(|o| o.entry(id)).map(|e| e.contents.as_slice());
        let dns: Option<[u8; 4]> = option(PCO_DNS).and_then(|contents| contents.try_into().ok());
        let mtu: Option<[u8; 2]> = option(PCO_MTU).and_then(|contents| contents.try_into().ok());
        Self {
            qci: request.eps_qos.qos().map_or(0, |qos| qos.qci),
            apn: request.access_point_name.as_string().unwrap_or_default(),
            ip: request.pdn_address.ipv4().map(Ipv4Addr::from),
            interface: request.pdn_address.ipv6_interface_id(),
            dns: dns.map(Ipv4Addr::from),
            mtu: mtu.map(u16::from_be_bytes),
            cause: request.esm_cause.as_ref().map(EsmCause::of),
        }
    }
}

impl EsmMessage {
    /// A message with both identities in its header and `body` behind them.
    pub fn new(bearer: u8, pti: u8, body: Esm) -> Self {
        Self { bearer, pti, body }
    }

    pub(super) fn codec(&self) -> Result<NasEpsMessage, Error> {
        let body: NasEsmMessage = match &self.body {
            Esm::PdnConnectivityRequest { pdn_type, information } => {
                connectivity_request(*pdn_type, *information)?.into()
            }
            Esm::DefaultBearerRequest(bearer) => bearer.codec()?.into(),
            Esm::DefaultBearerAccept => NasActivateDefaultEpsBearerContextAccept::new().into(),
            Esm::DeactivateBearerAccept => NasDeactivateEpsBearerContextAccept::new().into(),
            Esm::InformationRequest => NasEsmInformationRequest::new().into(),
            Esm::InformationResponse { apn } => {
                let mut response = NasEsmInformationResponse::new();
                if let Some(apn) = apn {
                    response.set_access_point_name(NasAccessPointName::from_string(apn).map_err(refused)?);
                }
                response.into()
            }
            Esm::Reject { procedure, cause } => rejection(*procedure, *cause),
            Esm::Status { cause } => NasEsmStatus::new(cause.codec()).into(),
            Esm::DeactivateBearerRequest | Esm::Other => return Err(unbuilt()),
        };
        Ok(NasEpsMessage::new_esm(body, self.bearer, self.pti))
    }

    pub(super) fn of(header: &NasEsmHeader, message: &NasEsmMessage) -> Self {
        use EsmProcedure as P;
        use NasEsmMessage as M;
        let reject = |procedure, cause| Esm::Reject { procedure, cause: EsmCause::of(cause) };
        let body = match message {
            M::PdnConnectivityRequest(m) => {
                let flag = m.esm_information_transfer_flag.as_ref();
                Esm::PdnConnectivityRequest {
                    pdn_type: PdnType::of(m.pdn_type.pdn_type()),
                    information: flag.is_some_and(|flag| flag.is_required()),
                }
            }
            M::ActivateDefaultEpsBearerContextRequest(m) => Esm::DefaultBearerRequest(DefaultBearer::of(m)),
            M::ActivateDefaultEpsBearerContextAccept(_) => Esm::DefaultBearerAccept,
            M::DeactivateEpsBearerContextRequest(_) => Esm::DeactivateBearerRequest,
            M::DeactivateEpsBearerContextAccept(_) => Esm::DeactivateBearerAccept,
            M::EsmInformationRequest(_) => Esm::InformationRequest,
            M::EsmInformationResponse(m) => {
                Esm::InformationResponse { apn: m.access_point_name.as_ref().and_then(|apn| apn.as_string()) }
            }
            M::PdnConnectivityReject(m) => reject(P::PdnConnectivity, &m.esm_cause),
            M::PdnDisconnectReject(m) => reject(P::PdnDisconnect, &m.esm_cause),
            M::BearerResourceAllocationReject(m) => reject(P::BearerResourceAllocation, &m.esm_cause),
            M::BearerResourceModificationReject(m) => reject(P::BearerResourceModification, &m.esm_cause),
            M::ActivateDefaultEpsBearerContextReject(m) => reject(P::ActivateDefaultBearer, &m.esm_cause),
            M::ActivateDedicatedEpsBearerContextReject(m) => reject(P::ActivateDedicatedBearer, &m.esm_cause),
            M::ModifyEpsBearerContextReject(m) => reject(P::ModifyBearer, &m.esm_cause),
            M::EsmStatus(m) => Esm::Status { cause: EsmCause::of(&m.esm_cause) },
            _ => Esm::Other,
        };
        Self { bearer: header.eps_bearer_identity, pti: header.procedure_transaction_identity, body }
    }

    /// The message in a container of an EMM message; `None` where it is none.
    pub(super) fn of_container(container: &NasEsmMessageContainer) -> Option<Self> {
        match container.decode_as_esm_message() {
            Ok(NasEpsMessage::Esm(header, message)) => Some(Self::of(&header, &message)),
            _ => None,
        }
    }

    pub(super) fn container(&self) -> Result<NasEsmMessageContainer, Error> {
        NasEsmMessageContainer::from_esm_message(&self.codec()?).map_err(|e| Error::Value(e.to_string()))
    }

    /// The octets of the plain message alone, and its label.
    pub fn encode(&self) -> Result<super::Encoded, Error> {
        Message::Esm(self.clone()).encode()
    }
}

fn connectivity_request(pdn_type: PdnType, information: bool) -> Result<NasPdnConnectivityRequest, Error> {
    let asked = [PCO_DNS, PCO_MTU].map(|identifier| PcoEntry { identifier, contents: Vec::new() });
    let options =
        NasProtocolConfigurationOptions::from_pco(&Pco::new(0, asked.to_vec()), PcoDirection::Uplink);
    let mut request = NasPdnConnectivityRequest::new(
        NasRequestType::from_request_type(RequestTypeValue::Initial),
        NasPdnType::from_pdn_type(pdn_type.codec()?),
    )
    .with_protocol_configuration_options(options.map_err(refused)?);
    if information {
        request.set_esm_information_transfer_flag(NasEsmInformationTransferFlag::from_required(true));
    }
    Ok(request)
}

fn rejection(procedure: EsmProcedure, cause: EsmCause) -> NasEsmMessage {
    use EsmProcedure as P;
    let cause = cause.codec();
    match procedure {
        P::PdnConnectivity => NasPdnConnectivityReject::new(cause).into(),
        P::PdnDisconnect => NasPdnDisconnectReject::new(cause).into(),
        P::BearerResourceAllocation => NasBearerResourceAllocationReject::new(cause).into(),
        P::BearerResourceModification => NasBearerResourceModificationReject::new(cause).into(),
        P::ActivateDefaultBearer => NasActivateDefaultEpsBearerContextReject::new(cause).into(),
        P::ActivateDedicatedBearer => NasActivateDedicatedEpsBearerContextReject::new(cause).into(),
        P::ModifyBearer => NasModifyEpsBearerContextReject::new(cause).into(),
    }
}

fn refused(error: ValueError) -> Error {
    Error::Value(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::Direction;
    use super::*;

    fn survives(message: &EsmMessage, direction: Direction) {
        let octets = message.encode().unwrap().octets;
        let read = Message::decode(&octets, direction).unwrap().message;
        assert_eq!(read, Message::Esm(message.clone()), "{}", hex::encode(octets));
    }

    #[test]
    fn requests_and_answers_survive() {
        let bearer = DefaultBearer {
            qci: 9,
            apn: "iot.example".into(),
            ip: Some(Ipv4Addr::new(10, 45, 0, 2)),
            interface: None,
            dns: Some(Ipv4Addr::new(10, 99, 0, 10)),
            mtu: Some(1400),
            cause: Some(EsmCause::PDN_TYPE_IPV4_ONLY_ALLOWED),
        };
        let bare = DefaultBearer { dns: None, mtu: None, cause: None, ..bearer.clone() };
        let both = DefaultBearer { interface: Some([2, 0, 0, 0, 0, 0, 0, 9]), ..bearer.clone() };
        let six = DefaultBearer { ip: None, ..both.clone() };
        for bearer in [bearer, bare, both, six] {
            survives(&EsmMessage::new(5, 1, Esm::DefaultBearerRequest(bearer)), Direction::Downlink);
        }
        survives(&EsmMessage::new(0, 9, Esm::InformationRequest), Direction::Downlink);
        for body in [
            Esm::PdnConnectivityRequest { pdn_type: PdnType::Ipv4, information: true },
            Esm::PdnConnectivityRequest { pdn_type: PdnType::Ipv6, information: false },
            Esm::PdnConnectivityRequest { pdn_type: PdnType::Ipv4v6, information: false },
            Esm::PdnConnectivityRequest { pdn_type: PdnType::NonIp, information: false },
            Esm::PdnConnectivityRequest { pdn_type: PdnType::Ethernet, information: false },
            Esm::InformationResponse { apn: None },
            Esm::InformationResponse { apn: Some("iot".into()) },
        ] {
            survives(&EsmMessage::new(0, 9, body), Direction::Uplink);
        }
        for body in [Esm::DefaultBearerAccept, Esm::DeactivateBearerAccept] {
            survives(&EsmMessage::new(5, 0, body), Direction::Uplink);
        }
        for direction in [Direction::Uplink, Direction::Downlink] {
            survives(&EsmMessage::new(5, 1, Esm::Status { cause: EsmCause(98) }), direction);
        }
    }

    #[test]
    fn rejects_survive() {
        use EsmProcedure as P;
        let cause = EsmCause::MISSING_OR_UNKNOWN_APN;
        for (procedure, bearer, pti, direction) in [
            (P::PdnConnectivity, 0, 1, Direction::Downlink),
            (P::PdnDisconnect, 0, 1, Direction::Downlink),
            (P::BearerResourceAllocation, 0, 1, Direction::Downlink),
            (P::BearerResourceModification, 0, 1, Direction::Downlink),
            (P::ActivateDefaultBearer, 5, 0, Direction::Uplink),
            (P::ActivateDedicatedBearer, 5, 0, Direction::Uplink),
            (P::ModifyBearer, 5, 0, Direction::Uplink),
        ] {
            survives(&EsmMessage::new(bearer, pti, Esm::Reject { procedure, cause }), direction);
        }
    }

    #[test]
    fn what_is_only_read_is_not_built() {
        assert!(EsmMessage::new(5, 0, Esm::Other).encode().is_err());
        let long = Esm::InformationResponse { apn: Some("x".repeat(64)) };
        assert!(matches!(EsmMessage::new(0, 1, long).encode(), Err(Error::Value(_))));
    }
}
