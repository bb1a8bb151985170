//! The messages of mobility management (TS 24.301 clause 8.2).

use oxirush_nas::nas_eps::{
    AttachResult, AttachType, GprsTimerUnit, KeySetIdentifier, NasAttachAccept, NasAttachComplete,
    NasAttachReject, NasAttachRequest, NasAuthenticationFailure, NasAuthenticationFailureParameter,
    NasAuthenticationParameterAutn, NasAuthenticationParameterRand, NasAuthenticationReject,
    NasAuthenticationRequest, NasAuthenticationResponse, NasAuthenticationResponseParameter, NasDetachAccept,
    NasDetachRequestUeOriginating, NasDetachRequestUeTerminated, NasDetachType, NasEmmMessage, NasEmmStatus,
    NasEpsAttachResult, NasEpsAttachType, NasEpsMessage, NasEpsMobileIdentity, NasGutiType,
    NasIdentityRequest, NasIdentityResponse, NasIdentityType2, NasImeisvRequest, NasKeySetIdentifier,
    NasSecurityAlgorithms, NasSecurityModeCommand, NasSecurityModeComplete, NasSecurityModeReject,
    NasServiceReject, NasT3412Value, NasTrackingAreaIdentityList, NasTrackingAreaUpdateReject,
    NetworkDetachKind, UeDetachKind, ValueError,
};

use super::identity::codec_plmn;
use super::security::algorithms;
use super::{
    EmmCause, Error, EsmMessage, Guti, Identity, IdentityKind, NetworkCapability, ReplayedCapability, unbuilt,
};
use crate::id::Plmn;
use crate::wire::bcd;

/// A message of mobility management.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Emm {
    /// ATTACH REQUEST (clause 8.2.4).
    AttachRequest(AttachRequest),
    /// ATTACH ACCEPT (clause 8.2.1).
    AttachAccept(AttachAccept),
    /// `esm`: the answer to the default bearer; `None` where it is no ESM message.
    AttachComplete {
        /// The ESM message container (clause 9.9.3.15).
        esm: Option<EsmMessage>,
    },
    /// ATTACH REJECT (clause 8.2.3).
    AttachReject(AttachReject),
    /// AUTHENTICATION REQUEST (clause 8.2.7).
    AuthenticationRequest {
        /// NAS key set identifier of the key to come (clause 9.9.3.21), 0 to 6.
        ksi: u8,
        /// RAND (TS 24.008 clause 10.5.3.1).
        rand: [u8; 16],
        /// AUTN (TS 24.008 clause 10.5.3.1.1).
        autn: [u8; 16],
    },
    /// RES of 4 to 16 octets.
    AuthenticationResponse {
        /// The authentication response parameter (clause 9.9.3.4).
        res: Vec<u8>,
    },
    /// AUTHENTICATION FAILURE (clause 8.2.5).
    AuthenticationFailure {
        /// [`EmmCause::MAC_FAILURE`], [`EmmCause::SYNCH_FAILURE`] or
        /// [`EmmCause::NON_EPS_AUTHENTICATION_UNACCEPTABLE`].
        cause: EmmCause,
        /// The authentication failure parameter, AUTS, with a synchronisation failure (TS 33.102 clause 6.3.3).
        auts: Option<[u8; 14]>,
    },
    /// AUTHENTICATION REJECT (clause 8.2.6): the RES was wrong.
    AuthenticationReject,
    /// IDENTITY REQUEST (clause 8.2.18).
    IdentityRequest {
        /// Identity type 2 (TS 24.008 clause 10.5.5.9).
        kind: IdentityKind,
    },
    /// IDENTITY RESPONSE (clause 8.2.19).
    IdentityResponse {
        /// The mobile identity; [`Identity::None`] where the UE has none of that kind.
        identity: Identity,
    },
    /// SECURITY MODE COMMAND (clause 8.2.20).
    SecurityModeCommand(SecurityModeCommand),
    /// SECURITY MODE COMPLETE (clause 8.2.21).
    SecurityModeComplete {
        /// The IMEISV, where the command has asked for it.
        imeisv: Option<Identity>,
    },
    /// SECURITY MODE REJECT (clause 8.2.22).
    SecurityModeReject {
        /// Why the UE does not take the security mode.
        cause: EmmCause,
    },
    /// DETACH REQUEST of the UE. `ksi` 7: it has no key.
    DetachRequest {
        /// Whether the UE goes off, so that no answer is sent (clause 9.9.3.7).
        switch_off: bool,
        /// NAS key set identifier of the context in use (clause 9.9.3.21).
        ksi: u8,
        /// GUTI, or IMSI where the UE has no GUTI.
        identity: Identity,
    },
    /// DETACH REQUEST of the network.
    NetworkDetachRequest {
        /// The type of detach.
        kind: NetworkDetach,
    },
    /// DETACH ACCEPT (clause 8.2.10), from either end.
    DetachAccept,
    /// TRACKING AREA UPDATE REQUEST; it is only read.
    TrackingAreaUpdateRequest,
    /// TRACKING AREA UPDATE REJECT (clause 8.2.28).
    TrackingAreaUpdateReject {
        /// Why the network does not take the update.
        cause: EmmCause,
    },
    /// EXTENDED or CONTROL PLANE SERVICE REQUEST; it is only read.
    ServiceRequest,
    /// SERVICE REJECT (clause 8.2.24).
    ServiceReject {
        /// Why the network gives no service.
        cause: EmmCause,
    },
    /// EMM INFORMATION; it is only read.
    Information,
    /// EMM STATUS (clause 8.2.14): a message was not understood.
    Status {
        /// What was wrong with it.
        cause: EmmCause,
    },
    /// What is nothing that UE or MME take.
    Other,
}

