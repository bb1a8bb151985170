//! The orders of the registrar: what the parts of the network are to do with a device whose status the ledger has changed.
//!
//! An order follows a sealed block and nothing else. Each is signed (see [`crate::wire::order`]) and goes over an
//! association to whoever follows; whoever comes back after that was lost is told again how every device stands that is
//! not as it should be.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::crypto::SoftKey;
use crate::id::Iccid;
use crate::kernel::{Duration, Instant};
use crate::ledger::{Status, StatusChanged};
use crate::wire::order::{Grounds, Order, SESSIONS_MAX, SUBSCRIPTIONS_MAX, VALIDITY_S, Verdict};
use crate::wire::{Label, Proto, Reason};

/// For how long a device is restricted on a suspicion, unless another one comes.
const RESTRICTED_FOR: Duration = Duration::from_secs(600);

/// The name under which the network's parts know the registrar.
pub const ISSUER: &str = "registrar";

/// A change of status, with the transaction that has made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The number of the block.
    pub block: u64,
    /// The hash of the transaction.
    pub transaction: [u8; 32],
    /// What the ledger announced.
    pub status: StatusChanged,
}

impl Change {
    /// What becomes of the device outside the ledger; nothing where it only came a step further in its life.
    pub fn verdict(&self) -> Option<Verdict> {
        match (self.status.from, self.status.to) {
            (_, Status::Quarantined) => Some(Verdict::Isolate),
            (_, Status::Revoked | Status::Retired) => Some(Verdict::Revoke),
            (Status::Quarantined, Status::Registered | Status::Active) => Some(Verdict::Release),
            _ => None,
        }
    }

    /// Whether the device's certificate has ended, for a reason, and the device has not. One that gives way to another key
    /// ends without.
    pub fn ends_certificate(&self) -> bool {
        let StatusChanged { from, to, reason, .. } = self.status;
        (from, to) == (Status::Active, Status::Registered) && reason != 0
    }

    /// Whether there is anybody who has to follow.
    pub fn is_followed(&self) -> bool {
        self.verdict().is_some() || self.ends_certificate()
    }

    fn reason(&self) -> Reason {
        match self.status.to {
            Status::None => Reason::DeviceNone,
            Status::Registered => Reason::DeviceRegistered,
            Status::Active => Reason::DeviceActive,
            Status::Quarantined => Reason::DeviceQuarantined,
            Status::Revoked => Reason::DeviceRevoked,
            Status::Retired => Reason::DeviceRetired,
        }
    }
}

/// The device of a change, as the operator knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The number of the device, for events.
    pub device: Option<u32>,
    /// The subscriptions that it holds.
    pub subscriptions: Vec<Iccid>,
    /// The sessions that it has, each with its address.
    pub sessions: Vec<(u64, IpAddr)>,
}

/// A signed order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedOrder {
    /// The token.
    pub token: Vec<u8>,
    /// How it is called.
    pub label: Label,
    /// The number of the device that it is about.
    pub device: Option<u32>,
}

/// How a device stands that is not as it should be.
struct Standing {
    verdict: Verdict,
    reason: Reason,
    grounds: Grounds,
    subject: Subject,
}

/// Signs orders.
pub struct Orders {
    key: SoftKey,
    sequence: u64,
    /// The devices that are isolated or revoked, by their identity on the ledger.
    standing: BTreeMap<[u8; 32], Standing>,
    /// The devices that are restricted, until when.
    restricted: BTreeMap<[u8; 32], (Instant, Standing)>,
}

impl Orders {
    /// Orders under `key`.
    pub fn new(key: SoftKey) -> Self {
        Self { key, sequence: 0, standing: BTreeMap::new(), restricted: BTreeMap::new() }
    }

    /// The public key, `X || Y`, under which they are to be verified.
    pub fn public(&self) -> [u8; 64] {
        self.key.public()
    }

    /// The order to keep `subject`, the device `id`, to what it is known for, for ten minutes: somebody has seen what has
    /// the digest `evidence`. None where that stands already, or more than that.
    pub fn restrict(
        &mut self,
        now: Instant,
        id: [u8; 32],
        evidence: [u8; 32],
        subject: Subject,
    ) -> Option<SignedOrder> {
        let until = now + RESTRICTED_FOR;
        if self.standing.contains_key(&id) {
            return None;
        }
        if let Some((ends, _)) = self.restricted.get_mut(&id) {
            *ends = until;
            return None;
        }
        let grounds = Grounds::Evidence(evidence);
        let standing = Standing { verdict: Verdict::Restrict, reason: Reason::Suspected, grounds, subject };
        let order = self.sign(now, id, &standing);
        self.restricted.insert(id, (until, standing));
        order
    }

