//! The SM-DP+ (SGP.22 v2.5): keeps profiles and orders, authenticates eUICCs, binds packages to them and hears how
//! it ended. ES9+ serves devices, ES2+ the operator, ES12 tells an SM-DS.
//!
//! Every change is kept in the store before anybody is told of it.

mod es2p;
mod es9p;
mod events;
mod notice;
mod notification;
mod order;
mod package;
mod produce;
mod session;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

pub use es2p::{ConfirmOrder, Confirmed, DownloadOrder};
pub use notice::ProfileNotice;
pub use notification::NotificationRecord;
pub use order::{Order, OrderState, Profile};
pub use package::PackageKeys;
pub use produce::{OperatorConstant, Producer, Subscriber};

use self::events::PendingEvents;
use self::package::{Binder, Package};
use self::session::Session;
use super::authenticate::{Authenticator, Credential, Kind as ServerKind};
use super::pki::SmdpIdentity;
use super::sessions::Sessions;
use super::store::{self, Kind, Records, Store, StoreError};
use super::{Caller, FunctionRefusal, HttpRequest, Reason, Served, json};
use crate::crypto::Tally;
use crate::crypto::rsp_cert::TrustAnchor;
use crate::id::{Eid, Iccid};
use crate::wire::{bcd, saip};

/// What may be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmdpSettings {
    /// Its FQDN, with `:port` where that is not 443.
    pub address: String,
    /// Whether packages are encrypted once with keys of their own instead of anew for each binding.
    pub protect: bool,
    /// For how long a session waits for the next request, in seconds.
    pub session_s: u64,
    /// How many sessions may be open at once, of eUICCs that have not proved themselves, and as many of those that have.
    pub sessions_max: usize,
    /// How many of the first from one peer: the oldest goes.
    pub sessions_per_peer: usize,
    /// How many of the second of one eUICC: the oldest goes.
    pub sessions_per_euicc: usize,
    /// The SM-DSs that ES2+ may name: FQDN, with `:port` where that is not 443.
    pub smds: Vec<String>,
    /// How often a package of one order may be handed out.
    pub downloads_max: u32,
    /// How often a wrong confirmation code may be given.
    pub code_failures_max: u32,
    /// For how long an order may be downloaded once it is released, in seconds; for ever where there is no limit.
    pub order_s: Option<u64>,
}

impl SmdpSettings {
    /// The usual settings for a server with this address.
    pub fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            protect: true,
            session_s: 300,
            sessions_max: 10_000,
            sessions_per_peer: 1_000,
            sessions_per_euicc: 8,
            smds: Vec::new(),
            downloads_max: 10,
            code_failures_max: 3,
            order_s: None,
        }
    }
}

/// An SM-DP+.
pub struct Smdp {
    settings: SmdpSettings,
    authenticator: Authenticator,
    /// By the key identifier of the CI.
    identities: BTreeMap<Vec<u8>, SmdpIdentity>,
    orders: BTreeMap<Iccid, Order>,
    by_matching_id: BTreeMap<String, Iccid>,
    by_eid: BTreeMap<Eid, BTreeSet<Iccid>>,
    /// The profiles of each type that nothing was ordered of; a type of which none is left stays.
    available: BTreeMap<String, BTreeSet<Iccid>>,
    by_transaction: BTreeMap<Vec<u8>, Iccid>,
    /// Of eUICCs that have not proved themselves: in memory alone.
    initiated: Sessions<Session>,
    sessions: Sessions<Session>,
    notifications: BTreeMap<String, NotificationRecord>,
    events: PendingEvents,
    released: u64,
    rng: ChaCha20Rng,
    store: Box<dyn Store>,
    tally: Tally,
}

impl Smdp {
    /// An SM-DP+ with the identities that the trusted CIs have given it. Challenges and keys are drawn from `rng`,
    /// which must not begin again where `records` of before are given.
    ///
    /// # Errors
    /// [`StoreError`] where a record is not one of an SM-DP+.
    pub fn new(
        settings: SmdpSettings,
        identities: Vec<(TrustAnchor, SmdpIdentity)>,
        rng: ChaCha20Rng,
        store: Box<dyn Store>,
        records: &Records,
        tally: &Tally,
    ) -> Result<Self, StoreError> {
        let credentials = credentials(&identities);
        let initiated = Sessions::new(settings.sessions_max, settings.sessions_per_peer);
        let sessions = Sessions::new(settings.sessions_max, settings.sessions_per_euicc);
        let mut smdp = Self {
            authenticator: Authenticator::new(ServerKind::Smdp, &settings.address, credentials, tally),
            settings,
            identities: identities.into_iter().map(|(anchor, i)| (anchor.key_id().to_vec(), i)).collect(),
            orders: BTreeMap::new(),
            by_matching_id: BTreeMap::new(),
            by_eid: BTreeMap::new(),
            available: BTreeMap::new(),
            by_transaction: BTreeMap::new(),
            initiated,
            sessions,
            notifications: BTreeMap::new(),
            events: PendingEvents::default(),
            released: 0,
            rng,
            store,
            tally: tally.clone(),
        };
        for ((kind, key), bytes) in records {
            match kind {
                Kind::Order => smdp.index(store::read::<Order>(*kind, key, bytes)?),
                Kind::Session => {
                    let session: Session = store::read(*kind, key, bytes)?;
                    smdp.remember_session(session);
                }
                Kind::Notification => {
                    smdp.notifications.insert(key.clone(), store::read(*kind, key, bytes)?);
                }
                Kind::Event | Kind::Euicc => {}
            }
        }
        smdp.remember_events();
        Ok(smdp)
    }