/// ATTACH REQUEST (clause 8.2.4) for EPS services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachRequest {
    /// The EPS mobile identity: GUTI, IMSI or IMEI (clause 9.9.3.12).
    pub identity: Identity,
    /// The key set identifier of the context in use; 7 where there is none.
    pub ksi: u8,
    /// The algorithms of the UE, which the network replays.
    pub capability: NetworkCapability,
    /// The PDN CONNECTIVITY REQUEST; `None` where the container has no ESM message.
    pub esm: Option<EsmMessage>,
}

/// ATTACH ACCEPT (clause 8.2.1) for EPS services, without a periodic update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachAccept {
    /// The new temporary identity, if the network gives one.
    pub guti: Option<Guti>,
    /// The tracking areas that the UE may move in without an update, all of one network.
    pub areas: Vec<(Plmn, u16)>,
    /// The default bearer; `None` where the container has no ESM message.
    pub esm: Option<EsmMessage>,
}

/// ATTACH REJECT (clause 8.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachReject {
    /// The EMM cause (clause 9.9.3.9).
    pub cause: EmmCause,
    /// Why there is no PDN connection.
    pub esm: Option<EsmMessage>,
    /// T3346: how long not to ask again, in seconds.
    pub back_off_s: Option<u64>,
}

impl AttachReject {
    /// A refusal without ESM message and without back-off time.
    pub fn new(cause: EmmCause) -> Self {
        Self { cause, esm: None, back_off_s: None }
    }
}

/// SECURITY MODE COMMAND (clause 8.2.20).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityModeCommand {
    /// The selected integrity algorithm, EIA0 to EIA7 (clause 9.9.3.23).
    pub eia: u8,
    /// The selected ciphering algorithm, EEA0 to EEA7 (clause 9.9.3.23).
    pub eea: u8,
    /// NAS key set identifier of the key in use from here on (clause 9.9.3.21).
    pub ksi: u8,
    /// What the network has read as the capabilities of the UE.
    pub replayed: ReplayedCapability,
    /// Whether the UE is to send its IMEISV (clause 9.9.3.18).
    pub imeisv_requested: bool,
}

/// What the network wants of a UE that it detaches (clause 9.9.3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkDetach {
    /// Re-attach required: the UE is to attach again at once.
    ReattachRequired,
    /// Re-attach not required.
    ReattachNotRequired,
    /// From non-EPS services only.
    Imsi,
}

