//! NAS security of the UE (TS 24.301 clause 4.4, TS 33.401 clause 8) and the way of a received message from
//! its octets to the procedure that it belongs to.

use oxirush_nas::nas_eps::{
    Direction, EmmCause, IdentityType, ImeisvRequestValue, KAsme, NasCount, NasEmmCause, NasEmmMessage,
    NasEmmStatus, NasEpsMessage, NasEpsSecurityHeaderType as Header, NasError, NasIdentityRequest,
    NasIdentityResponse, NasMobileIdentity, NasSecurityContext, NasSecurityModeCommand,
    NasSecurityModeComplete, NasSecurityModeReject,
};
use oxirush_security::nas_eps::derive_kenb;

use super::{Ue, UeOutput};
use crate::kernel::Instant;
use crate::ran::{RanError, Uplink};
use crate::wire::nas::{answer_to_malformed, eea, eia, label, undecoded};

/// The EPS security contexts of the UE.
#[derive(Debug, Default)]
pub(super) struct Security {
    /// The context in use.
    current: Option<Context>,
    /// The key of an authentication that no SECURITY MODE COMMAND has taken into use yet.
    partial: Option<(u8, KAsme)>,
    /// Whether secure exchange of NAS messages is established on this connection: from then on, only what is
    /// authentic is taken (clause 4.4.4.2).
    exchanged: bool,
}

#[derive(Debug)]
struct Context {
    ksi: u8,
    kasme: KAsme,
    nas: NasSecurityContext,
}

impl Security {
    /// The key set identifier of the context in use.
    pub(super) fn ksi(&self) -> Option<u8> {
        self.current.as_ref().map(|context| context.ksi)
    }

    /// The card accepted a challenge under `ksi`.
    pub(super) fn authenticated(&mut self, ksi: u8, kasme: KAsme) {
        self.partial = Some((ksi, kasme));
    }

    /// Deletes every context.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    pub(super) fn connection_ended(&mut self) {
        self.exchanged = false;
    }
}

impl Ue {
    /// The octets of the initial message: integrity protected where there is a context (clause 4.4.5).
    pub(super) fn protect_initial(
        &mut self,
        message: &NasEpsMessage,
        out: &mut Vec<UeOutput>,
    ) -> Result<Vec<u8>, RanError> {
        let encoded = match &mut self.nas.current {
            Some(context) => context.nas.protect(message, Header::IntegrityProtected, Direction::Uplink),
            None => message.encode(),
        };
        let bytes = encoded.map_err(|e| fault("initial NAS message", &e))?;
        out.push(UeOutput::Nas { to_network: true, label: label(message), bytes: bytes.clone() });
        Ok(bytes)
    }

    /// Sends a message on the connection there is; without one it is lost, as lower layers would lose it.
    pub(super) fn send(&mut self, message: &NasEpsMessage, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        self.send_as(message, Header::IntegrityProtectedAndCiphered, out)
    }

