//! The controller of the switch as a node: it learns of sessions by what the network states under its key, and of devices that
//! are cut off by the registrar's signed orders.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::corenet::{SessionChange, Statement};
use crate::crypto::{Op, Tally, key};
use crate::event::{Actor, Body, SessionKey};
use crate::id::Plmn;
use crate::kernel::Instant;
use crate::sdn::{Applied, Controller, ControllerInput, ControllerOutput, Policy, Session};
use crate::wire::order::{Grounds, Inbox, Verdict};
use crate::world::WorldError;
use crate::world::node::{Input, Node, Output};
use crate::world::port::{Iface, Payload, Port, To};

/// Where the policies lead that have lists.
#[derive(Debug, Clone)]
pub struct Reach {
    /// What a session reaches that is for onboarding only.
    pub onboarding: Arc<[IpAddr]>,
    /// What one that is suspected reaches.
    pub restricted: Arc<[IpAddr]>,
    /// What one that is cut off reaches.
    pub isolated: Arc<[IpAddr]>,
}

/// What the sessions of a slice may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SliceReach {
    /// The eSIM servers, to get an operational subscription.
    OnboardingOnly,
    /// The services that are known, and what may be added to the network later is none of them.
    Restricted,
    /// Every service.
    Service,
    /// The update service, and nothing else.
    Remediation,
}

/// The controller, and what it knows of the network's statements.
pub struct ControllerNode {
    controller: Controller,
    /// The public keys, `X || Y`, of the networks that are believed.
    networks: BTreeMap<Plmn, [u8; 64]>,
    reach: Reach,
    /// What sessions of a slice reach, by its access point name.
    slices: BTreeMap<String, SliceReach>,
    orders: Inbox,
    tally: Tally,
    /// The last statement on each session that is up.
    last: BTreeMap<u64, u64>,
    /// Sessions that have ended, while a statement on them can be fresh.
    ended: BTreeSet<u64>,
    /// The same in the order in which none can be any more, with the second of Unix time.
    fresh: BTreeSet<(u64, u64)>,
}

impl ControllerNode {
    /// A controller that believes the statements of `networks`, with the lists of `reach`, and follows nobody's orders
    /// yet.
    pub fn new(
        controller: Controller,
        networks: BTreeMap<Plmn, [u8; 64]>,
        reach: Reach,
        tally: &Tally,
    ) -> Self {
        let check = |public: &[u8; 64], message: &[u8], signature: &[u8; 64]| {
            key::verify(public, message, signature).is_ok()
        };
        let orders = Inbox::new(check);
        let (slices, last, ended, fresh) = Default::default();
        Self { controller, networks, reach, slices, orders, tally: tally.clone(), last, ended, fresh }
    }

    /// The same, in which sessions with these access point names reach what is said of them.
    #[must_use]
    pub fn sliced(self, slices: BTreeMap<String, SliceReach>) -> Self {
        Self { slices, ..self }
    }

    /// Follows the orders of `issuer` from now on, under the public point `X || Y`.
    pub fn follow(&mut self, issuer: &str, public: [u8; 64]) {
        self.orders.follow(issuer, public);
    }

    /// Does what an order says of the subscriptions of a device; one that is not to be followed is told and changes nothing.
    fn order(&mut self, now: Instant, token: &[u8], out: &mut Vec<Output>) -> Result<(), WorldError> {
        self.tally.count(Op::P256Verify);
        let order = match self.orders.take(now.unix_s(), token) {
            Ok(order) => order,
            Err(error) => {
                let fields = vec![("reason", error.word().to_owned()), ("detail", error.to_string())];
                let body = Body::note(Actor::CONTROLLER, "order refused", fields);
                out.push(Output::Tell { at: now, body, session: None });
                return Ok(());
            }
        };
        let policy = match order.verdict {
            Verdict::Isolate => Some(Policy::Isolated(self.reach.isolated.clone())),
            Verdict::Revoke => Some(Policy::Isolated([].into())),
            Verdict::Restrict => Some(Policy::Restricted(self.reach.restricted.clone())),
            Verdict::Release => None,
        };
        let mut outputs = Vec::new();
        let by_evidence = matches!(order.grounds, Grounds::Evidence(_));
        for subscription in &order.subscriptions {
            // What rests on evidence alone neither loosens nor ends what the ledger has said.
            if by_evidence && self.controller.held(subscription.as_str()).is_some_and(Policy::is_isolated) {
                continue;
            }
            self.controller.hold(now, subscription.as_str(), policy.clone(), &mut outputs)?;
        }
        Self::put(now, outputs, out);
        Ok(())
    }