impl Emm {
    pub(super) fn codec(&self) -> Result<NasEpsMessage, Error> {
        let message: NasEmmMessage = match self {
            Self::AttachRequest(request) => request.codec()?.into(),
            Self::AttachAccept(accept) => accept.codec()?.into(),
            Self::AttachComplete { esm } => NasAttachComplete::new(present(esm)?.container()?).into(),
            Self::AttachReject(reject) => reject.codec()?.into(),
            Self::AuthenticationRequest { ksi, rand, autn } => NasAuthenticationRequest::new(
                key_set(*ksi)?,
                NasAuthenticationParameterRand::from_rand(*rand),
                NasAuthenticationParameterAutn::from_autn(*autn),
            )
            .into(),
            Self::AuthenticationResponse { res } => {
                let parameter = NasAuthenticationResponseParameter::from_res(res).map_err(refused)?;
                NasAuthenticationResponse::new(parameter).into()
            }
            Self::AuthenticationFailure { cause, auts } => {
                let mut failure = NasAuthenticationFailure::new(cause.codec());
                if let Some(auts) = auts {
                    let parameter = NasAuthenticationFailureParameter::from_auts(*auts);
                    failure.set_authentication_failure_parameter(parameter);
                }
                failure.into()
            }
            Self::AuthenticationReject => NasAuthenticationReject::new().into(),
            Self::IdentityRequest { kind } => {
                let kind = NasIdentityType2::from_identity_type(kind.codec()).map_err(refused)?;
                NasIdentityRequest::new(kind).into()
            }
            Self::IdentityResponse { identity } => NasIdentityResponse::new(identity.mobile_codec()?).into(),
            Self::SecurityModeCommand(command) => command.codec()?.into(),
            Self::SecurityModeComplete { imeisv } => {
                let mut complete = NasSecurityModeComplete::new();
                if let Some(imeisv) = imeisv {
                    complete.set_imeisv(imeisv.mobile_codec()?);
                }
                complete.into()
            }
            Self::SecurityModeReject { cause } => NasSecurityModeReject::new(cause.codec()).into(),
            Self::DetachRequest { switch_off, ksi, identity } => NasDetachRequestUeOriginating::new(
                NasDetachType::from_ue_detach_kind(UeDetachKind::EpsDetach, *switch_off),
                key_set(*ksi)?,
                identity.eps_codec()?,
            )
            .into(),
            Self::NetworkDetachRequest { kind } => {
                let kind = NasDetachType::from_network_detach_kind(kind.codec());
                NasDetachRequestUeTerminated::new(kind).into()
            }
            Self::DetachAccept => NasDetachAccept::new().into(),
            Self::TrackingAreaUpdateReject { cause } => {
                NasTrackingAreaUpdateReject::new(cause.codec()).into()
            }
            Self::ServiceReject { cause } => NasServiceReject::new(cause.codec()).into(),
            Self::Status { cause } => NasEmmStatus::new(cause.codec()).into(),
            Self::TrackingAreaUpdateRequest | Self::ServiceRequest | Self::Information | Self::Other => {
                return Err(unbuilt());
            }
        };
        Ok(NasEpsMessage::new_emm(message))
    }

