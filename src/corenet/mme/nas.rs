//! NAS security of the MME (TS 24.301 clause 4.4) and the way of a received message from its octets to the
//! procedure that it belongs to.

use oxirush_nas::nas_eps::{
    Direction, EmmCause, NasAttachReject, NasCount, NasEmmCause, NasEmmMessage, NasEmmStatus, NasEpsMessage,
    NasEpsSecurityHeaderType as Header, NasError, NasServiceReject, NasTrackingAreaUpdateReject,
};
use oxirush_s1ap::s1ap::{Cause, CauseNas};

use super::context::{Phase, Timer, UeContext};
use super::{Core, Mme, fault, messages};
use crate::corenet::CorenetError;
use crate::wire::nas::answer_to_malformed;

/// The message type of ATTACH REQUEST (TS 24.301 table 9.8.1).
const ATTACH_REQUEST: u8 = 0x41;

impl Mme {
    /// The first NAS message of a connection. What the UE protects with an old context is read without it: a
    /// new authentication follows whatever it says.
    pub(super) fn receive_initial(
        &mut self,
        ue: &mut UeContext,
        nas: &[u8],
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        use NasEmmMessage as M;
        let message = match NasEpsMessage::decode_with_direction(nas, Direction::Uplink) {
            Ok(NasEpsMessage::SecurityProtected(_, inner)) => *inner,
            Ok(message) => message,
            Err(error) => {
                self.answer_malformed(ue, nas, &error, core)?;
                return self.abort(ue, core);
            }
        };
        let identity = NasEmmCause::from_cause(EmmCause::UeIdentityCannotBeDerivedByTheNetwork);
        let refusal = match message {
            NasEpsMessage::Emm(_, M::AttachRequest(request)) => {
                return self.attach_requested(ue, &request, core);
            }
            NasEpsMessage::Emm(_, M::DetachRequestUeOriginating(request)) => {
                return self.detach_requested(ue, &request, core);
            }
            NasEpsMessage::Emm(_, M::TrackingAreaUpdateRequest(_)) => {
                Some(NasEpsMessage::new_emm(NasTrackingAreaUpdateReject::new(identity)))
            }
            NasEpsMessage::ServiceRequest(_)
            | NasEpsMessage::Emm(_, M::ExtendedServiceRequest(_) | M::ControlPlaneServiceRequest(_)) => {
                Some(NasEpsMessage::new_emm(NasServiceReject::new(identity)))
            }
            _ => None,
        };
        if let Some(refusal) = refusal {
            self.send_nas(ue, &refusal, core)?;
        }
        self.abort(ue, core)
    }

    pub(super) fn receive_nas(
        &mut self,
        ue: &mut UeContext,
        nas: &[u8],
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let protected = nas.first().is_some_and(|octet| octet & 0x0f == 0x07 && octet >> 4 != 0);
        match (&mut ue.security, protected) {
            (Some(security), true) => match security.unprotect(nas, Direction::Uplink) {
                Ok(verified) => self.dispatch(ue, verified.message, Some(verified.count), core),
                Err(error @ NasError::AuthenticMessageRefused { .. }) => {
                    self.answer_malformed(ue, nas, &error, core)
                }
                Err(_) if ue.exchanged => {
                    self.dropped(ue, "integrity check failed", core);
                    Ok(())
                }
                // Before secure exchange, some messages are taken whose check fails (clause 4.4.4.3).
                Err(_) => self.receive_unverified(ue, nas, core),
            },
            (Some(_), false) if ue.exchanged => {
                self.dropped(ue, "no integrity protection", core);
                Ok(())
            }
            _ => self.receive_unverified(ue, nas, core),
        }
    }

    fn receive_unverified(
        &mut self,
        ue: &mut UeContext,
        nas: &[u8],
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let message = match NasEpsMessage::decode_with_direction(nas, Direction::Uplink) {
            Ok(NasEpsMessage::SecurityProtected(_, inner)) => *inner,
            Ok(message) => message,
            Err(error) => return self.answer_malformed(ue, nas, &error, core),
        };
        if processed_unprotected(&message) {
            return self.dispatch(ue, message, None, core);
        }
        self.dropped(ue, "no integrity protection", core);
        Ok(())
    }

    /// `count` is the uplink NAS COUNT of a message that was verified.
    fn dispatch(
        &mut self,
        ue: &mut UeContext,
        message: NasEpsMessage,
        count: Option<NasCount>,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        use NasEmmMessage as M;
        if matches!(ue.phase, Phase::Releasing | Phase::Ended) {
            return Ok(());
        }
        match message {
            NasEpsMessage::Esm(header, message) => self.session_message(ue, &header, message, core),
            NasEpsMessage::Emm(_, message) => match message {
                M::AttachRequest(m) => self.attach_requested(ue, &m, core),
                M::IdentityResponse(m) => self.identity_received(ue, &m, core),
                M::AuthenticationResponse(m) => self.authentication_received(ue, &m, core),
                M::AuthenticationFailure(m) => self.authentication_failed(ue, &m, core),
                M::SecurityModeComplete(m) => match count {
                    Some(count) => self.security_mode_completed(ue, &m, count, core),
                    None => Ok(()),
                },
                M::SecurityModeReject(m) => self.security_mode_rejected(ue, &m, core),
                M::AttachComplete(m) => self.attach_completed(ue, &m, core),
                M::DetachRequestUeOriginating(m) => self.detach_requested(ue, &m, core),
                M::DetachAccept(_) => self.detach_accepted(ue, core),
                M::EmmStatus(_) => Ok(()),
                _ => self.status(ue, EmmCause::MessageTypeNotCompatibleWithTheProtocolState, core),
            },
            _ => Ok(()),
        }
    }

