//! NAS security of the UE (TS 24.301 clause 4.4, TS 33.401 clause 8) and the way of a received message from
//! its octets to the procedure that it belongs to.

use super::{Ue, UeOutput, fault};
use crate::kernel::Instant;
use crate::ran::RanError;
use crate::wire::Reason;
use crate::wire::nas::{
    Count, Direction, Emm, EmmCause, Encoded, Error, Identity, IdentityKind, Kasme, Message, SecurityContext,
    SecurityHeader, SecurityModeCommand, hash_mme, undecoded,
};

/// The EPS security contexts of the UE.
#[derive(Debug, Default)]
pub(super) struct Security {
    /// The context in use.
    current: Option<Context>,
    /// The key of an authentication that no SECURITY MODE COMMAND has taken into use yet.
    partial: Option<(u8, Kasme)>,
    /// The plain initial message of this connection, whose hash a SECURITY MODE COMMAND may bring.
    initial: Vec<u8>,
    /// Whether secure exchange of NAS messages is established on this connection: from then on, only what is
    /// authentic is taken (clause 4.4.4.2).
    exchanged: bool,
}

#[derive(Debug)]
struct Context {
    ksi: u8,
    kasme: Kasme,
    nas: SecurityContext,
}

impl Security {
    /// The key set identifier of the context in use.
    pub(super) fn ksi(&self) -> Option<u8> {
        self.current.as_ref().map(|context| context.ksi)
    }

    /// The card accepted a challenge under `ksi`.
    pub(super) fn authenticated(&mut self, ksi: u8, kasme: Kasme) {
        self.partial = Some((ksi, kasme));
    }

    /// Deletes every context.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// The radio is secured by a key of the context in use: so is what passes on it (clause 4.4.2.5).
    pub(super) fn established(&mut self) {
        self.exchanged = self.current.is_some();
    }

    pub(super) fn connection_ended(&mut self) {
        self.exchanged = false;
        self.initial.clear();
    }
}

impl Ue {
    /// The octets of the initial message: integrity protected where there is a context (clause 4.4.5). KeNB comes from the
    /// NAS COUNT of this message, unless a security mode is commanded (TS 33.401 annex A.3).
    pub(super) fn protect_initial(
        &mut self,
        message: &Message,
        out: &mut Vec<UeOutput>,
    ) -> Result<Vec<u8>, RanError> {
        let plain = message.encode().map_err(|e| fault("initial NAS message", &e))?;
        let encoded = match &mut self.nas.current {
            Some(context) => {
                self.kenb = context.nas.uplink_count().map(|count| context.kasme.kenb(count));
                context.nas.protect(message, SecurityHeader::Integrity, Direction::Uplink)
            }
            None => Ok(plain.clone()),
        };
        self.nas.initial = plain.octets;
        let Encoded { octets, label } = encoded.map_err(|e| fault("initial NAS message", &e))?;
        out.push(UeOutput::Nas { to_network: true, label, bytes: octets.clone() });
        Ok(octets)
    }

    /// The octets of a SERVICE REQUEST. KeNB comes from its NAS COUNT (TS 33.401 annex A.3).
    pub(super) fn protect_service_request(&mut self, out: &mut Vec<UeOutput>) -> Result<Vec<u8>, RanError> {
        let what = "SERVICE REQUEST";
        let Some(context) = &mut self.nas.current else { return Err(fault(what, &"there is no key")) };
        self.kenb = context.nas.uplink_count().map(|count| context.kasme.kenb(count));
        let sent = context.nas.service_request(context.ksi).map_err(|e| fault(what, &e))?;
        let Encoded { octets, label } = sent;
        out.push(UeOutput::Nas { to_network: true, label, bytes: octets.clone() });
        Ok(octets)
    }

    /// Sends a message on the connection there is; without one it is lost, as lower layers would lose it.
    pub(super) fn send(&mut self, message: &Message, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        self.send_as(message, SecurityHeader::Ciphered, out)
    }

    fn send_as(
        &mut self,
        message: &Message,
        header: SecurityHeader,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        if self.rrc != super::Rrc::Connected {
            return Ok(());
        }
        let encoded = match &mut self.nas.current {
            Some(context) if self.nas.exchanged => context.nas.protect(message, header, Direction::Uplink),
            _ => message.encode(),
        };
        let Encoded { octets: nas, label } = encoded.map_err(|e| fault("NAS message", &e))?;
        out.push(UeOutput::Nas { to_network: true, label, bytes: nas.clone() });
        self.transfer(nas, out)
    }

    pub(super) fn receive_nas(
        &mut self,
        now: Instant,
        bytes: &[u8],
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        if self.rrc != super::Rrc::Connected {
            return Ok(());
        }
        match bytes.first().map_or(0, |octet| octet >> 4) {
            0 => self.receive_plain(now, bytes, out),
            3 => self.receive_security_mode(bytes, out),
            _ => self.receive_protected(now, bytes, out),
        }
    }

