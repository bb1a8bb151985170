//! The ways out: detach by UE and by network (TS 24.301 clause 5.5.2), implicit detach, release of the S1
//! connection, and its loss.

use super::context::{Phase, Timer, UeContext};
use super::{Core, Mme};
use crate::corenet::CorenetError;
use crate::id::Imsi;
use crate::wire::nas::{Emm, Message, NetworkDetach};
use crate::wire::s1ap::{Cause, ContextReleaseCommand};

impl Mme {
    /// DETACH REQUEST of the UE (clause 5.5.2.2).
    pub(super) fn detach_requested(
        &mut self,
        ue: &mut UeContext,
        switch_off: bool,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        self.stop_timer(ue);
        if !switch_off {
            self.send_nas(ue, &Message::Emm(Emm::DetachAccept), core)?;
        }
        self.deregister(ue, core);
        self.release(ue, Cause::NAS_DETACH, core)
    }

    /// DETACH REQUEST of the network (clause 5.5.2.3): the subscriber is taken off.
    pub(in crate::corenet) fn withdraw(
        &mut self,
        imsi: &Imsi,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let Some(&id) = self.registered.get(imsi) else { return Ok(()) };
        let withdrawn = self.with(id, |mme, ue| {
            if ue.enb_id.is_none() || ue.phase != Phase::Registered {
                mme.deregister(ue, core);
                return mme.release(ue, Cause::NAS_DETACH, core);
            }
            ue.phase = Phase::Detaching;
            let kind = NetworkDetach::ReattachNotRequired;
            let request = Message::Emm(Emm::NetworkDetachRequest { kind });
            mme.send_guarded(ue, request, Timer::T3422, core)
        });
        withdrawn.unwrap_or(Ok(()))
    }

    pub(super) fn detach_accepted(
        &mut self,
        ue: &mut UeContext,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if ue.phase != Phase::Detaching {
            return Ok(());
        }
        self.deregister(ue, core);
        self.release(ue, Cause::NAS_DETACH, core)
    }

    /// A UE whose identity was proved on another connection has left this one (clause 5.5.1.2.7, case f).
    pub(super) fn detach_implicitly(
        &mut self,
        id: u32,
        imsi: &Imsi,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let detached = self.with(id, |mme, ue| {
            if ue.imsi.as_ref() != Some(imsi) {
                return Ok(());
            }
            let imsi = ue.imsi.as_ref().map(ToString::to_string).unwrap_or_default();
            core.state(
                ue,
                "emm",
                "REGISTERED -> DEREGISTERED",
                vec![("imsi", imsi), ("why", "new attach".into())],
            );
            mme.stop_timer(ue);
            mme.end_session(ue, core);
            ue.phase = Phase::Releasing;
            mme.release(ue, Cause::NAS_NORMAL_RELEASE, core)
        });
        detached.unwrap_or(Ok(()))
    }

    /// Ends a procedure that cannot go on.
    pub(super) fn abort(&mut self, ue: &mut UeContext, core: &mut Core<'_>) -> Result<(), CorenetError> {
        self.deregister(ue, core);
        self.release(ue, Cause::NAS_UNSPECIFIED, core)
    }

    /// EMM-DEREGISTERED: session and registration end, the S1 connection is still to be released.
    pub(super) fn deregister(&mut self, ue: &mut UeContext, core: &mut Core<'_>) {
        self.stop_timer(ue);
        self.end_session(ue, core);
        if let Some(imsi) = &ue.imsi
            && self.registered.get(imsi) == Some(&ue.mme_id)
        {
            self.unregister(imsi);
            if !ue.attaching() {
                core.state(ue, "emm", "REGISTERED -> DEREGISTERED", vec![("imsi", imsi.to_string())]);
            }
        }
        ue.phase = Phase::Releasing;
    }

    pub(super) fn end_session(&mut self, ue: &mut UeContext, core: &mut Core<'_>) {
        ue.bearer_up = false;
        if let Some(teid) = ue.session.take() {
            core.gateway.delete(core.now, teid, core.out);
        }
    }

    /// UE CONTEXT RELEASE COMMAND (TS 36.413 clause 8.3.3), where there is a connection.
    pub(super) fn release(
        &mut self,
        ue: &mut UeContext,
        cause: Cause,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        ue.release_cause = Some(cause);
        ue.retransmissions = 0;
        self.start_timer(ue, Timer::Release, core.now);
        self.command_release(ue, core)
    }

    pub(super) fn command_release(
        &mut self,
        ue: &mut UeContext,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let (enb @ Some(_), cause @ Some(_)) = (ue.enb_id, ue.release_cause.clone()) else {
            self.connection_lost(ue, core);
            return Ok(());
        };
        let command = ContextReleaseCommand { mme: ue.mme_id, enb, cause };
        self.send_s1(ue.enb, "UEContextReleaseCommand", command.build(), core)
    }

    /// The S1 connection of a UE is gone. A registration survives in ECM-IDLE, everything else ends.
    pub(super) fn connection_lost(&mut self, ue: &mut UeContext, core: &mut Core<'_>) {
        self.stop_timer(ue);
        if let Some(enb_id) = ue.enb_id.take() {
            self.by_enb.remove(&(ue.enb, enb_id));
        }
        (ue.exchanged, ue.set_up) = (false, false);
        (ue.commanded, ue.kasme, ue.vector) = (None, None, None);
        if ue.phase == Phase::Registered {
            if let Some(teid) = ue.session {
                core.gateway.release_access(teid);
            }
            ue.bearer_up = false;
            self.await_update(ue, core.now);
            return;
        }
        self.end_session(ue, core);
        ue.phase = Phase::Ended;
    }
}