    fn send_as(
        &mut self,
        message: &NasEpsMessage,
        header: Header,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        if self.rrc != super::Rrc::Connected {
            return Ok(());
        }
        let encoded = match &mut self.nas.current {
            Some(context) if self.nas.exchanged => context.nas.protect(message, header, Direction::Uplink),
            _ => message.encode(),
        };
        let nas = encoded.map_err(|e| fault("NAS message", &e))?;
        out.push(UeOutput::Nas { to_network: true, label: label(message), bytes: nas.clone() });
        out.push(UeOutput::Air(Uplink::Information { nas }));
        Ok(())
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
        match NasEpsMessage::decode_with_direction(bytes, Direction::Downlink) {
            Ok(message) if processed_unprotected(&message) => {
                self.received(&message, bytes, out);
                self.dispatch(now, message, out)
            }
            Ok(_) => self.drop_message(bytes, "no integrity protection", out),
            Err(error) => {
                self.drop_message(bytes, "malformed", out)?;
                match answer_to_malformed(bytes, &error, Direction::Downlink) {
                    Some(answer) => self.send(&answer, out),
                    None => Ok(()),
                }
            }
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
                self.received(&verified.message, bytes, out);
                self.dispatch(now, verified.message, out)
            }
            Err(error @ NasError::AuthenticMessageRefused { .. }) => {
                self.nas.exchanged = true;
                self.drop_message(bytes, "malformed", out)?;
                match answer_to_malformed(bytes, &error, Direction::Downlink) {
                    Some(answer) => self.send(&answer, out),
                    None => Ok(()),
                }
            }
            Err(_) => self.drop_message(bytes, "integrity check failed", out),
        }
    }

    /// SECURITY MODE COMMAND (clause 5.4.3.3): it is verified with the context that it takes into use.
    fn receive_security_mode(&mut self, bytes: &[u8], out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        let Ok(NasEpsMessage::SecurityProtected(_, inner)) =
            NasEpsMessage::decode_with_direction(bytes, Direction::Downlink)
        else {
            return self.drop_message(bytes, "malformed", out);
        };
        let NasEpsMessage::Emm(_, NasEmmMessage::SecurityModeCommand(command)) = inner.as_ref() else {
            return self.drop_message(bytes, "not a security mode command", out);
        };
        self.received(&inner, bytes, out);
        match self.accept_security_mode(bytes, command) {
            Ok(count) => self.complete_security_mode(command, count, out),
            Err(cause) => {
                let reject = NasSecurityModeReject::new(NasEmmCause::from_cause(cause));
                self.authentication.failed("security-mode-reject");
                Self::note("emm", "security mode command rejected", out);
                self.send(&NasEpsMessage::new_emm(reject), out)
            }
        }
    }

    /// Takes the commanded context into use and returns the uplink NAS COUNT of the SECURITY MODE COMPLETE,
    /// from which KeNB comes; or the cause to reject with (clause 5.4.3.5).
    fn accept_security_mode(
        &mut self,
        bytes: &[u8],
        command: &NasSecurityModeCommand,
    ) -> Result<NasCount, EmmCause> {
        if !command.replayed_ue_security_capabilities.matches_ue_network_capability(&self.capability()) {
            return Err(EmmCause::UeSecurityCapabilitiesMismatch);
        }
        let unspecified = EmmCause::SecurityModeRejectedUnspecified;
        let chosen = &command.selected_nas_security_algorithms;
        // EIA0 is not in any set that a UE is configured with, unless for emergency calls, which it cannot make.
        let usable = self.config.eia.contains(chosen.integrity_raw())
            && chosen.integrity_raw() != 0
            && self.config.eea.contains(chosen.ciphering_raw());
        let (Some(integrity), Some(ciphering), true) =
            (eia(chosen.integrity_raw()), eea(chosen.ciphering_raw()), usable)
        else {
            return Err(unspecified);
        };
        let ksi = command.nas_key_set_identifier.ksi();
        match &self.nas.partial {
            Some((partial, kasme)) if *partial == ksi => {
                let mut nas = NasSecurityContext::from_fresh_kasme(kasme, integrity, ciphering)
                    .map_err(|_| unspecified)?;
                nas.unprotect(bytes, Direction::Downlink).map_err(|_| unspecified)?;
                self.nas.current = Some(Context { ksi, kasme: kasme.clone(), nas });
                self.nas.partial = None;
            }
            _ => {
                let context = self.nas.current.as_mut().filter(|c| c.ksi == ksi).ok_or(unspecified)?;
                context.nas.unprotect(bytes, Direction::Downlink).map_err(|_| unspecified)?;
                context
                    .nas
                    .reselect_algorithms(&context.kasme, integrity, ciphering)
                    .map_err(|_| unspecified)?;
            }
        }
        self.nas.exchanged = true;
        let context = self.nas.current.as_ref().ok_or(unspecified)?;
        context.nas.nas_count(Direction::Uplink).ok_or(unspecified)
    }

    fn complete_security_mode(
        &mut self,
        command: &NasSecurityModeCommand,
        count: NasCount,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        let mut complete = NasSecurityModeComplete::new();
        let requested = command.imeisv_request.as_ref().and_then(|ie| ie.request());
        if requested == Some(ImeisvRequestValue::Requested) {
            complete.set_imeisv(self.imeisv()?);
        }
        if let Some(context) = &self.nas.current {
            self.kenb = Some(derive_kenb(&context.kasme, count));
        }
        let algorithms = &command.selected_nas_security_algorithms;
        out.push(UeOutput::State {
            machine: "nas-security",
            change: "secure exchange established".into(),
            fields: vec![
                ("eia", algorithms.integrity_raw().to_string()),
                ("eea", algorithms.ciphering_raw().to_string()),
            ],
        });
        self.send_as(
            &NasEpsMessage::new_emm(complete),
            Header::IntegrityProtectedAndCipheredWithNewEpsSecurityContext,
            out,
        )
    }

    fn dispatch(
        &mut self,
        now: Instant,
        message: NasEpsMessage,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        let (header, message) = match message {
            NasEpsMessage::Emm(_, message) => (None, Ok(message)),
            NasEpsMessage::Esm(header, message) => (Some(header), Err(message)),
            _ => return Ok(()),
        };
        match (header, message) {
            (Some(header), Err(esm)) => self.session_message(&header, esm, out),
            (_, Ok(emm)) => self.mobility_message(now, emm, out),
            _ => Ok(()),
        }
    }

    fn mobility_message(
        &mut self,
        now: Instant,
        message: NasEmmMessage,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        use NasEmmMessage as M;
        match message {
            M::AuthenticationRequest(m) => self.authentication_requested(now, &m, out)?,
            M::AuthenticationReject(_) => self.authentication_rejected(out),
            M::IdentityRequest(m) => self.identity_requested(&m, out)?,
            M::AttachAccept(m) => self.attach_accepted(now, &m, out)?,
            M::AttachReject(m) => self.attach_rejected(now, &m, out),
            M::DetachAccept(_) => self.detach_accepted(out),
            M::DetachRequestUeTerminated(m) => self.detach_requested(now, &m, out)?,
            M::EmmInformation(_) | M::EmmStatus(_) => {}
            _ => {
                let cause = EmmCause::MessageTypeNotCompatibleWithTheProtocolState;
                let status = NasEmmStatus::new(NasEmmCause::from_cause(cause));
                self.send(&NasEpsMessage::new_emm(status), out)?;
            }
        }
        Ok(())
    }

    fn identity_requested(
        &mut self,
        request: &NasIdentityRequest,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        let refused = |e: oxirush_nas::nas_eps::ValueError| fault("IDENTITY RESPONSE", &e);
        let identity = match (request.identity_type.identity_type(), &self.subscriber) {
            (IdentityType::Imsi, Some(subscriber)) => {
                NasMobileIdentity::from_imsi(subscriber.imsi.as_str()).map_err(refused)?
            }
            // Only the IMSI is told without protection (clause 4.4.4.2).
            (IdentityType::Imei, _) if self.nas.exchanged => {
                NasMobileIdentity::from_imei(self.config.imei.as_str()).map_err(refused)?
            }
            (IdentityType::Imeisv, _) if self.nas.exchanged => self.imeisv()?,
            (IdentityType::Imei | IdentityType::Imeisv, _) => return Ok(()),
            _ => NasMobileIdentity::from_no_identity(),
        };
        self.send(&NasEpsMessage::new_emm(NasIdentityResponse::new(identity)), out)
    }

    /// IMEI without its check digit, and software version 01 (TS 23.003 clause 6.2.2).
    fn imeisv(&self) -> Result<NasMobileIdentity, RanError> {
        NasMobileIdentity::from_imeisv(&format!("{}01", &self.config.imei.as_str()[..14]))
            .map_err(|e| fault("IMEISV", &e))
    }

    fn received(&self, message: &NasEpsMessage, bytes: &[u8], out: &mut Vec<UeOutput>) {
        out.push(UeOutput::Nas { to_network: false, label: label(message), bytes: bytes.to_vec() });
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
fn processed_unprotected(message: &NasEpsMessage) -> bool {
    use NasEmmMessage as M;
    match message {
        NasEpsMessage::Emm(_, M::IdentityRequest(m)) => m.identity_type.identity_type() == IdentityType::Imsi,
        NasEpsMessage::Emm(_, M::AttachReject(m)) => {
            m.emm_cause.cause() != Some(EmmCause::NotAuthorizedForThisCsg)
        }
        NasEpsMessage::Emm(_, message) => matches!(
            message,
            M::AuthenticationRequest(_)
                | M::AuthenticationReject(_)
                | M::DetachAccept(_)
                | M::TrackingAreaUpdateReject(_)
                | M::ServiceReject(_)
                | M::EmmStatus(_)
        ),
        _ => false,
    }
}

fn fault(what: &'static str, cause: &impl std::fmt::Display) -> RanError {
    RanError::Encode { place: "UE", what, cause: cause.to_string() }
}
