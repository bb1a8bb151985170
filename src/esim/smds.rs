//! The SM-DS (SGP.22 clauses 3.6, 5.8 and 5.9): where an eUICC hears which SM-DP+ has something for it. ES11 serves
//! devices, ES12 the SM-DP+.

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::authenticate::{Authenticator, Challenge, Credential, Kind as ServerKind};
use super::caller::check_requester;
use super::json::{self as binding, Body};
use super::pki::SmdsIdentity;
use super::sessions::Sessions;
use super::store::{self, Kind, Records, Store, StoreError};
use super::{Caller, Client, ClientName, FunctionRefusal, HttpRequest, HttpResponse, Reason, Served};
use crate::crypto::Tally;
use crate::crypto::rsp_cert::TrustAnchor;
use crate::id::Eid;

/// For how long a session waits for the next request, in seconds.
const SESSION_S: u64 = 300;
const SESSIONS_MAX: usize = 10_000;
const SESSIONS_PER_PEER: usize = 1_000;
/// How many events may wait for one EID, of all SM-DP+s and of one.
const EVENTS_MAX: usize = 100;
const EVENTS_EACH: usize = 20;

/// What waits for an eUICC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The eUICC.
    pub eid: Eid,
    /// By which the SM-DP+ finds it again.
    pub event_id: String,
    /// FQDN of the SM-DP+.
    pub server: String,
    /// The SM-DP+ that has registered it, by its certificate; none where that is served by the same house.
    #[serde(default)]
    pub owner: Option<String>,
    /// The order in which events came.
    number: u64,
}

/// An SM-DS.
pub struct Smds {
    address: String,
    authenticator: Authenticator,
    events: BTreeMap<(Eid, String), Event>,
    /// How many wait for an EID, by who has registered them.
    counts: BTreeMap<Eid, BTreeMap<Option<String>, usize>>,
    number: u64,
    sessions: Sessions<Challenge>,
    rng: ChaCha20Rng,
    store: Box<dyn Store>,
}

type Answer = Result<(HttpResponse, String), FunctionRefusal>;

impl Smds {
    /// An SM-DS at `address` with the identities that the trusted CIs have given it.
    ///
    /// # Errors
    /// [`StoreError`] where a record is not one of an SM-DS.
    pub fn new(
        address: &str,
        identities: Vec<(TrustAnchor, SmdsIdentity)>,
        rng: ChaCha20Rng,
        store: Box<dyn Store>,
        records: &Records,
        tally: &Tally,
    ) -> Result<Self, StoreError> {
        let credentials = identities
            .into_iter()
            .map(|(anchor, identity)| Credential { anchor, auth: identity.auth })
            .collect();
        let mut smds = Self {
            address: address.to_owned(),
            authenticator: Authenticator::new(ServerKind::Smds, address, credentials, tally),
            number: 0,
            events: BTreeMap::new(),
            counts: BTreeMap::new(),
            sessions: Sessions::new(SESSIONS_MAX, SESSIONS_PER_PEER),
            rng,
            store,
        };
        for ((kind, key), bytes) in records {
            if *kind == Kind::Event {
                smds.insert(store::read(*kind, key, bytes)?);
            }
        }
        Ok(smds)
    }

    /// Takes other certificates and revocation lists, while it serves.
    pub fn renew(&mut self, identities: Vec<(TrustAnchor, SmdsIdentity)>, tally: &Tally) {
        let credentials = identities
            .into_iter()
            .map(|(anchor, identity)| Credential { anchor, auth: identity.auth })
            .collect();
        self.authenticator = Authenticator::new(ServerKind::Smds, &self.address, credentials, tally);
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What waits.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.values()
    }

    /// Answers a request of ES11 or ES12 of who runs the servers.
    pub fn handle(&mut self, now_unix_s: u64, request: &HttpRequest) -> Served {
        self.handle_for(now_unix_s, &Caller::House, request)
    }

