//! What the network does on orders of the operator's registrar: a device that is cut off is detached and may not attach,
//! one that is released may again.

use super::config::Quarantine;
use super::mme::{Core, Mme};
use super::{CorenetError, EpcOutput};
use crate::crypto::key;
use crate::event::{Actor, SessionKey};
use crate::wire::Fields;
use crate::wire::order::{Grounds, Inbox, Order, Verdict};

/// The orders that a core network follows.
pub(super) struct Followed {
    inbox: Inbox,
    quarantine: Quarantine,
}

impl Followed {
    /// Of nobody yet.
    pub(super) fn new(quarantine: Quarantine) -> Self {
        let check = |public: &[u8; 64], message: &[u8], signature: &[u8; 64]| {
            key::verify(public, message, signature).is_ok()
        };
        Self { inbox: Inbox::new(check), quarantine }
    }

    pub(super) fn follow(&mut self, issuer: &str, public: [u8; 64]) {
        self.inbox.follow(issuer, public);
    }

    /// Does what `token` orders; what is not to be followed is told and changes nothing.
    pub(super) fn take(
        &mut self,
        token: &[u8],
        mme: &mut Mme,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let order = match self.inbox.take(core.now.unix_s(), token) {
            Ok(order) => order,
            Err(error) => {
                let fields = vec![("reason", error.word().to_owned()), ("detail", error.to_string())];
                core.out.push(told("order refused", fields, None));
                return Ok(());
            }
        };
        let Order { verdict, subscriptions, grounds, .. } = &order;
        // What a session reaches is not this network's to say, nor the end of it.
        if matches!(grounds, Grounds::Evidence(_)) {
            return Ok(());
        }
        let (barred, change) = match (verdict, self.quarantine) {
            (Verdict::Isolate, Quarantine::Detach) => (Some(true), "subscriber barred until it is released"),
            (Verdict::Isolate, Quarantine::Remediation) => (None, "subscriber stays for its remediation"),
            (Verdict::Revoke, _) => (Some(true), "subscriber barred for good"),
            (Verdict::Release, _) => (Some(false), "subscriber may attach again"),
            (Verdict::Restrict, _) => return Ok(()),
        };
        let concerned = match barred {
            Some(barred) => core.hss.bar(subscriptions, barred),
            None => core.hss.holders(subscriptions),
        };
        for imsi in concerned {
            let fields = vec![("imsi", imsi.to_string()), ("order", order.sequence.to_string())];
            core.out.push(told(change, fields, Some(SessionKey::Subscriber(imsi.clone()))));
            if barred == Some(true) {
                mme.withdraw(&imsi, core)?;
            }
        }
        Ok(())
    }
}

fn told(change: &'static str, fields: Fields, session: Option<SessionKey>) -> EpcOutput {
    EpcOutput::State { actor: Actor::MME, machine: "", change: change.into(), fields, session }
}