    pub(super) fn of(message: &NasEmmMessage) -> Self {
        use NasEmmMessage as M;
        match message {
            M::AttachRequest(m) => Self::AttachRequest(AttachRequest {
                identity: Identity::of_eps(&m.eps_mobile_identity),
                ksi: m.nas_key_set_identifier.ksi(),
                capability: NetworkCapability(m.ue_network_capability.value.as_slice().to_vec()),
                esm: EsmMessage::of_container(&m.esm_message_container),
            }),
            M::AttachAccept(m) => Self::AttachAccept(AttachAccept::of(m)),
            M::AttachComplete(m) => {
                Self::AttachComplete { esm: EsmMessage::of_container(&m.esm_message_container) }
            }
            M::AttachReject(m) => Self::AttachReject(AttachReject {
                cause: EmmCause::of(&m.emm_cause),
                esm: m.esm_message_container.as_ref().and_then(EsmMessage::of_container),
                back_off_s: m.t3346_value.as_ref().and_then(|timer| timer.to_seconds()),
            }),
            M::AuthenticationRequest(m) => {
                match (m.authentication_parameter_rand.rand(), m.authentication_parameter_autn.autn()) {
                    (Some(&rand), Some(&autn)) => {
                        Self::AuthenticationRequest { ksi: m.nas_key_set_identifier_asme.ksi(), rand, autn }
                    }
                    // The codec refuses a request whose RAND or AUTN is too short.
                    _ => Self::Other,
                }
            }
            M::AuthenticationResponse(m) => {
                Self::AuthenticationResponse { res: m.authentication_response_parameter.res().to_vec() }
            }
            M::AuthenticationFailure(m) => Self::AuthenticationFailure {
                cause: EmmCause::of(&m.emm_cause),
                auts: m.authentication_failure_parameter.as_ref().and_then(|p| p.auts()).copied(),
            },
            M::AuthenticationReject(_) => Self::AuthenticationReject,
            M::IdentityRequest(m) => {
                Self::IdentityRequest { kind: IdentityKind::of(m.identity_type.identity_type()) }
            }
            M::IdentityResponse(m) => {
                Self::IdentityResponse { identity: Identity::of_mobile(&m.mobile_identity) }
            }
            M::SecurityModeCommand(m) => Self::SecurityModeCommand(SecurityModeCommand {
                eia: m.selected_nas_security_algorithms.integrity_raw(),
                eea: m.selected_nas_security_algorithms.ciphering_raw(),
                ksi: m.nas_key_set_identifier.ksi(),
                replayed: ReplayedCapability(m.replayed_ue_security_capabilities.value.as_slice().to_vec()),
                imeisv_requested: m.imeisv_request.as_ref().is_some_and(|request| request.is_requested()),
            }),
            M::SecurityModeComplete(m) => {
                Self::SecurityModeComplete { imeisv: m.imeisv.as_ref().map(Identity::of_mobile) }
            }
            M::SecurityModeReject(m) => Self::SecurityModeReject { cause: EmmCause::of(&m.emm_cause) },
            M::DetachRequestUeOriginating(m) => Self::DetachRequest {
                switch_off: m.detach_type.is_switch_off(),
                ksi: m.nas_key_set_identifier.ksi(),
                identity: Identity::of_eps(&m.eps_mobile_identity),
            },
            M::DetachRequestUeTerminated(m) => {
                Self::NetworkDetachRequest { kind: NetworkDetach::of(m.detach_type.network_detach_kind()) }
            }
            M::DetachAccept(_) => Self::DetachAccept,
            M::TrackingAreaUpdateRequest(_) => Self::TrackingAreaUpdateRequest,
            M::TrackingAreaUpdateReject(m) => {
                Self::TrackingAreaUpdateReject { cause: EmmCause::of(&m.emm_cause) }
            }
            M::ExtendedServiceRequest(_) | M::ControlPlaneServiceRequest(_) => Self::ServiceRequest,
            M::ServiceReject(m) => Self::ServiceReject { cause: EmmCause::of(&m.emm_cause) },
            M::EmmInformation(_) => Self::Information,
            M::EmmStatus(m) => Self::Status { cause: EmmCause::of(&m.emm_cause) },
            _ => Self::Other,
        }
    }
}

impl AttachRequest {
    fn codec(&self) -> Result<NasAttachRequest, Error> {
        let mut request = NasAttachRequest::new(
            NasEpsAttachType::from_attach_type(AttachType::EpsAttach),
            key_set(self.ksi)?,
            self.identity.eps_codec()?,
            self.capability.codec(),
            present(&self.esm)?.container()?,
        );
        if matches!(self.identity, Identity::Guti(_)) {
            request.set_old_guti_type(NasGutiType::from_mapped(false));
        }
        Ok(request)
    }
}

impl AttachAccept {
    fn codec(&self) -> Result<NasAttachAccept, Error> {
        let &(plmn, _) =
            self.areas.first().ok_or_else(|| Error::Value("an attach is accepted in an area".to_owned()))?;
        if self.areas.iter().any(|(other, _)| *other != plmn) {
            return Err(Error::Value("the areas of an attach are of one network".to_owned()));
        }
        let tacs: Vec<u16> = self.areas.iter().map(|(_, tac)| *tac).collect();
        let areas =
            NasTrackingAreaIdentityList::from_plmn_tacs(&codec_plmn(plmn)?, &tacs).map_err(refused)?;
        let t3412 = NasT3412Value::from_unit_value(GprsTimerUnit::Deactivated, 0).map_err(refused)?;
        let result = NasEpsAttachResult::from_attach_result(AttachResult::EpsOnly);
        let accept = NasAttachAccept::new(result, t3412, areas, present(&self.esm)?.container()?);
        Ok(match &self.guti {
            Some(guti) => accept.with_guti(NasEpsMobileIdentity::from_guti(guti.codec()?)),
            None => accept,
        })
    }

    fn of(accept: &NasAttachAccept) -> Self {
        let areas = accept.tai_list.tais().into_iter().filter_map(|tai| {
            let plmn = bcd::read_plmn(tai.plmn().to_nas_octets()).ok()?;
            Some((plmn, tai.tac()))
        });
        Self {
            guti: accept.guti.as_ref().and_then(|guti| guti.as_guti()).as_ref().and_then(Guti::of),
            areas: areas.collect(),
            esm: EsmMessage::of_container(&accept.esm_message_container),
        }
    }
}