    /// When a restriction ends.
    pub fn deadline(&self) -> Option<Instant> {
        self.restricted.values().map(|(until, _)| *until).min()
    }

    /// The orders that end restrictions whose time is over.
    pub fn expire(&mut self, now: Instant) -> Vec<SignedOrder> {
        let due = |(id, (until, _)): (&[u8; 32], &(Instant, Standing))| (*until <= now).then_some(*id);
        let ids: Vec<_> = self.restricted.iter().filter_map(due).collect();
        let ended = ids.into_iter().filter_map(|id| Some((id, self.restricted.remove(&id)?.1)));
        let ended: Vec<_> = ended.collect();
        let release =
            |(id, standing)| self.sign(now, id, &Standing { verdict: Verdict::Release, ..standing });
        ended.into_iter().filter_map(release).collect()
    }

    /// The order that follows `change` for `subject`; none where nothing is to be done, or nobody holds a subscription.
    pub fn follow(&mut self, now: Instant, change: &Change, subject: Subject) -> Option<SignedOrder> {
        let verdict = change.verdict()?;
        let StatusChanged { id, seq, .. } = change.status;
        let Change { block, transaction, .. } = *change;
        let grounds = Grounds::Ledger { block, transaction, sequence: seq };
        let standing = Standing { verdict, reason: change.reason(), grounds, subject };
        let order = self.sign(now, id, &standing);
        // What the ledger says goes before what somebody suspects.
        self.restricted.remove(&id);
        match verdict {
            Verdict::Release => drop(self.standing.remove(&id)),
            _ => drop(self.standing.insert(id, standing)),
        }
        order
    }

    /// The orders that stand, once more: for somebody who may have missed some. Sessions are not named: who follows knows
    /// them by their subscriptions.
    pub fn restate(&mut self, now: Instant) -> Vec<SignedOrder> {
        let standing = std::mem::take(&mut self.standing);
        let orders = standing.iter().filter_map(|(id, standing)| {
            let subject = Subject { sessions: Vec::new(), ..standing.subject.clone() };
            let Standing { verdict, ref reason, grounds, .. } = *standing;
            self.sign(now, *id, &Standing { verdict, reason: reason.clone(), grounds, subject })
        });
        let orders = orders.collect();
        self.standing = standing;
        orders
    }

