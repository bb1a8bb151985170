//! Identification, authentication and security mode (TS 24.301 clauses 5.4.2 to 5.4.4).

use std::sync::Arc;

use super::context::{Phase, Timer, UeContext};
use super::stored::Native;
use super::{Core, Mme, fault};
use crate::corenet::CorenetError;
use crate::corenet::hss::{S6aError, Vector};
use crate::id::{Imei, Imsi};
use crate::wire::nas::{
    Ck, Count, Direction, Emm, EmmCause, Identity, IdentityKind, Ik, Kasme, Message, Received,
    ReplayedCapability, SecurityContext, SecurityHeader, SecurityModeCommand, hash_mme,
};
use crate::wire::s1ap::Cause;

/// Why there is no challenge.
enum NoVector {
    Refused(S6aError),
    /// Too many were not answered.
    TooMany,
}

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

    /// A challenge; after a failure a fresh one.
    pub(super) fn authenticate(
        &mut self,
        ue: &mut UeContext,
        again: bool,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let vector = self.vector_for(ue, None, again, core);
        self.challenge(ue, vector, again, core)
    }

    /// The vector of a challenge: one of the HSS, which learns what the card answered to the last where it was out of step;
    /// or where there were too many, one that waits for its answer.
    fn vector_for(
        &mut self,
        ue: &mut UeContext,
        auts: Option<&[u8; 14]>,
        again: bool,
        core: &mut Core<'_>,
    ) -> Result<Arc<Vector>, NoVector> {
        let imsi = ue.imsi.clone().ok_or(NoVector::Refused(S6aError::UserUnknown))?;
        let last = ue.vector.take();
        if !self.challenges.permits(&imsi, auts.is_some(), core.now) {
            let waiting = self.challenges.waiting(&imsi, core.now).filter(|_| !again);
            return waiting.ok_or(NoVector::TooMany);
        }
        let resynchronisation = auts.zip(last.as_ref()).map(|(auts, last)| (&last.values.rand, auts));
        let vector = core.hss.authentication_information(&imsi, resynchronisation);
        let result = vector.as_ref().map_or_else(|error| error.name(), |_| "SUCCESS");
        core.s6a("Authentication-Information-Request", "Authentication-Information-Answer", &imsi, result);
        let vector = vector.map_err(NoVector::Refused)?;
        Ok(self.challenges.drawn(&imsi, vector, core.now))
    }

    fn challenge(
        &mut self,
        ue: &mut UeContext,
        vector: Result<Arc<Vector>, NoVector>,
        again: bool,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let vector = match vector {
            Ok(vector) => vector,
            // TS 29.272 annex A: USER_UNKNOWN is cause #8.
            Err(NoVector::Refused(S6aError::UserUnknown)) => {
                return self.reject(ue, EmmCause::EPS_AND_NON_EPS_SERVICES_NOT_ALLOWED, core);
            }
            Err(NoVector::Refused(S6aError::AuthenticationDataUnavailable)) if again => {
                return self.reject_authentication(ue, core);
            }
            Err(NoVector::Refused(S6aError::AuthenticationDataUnavailable)) => {
                return self.reject(ue, EmmCause::NETWORK_FAILURE, core);
            }
            // Without T3346: nothing protects the message, and a UE would take it for a quarter of an hour at least,
            // which whoever claims its IMSI could bring about.
            Err(NoVector::TooMany) => return self.reject(ue, EmmCause::CONGESTION, core),
        };
        ue.phase = Phase::Authentication;
        ue.ksi = (ue.ksi + 1) % 7;
        let request = Message::Emm(Emm::AuthenticationRequest {
            ksi: ue.ksi,
            rand: vector.values.rand,
            autn: vector.autn,
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
            let doubtful =
                ue.request.as_ref().is_some_and(|request| request.tmsi.is_some()) && !ue.identified;
            return if doubtful { self.identify(ue, core) } else { self.reject_authentication(ue, core) };
        }
        if let Some(imsi) = &ue.imsi {
            self.challenges.answered(imsi);
        }
        let values = &vector.values;
        let (ck, ik) = (Ck::new(&values.ck), Ik::new(&values.ik));
        let kasme = Kasme::derive(&ck, &ik, self.config.plmn, &vector.autn);
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
                let vector = self.vector_for(ue, Some(auts), true, core);
                self.challenge(ue, vector, true, core)
            }
            (EmmCause::MAC_FAILURE | EmmCause::NON_EPS_AUTHENTICATION_UNACCEPTABLE, _) => {
                ue.mac_failures += 1;
                let by_guti = ue.request.as_ref().is_some_and(|request| request.tmsi.is_some());
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

    /// SECURITY MODE COMMAND (clause 5.4.3.2) with the best algorithms that the UE has too, and with the hash of the
    /// request where nobody could verify that.
    fn command_security_mode(&mut self, ue: &mut UeContext, core: &mut Core<'_>) -> Result<(), CorenetError> {
        let (Some(request), Some(kasme)) = (&ue.request, ue.kasme.take()) else { return Ok(()) };
        let capability = request.capability.clone();
        let eia = self.config.eia.iter().copied().find(|&n| capability.eia(n));
        let eea = self.config.eea.iter().copied().find(|&n| capability.eea(n));
        let (Some(eia), Some(eea)) = (eia, eea) else {
            return self.reject(ue, EmmCause::UE_SECURITY_CAPABILITIES_MISMATCH, core);
        };
        let command = Message::Emm(Emm::SecurityModeCommand(SecurityModeCommand {
            eia,
            eea,
            ksi: ue.ksi,
            replayed: ReplayedCapability::of(&capability),
            imeisv_requested: true,
            hash_mme: (!request.verified).then(|| hash_mme(&request.octets)),
        }));
        let nas = SecurityContext::new(&kasme, eia, eea).map_err(|e| fault("SECURITY MODE COMMAND", &e))?;
        ue.commanded = Some(Box::new(Native { kasme, nas, capability, imei: None }));
        ue.phase = Phase::SecurityMode;
        self.send_guarded_as(ue, command, SecurityHeader::IntegrityNew, Timer::T3460, core)
    }

    /// `count` is the uplink NAS COUNT of the message, from which KeNB comes (TS 33.401 annex A.3). `replayed` is what the
    /// UE had really sent, where another request has reached the network: that one counts (clause 5.4.3.4).
    pub(super) fn security_mode_completed(
        &mut self,
        ue: &mut UeContext,
        imeisv: Option<&Identity>,
        replayed: Option<&[u8]>,
        count: Count,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if ue.phase != Phase::SecurityMode {
            return Ok(());
        }
        let (Some(mut native), Some(imsi)) = (ue.commanded.take(), ue.imsi.clone()) else { return Ok(()) };
        self.stop_timer(ue);
        ue.kenb = Some(native.kasme.kenb(count));
        native.imei = match imeisv {
            Some(Identity::Imeisv(digits)) => imei_of(digits),
            _ => None,
        };
        self.natives.insert(imsi.clone(), native);
        self.challenges.succeeded(&imsi);
        self.prove(ue, &imsi);
        if let Some(octets) = replayed {
            let Ok(Received { message: Message::Emm(Emm::AttachRequest(request)), .. }) =
                Message::decode(octets, Direction::Uplink)
            else {
                return self.reject(ue, EmmCause::INVALID_MANDATORY_INFORMATION, core);
            };
            core.state(ue, "", "another request than the UE's was received", Vec::new());
            if !self.adopt(ue, &request, octets, true, core)? {
                return Ok(());
            }
        }
        self.register(ue, &imsi, core)?;
        self.connect(ue, core)
    }

    /// The UE of `imsi`, which has proved itself, is here and nowhere else; what it had before ends.
    pub(super) fn register(
        &mut self,
        ue: &mut UeContext,
        imsi: &Imsi,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        self.end_session(ue, core);
        match self.registered.insert(imsi.clone(), ue.mme_id).filter(|old| *old != ue.mme_id) {
            Some(old) => self.detach_implicitly(old, imsi, core),
            None => Ok(()),
        }
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
        ue.commanded = None;
        self.abort(ue, core)
    }
}

/// An IMEI from the type allocation code and the serial number of an IMEISV, with the check digit that it lacks.
fn imei_of(imeisv: &str) -> Option<Imei> {
    let digits = imeisv.get(..14)?;
    (0..10).find_map(|check| format!("{digits}{check}").parse().ok())
}
