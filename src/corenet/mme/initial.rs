//! The first NAS message of a connection (TS 24.301 clause 4.4.4.3): it is verified by what the MME has kept of the
//! subscriber that it names. What is proved needs no authentication; what is not changes nothing of a registration.

use super::context::{Phase, UeContext};
use super::{Core, Mme};
use crate::corenet::CorenetError;
use crate::id::Imsi;
use crate::wire::nas::{
    AttachReject, Count, Direction, Emm, EmmCause, Identity, Message, TrackingAreaUpdateRequest, plain_of,
};
use crate::wire::s1ap::Cause;

impl Mme {
    /// `served`: whether the message came out of a tracking area of this MME; `s_tmsi`: by what the UE asked for its
    /// connection.
    pub(super) fn receive_initial(
        &mut self,
        ue: &mut UeContext,
        nas: &[u8],
        (served, s_tmsi): (bool, Option<(u8, u32)>),
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let message = match Message::decode(nas, Direction::Uplink) {
            Ok(received) => received.message,
            Err(error) => {
                self.answer_malformed(ue, nas, error, core)?;
                return self.abort(ue, core);
            }
        };
        if !served {
            return self.refuse_area(ue, &message, core);
        }
        let refusal = match message {
            Message::Emm(Emm::AttachRequest(request)) => {
                let proof = self.proof_of(&request.identity, nas);
                return self.attach_requested(ue, &request, plain_of(nas), proof, core);
            }
            Message::Emm(Emm::DetachRequest { switch_off, identity, .. }) => {
                let proof = self.proof_of(&identity, nas);
                return self.detach_from_idle(ue, switch_off, &identity, proof, core);
            }
            Message::Emm(Emm::TrackingAreaUpdateRequest(request)) => {
                let proof = self.proof_of(&request.identity, nas);
                return self.update_from_idle(ue, &request, proof, core);
            }
            Message::ServiceRequest => return self.service_requested(ue, s_tmsi, nas, core),
            Message::Emm(Emm::ServiceRequest) => {
                Some(Emm::ServiceReject { cause: EmmCause::UE_IDENTITY_CANNOT_BE_DERIVED })
            }
            _ => None,
        };
        if let Some(refusal) = refusal {
            self.send_nas(ue, &Message::Emm(refusal), core)?;
        }
        self.abort(ue, core)
    }

    /// A UE in a tracking area that this MME does not serve is told to look for another cell, and is not authenticated.
    fn refuse_area(
        &mut self,
        ue: &mut UeContext,
        message: &Message,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let cause = EmmCause::NO_SUITABLE_CELLS_IN_TRACKING_AREA;
        let refusal = match message {
            Message::Emm(Emm::AttachRequest(_)) => Some(Emm::AttachReject(AttachReject::new(cause))),
            Message::Emm(Emm::TrackingAreaUpdateRequest(_)) => Some(Emm::TrackingAreaUpdateReject { cause }),
            Message::ServiceRequest | Message::Emm(Emm::ServiceRequest) => Some(Emm::ServiceReject { cause }),
            _ => None,
        };
        self.dropped(ue, "from a tracking area that is not served", core);
        if let Some(refusal) = refusal {
            self.send_nas(ue, &Message::Emm(refusal), core)?;
        }
        self.abort(ue, core)
    }

    /// The subscriber that an identity names.
    pub(super) fn named(&self, identity: &Identity) -> Option<Imsi> {
        match identity {
            Identity::Imsi(digits) => digits.parse().ok(),
            Identity::Guti(guti) => self.subscriber_of(guti).cloned(),
            _ => None,
        }
    }

    /// The uplink NAS COUNT of a message that is authentic under the context of the subscriber that it names.
    fn proof_of(&mut self, identity: &Identity, nas: &[u8]) -> Option<Count> {
        let imsi = self.named(identity)?;
        let native = self.natives.get_mut(&imsi)?;
        native.nas.unprotect(nas, Direction::Uplink).ok().map(|verified| verified.count)
    }

    /// The UE of `imsi` has proved itself on this connection, with the context that is in use.
    pub(super) fn prove(&mut self, ue: &mut UeContext, imsi: &Imsi) {
        ue.imsi = Some(imsi.clone());
        ue.imei = self.natives.get(imsi).and_then(|native| native.imei.clone());
        ue.exchanged = true;
    }

    /// DETACH REQUEST of a UE that had no connection (clause 5.5.2.2). Without proof a registration stays: whoever may
    /// send such a message would else take everybody off the network.
    fn detach_from_idle(
        &mut self,
        ue: &mut UeContext,
        switch_off: bool,
        identity: &Identity,
        proof: Option<Count>,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let Some(imsi) = self.named(identity) else { return self.detach_requested(ue, switch_off, core) };
        let holder = self.registered.get(&imsi).copied();
        if proof.is_some() {
            self.prove(ue, &imsi);
            if let Some(id) = holder {
                let detached = self.with(id, |mme, holder| {
                    mme.deregister(holder, core);
                    mme.release(holder, Cause::NAS_DETACH, core)
                });
                detached.unwrap_or(Ok(()))?;
            }
        } else if holder.is_some() {
            self.dropped(ue, "detach without proof", core);
            return self.abort(ue, core);
        }
        self.detach_requested(ue, switch_off, core)
    }

    /// TRACKING AREA UPDATE REQUEST of a UE that had no connection (clause 5.5.3): it is still there, and goes again.
    fn update_from_idle(
        &mut self,
        ue: &mut UeContext,
        request: &TrackingAreaUpdateRequest,
        proof: Option<Count>,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let proved = self.named(&request.identity).filter(|_| proof.is_some());
        let Some(imsi) = proved else {
            return self.refuse_update(ue, EmmCause::UE_IDENTITY_CANNOT_BE_DERIVED, core);
        };
        self.prove(ue, &imsi);
        let holder = self.registered.get(&imsi).copied();
        let still = holder.and_then(|id| {
            self.with(id, |mme, holder| {
                if holder.phase != Phase::Registered {
                    return Ok(false);
                }
                match holder.enb_id {
                    // The UE has left this connection without a word.
                    Some(_) => mme.release(holder, Cause::NAS_NORMAL_RELEASE, core)?,
                    None => mme.await_update(holder, core.now),
                }
                Ok(true)
            })
        });
        if !still.unwrap_or(Ok(false))? {
            return self.refuse_update(ue, EmmCause::IMPLICITLY_DETACHED, core);
        }
        self.accept_update(ue, core)?;
        ue.phase = Phase::Releasing;
        self.release(ue, Cause::NAS_NORMAL_RELEASE, core)
    }

    /// TRACKING AREA UPDATE ACCEPT, which starts T3412 anew.
    pub(super) fn accept_update(
        &mut self,
        ue: &mut UeContext,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let t3412_s = Some(self.config.t3412.as_secs());
        self.send_nas(ue, &Message::Emm(Emm::TrackingAreaUpdateAccept { t3412_s }), core)
    }

    fn refuse_update(
        &mut self,
        ue: &mut UeContext,
        cause: EmmCause,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        self.send_nas(ue, &Message::Emm(Emm::TrackingAreaUpdateReject { cause }), core)?;
        self.abort(ue, core)
    }
}