    /// Takes other certificates and revocation lists, while it serves.
    pub fn renew(&mut self, identities: Vec<(TrustAnchor, SmdpIdentity)>) {
        let credentials = credentials(&identities);
        self.authenticator =
            Authenticator::new(ServerKind::Smdp, &self.settings.address, credentials, &self.tally);
        self.identities = identities.into_iter().map(|(anchor, i)| (anchor.key_id().to_vec(), i)).collect();
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.settings.address
    }

    /// Every profile with its order.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    /// The order of a profile.
    pub fn order(&self, iccid: &Iccid) -> Option<&Order> {
        self.orders.get(iccid)
    }

    /// The notifications that were received and verified.
    pub fn notifications(&self) -> impl Iterator<Item = &NotificationRecord> {
        self.notifications.values()
    }

    /// The activation code of an order (SGP.22 clause 4.1), where it has a matching identifier.
    pub fn activation_code(&self, order: &Order) -> Option<String> {
        let matching_id = order.matching_id()?;
        let required = if order.needs_code() { "$$1" } else { "" };
        Some(format!("LPA:1${}${matching_id}{required}", self.settings.address))
    }

    /// Takes a profile into the inventory.
    ///
    /// # Errors
    /// [`Reason::IccidInUse`]; [`Reason::Malformed`] where the ICCID of the metadata is another; [`Reason::NotKept`].
    pub fn add_profile(&mut self, profile: Profile) -> Result<(), FunctionRefusal> {
        self.check_new(&profile)?;
        let keys = self.package_keys();
        self.add_profile_with(profile, keys)
    }

    /// Draws the keys of a profile that is made later, so that what is drawn does not depend on when that is.
    pub fn package_keys(&mut self) -> PackageKeys {
        if self.settings.protect { PackageKeys::draw(&mut self.rng) } else { PackageKeys::NONE }
    }

    /// As [`Smdp::add_profile`], with keys that were drawn before.
    ///
    /// # Errors
    /// As [`Smdp::add_profile`].
    pub fn add_profile_with(&mut self, profile: Profile, keys: PackageKeys) -> Result<(), FunctionRefusal> {
        self.check_new(&profile)?;
        let memory_bytes = profile.package.len() as u64;
        let header = saip::Package::header_in(&profile.package);
        let demands = header.map(|header| header.mandatory_services.capability()).unwrap_or_default();
        self.keep(Order {
            iccid: profile.iccid,
            profile_type: profile.profile_type,
            state: OrderState::Available,
            owner: None,
            eid: None,
            matching_id: None,
            smds: None,
            ended_events: Vec::new(),
            code_hash: None,
            code_failures: 0,
            downloads: 0,
            expires_unix_s: None,
            released: 0,
            metadata: profile.metadata,
            package: Package::protect(profile.package, keys),
            memory_bytes,
            demands,
            binding: None,
            transactions: Vec::new(),
            problem: None,
        })
    }

    fn check_new(&self, profile: &Profile) -> Result<(), FunctionRefusal> {
        if self.orders.contains_key(&profile.iccid) {
            return Err(Reason::IccidInUse.into());
        }
        if bcd::read_iccid(&profile.metadata.iccid).as_ref() != Ok(&profile.iccid) {
            return Err(FunctionRefusal::new(Reason::Malformed, "The ICCID of the metadata is another one."));
        }
        Ok(())
    }

    /// Answers a request of ES9+ or ES2+ of who runs the servers.
    pub fn handle(&mut self, now_unix_s: u64, request: &HttpRequest) -> Served {
        self.handle_for(now_unix_s, &Caller::House, request)
    }

    /// Answers a request of ES9+ or ES2+.
    pub fn handle_for(&mut self, now_unix_s: u64, caller: &Caller, request: &HttpRequest) -> Served {
        self.forget_sessions(now_unix_s);
        match request.path.strip_prefix("/gsma/rsp2/es9plus/") {
            Some(function) => self.es9p(now_unix_s, caller, function, &request.body),
            None => match request.path.strip_prefix("/gsma/rsp2/es2plus/") {
                Some(function) => self.es2p(now_unix_s, caller, function, &request.body),
                None => Served::refused(&request.path, &Reason::UnknownFunction.into(), None),
            },
        }
    }