    /// The answer that clause 7 has for octets that are no message; an ATTACH REQUEST is rejected (clause
    /// 5.5.1.2.7, case b).
    fn answer_malformed(
        &mut self,
        ue: &mut UeContext,
        nas: &[u8],
        error: &NasError,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        self.dropped(ue, "malformed", core);
        let Some(answer) = answer_to_malformed(nas, error, Direction::Uplink) else {
            return Ok(());
        };
        let plain = match nas.first() {
            Some(octet) if octet >> 4 != 0 => nas.get(6..).unwrap_or_default(),
            _ => nas,
        };
        if plain.get(1) == Some(&ATTACH_REQUEST) && ue.attaching() {
            let cause = NasEmmCause::from_cause(EmmCause::InvalidMandatoryInformation);
            return self.send_nas(ue, &NasEpsMessage::new_emm(NasAttachReject::new(cause)), core);
        }
        self.send_nas(ue, &answer, core)
    }

    fn status(
        &mut self,
        ue: &mut UeContext,
        cause: EmmCause,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let status = NasEmmStatus::new(NasEmmCause::from_cause(cause));
        self.send_nas(ue, &NasEpsMessage::new_emm(status), core)
    }

    fn dropped(&self, ue: &UeContext, why: &str, core: &mut Core<'_>) {
        let fields = vec![("mme-ue-id", ue.mme_id.to_string()), ("why", why.to_owned())];
        core.state("", "NAS message dropped", fields);
    }

    /// Sends a message, protected once secure exchange is established.
    pub(super) fn send_nas(
        &mut self,
        ue: &mut UeContext,
        message: &NasEpsMessage,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        self.send_nas_as(ue, message, Header::IntegrityProtectedAndCiphered, core)
    }

    pub(super) fn send_nas_as(
        &mut self,
        ue: &mut UeContext,
        message: &NasEpsMessage,
        header: Header,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let Some(enb_id) = ue.enb_id else { return Ok(()) };
        let nas = encode(ue, message, header)?;
        let pdu = messages::downlink_nas_transport(ue.mme_id, enb_id, nas);
        self.send_s1(ue.enb, "DownlinkNASTransport", pdu, core)
    }

    /// Sends a message that waits for an answer under `timer`.
    pub(super) fn send_guarded(
        &mut self,
        ue: &mut UeContext,
        message: NasEpsMessage,
        timer: Timer,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        self.send_guarded_as(ue, message, Header::IntegrityProtectedAndCiphered, timer, core)
    }

    pub(super) fn send_guarded_as(
        &mut self,
        ue: &mut UeContext,
        message: NasEpsMessage,
        header: Header,
        timer: Timer,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        ue.retransmissions = 0;
        self.start_timer(ue, timer, core.now);
        self.send_nas_as(ue, &message, header, core)?;
        ue.guarded = Some((message, header));
        Ok(())
    }

    /// The guarded message once more, under the next NAS COUNT.
    pub(super) fn resend(
        &mut self,
        ue: &mut UeContext,
        timer: Timer,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if timer == Timer::Release {
            return self.command_release(ue, core);
        }
        let Some((message, header)) = ue.guarded.take() else { return Ok(()) };
        let sent = if timer == Timer::T3450 && !ue.bearer_up {
            self.set_up_context(ue, &message, core)
        } else {
            self.send_nas_as(ue, &message, header, core)
        };
        ue.guarded = Some((message, header));
        sent
    }

    /// Ends a procedure with a message that says why, and the connection with it.
    pub(super) fn refuse(
        &mut self,
        ue: &mut UeContext,
        message: &NasEpsMessage,
        cause: CauseNas,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        self.stop_timer(ue);
        self.send_nas(ue, message, core)?;
        self.deregister(ue, core);
        self.release(ue, Cause::nas(cause), core)
    }
}

/// The octets of a message: protected where the header says that a context is taken into use, or where secure
/// exchange is established.
pub(super) fn encode(
    ue: &mut UeContext,
    message: &NasEpsMessage,
    header: Header,
) -> Result<Vec<u8>, CorenetError> {
    let new_context = header == Header::IntegrityProtectedWithNewEpsSecurityContext;
    match &mut ue.security {
        Some(security) if ue.exchanged || new_context => {
            security.protect(message, header, Direction::Downlink)
        }
        _ => message.encode(),
    }
    .map_err(|e| fault("NAS message", &e))
}

/// The messages that an MME takes without integrity protection before secure exchange is established
/// (clause 4.4.4.3).
fn processed_unprotected(message: &NasEpsMessage) -> bool {
    use NasEmmMessage as M;
    matches!(
        message,
        NasEpsMessage::Emm(
            _,
            M::AttachRequest(_)
                | M::IdentityResponse(_)
                | M::AuthenticationResponse(_)
                | M::AuthenticationFailure(_)
                | M::SecurityModeReject(_)
                | M::DetachRequestUeOriginating(_)
                | M::DetachAccept(_)
                | M::EmmStatus(_)
        )
    )
}
