//! EPS session management of the UE (TS 24.301 clause 6): the PDN connection that an attach brings.

use std::net::Ipv4Addr;

use super::{Ue, UeOutput};
use crate::ran::RanError;
use crate::wire::nas::{DefaultBearer, Esm, EsmCause, EsmMessage, Message, PdnType};

/// The MTU of a link that does not say (RFC 791's successor for hosts, TS 23.060 clause 9.3).
const DEFAULT_MTU: u16 = 1358;

/// The session with its transaction.
#[derive(Debug)]
pub(super) struct Session {
    pti: u8,
    bearer: Option<Bearer>,
    /// The ESM part of the ATTACH COMPLETE, in case the network asks for it again.
    pub(super) complete: Option<EsmMessage>,
    /// Attach again once the connection is released.
    pub(super) reattach: bool,
}

#[derive(Debug, Clone)]
struct Bearer {
    ebi: u8,
    ip: Option<Ipv4Addr>,
    interface: Option<[u8; 8]>,
    dns: Option<Ipv4Addr>,
    mtu: u16,
    apn: String,
}

impl Session {
    pub(super) fn new(first_pti: u8) -> Self {
        Self { pti: first_pti, bearer: None, complete: None, reattach: false }
    }

    pub(super) fn clear(&mut self) {
        self.bearer = None;
        self.complete = None;
    }

    /// PDN CONNECTIVITY REQUEST under the next transaction identity. An access point name travels ciphered
    /// later, which the transfer flag announces (clause 6.5.1.2).
    pub(super) fn connectivity_request(&mut self, pdn_type: PdnType, information: bool) -> EsmMessage {
        self.pti = self.pti % 254 + 1;
        EsmMessage::new(0, self.pti, Esm::PdnConnectivityRequest { pdn_type, information })
    }

    /// Takes the default bearer of an ATTACH ACCEPT and returns the answer to it; `None` where it is not for
    /// this UE's transaction or has no address.
    pub(super) fn activate(&mut self, ebi: u8, pti: u8, bearer: DefaultBearer) -> Option<EsmMessage> {
        let DefaultBearer { ip, interface, .. } = bearer;
        let usable = ip.is_some() || interface.is_some();
        if !usable || pti != self.pti || ebi < 5 {
            return None;
        }
        let mtu = bearer.mtu.unwrap_or(DEFAULT_MTU);
        self.bearer = Some(Bearer { ebi, ip, interface, dns: bearer.dns, mtu, apn: bearer.apn });
        Some(EsmMessage::new(ebi, 0, Esm::DefaultBearerAccept))
    }

    pub(super) fn attached(&self) -> Option<UeOutput> {
        let bearer = self.bearer.clone()?;
        let Bearer { ip, interface, dns, mtu, apn, .. } = bearer;
        Some(UeOutput::Attached { ip, interface, dns, mtu, apn })
    }
}

impl Ue {
    /// An ESM message outside an EMM message.
    pub(super) fn session_message(
        &mut self,
        EsmMessage { bearer, pti, body }: EsmMessage,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        let status = |cause| EsmMessage::new(bearer, pti, Esm::Status { cause });
        let answer = match body {
            Esm::InformationRequest if pti != self.session.pti => status(EsmCause::INVALID_PTI_VALUE),
            Esm::InformationRequest => {
                let apn = self.config.apn.clone();
                EsmMessage::new(0, self.session.pti, Esm::InformationResponse { apn })
            }
            Esm::DeactivateBearerRequest => {
                if self.session.bearer.as_ref().is_none_or(|held| held.ebi != bearer) {
                    status(EsmCause::INVALID_EPS_BEARER_IDENTITY)
                } else {
                    self.session.clear();
                    EsmMessage::new(bearer, 0, Esm::DeactivateBearerAccept)
                }
            }
            Esm::Status { .. } => return Ok(()),
            _ => status(EsmCause::MESSAGE_TYPE_NOT_COMPATIBLE_WITH_STATE),
        };
        self.send(&Message::Esm(answer), out)
    }
}
