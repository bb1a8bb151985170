//! NAS security of the MME (TS 24.301 clause 4.4) and the way of a received message from its octets to the
//! procedure that it belongs to.

use super::context::{Phase, Timer, UeContext};
use super::{Core, Mme, fault};
use crate::corenet::CorenetError;
use crate::wire::nas::{
    AttachReject, Count, Direction, Emm, EmmCause, Error, Message, SecurityHeader, Verified, plain_of,
};
use crate::wire::s1ap::{Cause, DownlinkNasTransport, UeIds};

/// The message type of ATTACH REQUEST (TS 24.301 table 9.8.1).
const ATTACH_REQUEST: u8 = 0x41;

impl Mme {
    pub(super) fn receive_nas(
        &mut self,
        ue: &mut UeContext,
        nas: &[u8],
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let protected = nas.first().is_some_and(|octet| octet & 0x0f == 0x07 && octet >> 4 != 0);
        if !protected {
            if ue.exchanged {
                self.dropped(ue, "no integrity protection", core);
                return Ok(());
            }
            return self.receive_unverified(ue, nas, core);
        }
        let commanded = ue.commanded.as_mut().map(|native| native.nas.unprotect(nas, Direction::Uplink));
        let (verified, new) = match commanded {
            Some(verified @ (Ok(_) | Err(Error::Malformed { .. }))) => (Some(verified), true),
            _ => {
                let native = ue.imsi.as_ref().and_then(|imsi| self.natives.get_mut(imsi));
                (native.map(|native| native.nas.unprotect(nas, Direction::Uplink)), false)
            }
        };
        match verified {
            Some(Ok(Verified { message, count, .. })) => {
                let proof = if new { Proof::Commanded(count) } else { Proof::Current(count) };
                // What may be taken without proof may be taken with one (clause 4.4.4.3).
                if ue.exchanged || new || processed_unprotected(&message) {
                    return self.dispatch(ue, message, plain_of(nas), proof, core);
                }
                self.dropped(ue, "before secure exchange", core);
                Ok(())
            }
            Some(Err(error @ Error::Malformed { .. })) => self.answer_malformed(ue, nas, error, core),
            _ if ue.exchanged => {
                self.dropped(ue, "integrity check failed", core);
                Ok(())
            }
            // Before secure exchange, some messages are taken whose check fails (clause 4.4.4.3).
            _ => self.receive_unverified(ue, nas, core),
        }
    }

    fn receive_unverified(
        &mut self,
        ue: &mut UeContext,
        nas: &[u8],
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let message = match Message::decode(nas, Direction::Uplink) {
            Ok(received) => received.message,
            Err(error) => return self.answer_malformed(ue, nas, error, core),
        };
        if processed_unprotected(&message) {
            return self.dispatch(ue, message, plain_of(nas), Proof::None, core);
        }
        self.dropped(ue, "no integrity protection", core);
        Ok(())
    }

    /// `octets` are those of the message without its security header.
    fn dispatch(
        &mut self,
        ue: &mut UeContext,
        message: Message,
        octets: &[u8],
        proof: Proof,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if matches!(ue.phase, Phase::Releasing | Phase::Ended) {
            return Ok(());
        }
        let message = match message {
            Message::Esm(message) => return self.session_message(ue, message, core),
            Message::Emm(message) => message,
            Message::ServiceRequest | Message::Other => return Ok(()),
        };
        match message {
            Emm::AttachRequest(request) => {
                self.attach_requested(ue, &request, octets, proof.of_current(), core)
            }
            Emm::IdentityResponse { identity } => self.identity_received(ue, &identity, core),
            Emm::AuthenticationResponse { res } => self.authentication_received(ue, &res, core),
            Emm::AuthenticationFailure { cause, auts } => {
                self.authentication_failed(ue, cause, auts.as_ref(), core)
            }
            Emm::SecurityModeComplete { imeisv, replayed } => match proof {
                Proof::Commanded(count) => {
                    self.security_mode_completed(ue, imeisv.as_ref(), replayed.as_deref(), count, core)
                }
                _ => Ok(()),
            },
            Emm::SecurityModeReject { cause } => self.security_mode_rejected(ue, cause, core),
            Emm::AttachComplete { esm } => self.attach_completed(ue, esm.as_ref(), core),
            Emm::DetachRequest { switch_off, .. } => self.detach_requested(ue, switch_off, core),
            Emm::DetachAccept => self.detach_accepted(ue, core),
            Emm::TrackingAreaUpdateRequest(_) if ue.exchanged && ue.phase == Phase::Registered => {
                self.accept_update(ue, core)
            }
            Emm::Status { .. } => Ok(()),
            _ => {
                let cause = EmmCause::MESSAGE_TYPE_NOT_COMPATIBLE_WITH_STATE;
                self.send_nas(ue, &Message::Emm(Emm::Status { cause }), core)
            }
        }
    }

