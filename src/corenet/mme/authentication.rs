//! Identification, authentication and security mode (TS 24.301 clauses 5.4.2 to 5.4.4).

use super::context::{Phase, Timer, UeContext};
use super::{Core, Mme, fault};
use crate::corenet::CorenetError;
use crate::corenet::hss::{S6aError, Vector};
use crate::id::Imei;
use crate::wire::nas::{
    Count, Emm, EmmCause, Identity, IdentityKind, Kasme, Message, ReplayedCapability, SecurityContext,
    SecurityHeader, SecurityModeCommand,
};
use crate::wire::s1ap::Cause;

/// How many challenges with a wrong MAC a UE gets.
const CHALLENGES: u8 = 2;

impl Mme {
    pub(super) fn identify(&mut self, ue: &mut UeContext, core: &mut Core<'_>) -> Result<(), CorenetError> {
        ue.phase = Phase::Identity;
        ue.identified = true;
        let request = Message::Emm(Emm::IdentityRequest { kind: IdentityKind::Imsi });
        self.send_guarded(ue, request, Timer::T3470, core)
    }

    pub(super) fn identity_received(
        &mut self,
        ue: &mut UeContext,
        identity: &Identity,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if ue.phase != Phase::Identity {
            return Ok(());
        }
        let imsi = match identity {
            Identity::Imsi(digits) => digits.parse().ok(),
            _ => None,
        };
        let Some(imsi) = imsi else {
            return self.reject(ue, EmmCause::UE_IDENTITY_CANNOT_BE_DERIVED, core);
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
                return self.reject(ue, EmmCause::EPS_AND_NON_EPS_SERVICES_NOT_ALLOWED, core);
            }
            Err(S6aError::AuthenticationDataUnavailable) if again => {
                return self.reject_authentication(ue, core);
            }
            Err(S6aError::AuthenticationDataUnavailable) => {
                return self.reject(ue, EmmCause::NETWORK_FAILURE, core);
            }
        };
        ue.phase = Phase::Authentication;
        ue.ksi = (ue.ksi + 1) % 7;
        let request = Message::Emm(Emm::AuthenticationRequest {
            ksi: ue.ksi,
            rand: *vector.values.rand().as_octets(),
            autn: *vector.autn.as_octets(),
        });
        ue.vector = Some(vector);
        self.send_guarded(ue, request, Timer::T3460, core)
    }

    pub(super) fn authentication_received(
        &mut self,
        ue: &mut UeContext,
        res: &[u8],
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if ue.phase != Phase::Authentication {
            return Ok(());
        }
        let Some(vector) = ue.vector.take() else { return Ok(()) };
        if !vector.accepts(res) {
            // A GUTI may have named the wrong subscriber (clause 5.4.2.5).
            let doubtful = ue.request.as_ref().is_some_and(|request| request.by_guti) && !ue.identified;
            return if doubtful { self.identify(ue, core) } else { self.reject_authentication(ue, core) };
        }
        let values = &vector.values;
        let autn = vector.autn.as_octets();
        let kasme = Kasme::derive(values.ck(), values.ik(), self.config.plmn, autn);
        ue.kasme = Some(kasme.map_err(|e| fault("KASME", &e))?);
        self.command_security_mode(ue, core)
    }

    /// AUTHENTICATION FAILURE (clause 5.4.2.7, cases c to e).
    pub(super) fn authentication_failed(
        &mut self,
        ue: &mut UeContext,
        cause: EmmCause,
        auts: Option<&[u8; 14]>,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if ue.phase != Phase::Authentication {
            return Ok(());
        }
        self.stop_timer(ue);
        match (cause, auts) {
            (EmmCause::SYNCH_FAILURE, Some(auts)) if !ue.synchronised => {
                ue.synchronised = true;
                let vector = self.fetch_vector(ue, Some(auts), core);
                self.challenge(ue, vector, true, core)
            }
            (EmmCause::MAC_FAILURE | EmmCause::NON_EPS_AUTHENTICATION_UNACCEPTABLE, _) => {
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
        let reject = Message::Emm(Emm::AuthenticationReject);
        self.refuse(ue, &reject, Cause::NAS_AUTHENTICATION_FAILURE, core)
    }

    /// SECURITY MODE COMMAND (clause 5.4.3.2) with the best algorithms that the UE has too.
    fn command_security_mode(&mut self, ue: &mut UeContext, core: &mut Core<'_>) -> Result<(), CorenetError> {
        let (Some(request), Some(kasme)) = (&ue.request, &ue.kasme) else { return Ok(()) };
        let capability = request.capability.clone();
        let eia = self.config.eia.iter().copied().find(|&n| n == 0 || capability.eia(n));
        // Null integrity goes with null ciphering alone (TS 33.401 clause 5.1.4.1); a UE refuses it anyhow.
        let eea = match eia {
            Some(0) => Some(0),
            _ => self.config.eea.iter().copied().find(|&n| capability.eea(n)),
        };
        let (Some(eia), Some(eea)) = (eia, eea) else {
            return self.reject(ue, EmmCause::UE_SECURITY_CAPABILITIES_MISMATCH, core);
        };
        let security =
            SecurityContext::new(kasme, eia, eea).map_err(|e| fault("SECURITY MODE COMMAND", &e))?;
        ue.security = Some(security);
        ue.exchanged = false;
        ue.phase = Phase::SecurityMode;
        let command = Message::Emm(Emm::SecurityModeCommand(SecurityModeCommand {
            eia,
            eea,
            ksi: ue.ksi,
            replayed: ReplayedCapability::of(&capability),
            imeisv_requested: true,
        }));
        self.send_guarded_as(ue, command, SecurityHeader::IntegrityNew, Timer::T3460, core)
    }

    /// `count` is the uplink NAS COUNT of the message, from which KeNB comes (TS 33.401 annex A.3).
    pub(super) fn security_mode_completed(
        &mut self,
        ue: &mut UeContext,
        imeisv: Option<&Identity>,
        count: Count,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if ue.phase != Phase::SecurityMode {
            return Ok(());
        }
        self.stop_timer(ue);
        ue.exchanged = true;
        ue.kenb = ue.kasme.as_ref().map(|kasme| kasme.kenb(count));
        ue.imei = match imeisv {
            Some(Identity::Imeisv(digits)) => imei_of(digits),
            _ => None,
        };
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
        cause: EmmCause,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if ue.phase != Phase::SecurityMode {
            return Ok(());
        }
        let fields = vec![("mme-ue-id", ue.mme_id.to_string()), ("cause", cause.0.to_string())];
        core.state(ue, "", "the UE rejects the security mode", fields);
        self.abort(ue, core)
    }
}

/// An IMEI from the type allocation code and the serial number of an IMEISV, with the check digit that it lacks.
fn imei_of(imeisv: &str) -> Option<Imei> {
    let digits = imeisv.get(..14)?;
    (0..10).find_map(|check| format!("{digits}{check}").parse().ok())
}
