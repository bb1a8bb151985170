//! Identification, authentication and security mode (TS 24.301 clauses 5.4.2 to 5.4.4).

use oxirush_nas::nas_eps::{
    EmmCause, IdentityType, KeySetIdentifier, NasAuthenticationFailure, NasAuthenticationParameterAutn,
    NasAuthenticationParameterRand, NasAuthenticationReject, NasAuthenticationRequest,
    NasAuthenticationResponse, NasCount, NasEpsMessage, NasEpsSecurityHeaderType as Header,
    NasIdentityRequest, NasIdentityResponse, NasIdentityType2, NasImeisvRequest, NasKeySetIdentifier,
    NasSecurityAlgorithms, NasSecurityContext, NasSecurityModeCommand, NasSecurityModeComplete,
    NasSecurityModeReject, NasUeSecurityCapability,
};
use oxirush_s1ap::s1ap::CauseNas;
use oxirush_security::milenage::Res;
use oxirush_security::nas_eps::{derive_kasme, derive_kenb};

use super::context::{Phase, Timer, UeContext};
use super::{Core, Mme, fault};
use crate::corenet::CorenetError;
use crate::corenet::hss::{S6aError, Vector};
use crate::id::Imei;
use crate::wire::nas::{eea, eia, plmn};

/// How many challenges with a wrong MAC a UE gets.
const CHALLENGES: u8 = 2;

impl Mme {
    pub(super) fn identify(&mut self, ue: &mut UeContext, core: &mut Core<'_>) -> Result<(), CorenetError> {
        ue.phase = Phase::Identity;
        ue.identified = true;
        let kind = NasIdentityType2::from_identity_type(IdentityType::Imsi)
            .map_err(|e| fault("IDENTITY REQUEST", &e))?;
        let request = NasEpsMessage::new_emm(NasIdentityRequest::new(kind));
        self.send_guarded(ue, request, Timer::T3470, core)
    }

    pub(super) fn identity_received(
        &mut self,
        ue: &mut UeContext,
        response: &NasIdentityResponse,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if ue.phase != Phase::Identity {
            return Ok(());
        }
        let Some(imsi) = response.mobile_identity.as_imsi().and_then(|imsi| imsi.as_str().parse().ok())
        else {
            return self.reject(ue, EmmCause::UeIdentityCannotBeDerivedByTheNetwork, core);
        };
        ue.imsi = Some(imsi);
        self.authenticate(ue, false, core)
    }

    /// A fresh challenge; after a synchronisation failure with what the card answered to the last.
    pub(super) fn authenticate(
        &mut self,
        ue: &mut UeContext,
        again: bool,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let vector = self.fetch_vector(ue, None, core);
        self.challenge(ue, vector, again, core)
    }

    fn fetch_vector(
        &mut self,
        ue: &mut UeContext,
        auts: Option<&[u8; 14]>,
        core: &mut Core<'_>,
    ) -> Result<Vector, S6aError> {
        let imsi = ue.imsi.clone().ok_or(S6aError::UserUnknown)?;
        let last = ue.vector.take();
        let resynchronisation = auts.zip(last.as_ref()).map(|(auts, last)| (last.values.rand(), auts));
        let vector = core.hss.authentication_information(&imsi, resynchronisation);
        let result = vector.as_ref().map_or_else(|error| error.name(), |_| "SUCCESS");
        core.s6a("Authentication-Information-Request", "Authentication-Information-Answer", &imsi, result);
        vector
    }

    fn challenge(
        &mut self,
        ue: &mut UeContext,
        vector: Result<Vector, S6aError>,
        again: bool,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let vector = match vector {
            Ok(vector) => vector,
            // TS 29.272 annex A: USER_UNKNOWN is cause #8.
            Err(S6aError::UserUnknown) => {
                return self.reject(ue, EmmCause::EpsServicesAndNonEpsServicesNotAllowed, core);
            }
            Err(S6aError::AuthenticationDataUnavailable) if again => {
                return self.reject_authentication(ue, core);
            }
            Err(S6aError::AuthenticationDataUnavailable) => {
                return self.reject(ue, EmmCause::NetworkFailure, core);
            }
        };
        ue.phase = Phase::Authentication;
        ue.ksi = (ue.ksi + 1) % 7;
        let ksi = key_set(ue.ksi)?;
        let request = NasAuthenticationRequest::new(
            ksi,
            NasAuthenticationParameterRand::from_rand(*vector.values.rand().as_octets()),
            NasAuthenticationParameterAutn::from_autn(*vector.autn.as_octets()),
        );
        ue.vector = Some(vector);
        self.send_guarded(ue, NasEpsMessage::new_emm(request), Timer::T3460, core)
    }

    pub(super) fn authentication_received(
        &mut self,
        ue: &mut UeContext,
        response: &NasAuthenticationResponse,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if ue.phase != Phase::Authentication {
            return Ok(());
        }
        let Some(vector) = ue.vector.take() else { return Ok(()) };
        let accepted = Res::from_slice(response.authentication_response_parameter.res())
            .is_ok_and(|res| vector.values.xres().accepts(&res));
        if !accepted {
            // A GUTI may have named the wrong subscriber (clause 5.4.2.5).
            let doubtful = ue.request.as_ref().is_some_and(|request| request.by_guti) && !ue.identified;
            return if doubtful { self.identify(ue, core) } else { self.reject_authentication(ue, core) };
        }
        let values = &vector.values;
        ue.kasme = Some(derive_kasme(values.ck(), values.ik(), plmn(self.config.plmn), &vector.autn));
        self.command_security_mode(ue, core)
    }