    /// The answer that clause 7 has for octets that are no message; an ATTACH REQUEST is rejected (clause
    /// 5.5.1.2.7, case b).
    pub(super) fn answer_malformed(
        &mut self,
        ue: &mut UeContext,
        nas: &[u8],
        error: Error,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        self.dropped(ue, "malformed", core);
        let Error::Malformed { answer: Some(answer), .. } = error else { return Ok(()) };
        if plain_of(nas).get(1) == Some(&ATTACH_REQUEST) && ue.attaching() {
            let reject = AttachReject::new(EmmCause::INVALID_MANDATORY_INFORMATION);
            return self.send_nas(ue, &Message::Emm(Emm::AttachReject(reject)), core);
        }
        self.send_nas(ue, &answer, core)
    }

    pub(super) fn dropped(&mut self, ue: &UeContext, why: &str, core: &mut Core<'_>) {
        self.dropped += 1;
        let fields = vec![("mme-ue-id", ue.mme_id.to_string()), ("why", why.to_owned())];
        core.state(ue, "", "NAS message dropped", fields);
    }

    /// Sends a message, protected once secure exchange is established.
    pub(super) fn send_nas(
        &mut self,
        ue: &mut UeContext,
        message: &Message,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        self.send_nas_as(ue, message, SecurityHeader::Ciphered, core)
    }

    pub(super) fn send_nas_as(
        &mut self,
        ue: &mut UeContext,
        message: &Message,
        header: SecurityHeader,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let Some(enb) = ue.enb_id else { return Ok(()) };
        let nas = self.encode(ue, message, header)?;
        let message = DownlinkNasTransport { ids: UeIds { mme: ue.mme_id, enb }, nas };
        self.send_s1(ue.enb, "DownlinkNASTransport", message.build(), core)
    }

    /// Sends a message that waits for an answer under `timer`.
    pub(super) fn send_guarded(
        &mut self,
        ue: &mut UeContext,
        message: Message,
        timer: Timer,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        self.send_guarded_as(ue, message, SecurityHeader::Ciphered, timer, core)
    }

    pub(super) fn send_guarded_as(
        &mut self,
        ue: &mut UeContext,
        message: Message,
        header: SecurityHeader,
        timer: Timer,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        ue.retransmissions = 0;
        self.start_timer(ue, timer, core.now);
        self.send_nas_as(ue, &message, header, core)?;
        ue.guarded = Some((message, header));
        Ok(())
    }

    /// The guarded message once more, under the next NAS COUNT. Of an ATTACH ACCEPT it is the NAS message alone (clause
    /// 5.5.1.2.7, case c): the context of the base station is set up once.
    pub(super) fn resend(
        &mut self,
        ue: &mut UeContext,
        timer: Timer,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        match timer {
            Timer::Release => return self.command_release(ue, core),
            Timer::T3413 => return self.page(ue, core),
            _ => {}
        }
        let Some((message, header)) = ue.guarded.take() else { return Ok(()) };
        let sent = self.send_nas_as(ue, &message, header, core);
        ue.guarded = Some((message, header));
        sent
    }

    /// Ends a procedure with a message that says why, and the connection with it.
    pub(super) fn refuse(
        &mut self,
        ue: &mut UeContext,
        message: &Message,
        cause: Cause,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        self.stop_timer(ue);
        self.send_nas(ue, message, core)?;
        self.deregister(ue, core);
        self.release(ue, cause, core)
    }

    /// The octets of a message: protected where the header says that a context is taken into use, or where secure
    /// exchange is established.
    pub(super) fn encode(
        &mut self,
        ue: &mut UeContext,
        message: &Message,
        header: SecurityHeader,
    ) -> Result<Vec<u8>, CorenetError> {
        let native = match header {
            SecurityHeader::IntegrityNew => ue.commanded.as_mut(),
            _ if ue.exchanged => ue.imsi.as_ref().and_then(|imsi| self.natives.get_mut(imsi)),
            _ => None,
        };
        match native {
            Some(native) => native.nas.protect(message, header, Direction::Downlink),
            None => message.encode(),
        }
        .map(|encoded| encoded.octets)
        .map_err(|e| fault("NAS message", &e))
    }
}

/// How a message was proved to be of its UE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Not at all.
    None,
    /// Under the context in use, with this uplink NAS COUNT.
    Current(Count),
    /// Under the context that the UE was commanded to take into use.
    Commanded(Count),
}

impl Proof {
    fn of_current(self) -> Option<Count> {
        match self {
            Self::Current(count) => Some(count),
            _ => None,
        }
    }
}

/// The messages that an MME takes without integrity protection before secure exchange is established
/// (clause 4.4.4.3).
fn processed_unprotected(message: &Message) -> bool {
    matches!(
        message,
        Message::Emm(
            Emm::AttachRequest(_)
                | Emm::IdentityResponse { .. }
                | Emm::AuthenticationResponse { .. }
                | Emm::AuthenticationFailure { .. }
                | Emm::SecurityModeReject { .. }
                | Emm::DetachRequest { .. }
                | Emm::DetachAccept
                | Emm::Status { .. }
        )
    )
}
