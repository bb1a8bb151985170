//! The messages of mobility management (TS 24.301 clause 8.2).

use oxirush_nas::nas_eps::{
    self as codec, AttachResult, GprsTimerUnit, KeySetIdentifier, NasAttachAccept, NasAttachComplete,
    NasAttachReject, NasAttachRequest, NasAuthenticationFailure, NasAuthenticationFailureParameter,
    NasAuthenticationParameterAutn, NasAuthenticationParameterRand, NasAuthenticationReject,
    NasAuthenticationRequest, NasAuthenticationResponse, NasAuthenticationResponseParameter, NasDetachAccept,
    NasDetachRequestUeOriginating, NasDetachRequestUeTerminated, NasDetachType, NasEmmMessage, NasEmmStatus,
    NasEpsAttachResult, NasEpsAttachType, NasEpsMessage, NasEpsMobileIdentity, NasEpsUpdateResult,
    NasEpsUpdateType, NasGutiReallocationCommand, NasGutiReallocationComplete, NasGutiType, NasHashMme,
    NasIdentityRequest, NasIdentityResponse, NasIdentityType2, NasImeisvRequest, NasKeySetIdentifier,
    NasReplayedNasMessageContainer, NasSecurityAlgorithms, NasSecurityModeCommand, NasSecurityModeComplete,
    NasSecurityModeReject, NasServiceReject, NasT3412Value, NasTrackingAreaIdentityList,
    NasTrackingAreaUpdateAccept, NasTrackingAreaUpdateReject, NasTrackingAreaUpdateRequest,
    NetworkDetachKind, UeDetachKind, UpdateResult, UpdateType, ValueError,
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
        /// The replayed NAS message container (clause 9.9.3.51): the whole plain request that the UE had sent, where
        /// the HASHMME of the command is not that request's.
        replayed: Option<Vec<u8>>,
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
    /// TRACKING AREA UPDATE REQUEST (clause 8.2.29).
    TrackingAreaUpdateRequest(TrackingAreaUpdateRequest),
    /// TRACKING AREA UPDATE ACCEPT (clause 8.2.26): the area is updated, and nothing else has changed.
    TrackingAreaUpdateAccept {
        /// The value of T3412 in seconds, which is rounded up to what its field can hold; `Some(0)`: no periodic
        /// update, `None`: the value stays as it was.
        t3412_s: Option<u64>,
    },
    /// TRACKING AREA UPDATE REJECT (clause 8.2.28).
    TrackingAreaUpdateReject {
        /// Why the network does not take the update.
        cause: EmmCause,
    },
    /// GUTI REALLOCATION COMMAND (clause 8.2.16).
    GutiReallocationCommand {
        /// The new temporary identity; `None` where it is not one.
        guti: Option<Guti>,
    },
    /// GUTI REALLOCATION COMPLETE (clause 8.2.17).
    GutiReallocationComplete,
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

/// What a UE wants to be attached for (clause 9.9.3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AttachType {
    /// EPS services. A network reads every value that it has no use for as this one.
    #[default]
    Eps,
    /// EPS services and those of the circuit-switched domain.
    Combined,
    /// Emergency bearer services.
    Emergency,
}

impl AttachType {
    fn of(kind: codec::AttachType) -> Self {
        match kind {
            codec::AttachType::CombinedEpsImsiAttach => Self::Combined,
            codec::AttachType::EpsEmergencyAttach => Self::Emergency,
            _ => Self::Eps,
        }
    }

    fn codec(self) -> codec::AttachType {
        match self {
            Self::Eps => codec::AttachType::EpsAttach,
            Self::Combined => codec::AttachType::CombinedEpsImsiAttach,
            Self::Emergency => codec::AttachType::EpsEmergencyAttach,
        }
    }
}

/// ATTACH REQUEST (clause 8.2.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachRequest {
    /// The EPS attach type.
    pub kind: AttachType,
    /// The EPS mobile identity: GUTI, IMSI or IMEI (clause 9.9.3.12).
    pub identity: Identity,
    /// The key set identifier of the context in use; 7 where there is none.
    pub ksi: u8,
    /// The algorithms of the UE, which the network replays.
    pub capability: NetworkCapability,
    /// The PDN CONNECTIVITY REQUEST; `None` where the container has no ESM message.
    pub esm: Option<EsmMessage>,
}

/// ATTACH ACCEPT (clause 8.2.1) for EPS services only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachAccept {
    /// The value of T3412 in seconds, which is rounded up to what its field can hold; 0: no periodic update.
    pub t3412_s: u64,
    /// Why the UE is attached for EPS services only where it has asked for more (clause 5.5.1.3.4.3).
    pub cause: Option<EmmCause>,
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
    /// HASHMME (clause 9.9.3.50): what reached the network of the request that it could not verify, see
    /// [`hash_mme`](super::hash_mme).
    pub hash_mme: Option<[u8; 8]>,
}