    fn receive_plain(&mut self, now: Instant, bytes: &[u8], out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        if self.nas.exchanged {
            return self.drop_message(bytes, "no integrity protection", out);
        }
        match Message::decode(bytes, Direction::Downlink) {
            Ok(received) if processed_unprotected(&received.message) => {
                out.push(UeOutput::Nas { to_network: false, label: received.label, bytes: bytes.to_vec() });
                self.dispatch(now, received.message, false, out)
            }
            Ok(_) => self.drop_message(bytes, "no integrity protection", out),
            Err(error) => self.refuse_malformed(bytes, error, out),
        }
    }

    fn receive_protected(
        &mut self,
        now: Instant,
        bytes: &[u8],
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        let Some(context) = &mut self.nas.current else {
            return self.drop_message(bytes, "no security context", out);
        };
        match context.nas.unprotect(bytes, Direction::Downlink) {
            Ok(verified) => {
                self.nas.exchanged = true;
                out.push(UeOutput::Nas { to_network: false, label: verified.label, bytes: bytes.to_vec() });
                self.dispatch(now, verified.message, true, out)
            }
            Err(error @ Error::Malformed { .. }) => {
                self.nas.exchanged = true;
                self.refuse_malformed(bytes, error, out)
            }
            Err(_) => self.drop_message(bytes, "integrity check failed", out),
        }
    }

    /// Drops octets that are no message, with the answer that clause 7 has for them.
    fn refuse_malformed(
        &mut self,
        bytes: &[u8],
        error: Error,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        self.drop_message(bytes, "malformed", out)?;
        match error {
            Error::Malformed { answer: Some(answer), .. } => self.send(&answer, out),
            _ => Ok(()),
        }
    }

    /// SECURITY MODE COMMAND (clause 5.4.3.3): it is verified with the context that it takes into use.
    fn receive_security_mode(&mut self, bytes: &[u8], out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        let received = Message::decode(bytes, Direction::Downlink).ok().filter(|received| received.protected);
        let Some(received) = received else {
            return self.drop_message(bytes, "malformed", out);
        };
        let Message::Emm(Emm::SecurityModeCommand(command)) = received.message else {
            return self.drop_message(bytes, "not a security mode command", out);
        };
        out.push(UeOutput::Nas { to_network: false, label: received.label, bytes: bytes.to_vec() });
        match self.accept_security_mode(bytes, &command) {
            Ok(count) => self.complete_security_mode(&command, count, out),
            Err(cause) => {
                self.authentication.failed(Reason::SecurityModeReject);
                Self::note("emm", "security mode command rejected", out);
                self.send(&Message::Emm(Emm::SecurityModeReject { cause }), out)
            }
        }
    }

    /// Takes the commanded context into use and returns the uplink NAS COUNT of the SECURITY MODE COMPLETE,
    /// from which KeNB comes; or the cause to reject with (clause 5.4.3.5).
    fn accept_security_mode(
        &mut self,
        bytes: &[u8],
        command: &SecurityModeCommand,
    ) -> Result<Count, EmmCause> {
        if !command.replayed.matches(&self.capability()) {
            return Err(EmmCause::UE_SECURITY_CAPABILITIES_MISMATCH);
        }
        let unspecified = EmmCause::SECURITY_MODE_REJECTED;
        let &SecurityModeCommand { eia, eea, ksi, .. } = command;
        // EIA0 is not in any set that a UE is configured with, unless for emergency calls, which it cannot make.
        if !self.config.eia.contains(eia) || eia == 0 || !self.config.eea.contains(eea) {
            return Err(unspecified);
        }
        match &self.nas.partial {
            Some((partial, kasme)) if *partial == ksi => {
                let mut nas = SecurityContext::new(kasme, eia, eea).map_err(|_| unspecified)?;
                nas.unprotect(bytes, Direction::Downlink).map_err(|_| unspecified)?;
                self.nas.current = Some(Context { ksi, kasme: kasme.clone(), nas });
                self.nas.partial = None;
            }
            _ => {
                let context = self.nas.current.as_mut().filter(|c| c.ksi == ksi).ok_or(unspecified)?;
                context.nas.unprotect(bytes, Direction::Downlink).map_err(|_| unspecified)?;
                context.nas.reselect(&context.kasme, eia, eea).map_err(|_| unspecified)?;
            }
        }
        self.nas.exchanged = true;
        let context = self.nas.current.as_ref().ok_or(unspecified)?;
        context.nas.uplink_count().ok_or(unspecified)
    }