    /// AUTHENTICATION FAILURE (clause 5.4.2.7, cases c to e).
    pub(super) fn authentication_failed(
        &mut self,
        ue: &mut UeContext,
        failure: &NasAuthenticationFailure,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if ue.phase != Phase::Authentication {
            return Ok(());
        }
        self.stop_timer(ue);
        let auts = failure.authentication_failure_parameter.as_ref().and_then(|parameter| parameter.auts());
        match (failure.emm_cause.cause(), auts) {
            (Some(EmmCause::SynchFailure), Some(auts)) if !ue.synchronised => {
                ue.synchronised = true;
                let auts = *auts;
                let vector = self.fetch_vector(ue, Some(&auts), core);
                self.challenge(ue, vector, true, core)
            }
            (Some(EmmCause::MacFailure | EmmCause::NonEpsAuthenticationUnacceptable), _) => {
                ue.mac_failures += 1;
                let by_guti = ue.request.as_ref().is_some_and(|request| request.by_guti);
                if ue.mac_failures >= CHALLENGES {
                    self.reject_authentication(ue, core)
                } else if by_guti && !ue.identified {
                    self.identify(ue, core)
                } else {
                    self.authenticate(ue, true, core)
                }
            }
            _ => self.reject_authentication(ue, core),
        }
    }

    fn reject_authentication(&mut self, ue: &mut UeContext, core: &mut Core<'_>) -> Result<(), CorenetError> {
        let reject = NasEpsMessage::new_emm(NasAuthenticationReject::new());
        self.refuse(ue, &reject, CauseNas::authentication_failure, core)
    }

    /// SECURITY MODE COMMAND (clause 5.4.3.2) with the best algorithms that the UE has too.
    fn command_security_mode(&mut self, ue: &mut UeContext, core: &mut Core<'_>) -> Result<(), CorenetError> {
        let (Some(request), Some(kasme)) = (&ue.request, &ue.kasme) else { return Ok(()) };
        let capability = request.capability.clone();
        let integrity = self.config.eia.iter().copied().find(|&n| n == 0 || capability.supports_eia(n));
        // Null integrity goes with null ciphering alone (TS 33.401 clause 5.1.4.1); a UE refuses it anyhow.
        let ciphering = match integrity {
            Some(0) => Some(0),
            _ => self.config.eea.iter().copied().find(|&n| capability.supports_eea(n)),
        };
        let (Some(integrity), Some(ciphering)) = (integrity.and_then(eia), ciphering.and_then(eea)) else {
            return self.reject(ue, EmmCause::UeSecurityCapabilitiesMismatch, core);
        };
        let security = NasSecurityContext::from_fresh_kasme(kasme, integrity, ciphering)
            .map_err(|e| fault("SECURITY MODE COMMAND", &e))?;
        ue.security = Some(security);
        ue.exchanged = false;
        ue.phase = Phase::SecurityMode;
        let command = NasSecurityModeCommand::new(
            NasSecurityAlgorithms::from_algorithms(ciphering, integrity),
            key_set(ue.ksi)?,
            NasUeSecurityCapability::from_ue_network_capability(&capability),
        )
        .with_imeisv_request(NasImeisvRequest::from_requested(true));
        let header = Header::IntegrityProtectedWithNewEpsSecurityContext;
        self.send_guarded_as(ue, NasEpsMessage::new_emm(command), header, Timer::T3460, core)
    }

    /// `count` is the uplink NAS COUNT of the message, from which KeNB comes (TS 33.401 annex A.3).
    pub(super) fn security_mode_completed(
        &mut self,
        ue: &mut UeContext,
        complete: &NasSecurityModeComplete,
        count: NasCount,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if ue.phase != Phase::SecurityMode {
            return Ok(());
        }
        self.stop_timer(ue);
        ue.exchanged = true;
        ue.kenb = ue.kasme.as_ref().map(|kasme| derive_kenb(kasme, count));
        let imeisv = complete.imeisv.as_ref().and_then(|identity| identity.as_imeisv());
        ue.imei = imeisv.and_then(|imeisv| imei_of(imeisv.tac(), imeisv.snr()));
        let Some(imsi) = ue.imsi.clone() else { return Ok(()) };
        self.end_session(ue, core);
        if let Some(old) = self.registered.insert(imsi, ue.mme_id).filter(|old| *old != ue.mme_id) {
            self.detach_implicitly(old, core)?;
        }
        self.connect(ue, core)
    }

    pub(super) fn security_mode_rejected(
        &mut self,
        ue: &mut UeContext,
        reject: &NasSecurityModeReject,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if ue.phase != Phase::SecurityMode {
            return Ok(());
        }
        let fields =
            vec![("mme-ue-id", ue.mme_id.to_string()), ("cause", reject.emm_cause.cause_raw().to_string())];
        core.state("", "the UE rejects the security mode", fields);
        self.abort(ue, core)
    }
}

fn key_set(ksi: u8) -> Result<NasKeySetIdentifier, CorenetError> {
    NasKeySetIdentifier::from_key_set_identifier(KeySetIdentifier::Native(ksi))
        .map_err(|e| fault("key set identifier", &e))
}

/// An IMEI from its type allocation code and serial number, with the check digit that an IMEISV lacks.
fn imei_of(tac: &str, snr: &str) -> Option<Imei> {
    (0..10).find_map(|check| format!("{tac}{snr}{check}").parse().ok())
}