    /// The controller itself, to be told what a session may reach (see [`put`](Self::put) for what it says then).
    pub fn controller(&mut self) -> &mut Controller {
        &mut self.controller
    }

    /// What a controller says, as a node says it.
    pub fn put(now: Instant, outputs: Vec<ControllerOutput>, out: &mut Vec<Output>) {
        out.extend(outputs.into_iter().filter_map(|output| say(now, output)));
    }

    /// What a statement says of a session, or in a word why it is not believed.
    fn believed(&mut self, now_unix_s: u64, token: &[u8]) -> Result<SessionChange, &'static str> {
        while let Some(&(until, session)) = self.fresh.first().filter(|(until, _)| *until < now_unix_s) {
            self.fresh.remove(&(until, session));
            self.ended.remove(&session);
        }
        let key_of = |network| {
            self.tally.count(Op::P256Verify);
            self.networks.get(&network).copied()
        };
        let statement = Statement::verify(token, now_unix_s, key_of).map_err(|error| error.word())?;
        let Statement { sequence, until_unix_s, change, .. } = statement;
        let number = change.session().0;
        if self.ended.contains(&number) {
            return Err("session-ended");
        }
        if self.last.get(&number).is_some_and(|last| sequence <= *last) {
            return Err("replayed");
        }
        match &change {
            SessionChange::Up(_) | SessionChange::Changed(_) => drop(self.last.insert(number, sequence)),
            SessionChange::Down(_) => {
                self.last.remove(&number);
                self.ended.insert(number);
                self.fresh.insert((until_unix_s, number));
            }
        }
        Ok(change)
    }

    fn session(&self, change: &SessionChange) -> Option<Session> {
        let (SessionChange::Up(attestation) | SessionChange::Changed(attestation)) = change else {
            return None;
        };
        let slice = self.slices.get(&attestation.apn).copied().unwrap_or(SliceReach::Service);
        // A bootstrap subscription stays one in every slice.
        let policy = match (attestation.is_restricted(), slice) {
            (true, _) | (_, SliceReach::OnboardingOnly) => Policy::Onboarding(self.reach.onboarding.clone()),
            (_, SliceReach::Restricted) => Policy::Restricted(self.reach.restricted.clone()),
            (_, SliceReach::Service) => Policy::Service,
            (_, SliceReach::Remediation) => Policy::Isolated(self.reach.isolated.clone()),
        };
        let holder = Arc::from(attestation.iccid.as_str());
        let mut addresses = attestation.addresses();
        let address = addresses.next()?;
        let prefix = addresses.find_map(|address| match address {
            IpAddr::V6(prefix) => Some(prefix),
            IpAddr::V4(_) => None,
        });
        Some(Session { number: attestation.session.0, address, prefix, holder, policy })
    }
}