    fn sign(&mut self, now: Instant, id: [u8; 32], standing: &Standing) -> Option<SignedOrder> {
        let Standing { verdict, reason, grounds, subject } = standing;
        let Subject { device, subscriptions, sessions } = subject;
        if subscriptions.is_empty() {
            return None;
        }
        self.sequence += 1;
        let issued_unix_s = now.unix_s();
        let order = Order {
            issuer: ISSUER.to_owned(),
            sequence: self.sequence,
            issued_unix_s,
            until_unix_s: issued_unix_s.saturating_add(VALIDITY_S),
            verdict: *verdict,
            reason: reason.clone(),
            device: id,
            grounds: *grounds,
            subscriptions: subscriptions.iter().take(SUBSCRIPTIONS_MAX).cloned().collect(),
            sessions: sessions.iter().take(SESSIONS_MAX).copied().collect(),
        };
        let block = match grounds {
            Grounds::Ledger { block, .. } => block.to_string(),
            Grounds::Evidence(digest) => super::short(digest),
        };
        let addresses: Vec<_> = order.sessions.iter().map(|(_, address)| address.to_string()).collect();
        let label = Label::new(Proto::Cwt, verdict.name())
            .with("sequence", order.sequence)
            .with("id", super::short(&id))
            .with("reason", reason)
            .with("block", block);
        let label = match addresses.is_empty() {
            true => label,
            false => label.with("address", addresses.join(",")),
        };
        Some(SignedOrder { token: order.sign(|message| self.key.sign(message)), label, device: *device })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::key::verify;
    use crate::kernel::RngTree;
    use crate::wire::order::Inbox;

    fn orders() -> Orders {
        Orders::new(SoftKey::from_stream(&mut RngTree::new(7).stream("orders")))
    }

    fn inbox(orders: &Orders) -> Inbox {
        let check = |public: &_, message: &[u8], signature: &_| verify(public, message, signature).is_ok();
        Inbox::new(check).following(ISSUER, orders.public())
    }

    fn change(from: Status, to: Status) -> Change {
        let status = StatusChanged { id: [1; 32], from, to, reason: 6, evidence: [0; 32], seq: 3 };
        Change { block: 4, transaction: [2; 32], status }
    }

    fn subject() -> Subject {
        Subject {
            device: Some(1),
            subscriptions: vec!["8988211000000000011".parse().unwrap()],
            sessions: vec![(9, IpAddr::V4(std::net::Ipv4Addr::new(10, 44, 0, 2)))],
        }
    }

    #[test]
    fn only_what_changes_more_than_a_step_of_life_is_ordered() {
        use Status::{Active, None as Nothing, Quarantined, Registered, Retired, Revoked};
        for (from, to, verdict) in [
            (Nothing, Registered, None),
            (Registered, Active, None),
            (Active, Registered, None),
            (Active, Quarantined, Some(Verdict::Isolate)),
            (Registered, Quarantined, Some(Verdict::Isolate)),
            (Quarantined, Active, Some(Verdict::Release)),
            (Quarantined, Registered, Some(Verdict::Release)),
            (Quarantined, Revoked, Some(Verdict::Revoke)),
            (Active, Retired, Some(Verdict::Revoke)),
        ] {
            assert_eq!(change(from, to).verdict(), verdict, "{from} -> {to}");
        }
        let ended = change(Active, Registered);
        assert!(ended.ends_certificate() && ended.is_followed());
        let mut rotated = ended;
        rotated.status.reason = 0;
        assert!(!rotated.ends_certificate() && !rotated.is_followed());
    }

    #[test]
    fn an_order_says_what_the_ledger_says_and_is_followed() {
        let mut orders = orders();
        let mut inbox = inbox(&orders);
        let now = Instant::ZERO + Duration::from_secs(5);
        let isolate = change(Status::Active, Status::Quarantined);
        let signed = orders.follow(now, &isolate, subject()).unwrap();
        let order = inbox.take(now.unix_s(), &signed.token).unwrap();
        assert_eq!(
            (order.verdict, order.reason, order.sequence),
            (Verdict::Isolate, Reason::DeviceQuarantined, 1)
        );
        assert_eq!(order.grounds, Grounds::Ledger { block: 4, transaction: [2; 32], sequence: 3 });
        assert_eq!((order.device, order.sessions), ([1; 32], subject().sessions));
        assert_eq!((signed.device, &*signed.label.name), (Some(1), "Isolate"));
        let nobody = Subject::default();
        assert_eq!(orders.follow(now, &isolate, nobody), None);
    }

    #[test]
    fn a_suspicion_restricts_for_a_while_and_gives_way_to_the_ledger() {
        let mut orders = orders();
        let mut inbox = inbox(&orders);
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        let mut take = |now: Instant, signed: &SignedOrder| inbox.take(now.unix_s(), &signed.token).unwrap();
        let first = orders.restrict(at(0), [1; 32], [7; 32], subject()).unwrap();
        let order = take(at(0), &first);
        assert_eq!((order.verdict, order.reason), (Verdict::Restrict, Reason::Suspected));
        assert_eq!(order.grounds, Grounds::Evidence([7; 32]));
        assert_eq!(orders.restrict(at(300), [1; 32], [8; 32], subject()), None, "it stands, and for longer");
        assert!(orders.expire(at(899)).is_empty());
        assert_eq!(orders.deadline(), Some(at(900)));
        let [ended] = &orders.expire(at(900))[..] else { panic!("one") };
        let order = take(at(900), ended);
        assert_eq!((order.verdict, order.grounds), (Verdict::Release, Grounds::Evidence([7; 32])));
        assert_eq!(orders.deadline(), None);
        // Isolated by the ledger: neither does a suspicion add to it, nor its end take anything away.
        orders.restrict(at(1000), [1; 32], [7; 32], subject()).unwrap();
        orders.follow(at(1001), &change(Status::Active, Status::Quarantined), subject());
        assert!(orders.expire(at(9000)).is_empty());
        assert_eq!(orders.restrict(at(9000), [1; 32], [7; 32], subject()), None);
    }

    #[test]
    fn who_comes_back_is_told_how_devices_stand_that_are_not_released() {
        let mut orders = orders();
        let now = Instant::ZERO;
        orders.follow(now, &change(Status::Active, Status::Quarantined), subject());
        let again = orders.restate(now);
        let mut inbox = inbox(&orders);
        let order = inbox.take(now.unix_s(), &again[0].token).unwrap();
        assert_eq!((order.verdict, order.sequence, order.sessions), (Verdict::Isolate, 2, Vec::new()));
        assert_eq!(orders.restate(now).len(), 1, "it stands until it is released");
        orders.follow(now, &change(Status::Quarantined, Status::Active), subject());
        assert!(orders.restate(now).is_empty());
        orders.follow(now, &change(Status::Active, Status::Revoked), subject());
        assert_eq!(orders.restate(now).len(), 1);
    }
}