impl AttachReject {
    fn codec(&self) -> Result<NasAttachReject, Error> {
        let mut reject = NasAttachReject::new(self.cause.codec());
        if let Some(esm) = &self.esm {
            reject = reject.with_esm_message_container(esm.container()?);
        }
        if let Some(seconds) = self.back_off_s {
            reject.set_t3346_value(
                oxirush_nas::nas_eps::NasGprsTimer2::from_seconds(seconds).map_err(refused)?,
            );
        }
        Ok(reject)
    }
}

impl SecurityModeCommand {
    fn codec(&self) -> Result<NasSecurityModeCommand, Error> {
        let (integrity, ciphering) = algorithms(self.eia, self.eea)?;
        let command = NasSecurityModeCommand::new(
            NasSecurityAlgorithms::from_algorithms(ciphering, integrity),
            key_set(self.ksi)?,
            self.replayed.codec(),
        );
        Ok(if self.imeisv_requested {
            command.with_imeisv_request(NasImeisvRequest::from_requested(true))
        } else {
            command
        })
    }
}

impl NetworkDetach {
    fn of(kind: NetworkDetachKind) -> Self {
        match kind {
            NetworkDetachKind::ReattachRequired => Self::ReattachRequired,
            NetworkDetachKind::ImsiDetach => Self::Imsi,
            _ => Self::ReattachNotRequired,
        }
    }

    fn codec(self) -> NetworkDetachKind {
        match self {
            Self::ReattachRequired => NetworkDetachKind::ReattachRequired,
            Self::ReattachNotRequired => NetworkDetachKind::ReattachNotRequired,
            Self::Imsi => NetworkDetachKind::ImsiDetach,
        }
    }
}

fn key_set(ksi: u8) -> Result<NasKeySetIdentifier, Error> {
    let ksi = if ksi == 7 { KeySetIdentifier::NoKey } else { KeySetIdentifier::Native(ksi) };
    NasKeySetIdentifier::from_key_set_identifier(ksi).map_err(refused)
}

fn present(esm: &Option<EsmMessage>) -> Result<&EsmMessage, Error> {
    esm.as_ref().ok_or_else(|| Error::Value("the message takes an ESM message along".to_owned()))
}

