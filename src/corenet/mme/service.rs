//! Service request (TS 24.301 clause 5.6.1) and paging (clause 5.6.2): a registered UE without a connection gets its bearers
//! back.

use super::context::{Phase, Timer, UeContext};
use super::{Core, Mme};
use crate::corenet::CorenetError;
use crate::id::Imsi;
use crate::wire::nas::{Count, Emm, EmmCause, Message};
use crate::wire::s1ap::{Cause, ContextReleaseCommand, Paging};

impl Mme {
    /// SERVICE REQUEST `nas` on the new connection `ue` of the UE with this S-TMSI, as MME code and M-TMSI.
    pub(super) fn service_requested(
        &mut self,
        ue: &mut UeContext,
        s_tmsi: Option<(u8, u32)>,
        nas: &[u8],
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let own = s_tmsi.filter(|(code, _)| *code == self.config.mme_code);
        let named = own.and_then(|(_, tmsi)| self.gutis.subscriber(tmsi).cloned());
        let proved = named.and_then(|imsi| {
            let native = self.natives.get_mut(&imsi)?;
            let count = native.nas.verify_service_request(nas).ok()?;
            Some((imsi, count))
        });
        let Some((imsi, count)) = proved else {
            return self.refuse_service(ue, EmmCause::UE_IDENTITY_CANNOT_BE_DERIVED, core);
        };
        let holder = self.registered.get(&imsi).copied();
        let taken =
            holder.and_then(|id| self.with(id, |mme, holder| mme.connect_again(holder, ue, count, core)));
        if taken.unwrap_or(Ok(false))? {
            return Ok(());
        }
        self.prove(ue, &imsi);
        self.refuse_service(ue, EmmCause::IMPLICITLY_DETACHED, core)
    }

    fn refuse_service(
        &mut self,
        ue: &mut UeContext,
        cause: EmmCause,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        self.send_nas(ue, &Message::Emm(Emm::ServiceReject { cause }), core)?;
        self.abort(ue, core)
    }

    /// The registered UE goes on with the connection on which it has proved itself; `false` where it has nothing to go on
    /// with.
    fn connect_again(
        &mut self,
        holder: &mut UeContext,
        connection: &mut UeContext,
        count: Count,
        core: &mut Core<'_>,
    ) -> Result<bool, CorenetError> {
        let native = holder.imsi.as_ref().and_then(|imsi| self.natives.get(imsi));
        let (Phase::Registered, Some(_), Some(native)) = (holder.phase, holder.session, native) else {
            return Ok(false);
        };
        let kenb = native.kasme.kenb(count);
        // The UE has left its connection without a word.
        if let Some(old) = holder.enb_id.take() {
            self.by_enb.remove(&(holder.enb, old));
            let cause = Cause::NAS_NORMAL_RELEASE;
            let command = ContextReleaseCommand { mme: holder.mme_id, enb: Some(old), cause: Some(cause) };
            let command = command.build();
            self.send_s1(holder.enb, "UEContextReleaseCommand", command, core)?;
        }
        self.stop_timer(holder);
        holder.reachable = None;
        let Some(enb_id) = connection.enb_id.take() else { return Ok(false) };
        connection.phase = Phase::Ended;
        (holder.enb, holder.enb_id) = (connection.enb, Some(enb_id));
        self.by_enb.insert((holder.enb, enb_id), holder.mme_id);
        (holder.exchanged, holder.bearer_up, holder.kenb) = (true, false, Some(kenb));
        if let Some(teid) = holder.session {
            core.gateway.release_access(teid);
        }
        self.set_up_context(holder, None, core)?;
        holder.kenb = None;
        holder.retransmissions = 0;
        self.start_timer(holder, Timer::ContextSetup, core.now);
        Ok(true)
    }

    /// Packets wait at the gateway for UEs without a bearer (Downlink Data Notification, TS 23.401 clause 5.3.4.3).
    pub(in crate::corenet) fn notified(&mut self, core: &mut Core<'_>) -> Result<(), CorenetError> {
        for imsi in core.gateway.take_notified() {
            let Some(&id) = self.registered.get(&imsi) else { continue };
            let paged = self.with(id, |mme, ue| mme.begin_paging(ue, core));
            paged.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    fn begin_paging(&mut self, ue: &mut UeContext, core: &mut Core<'_>) -> Result<(), CorenetError> {
        if ue.enb_id.is_some() || ue.phase != Phase::Registered || ue.reachable.is_some() {
            return Ok(());
        }
        // That it was paged is no sign of the UE: what it has left to show itself goes on.
        let reachable = ue.timer;
        ue.retransmissions = 0;
        self.start_timer(ue, Timer::T3413, core.now);
        ue.reachable = Some(reachable);
        self.page(ue, core)
    }

    /// PAGING in every base station.
    pub(super) fn page(&mut self, ue: &UeContext, core: &mut Core<'_>) -> Result<(), CorenetError> {
        let Some((imsi, tmsi)) = ue.imsi.as_ref().and_then(|imsi| Some((imsi, self.gutis.current(imsi)?)))
        else {
            return Ok(());
        };
        let paging = Paging {
            index: index_of(imsi),
            s_tmsi: (self.config.mme_code, tmsi),
            areas: vec![(self.config.plmn, self.config.tac)],
        };
        let ready: Vec<u32> = self.enbs.iter().filter(|(_, ready)| **ready).map(|(enb, _)| *enb).collect();
        ready.into_iter().try_for_each(|enb| self.send_s1(enb, "Paging", paging.build(), core))
    }

    /// Nobody has answered: what waits for the UE is dropped.
    pub(super) fn paging_failed(&mut self, ue: &mut UeContext, core: &mut Core<'_>) {
        core.state(ue, "", "the UE does not answer", vec![("timer", Timer::T3413.name().to_owned())]);
        if let Some(teid) = ue.session {
            core.gateway.discard(core.now, teid, core.out);
        }
        if let Some((at, timer)) = ue.reachable.take().flatten() {
            ue.timer = Some((at, timer));
            self.timers.insert((at, ue.mme_id));
        }
    }
}

/// UE Identity Index value: IMSI mod 1024 (TS 36.304 clause 7.1).
fn index_of(imsi: &Imsi) -> u16 {
    let number: u64 = imsi.as_str().parse().unwrap_or(0);
    (number % 1024) as u16
}