/// What a controller says, as a node says it.
fn say(now: Instant, output: ControllerOutput) -> Option<Output> {
    let note = |change: &'static str, fields, address: Option<IpAddr>| {
        let body = Body::note(Actor::CONTROLLER, change, fields);
        Output::Tell { at: now, body, session: address.map(SessionKey::Address) }
    };
    Some(match output {
        ControllerOutput::Message { octets, label, about } => {
            let from = Port::new(Actor::CONTROLLER, Iface::OpenFlow);
            let to = To::Port(Port::new(Actor::SWITCH, Iface::OpenFlow));
            Output::frame(now, from, to, octets, label).about(about.map(SessionKey::Address))
        }
        // The association is the world's to end.
        ControllerOutput::Close => return None,
        ControllerOutput::Applied(Applied { address, policy, wanted, .. }) => {
            let fields = vec![
                ("session", address.to_string()),
                ("policy", policy.name().to_owned()),
                ("after_us", now.since(wanted).as_micros().to_string()),
            ];
            note("policy stands", fields, Some(address))
        }
        ControllerOutput::Synchronised { sessions } => {
            note("switch is written to", vec![("sessions", sessions.to_string())], None)
        }
        ControllerOutput::Refused { code } => {
            note("switch refuses", vec![("reason", code.to_string())], None)
        }
    })
}