/// TRACKING AREA UPDATE REQUEST (clause 8.2.29) for EPS services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackingAreaUpdateRequest {
    /// Whether it is the periodic update (clause 9.9.3.14).
    pub periodic: bool,
    /// The key set identifier of the context in use; 7 where there is none.
    pub ksi: u8,
    /// The old GUTI; [`Identity::None`] where it cannot be read.
    pub identity: Identity,
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
            Self::SecurityModeComplete { imeisv, replayed } => {
                let mut complete = NasSecurityModeComplete::new();
                if let Some(imeisv) = imeisv {
                    complete.set_imeisv(imeisv.mobile_codec()?);
                }
                if let Some(request) = replayed {
                    let container = NasReplayedNasMessageContainer::new(request.clone());
                    complete.set_replayed_nas_message_container(container);
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
            Self::TrackingAreaUpdateRequest(request) => request.codec()?.into(),
            Self::TrackingAreaUpdateAccept { t3412_s } => {
                let result = NasEpsUpdateResult::from_update_result(UpdateResult::TaUpdated);
                let mut accept = NasTrackingAreaUpdateAccept::new(result);
                if let Some(seconds) = t3412_s {
                    accept.set_t3412_value(t3412(*seconds)?);
                }
                accept.into()
            }
            Self::TrackingAreaUpdateReject { cause } => {
                NasTrackingAreaUpdateReject::new(cause.codec()).into()
            }
            Self::GutiReallocationCommand { guti } => {
                let guti = guti.ok_or_else(|| Error::Value("a GUTI reallocation has a GUTI".to_owned()))?;
                NasGutiReallocationCommand::new(NasEpsMobileIdentity::from_guti(guti.codec()?)).into()
            }
            Self::GutiReallocationComplete => NasGutiReallocationComplete::new().into(),
            Self::ServiceReject { cause } => NasServiceReject::new(cause.codec()).into(),
            Self::Status { cause } => NasEmmStatus::new(cause.codec()).into(),
            Self::ServiceRequest | Self::Information | Self::Other => return Err(unbuilt()),
        };
        Ok(NasEpsMessage::new_emm(message))
    }

    pub(super) fn of(message: &NasEmmMessage) -> Self {
        use NasEmmMessage as M;
        match message {
            M::AttachRequest(m) => Self::AttachRequest(AttachRequest {
                kind: AttachType::of(m.eps_attach_type.attach_type()),
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
                hash_mme: m.hash_mme.as_ref().and_then(|hash| hash.hash_mme()),
            }),
            M::SecurityModeComplete(m) => Self::SecurityModeComplete {
                // What is none is as if it were not there (clause 7.7.1).
                imeisv: m
                    .imeisv
                    .as_ref()
                    .map(Identity::of_mobile)
                    .filter(|identity| matches!(identity, Identity::Imeisv(_))),
                replayed: m
                    .replayed_nas_message_container
                    .as_ref()
                    .map(|container| container.value.as_slice().to_vec()),
            },
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
            M::TrackingAreaUpdateRequest(m) => Self::TrackingAreaUpdateRequest(TrackingAreaUpdateRequest {
                periodic: m.eps_update_type.update_type() == Some(UpdateType::PeriodicUpdating),
                ksi: m.nas_key_set_identifier.ksi(),
                identity: Identity::of_eps(&m.old_guti),
            }),
            M::TrackingAreaUpdateAccept(m) => Self::TrackingAreaUpdateAccept {
                t3412_s: m.t3412_value.as_ref().map(|timer| timer.to_seconds().unwrap_or(0)),
            },
            M::GutiReallocationCommand(m) => {
                Self::GutiReallocationCommand { guti: m.guti.as_guti().as_ref().and_then(Guti::of) }
            }
            M::GutiReallocationComplete(_) => Self::GutiReallocationComplete,
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
            NasEpsAttachType::from_attach_type(self.kind.codec()),
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
        let result = NasEpsAttachResult::from_attach_result(AttachResult::EpsOnly);
        let esm = present(&self.esm)?.container()?;
        let mut accept = NasAttachAccept::new(result, t3412(self.t3412_s)?, areas, esm);
        if let Some(guti) = &self.guti {
            accept.set_guti(NasEpsMobileIdentity::from_guti(guti.codec()?));
        }
        if let Some(cause) = self.cause {
            accept.set_emm_cause(cause.codec());
        }
        Ok(accept)
    }

    fn of(accept: &NasAttachAccept) -> Self {
        let areas = accept.tai_list.tais().into_iter().filter_map(|tai| {
            let plmn = bcd::read_plmn(tai.plmn().to_nas_octets()).ok()?;
            Some((plmn, tai.tac()))
        });
        Self {
            t3412_s: accept.t3412_value.to_seconds().unwrap_or(0),
            cause: accept.emm_cause.as_ref().map(EmmCause::of),
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
        let mut command = command;
        if self.imeisv_requested {
            command.set_imeisv_request(NasImeisvRequest::from_requested(true));
        }
        if let Some(hash) = self.hash_mme {
            command.set_hash_mme(NasHashMme::from_hash_mme(hash));
        }
        Ok(command)
    }
}

impl TrackingAreaUpdateRequest {
    fn codec(&self) -> Result<NasTrackingAreaUpdateRequest, Error> {
        let kind = if self.periodic { UpdateType::PeriodicUpdating } else { UpdateType::TaUpdating };
        let mut request = NasTrackingAreaUpdateRequest::new(
            NasEpsUpdateType::from_update_type(kind),
            key_set(self.ksi)?,
            self.identity.eps_codec()?,
        );
        request.set_old_guti_type(NasGutiType::from_mapped(false));
        Ok(request)
    }
}

/// The value of T3412 in the finest unit that can hold it, rounded up; 0 deactivates the timer (TS 24.008 clause
/// 10.5.7.3). The longest is 31 times 6 minutes.
fn t3412(seconds: u64) -> Result<NasT3412Value, Error> {
    use GprsTimerUnit as U;
    let fits = |length: u64| seconds <= 31 * length;
    let (unit, length) = match seconds {
        0 => return NasT3412Value::from_unit_value(U::Deactivated, 0).map_err(refused),
        _ if fits(2) => (U::TwoSeconds, 2),
        _ if fits(60) => (U::OneMinute, 60),
        _ if fits(360) => (U::SixMinutes, 360),
        _ => return Err(Error::Value(format!("T3412 is at most 11160 s, not {seconds} s"))),
    };
    NasT3412Value::from_unit_value(unit, seconds.div_ceil(length) as u8).map_err(refused)
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
mod tests;