    /// Answers a request of ES11 or ES12. Some devices use the paths of ES9+ with an SM-DS as well.
    pub fn handle_for(&mut self, now_unix_s: u64, caller: &Caller, request: &HttpRequest) -> Served {
        while let Some(id) = self.sessions.over(now_unix_s).map(<[u8]>::to_vec) {
            self.sessions.remove(&id);
        }
        let path = request.path.strip_prefix("/gsma/rsp2/").unwrap_or_default();
        let mut transaction = None;
        let (name, answer) = match path {
            "es11/initiateAuthentication" | "es9plus/initiateAuthentication" => {
                ("ES11.InitiateAuthentication", self.initiate(now_unix_s, caller, &request.body))
            }
            "es11/authenticateClient" | "es9plus/authenticateClient" => {
                let answer = self.authenticate_client(now_unix_s, &request.body, &mut transaction);
                ("ES11.AuthenticateClient", answer)
            }
            "es12/registerEvent" => ("ES12.RegisterEvent", self.register_event(caller, &request.body)),
            "es12/deleteEvent" => ("ES12.DeleteEvent", self.delete_event(caller, &request.body)),
            _ => (request.path.as_str(), Err(Reason::UnknownFunction.into())),
        };
        match answer {
            Ok((response, note)) => {
                Served { response, function: name.to_owned(), note, refusal: None, notice: None }
            }
            Err(refusal) => Served::refused(name, &refusal, transaction.as_deref()),
        }
    }

    /// Clause 5.8.1.
    fn initiate(&mut self, now_unix_s: u64, caller: &Caller, body: &[u8]) -> Answer {
        let body = Body::parse(body)?;
        let mut id = vec![0; 16];
        self.rng.fill_bytes(&mut id);
        let (challenge, response) = self.authenticator.initiate(&body, &id, &mut self.rng, now_unix_s)?;
        let note = format!("session {}", hex::encode_upper(&id[..4]));
        self.sessions.insert(id, now_unix_s.saturating_add(SESSION_S), caller.address(), challenge);
        Ok((response, note))
    }

    /// Clause 5.8.2: the one event that the matching identifier names, or all of the EID.
    fn authenticate_client(
        &mut self,
        now_unix_s: u64,
        body: &[u8],
        transaction: &mut Option<Vec<u8>>,
    ) -> Answer {
        let body = Body::parse(body)?;
        let id = transaction.insert(body.transaction_id()?).clone();
        let challenge = self.sessions.get(&id).ok_or(Reason::TransactionUnknown)?;
        let euicc = self.authenticator.verify(&body, &id, challenge, now_unix_s)?;
        let mut found: Vec<&Event> = match euicc.context.matching_id.as_deref().filter(|id| !id.is_empty()) {
            Some(wanted) => {
                let key = (euicc.eid.clone(), wanted.to_owned());
                vec![self.events.get(&key).ok_or(Reason::EventUnknown)?]
            }
            None => self.waiting_for(&euicc.eid).collect(),
        };
        found.sort_by_key(|event| event.number);
        let entries: Vec<Value> = found
            .iter()
            .map(|event| json!({"eventId": event.event_id, "rspServerAddress": event.server}))
            .collect();
        let note = format!("EID {}, {} events", euicc.eid, entries.len());
        let response = binding::executed(vec![
            ("transactionId", binding::transaction_id(&id)),
            ("eventEntries", Value::Array(entries)),
        ]);
        self.sessions.remove(&id);
        Ok((response, note))
    }

    /// The events of one EID.
    fn waiting_for(&self, eid: &Eid) -> impl Iterator<Item = &Event> {
        let from_here = self.events.range((eid.clone(), String::new())..);
        from_here.map(|(_, event)| event).take_while(move |event| event.eid == *eid)
    }

    fn insert(&mut self, event: Event) {
        self.number = self.number.max(event.number);
        *self.counts.entry(event.eid.clone()).or_default().entry(event.owner.clone()).or_default() += 1;
        self.events.insert((event.eid.clone(), event.event_id.clone()), event);
    }

