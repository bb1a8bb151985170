//! The sessions that networks have attested, and whose they are. Who is behind an address is what the network states
//! under its key, and never what the device itself says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::corenet::{Attestation, PdnAddress, SessionChange, SessionId, Statement, StatementError};
use crate::crypto::{Op, Tally};
use crate::id::{Iccid, Imei, Plmn};
use crate::wire::inet::prefix_of;

/// A session of a network.
type Key = (Plmn, SessionId);

/// Why a statement on a session is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum SessionRefusal {
    #[error(transparent)]
    Statement(#[from] StatementError),
    #[error("statement {sequence} on session {session} comes after statement {last}")]
    Replayed { session: SessionId, sequence: u64, last: u64 },
    #[error("session {session} has ended")]
    Ended { session: SessionId },
    #[error("nobody here was given the subscription with ICCID {iccid}")]
    UnknownSubscriber { iccid: Iccid },
    #[error("{address} is held by session {holder}, which is not older than session {session}")]
    AddressTaken { address: PdnAddress, holder: SessionId, session: SessionId },
}

impl SessionRefusal {
    /// The reason in one stable word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Statement(error) => error.word(),
            Self::Replayed { .. } => "replayed",
            Self::Ended { .. } => "session-ended",
            Self::UnknownSubscriber { .. } => "unknown-subscriber",
            Self::AddressTaken { .. } => "address-taken",
        }
    }
}

/// Which device of the run was given which subscription, as set-up knows.
#[derive(Debug, Default)]
pub struct Holders(BTreeMap<(Iccid, u32), Imei>);

impl Holders {
    /// Device `number`, the equipment `imei`, has the subscription `iccid`.
    pub fn add(&mut self, iccid: Iccid, number: u32, imei: Imei) {
        self.0.insert((iccid, number), imei);
    }

    /// Every device with its subscriptions, ordered by these.
    pub fn iter(&self) -> impl Iterator<Item = (&Iccid, u32)> {
        self.0.keys().map(|(iccid, number)| (iccid, *number))
    }

    /// The first device that was given the subscription.
    pub fn of(&self, iccid: &Iccid) -> Option<u32> {
        self.0.range((iccid.clone(), 0)..=(iccid.clone(), u32::MAX)).next().map(|((_, number), _)| *number)
    }

    /// The device behind `attestation`. Copies of one card differ in nothing that the network knows but their
    /// equipment.
    fn find(&self, attestation: &Attestation) -> Option<u32> {
        let iccid = || attestation.iccid.clone();
        let mut holders = self.0.range((iccid(), 0)..=(iccid(), u32::MAX));
        let same = |imei: &Imei| attestation.imei.as_ref() == Some(imei);
        let exact = holders.clone().find(|(_, imei)| same(imei));
        exact.or_else(|| holders.next()).map(|((_, number), _)| *number)
    }
}

/// A session that is up.
#[derive(Debug)]
pub struct Session {
    /// The number of the device, for events and for what goes wrong on purpose.
    pub device: u32,
    /// The network's own word on the session.
    pub attestation: Attestation,
    sequence: u64,
    /// Until when a statement on it can be fresh, in seconds of Unix time.
    until_unix_s: u64,
}

/// What has come of a statement that was taken in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// The addresses that have lost their session.
    pub lost: Vec<IpAddr>,
    /// The address of the session that is up, or has changed, one of several; of IPv6 the first 64 bits.
    pub stated: Option<IpAddr>,
}

/// All that networks have stated and that still holds.
pub struct Sessions {
    /// The public keys, `X || Y`, of the networks that are believed.
    networks: BTreeMap<Plmn, [u8; 64]>,
    holders: Holders,
    tally: Tally,
    live: BTreeMap<Key, Session>,
    by_address: BTreeMap<PdnAddress, Key>,
    /// Sessions that have ended, while a statement on them can still be fresh.
    ended: BTreeSet<Key>,
    /// The same in the order in which none can be any more, with the second of Unix time.
    fresh: BTreeSet<(u64, Key)>,
}

impl Sessions {
    /// None yet; statements of `networks` will be believed.
    pub fn new(networks: BTreeMap<Plmn, [u8; 64]>, holders: Holders, tally: &Tally) -> Self {
        Self {
            networks,
            holders,
            tally: tally.clone(),
            live: BTreeMap::new(),
            by_address: BTreeMap::new(),
            ended: BTreeSet::new(),
            fresh: BTreeSet::new(),
        }
    }