    fn complete_security_mode(
        &mut self,
        command: &SecurityModeCommand,
        count: Count,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        let imeisv = command.imeisv_requested.then(|| self.imeisv());
        if let Some(context) = &self.nas.current {
            self.kenb = Some(context.kasme.kenb(count));
        }
        out.push(UeOutput::State {
            machine: "nas-security",
            change: "secure exchange established".into(),
            fields: vec![("eia", command.eia.to_string()), ("eea", command.eea.to_string())],
        });
        let received = command.hash_mme.is_none_or(|hash| hash == hash_mme(&self.nas.initial));
        let replayed = (!received).then(|| self.nas.initial.clone());
        if replayed.is_some() {
            Self::note("emm", "another request than this UE's has reached the network", out);
        }
        let complete = Message::Emm(Emm::SecurityModeComplete { imeisv, replayed });
        self.send_as(&complete, SecurityHeader::CipheredNew, out)
    }

    /// `proved`: the message was authentic.
    fn dispatch(
        &mut self,
        now: Instant,
        message: Message,
        proved: bool,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        match message {
            Message::Esm(message) => self.session_message(message, out),
            Message::Emm(message) => self.mobility_message(now, message, proved, out),
            Message::ServiceRequest | Message::Other => Ok(()),
        }
    }

    fn mobility_message(
        &mut self,
        now: Instant,
        message: Emm,
        proved: bool,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        match message {
            Emm::AuthenticationRequest { ksi, rand, autn } => {
                self.authentication_requested(now, ksi, (rand, autn), out)?;
            }
            Emm::AuthenticationReject => self.authentication_rejected(now, proved, out),
            Emm::IdentityRequest { kind } => self.identity_requested(kind, out)?,
            Emm::AttachAccept(accept) => self.attach_accepted(now, accept, out)?,
            Emm::AttachReject(reject) => self.attach_rejected(now, &reject, proved, out),
            Emm::DetachAccept => self.detach_accepted(out),
            Emm::NetworkDetachRequest { kind } => self.detach_requested(now, kind, out)?,
            Emm::TrackingAreaUpdateAccept { t3412_s } => self.update_accepted(t3412_s, out),
            Emm::ServiceReject { cause } => self.service_rejected(now, cause, proved, out),
            Emm::TrackingAreaUpdateReject { cause } => self.update_rejected(now, cause, proved, out),
            Emm::GutiReallocationCommand { guti } => self.guti_reallocated(guti, out)?,
            Emm::Information | Emm::Status { .. } => {}
            _ => {
                let cause = EmmCause::MESSAGE_TYPE_NOT_COMPATIBLE_WITH_STATE;
                self.send(&Message::Emm(Emm::Status { cause }), out)?;
            }
        }
        Ok(())
    }

    fn identity_requested(&mut self, kind: IdentityKind, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        let identity = match (kind, &self.subscriber) {
            (IdentityKind::Imsi, Some(subscriber)) => Identity::Imsi(subscriber.imsi.as_str().to_owned()),
            // Only the IMSI is told without protection (clause 4.4.4.2).
            (IdentityKind::Imei, _) if self.nas.exchanged => {
                Identity::Imei(self.config.imei.as_str().to_owned())
            }
            (IdentityKind::Imeisv, _) if self.nas.exchanged => self.imeisv(),
            (IdentityKind::Imei | IdentityKind::Imeisv, _) => return Ok(()),
            _ => Identity::None,
        };
        self.send(&Message::Emm(Emm::IdentityResponse { identity }), out)
    }

    /// IMEI without its check digit, and software version 01 (TS 23.003 clause 6.2.2).
    fn imeisv(&self) -> Identity {
        Identity::Imeisv(format!("{}01", &self.config.imei.as_str()[..14]))
    }

    fn drop_message(&self, bytes: &[u8], why: &str, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        out.push(UeOutput::Nas {
            to_network: false,
            label: undecoded(bytes).with("dropped", why),
            bytes: bytes.to_vec(),
        });
        Ok(())
    }
}

/// The messages that a UE takes without integrity protection before secure exchange is established
/// (clause 4.4.4.2).
fn processed_unprotected(message: &Message) -> bool {
    match message {
        Message::Emm(Emm::IdentityRequest { kind }) => *kind == IdentityKind::Imsi,
        Message::Emm(Emm::AttachReject(reject)) => reject.cause != EmmCause::NOT_AUTHORIZED_FOR_THIS_CSG,
        Message::Emm(message) => matches!(
            message,
            Emm::AuthenticationRequest { .. }
                | Emm::AuthenticationReject
                | Emm::DetachAccept
                | Emm::TrackingAreaUpdateReject { .. }
                | Emm::ServiceReject { .. }
                | Emm::Status { .. }
        ),
        _ => false,
    }
}