impl Node for ControllerNode {
    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) -> Result<(), WorldError> {
        let message;
        let input = match input {
            Input::Linked { at: Iface::OpenFlow, .. } => ControllerInput::Connected,
            Input::Unlinked { at: Iface::OpenFlow, .. } => ControllerInput::Lost,
            Input::Frame { at: Iface::OpenFlow, payload: Payload::Bytes(octets), .. } => {
                message = octets;
                ControllerInput::Message(&message)
            }
            Input::Frame { at: Iface::SgiAaa, payload: Payload::Bytes(token), .. } => {
                let change = match self.believed(now.unix_s(), &token) {
                    Ok(change) => change,
                    Err(reason) => {
                        let fields = vec![("reason", reason.to_owned())];
                        let body = Body::note(Actor::CONTROLLER, "session statement refused", fields);
                        out.push(Output::Tell { at: now, body, session: None });
                        return Ok(());
                    }
                };
                match change {
                    SessionChange::Down(session) => ControllerInput::Down { session: session.0 },
                    change => match self.session(&change) {
                        Some(session) => ControllerInput::Up(session),
                        // A session without IP passes no switch.
                        None => return Ok(()),
                    },
                }
            }
            Input::Frame { at: Iface::Orders, payload: Payload::Bytes(token), .. } => {
                return self.order(now, &token, out);
            }
            Input::Timer => ControllerInput::Timer,
            _ => return Ok(()),
        };
        let mut outputs = Vec::new();
        self.controller.handle(now, input, &mut outputs)?;
        Self::put(now, outputs, out);
        Ok(())
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        self.controller.deadline()
    }

    fn counters(&self, tell: &mut dyn FnMut(String, u64)) {
        self.controller
            .refusals()
            .for_each(|(code, count)| tell(format!("controller.refused.{code}"), count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corenet::{Attestation, PdnAddress, RatType, SessionId};
    use crate::crypto::SoftKey;
    use crate::kernel::RngTree;
    use crate::sdn::ControllerConfig;
    use crate::wire::Reason;
    use crate::wire::order::{Order, VALIDITY_S};

    const HELP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9));
    const ICCID: &str = "8988211000000000011";

    fn node(key: &SoftKey) -> ControllerNode {
        let list = || Arc::from([HELP]);
        let reach = Reach { onboarding: list(), restricted: list(), isolated: list() };
        let config = ControllerConfig {
            devices: 1,
            services: 2,
            pool: (std::net::Ipv4Addr::new(10, 44, 0, 0), 16),
            pool_v6: ("2001:db8:4000::".parse().unwrap(), 34),
            echo_after: None,
        };
        let mut node = ControllerNode::new(Controller::new(config), BTreeMap::new(), reach, &Tally::new());
        node.follow("registrar", key.public());
        node
    }

    /// Has the node take an order, the `sequence`th, under `key`; says what the subscription is held to afterwards.
    fn ordered(
        node: &mut ControllerNode,
        sequence: u64,
        verdict: Verdict,
        grounds: Grounds,
        key: &SoftKey,
    ) -> Option<&'static str> {
        let now = Instant::ZERO;
        let order = Order {
            issuer: "registrar".to_owned(),
            sequence,
            issued_unix_s: now.unix_s(),
            until_unix_s: now.unix_s() + VALIDITY_S,
            verdict,
            reason: Reason::Suspected,
            device: [1; 32],
            grounds,
            subscriptions: vec![ICCID.parse().unwrap()],
            sessions: Vec::new(),
        };
        let token = order.sign(|message| key.sign(message));
        let from = Port::new(Actor::REGISTRAR, Iface::Orders);
        let input = Input::Frame { at: Iface::Orders, from, payload: Payload::Bytes(token) };
        node.handle(now, input, &mut Vec::new()).unwrap();
        node.controller.held(ICCID).map(Policy::name)
    }

    #[test]
    fn what_rests_on_evidence_alone_does_not_touch_what_the_ledger_says() {
        let key = SoftKey::from_stream(&mut RngTree::new(7).stream("orders"));
        let mut node = node(&key);
        let evidence = Grounds::Evidence([7; 32]);
        let ledger = Grounds::Ledger { block: 4, transaction: [2; 32], sequence: 3 };
        let mut take = |sequence, verdict, grounds| ordered(&mut node, sequence, verdict, grounds, &key);
        assert_eq!(take(1, Verdict::Restrict, evidence), Some("restricted"));
        assert_eq!(take(2, Verdict::Release, evidence), None);
        assert_eq!(take(3, Verdict::Isolate, ledger), Some("isolated"));
        // The end of a suspicion, and a new one.
        assert_eq!(take(4, Verdict::Release, evidence), Some("isolated"));
        assert_eq!(take(5, Verdict::Restrict, evidence), Some("isolated"));
        // An order that comes again.
        assert_eq!(take(2, Verdict::Release, ledger), Some("isolated"));
        assert_eq!(take(6, Verdict::Release, ledger), None);
        assert_eq!(take(7, Verdict::Revoke, ledger), Some("isolated"));
    }

    #[test]
    fn a_slice_reaches_what_is_said_of_it_and_a_bootstrap_subscription_the_same_in_all() {
        let key = SoftKey::from_stream(&mut RngTree::new(7).stream("orders"));
        let slices = [
            ("meters", SliceReach::Restricted),
            ("repair", SliceReach::Remediation),
            ("boot", SliceReach::OnboardingOnly),
            ("open", SliceReach::Service),
        ];
        let slices = slices.map(|(apn, reach)| (apn.to_owned(), reach)).into();
        let node = node(&key).sliced(slices);
        let policy = |apn: &str, policy: &str| {
            let attestation = Attestation {
                session: SessionId(1),
                imsi: "001010000000001".parse().unwrap(),
                iccid: ICCID.parse().unwrap(),
                imei: None,
                apn: apn.to_owned(),
                addresses: vec![PdnAddress::Ipv4(std::net::Ipv4Addr::new(10, 44, 0, 2))],
                policy: policy.to_owned(),
                rat: RatType::Eutran,
                since: Instant::ZERO,
            };
            node.session(&SessionChange::Up(attestation)).unwrap().policy.name()
        };
        let reached = ["meters", "repair", "boot", "open", "internet"].map(|apn| policy(apn, "unrestricted"));
        assert_eq!(reached, ["restricted", "isolated", "onboarding-only", "service", "service"]);
        let restricted = "restricted 10.0.0.1";
        assert!(["meters", "repair", "open"].iter().all(|apn| policy(apn, restricted) == "onboarding-only"));
    }

    #[test]
    fn an_order_of_somebody_else_holds_nobody() {
        let (key, thief) =
            ["orders", "thief"].map(|name| SoftKey::from_stream(&mut RngTree::new(7).stream(name))).into();
        let mut node = node(&key);
        let ledger = Grounds::Ledger { block: 4, transaction: [2; 32], sequence: 3 };
        assert_eq!(ordered(&mut node, 1, Verdict::Isolate, ledger, &thief), None);
        assert_eq!(ordered(&mut node, 1, Verdict::Isolate, ledger, &key), Some("isolated"));
        assert_eq!(ordered(&mut node, 2, Verdict::Release, ledger, &thief), Some("isolated"));
    }
}