fn refused(error: ValueError) -> Error {
    Error::Value(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::{AlgorithmSet, DefaultBearer, Direction, Esm, EsmCause, EsmProcedure, Message};
    use super::*;

    fn survives(message: Emm, direction: Direction) {
        let octets = Message::Emm(message.clone()).encode().unwrap().octets;
        let read = Message::decode(&octets, direction).unwrap().message;
        assert_eq!(read, Message::Emm(message), "{}", hex::encode(octets));
    }

    fn guti() -> Guti {
        Guti { plmn: Plmn::test(), mme_group: 1, mme_code: 1, tmsi: 0xc123_4567 }
    }

    #[test]
    fn attach_survives() {
        let capability = NetworkCapability::new(AlgorithmSet::ALL, AlgorithmSet::PROTECTING);
        let esm = Some(EsmMessage::new(0, 3, Esm::PdnConnectivityRequest { information: true }));
        for (identity, ksi) in [(Identity::Imsi("001010000000001".into()), 7), (Identity::Guti(guti()), 3)] {
            let request = AttachRequest { identity, ksi, capability: capability.clone(), esm: esm.clone() };
            survives(Emm::AttachRequest(request), Direction::Uplink);
        }
        let bearer = DefaultBearer {
            qci: 9,
            apn: "internet".into(),
            ip: Some(Ipv4Addr::new(10, 45, 0, 2)),
            dns: None,
            mtu: Some(1400),
        };
        let esm = Some(EsmMessage::new(5, 3, Esm::DefaultBearerRequest(bearer)));
        let accept = AttachAccept { guti: Some(guti()), areas: vec![(Plmn::test(), 7)], esm };
        survives(Emm::AttachAccept(accept), Direction::Downlink);
        let esm = Some(EsmMessage::new(5, 0, Esm::DefaultBearerAccept));
        survives(Emm::AttachComplete { esm }, Direction::Uplink);
        let reject =
            Esm::Reject { procedure: EsmProcedure::PdnConnectivity, cause: EsmCause::MISSING_OR_UNKNOWN_APN };
        for (esm, back_off_s) in [(None, Some(60)), (Some(EsmMessage::new(0, 3, reject)), None)] {
            let reject = AttachReject { cause: EmmCause::ESM_FAILURE, esm, back_off_s };
            survives(Emm::AttachReject(reject), Direction::Downlink);
        }
    }

    #[test]
    fn an_attach_request_is_the_one_of_another_encoder() {
        let octets = hex::decode("07410108298039000000001002e0e000040201d031").unwrap();
        let Message::Emm(Emm::AttachRequest(request)) =
            Message::decode(&octets, Direction::Uplink).unwrap().message
        else {
            panic!("another message")
        };
        assert_eq!(request.identity, Identity::Imsi("208930000000001".into()));
        assert_eq!(
            (request.ksi, request.capability.eea_octet(), request.capability.eia_octet()),
            (0, 0xe0, 0xe0)
        );
        assert!(request.capability.eea(0) && request.capability.eia(2) && !request.capability.eia(3));
        let esm = request.esm.unwrap();
        assert_eq!((esm.bearer, esm.pti), (0, 1));
        assert_eq!(esm.body, Esm::PdnConnectivityRequest { information: false });
    }

    #[test]
    fn authentication_survives() {
        let request = Emm::AuthenticationRequest { ksi: 1, rand: [0x23; 16], autn: [0x55; 16] };
        survives(request, Direction::Downlink);
        survives(Emm::AuthenticationReject, Direction::Downlink);
        survives(Emm::AuthenticationResponse { res: vec![1; 8] }, Direction::Uplink);
        for auts in [None, Some([7; 14])] {
            survives(Emm::AuthenticationFailure { cause: EmmCause::SYNCH_FAILURE, auts }, Direction::Uplink);
        }
        assert!(Message::Emm(Emm::AuthenticationResponse { res: vec![1; 3] }).encode().is_err());
        // RAND of 16 octets and AUTN of 15: no request that is read.
        let short = [&[0x07, 0x52, 0x00][..], &[1; 16], &[15], &[2; 15]].concat();
        assert!(Message::decode(&short, Direction::Downlink).is_err());
    }

    #[test]
    fn security_mode_survives() {
        let capability = NetworkCapability::new(AlgorithmSet::ALL, AlgorithmSet::PROTECTING);
        let replayed = ReplayedCapability::of(&capability);
        assert!(replayed.matches(&capability));
        let fewer = NetworkCapability::new(AlgorithmSet::of(&[0]), AlgorithmSet::PROTECTING);
        assert!(!replayed.matches(&fewer));
        for imeisv_requested in [false, true] {
            let command =
                SecurityModeCommand { eia: 2, eea: 0, ksi: 1, replayed: replayed.clone(), imeisv_requested };
            survives(Emm::SecurityModeCommand(command), Direction::Downlink);
        }
        for imeisv in [None, Some(Identity::Imeisv("4901542032375101".into()))] {
            survives(Emm::SecurityModeComplete { imeisv }, Direction::Uplink);
        }
        survives(Emm::SecurityModeReject { cause: EmmCause::SECURITY_MODE_REJECTED }, Direction::Uplink);
    }

    #[test]
    fn identification_and_detach_survive() {
        for kind in [IdentityKind::Imsi, IdentityKind::Imei, IdentityKind::Imeisv, IdentityKind::Tmsi] {
            survives(Emm::IdentityRequest { kind }, Direction::Downlink);
        }
        survives(Emm::IdentityResponse { identity: Identity::None }, Direction::Uplink);
        for switch_off in [false, true] {
            let identity = Identity::Guti(guti());
            survives(Emm::DetachRequest { switch_off, ksi: 7, identity }, Direction::Uplink);
        }
        for kind in [NetworkDetach::ReattachRequired, NetworkDetach::ReattachNotRequired, NetworkDetach::Imsi]
        {
            survives(Emm::NetworkDetachRequest { kind }, Direction::Downlink);
        }
        survives(Emm::DetachAccept, Direction::Uplink);
        survives(Emm::DetachAccept, Direction::Downlink);
    }

    #[test]
    fn refusals_survive() {
        let cause = EmmCause::UE_IDENTITY_CANNOT_BE_DERIVED;
        survives(Emm::TrackingAreaUpdateReject { cause }, Direction::Downlink);
        survives(Emm::ServiceReject { cause }, Direction::Downlink);
        survives(Emm::Status { cause }, Direction::Uplink);
        assert!(Message::Emm(Emm::Other).encode().is_err());
    }
}