    fn remove(&mut self, key: &(Eid, String)) {
        let Some(event) = self.events.remove(key) else { return };
        if let Some(of_eid) = self.counts.get_mut(&event.eid) {
            if let Some(count) = of_eid.get_mut(&event.owner) {
                *count = count.saturating_sub(1);
            }
            of_eid.retain(|_, count| *count > 0);
            if of_eid.is_empty() {
                self.counts.remove(&event.eid);
            }
        }
    }

    /// Clause 5.9.1.
    fn register_event(&mut self, caller: &Caller, body: &[u8]) -> Answer {
        let owner = owner_of(caller)?;
        let body = Body::parse(body)?;
        check_requester(&body, owner)?;
        let (eid, event_id) = event_of(&body)?;
        let server = body.text("rspServerAddress")?.to_owned();
        let owner = owner.map(|name| name.name.clone());
        let key = (eid.clone(), event_id.clone());
        let note = format!("EID {eid}, event {event_id} at {server}");
        match self.events.get(&key) {
            // The same again: an SM-DP+ that did not hear the answer.
            Some(known) if known.server == server && known.owner == owner => {
                return Ok((binding::executed(Vec::new()), note));
            }
            Some(_) => return Err(Reason::EventInUse.into()),
            None => {}
        }
        let counts = self.counts.get(&eid);
        let own = counts.and_then(|counts| counts.get(&owner)).copied().unwrap_or_default();
        let all: usize = counts.map(|counts| counts.values().sum()).unwrap_or_default();
        if own >= EVENTS_EACH || all >= EVENTS_MAX {
            return Err(Reason::Busy.into());
        }
        let event = Event { eid, event_id, server, owner, number: self.number + 1 };
        let kept = self.store.put(Kind::Event, &record_key(&key), &mut || store::record(&event));
        kept.map_err(|error| FunctionRefusal::new(Reason::NotKept, format!("{error}.")))?;
        self.insert(event);
        Ok((binding::executed(Vec::new()), note))
    }

    /// Clause 5.9.2: an event is for who has registered it.
    fn delete_event(&mut self, caller: &Caller, body: &[u8]) -> Answer {
        let owner = owner_of(caller)?;
        let body = Body::parse(body)?;
        check_requester(&body, owner)?;
        let key = event_of(&body)?;
        let event = self.events.get(&key).ok_or(Reason::EventUnknown)?;
        if owner.is_some_and(|name| event.owner.as_ref() != Some(&name.name)) {
            return Err(Reason::NotTheOwner.into());
        }
        let gone = self.store.remove(Kind::Event, &record_key(&key));
        gone.map_err(|error| FunctionRefusal::new(Reason::NotKept, format!("{error}.")))?;
        self.remove(&key);
        Ok((binding::executed(Vec::new()), format!("EID {}, event {}", key.0, key.1)))
    }
}

/// In whose name ES12 is used; none for who runs the servers.
fn owner_of(caller: &Caller) -> Result<Option<&ClientName>, FunctionRefusal> {
    match caller {
        Caller::House | Caller::Peer { client: Client::NotAsked, .. } => Ok(None),
        Caller::Peer { client: Client::Smdp(name), .. } => Ok(Some(name)),
        Caller::Peer { client: Client::Operator(name), .. } => {
            let detail = format!("The certificate of {} is not an SM-DP+'s.", name.name);
            Err(FunctionRefusal::new(Reason::NotAuthenticated, detail))
        }
        Caller::Peer { client: Client::Nobody(why), .. } => {
            Err(FunctionRefusal::new(Reason::NotAuthenticated, why))
        }
    }
}

fn event_of(body: &Body) -> Result<(Eid, String), FunctionRefusal> {
    let missing = || FunctionRefusal::new(Reason::FieldMissing, "eid is not there.");
    let event_id = body.text("eventId")?;
    if event_id.is_empty() {
        return Err(FunctionRefusal::new(Reason::Malformed, "eventId is empty."));
    }
    Ok((body.parsed("eid")?.ok_or_else(missing)?, event_id.to_owned()))
}

/// Event identifiers come from outside; a key is made of letters and digits.
fn record_key((eid, event_id): &(Eid, String)) -> String {
    format!("{eid}-{}", hex::encode(event_id))
}