    /// Which device has which subscription.
    pub fn holders(&self) -> &Holders {
        &self.holders
    }

    /// The session of `ip`, where one is up.
    pub fn at(&self, ip: IpAddr) -> Option<&Session> {
        let address = match ip {
            IpAddr::V4(four) => PdnAddress::Ipv4(four),
            IpAddr::V6(six) => PdnAddress::Ipv6Prefix(prefix_of(six)),
        };
        self.live.get(self.by_address.get(&address)?)
    }

    /// The sessions under the subscription, of every network.
    pub fn of<'a>(&'a self, iccid: &'a Iccid) -> impl Iterator<Item = &'a Session> {
        self.live.values().filter(move |session| session.attestation.iccid == *iccid)
    }

    /// Takes in a statement.
    ///
    /// # Errors
    /// Why it is not taken; nothing has changed then.
    pub fn take(&mut self, now_unix_s: u64, token: &[u8]) -> Result<Taken, SessionRefusal> {
        self.forget_ended(now_unix_s);
        let key_of = |network| {
            self.tally.count(Op::P256Verify);
            self.networks.get(&network).copied()
        };
        let statement = Statement::verify(token, now_unix_s, key_of)?;
        let Statement { network, sequence, until_unix_s, change, .. } = statement;
        let session = change.session();
        let key = (network, session);
        if self.ended.contains(&key) {
            return Err(SessionRefusal::Ended { session });
        }
        match self.live.get(&key) {
            Some(Session { sequence: last, .. }) if sequence <= *last => {
                return Err(SessionRefusal::Replayed { session, sequence, last: *last });
            }
            _ => {}
        }
        match change {
            SessionChange::Up(attestation) | SessionChange::Changed(attestation) => {
                let unknown = || SessionRefusal::UnknownSubscriber { iccid: attestation.iccid.clone() };
                let device = self.holders.find(&attestation).ok_or_else(unknown)?;
                let stated = attestation.addresses().next();
                let lost = self.begin(key, Session { device, attestation, sequence, until_unix_s })?;
                Ok(Taken { lost, stated })
            }
            SessionChange::Down(_) => Ok(Taken { lost: self.end(key, until_unix_s), stated: None }),
        }
    }

    fn begin(&mut self, key: Key, mut session: Session) -> Result<Vec<IpAddr>, SessionRefusal> {
        let mut others = BTreeSet::new();
        for &address in &session.attestation.addresses {
            // The network gives an address again when its session is over, whether or not that is known here.
            match self.by_address.get(&address) {
                Some(&(network, holder)) if network != key.0 || holder > key.1 => {
                    return Err(SessionRefusal::AddressTaken { address, holder, session: key.1 });
                }
                Some(&holder) if holder != key => drop(others.insert(holder)),
                _ => {}
            }
        }
        let mut lost: Vec<_> = others.into_iter().flat_map(|other| self.end(other, 0)).collect();
        if let Some(before) = self.live.remove(&key) {
            session.until_unix_s = session.until_unix_s.max(before.until_unix_s);
            let now: Vec<_> = session.attestation.addresses().collect();
            let given_up = |ip: &IpAddr| !now.contains(ip);
            lost.extend(self.free(&before.attestation).into_iter().filter(given_up));
        }
        self.by_address.extend(session.attestation.addresses.iter().map(|address| (*address, key)));
        self.live.insert(key, session);
        Ok(lost)
    }

    /// The session of `key` is over, which was said by a statement that can be fresh until `until_unix_s`. Returns the
    /// addresses that it had.
    fn end(&mut self, key: Key, until_unix_s: u64) -> Vec<IpAddr> {
        let session = self.live.remove(&key);
        let until = session.as_ref().map_or(0, |session| session.until_unix_s).max(until_unix_s);
        self.ended.insert(key);
        self.fresh.insert((until, key));
        session.map(|session| self.free(&session.attestation)).unwrap_or_default()
    }

    fn free(&mut self, attestation: &Attestation) -> Vec<IpAddr> {
        for address in &attestation.addresses {
            self.by_address.remove(address);
        }
        attestation.addresses().collect()
    }

    fn forget_ended(&mut self, now_unix_s: u64) {
        while let Some(&(until, key)) = self.fresh.first().filter(|(until, _)| *until < now_unix_s) {
            self.fresh.remove(&(until, key));
            self.ended.remove(&key);
        }
    }
}