    /// When something has to be done although no request comes: an SM-DS is to be told again. Unix seconds.
    pub fn deadline_unix_s(&self) -> Option<u64> {
        self.events.due_unix_s()
    }

    fn binder<'a>(&self, identity: &'a SmdpIdentity, tally: &'a Tally) -> Binder<'a> {
        Binder { pb: &identity.pb.key, oid: &identity.oid, tally }
    }

    fn identity(&self, session: &Session) -> Result<SmdpIdentity, FunctionRefusal> {
        let identity = self.identities.get(&session.challenge.own_ci_key_id);
        identity.cloned().ok_or_else(|| Reason::SmdpNoCertificate.into())
    }

    /// Keeps an order, in the place of the one before.
    fn keep(&mut self, order: Order) -> Result<(), FunctionRefusal> {
        self.store.put(Kind::Order, order.iccid.as_str(), &mut || store::record(&order)).map_err(not_kept)?;
        self.index(order);
        Ok(())
    }

    fn index(&mut self, order: Order) {
        if let Some(before) = self.orders.get(&order.iccid) {
            if let Some(id) = &before.matching_id {
                self.by_matching_id.remove(id);
            }
            if let Some(eid) = &before.eid
                && let Some(iccids) = self.by_eid.get_mut(eid)
            {
                iccids.remove(&order.iccid);
                if iccids.is_empty() {
                    self.by_eid.remove(eid);
                }
            }
        }
        let available = self.available.entry(order.profile_type.clone()).or_default();
        match order.state {
            OrderState::Available => available.insert(order.iccid.clone()),
            _ => available.remove(&order.iccid),
        };
        if let Some(id) = order.matching_id.as_ref().filter(|id| !id.is_empty()) {
            self.by_matching_id.insert(id.clone(), order.iccid.clone());
        }
        if let Some(eid) = &order.eid {
            self.by_eid.entry(eid.clone()).or_default().insert(order.iccid.clone());
        }
        for transaction in &order.transactions {
            self.by_transaction.insert(transaction.clone(), order.iccid.clone());
        }
        self.released = self.released.max(order.released);
        self.orders.insert(order.iccid.clone(), order);
    }

    /// The session, whether or not its eUICC has proved itself.
    fn session(&self, transaction_id: &[u8]) -> Result<Session, FunctionRefusal> {
        let session = self.sessions.get(transaction_id).or_else(|| self.initiated.get(transaction_id));
        session.cloned().ok_or_else(|| Reason::TransactionUnknown.into())
    }

    /// Keeps the session of an eUICC that has proved itself.
    fn keep_session(&mut self, session: Session) -> Result<(), FunctionRefusal> {
        let key = hex::encode(&session.transaction_id);
        self.store.put(Kind::Session, &key, &mut || store::record(&session)).map_err(not_kept)?;
        self.remember_session(session);
        Ok(())
    }

    fn remember_session(&mut self, session: Session) {
        // Of an earlier version, which kept what nobody had proved anything in.
        let Some(eid) = session.step.eid().cloned() else { return };
        self.initiated.remove(&session.transaction_id);
        let (id, end) = (session.transaction_id.clone(), session.expires_unix_s);
        for gone in self.sessions.insert(id, end, Some(eid.as_str()), session) {
            let _ = self.store.remove(Kind::Session, &hex::encode(gone));
        }
    }

    fn end_session(&mut self, transaction_id: &[u8]) {
        self.initiated.remove(transaction_id);
        if self.sessions.remove(transaction_id).is_some() {
            // One that stays in the store runs out there.
            let _ = self.store.remove(Kind::Session, &hex::encode(transaction_id));
        }
    }

    fn forget_sessions(&mut self, now_unix_s: u64) {
        let over = |smdp: &Self| {
            let over = smdp.sessions.over(now_unix_s).or_else(|| smdp.initiated.over(now_unix_s));
            over.map(<[u8]>::to_vec)
        };
        while let Some(transaction_id) = over(self) {
            self.end_session(&transaction_id);
        }
    }

    fn draw<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}

fn credentials(identities: &[(TrustAnchor, SmdpIdentity)]) -> Vec<Credential> {
    let one = |(anchor, identity): &(TrustAnchor, SmdpIdentity)| Credential {
        anchor: anchor.clone(),
        auth: identity.auth.clone(),
    };
    identities.iter().map(one).collect()
}

fn not_kept(error: StoreError) -> FunctionRefusal {
    FunctionRefusal::new(Reason::NotKept, format!("{error}."))
}

/// What a dispatcher gives back: the response, and a word on it for people.
type Outcome = Result<(super::HttpResponse, String), (FunctionRefusal, Option<Vec<u8>>)>;

fn served(function: String, outcome: Outcome) -> Served {
    match outcome {
        Ok((response, note)) => Served { response, function, note, refusal: None, notice: None },
        Err((refusal, transaction)) => Served::refused(&function, &refusal, transaction.as_deref()),
    }
}

/// The response of a function that returns nothing but its header.
fn done() -> super::HttpResponse {
    json::executed(Vec::new())
}
