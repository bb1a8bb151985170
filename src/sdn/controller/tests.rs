//! Controller and switch, back to back.

use super::*;
use crate::sdn::switch::{Switch, SwitchConfig, SwitchInput, SwitchOutput, Tap};
use crate::wire::openflow::FlowFilter;
use proptest::prelude::*;

const ESIM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 99, 0, 60));
const HELP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 99, 0, 70));
const CLOUD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 99, 0, 30));

fn device(number: u8) -> IpAddr {
    IpAddr::V4(std::net::Ipv4Addr::new(10, 44, 0, number))
}

fn session(number: u64, address: IpAddr, policy: Policy) -> Session {
    let last = match address {
        IpAddr::V4(four) => four.octets()[3],
        IpAddr::V6(six) => six.octets()[7],
    };
    Session { number, address, prefix: None, holder: format!("holder-{last}").into(), policy }
}

fn onboarding() -> Policy {
    Policy::Onboarding([ESIM].into())
}

/// A header alone, of the version that both addresses are of.
fn packet(from: IpAddr, to: IpAddr) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            [&[0x45; 1][..], &[0; 11], &from.octets(), &to.octets()].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            [&[0x60; 1][..], &[0; 5], &[6, 64], &from.octets(), &to.octets()].concat()
        }
        _ => panic!("two versions in one packet"),
    }
}

fn six(text: &str) -> IpAddr {
    text.parse().unwrap()
}

struct Pair {
    controller: Controller,
    switch: Switch,
    now: Instant,
    connected: bool,
    /// What the controller has said besides messages.
    said: Vec<ControllerOutput>,
    messages: usize,
}

impl Pair {
    fn new() -> Self {
        let config = ControllerConfig {
            devices: SwitchConfig::DEVICES,
            services: SwitchConfig::SERVICES,
            pool: (std::net::Ipv4Addr::new(10, 44, 0, 0), 14),
            pool_v6: ("2001:db8:4000::".parse().unwrap(), 34),
            echo_after: Some(Duration::from_secs(5)),
        };
        let switch = Switch::new(SwitchConfig::behind_gateway(1));
        let (said, now) = (Vec::new(), Instant::ZERO);
        let mut pair =
            Self { controller: Controller::new(config), switch, now, connected: false, said, messages: 0 };
        pair.connect();
        assert_eq!(pair.said(), [ControllerOutput::Synchronised { sessions: 0 }]);
        pair
    }

    fn connect(&mut self) {
        self.connected = true;
        let mut out = Vec::new();
        let connected = SwitchInput::Connected { channel: 1 };
        self.switch.handle(self.now, connected, &mut |_: Tap<'_>| {}, &mut out).unwrap();
        let mut says = Vec::new();
        self.controller.handle(self.now, ControllerInput::Connected, &mut says).unwrap();
        self.exchange(says, out);
    }

    fn cut(&mut self) {
        self.connected = false;
        self.controller.handle(self.now, ControllerInput::Lost, &mut Vec::new()).unwrap();
        let lost = SwitchInput::Lost { channel: 1 };
        self.switch.handle(self.now, lost, &mut |_: Tap<'_>| {}, &mut Vec::new()).unwrap();
    }

    fn exchange(&mut self, mut says: Vec<ControllerOutput>, mut answers: Vec<SwitchOutput>) {
        while !says.is_empty() || !answers.is_empty() {
            for output in std::mem::take(&mut says) {
                match output {
                    ControllerOutput::Message { octets, .. } => {
                        assert!(self.connected, "a message to nobody");
                        self.messages += 1;
                        let message = SwitchInput::Message { channel: 1, octets: &octets };
                        let watch: &mut dyn FnMut(Tap<'_>) = &mut |_| {};
                        self.switch.handle(self.now, message, watch, &mut answers).unwrap();
                    }
                    other => self.said.push(other),
                }
            }
            for output in std::mem::take(&mut answers) {
                if let SwitchOutput::Message { octets, .. } = output {
                    let message = ControllerInput::Message(&octets);
                    self.controller.handle(self.now, message, &mut says).unwrap();
                }
            }
        }
    }

    fn take(&mut self, input: ControllerInput<'_>) {
        let mut says = Vec::new();
        self.controller.handle(self.now, input, &mut says).unwrap();
        self.exchange(says, Vec::new());
    }

    fn set(&mut self, address: IpAddr, policy: Policy) {
        let mut says = Vec::new();
        self.controller.set(self.now, address, policy, &mut says).unwrap();
        self.exchange(says, Vec::new());
    }

    fn release(&mut self, address: IpAddr) {
        let mut says = Vec::new();
        self.controller.release(self.now, address, &mut says).unwrap();
        self.exchange(says, Vec::new());
    }

    fn said(&mut self) -> Vec<ControllerOutput> {
        std::mem::take(&mut self.said)
    }

    /// Whether a packet of a device reaches `far`, and one of it the device.
    fn passes(&mut self, device: IpAddr, far: IpAddr) -> (bool, bool) {
        let mut passes = |port, from, to| {
            let mut out = Vec::new();
            let input = SwitchInput::Packet { port, octets: packet(from, to) };
            self.switch.handle(self.now, input, &mut |_: Tap<'_>| {}, &mut out).unwrap();
            out.iter().any(|output| matches!(output, SwitchOutput::Packet { .. }))
        };
        (passes(1, device, far), passes(2, far, device))
    }

    fn flows_of(&self, session: u64) -> usize {
        let flows = self.switch.flows().filtered(&FlowFilter::by_cookie(session, (1 << 40) - 1));
        flows.iter().filter(|flow| flow.table == 0).count()
    }
}

#[test]
fn each_policy_leads_where_it_leads_and_nowhere_else() {
    let mut pair = Pair::new();
    let restricted = Policy::Restricted([CLOUD, HELP].into());
    for (number, policy) in (1..).zip([onboarding(), restricted, Policy::Service]) {
        pair.take(ControllerInput::Up(session(number, device(number as u8), policy)));
    }
    let reached = |pair: &mut Pair, number| [ESIM, HELP, CLOUD].map(|far| pair.passes(device(number), far));
    let (yes, no) = ((true, true), (false, false));
    assert_eq!(reached(&mut pair, 1), [yes, no, no]);
    assert_eq!(reached(&mut pair, 2), [no, yes, yes]);
    assert_eq!(reached(&mut pair, 3), [yes, yes, yes]);
    // Nobody has this address; and nobody reaches another device.
    assert_eq!(reached(&mut pair, 4), [no, no, no]);
    assert!(!pair.passes(device(3), device(2)).0);
    // A session costs two flows.
    assert_eq!((1..4).map(|number| pair.flows_of(number)).collect::<Vec<_>>(), [2, 2, 2]);
    assert_eq!(pair.controller.refusals().count(), 0);
}

#[test]
fn an_isolated_session_reaches_what_helps_and_is_as_before_when_it_is_released() {
    let mut pair = Pair::new();
    for number in [1, 2] {
        pair.take(ControllerInput::Up(session(number, device(number as u8), Policy::Service)));
    }
    assert_eq!(pair.passes(device(1), CLOUD), (true, true));
    for helping in [vec![], vec![HELP]] {
        let policy = Policy::Isolated(helping.clone().into());
        pair.now += Duration::from_secs(1);
        pair.set(device(1), policy.clone());
        let applied = Applied { address: device(1), policy: policy.clone(), wanted: pair.now, flows: 4 };
        assert_eq!(pair.said(), [ControllerOutput::Applied(applied)]);
        assert_eq!(pair.passes(device(1), CLOUD), (false, false));
        let helped = !helping.is_empty();
        assert_eq!(pair.passes(device(1), HELP), (helped, helped));
        assert_eq!(pair.passes(device(2), CLOUD), (true, true), "a good session loses nothing");
        assert_eq!(pair.flows_of(1), 4);
        assert_eq!(pair.controller.policy(device(1)), Some(&policy));
        pair.release(device(1));
        let applied = Applied { address: device(1), policy: Policy::Service, wanted: pair.now, flows: 2 };
        assert_eq!(pair.said(), [ControllerOutput::Applied(applied)]);
        assert_eq!(pair.passes(device(1), CLOUD), (true, true));
        assert_eq!(pair.flows_of(1), 2);
    }
    // What the session has counted before is there: it is not what was dropped.
    let flows = pair.switch.flows().filtered(&FlowFilter::by_cookie(1, (1 << 40) - 1));
    let up = flows.iter().find(|flow| flow.matching.to_string().contains("ipv4_src=10.44.0.1")).unwrap();
    assert_eq!(up.packets, 3);
}

#[test]
fn who_is_isolated_stays_so_when_he_attaches_again() {
    let mut pair = Pair::new();
    pair.take(ControllerInput::Up(session(1, device(1), Policy::Service)));
    pair.set(device(1), Policy::Isolated([].into()));
    pair.take(ControllerInput::Down { session: 1 });
    assert_eq!((pair.flows_of(1), pair.passes(device(1), CLOUD)), (0, (false, false)));
    // The same subscription under another address, and another one under the address that he had.
    let again = Session { address: device(9), ..session(2, device(1), Policy::Service) };
    pair.take(ControllerInput::Up(again));
    let other = Session { holder: "other".into(), ..session(3, device(1), Policy::Service) };
    pair.take(ControllerInput::Up(other));
    assert_eq!(pair.passes(device(9), CLOUD), (false, false));
    assert_eq!(pair.passes(device(1), CLOUD), (true, true));
    pair.release(device(9));
    assert_eq!(pair.passes(device(9), CLOUD), (true, true));
    pair.take(ControllerInput::Down { session: 2 });
    pair.take(ControllerInput::Up(session(4, device(1), Policy::Service)));
    assert_eq!(pair.passes(device(1), CLOUD), (true, true));
    let nobody = pair.controller.set(pair.now, device(200), Policy::Service, &mut Vec::new());
    assert_eq!(nobody, Err(SdnError::NoSession { address: device(200) }));
}

#[test]
fn a_holder_is_held_before_he_is_there_and_until_he_is_let_go() {
    let mut pair = Pair::new();
    let hold = |pair: &mut Pair, policy: Option<Policy>| {
        let mut says = Vec::new();
        pair.controller.hold(pair.now, "holder-1", policy, &mut says).unwrap();
        let messages = says.len();
        pair.exchange(says, Vec::new());
        messages
    };
    let isolated = || Some(Policy::Isolated([].into()));
    assert_eq!(hold(&mut pair, isolated()), 0);
    pair.take(ControllerInput::Up(session(1, device(1), Policy::Service)));
    pair.take(ControllerInput::Up(session(2, device(2), Policy::Service)));
    assert_eq!(
        (pair.passes(device(1), CLOUD), pair.passes(device(2), CLOUD)),
        ((false, false), (true, true))
    );
    assert_eq!(hold(&mut pair, isolated()), 0, "it is so already");
    assert!(hold(&mut pair, None) > 0);
    assert_eq!(pair.passes(device(1), CLOUD), (true, true));
    assert_eq!(hold(&mut pair, None), 0);
    assert!(hold(&mut pair, isolated()) > 0);
    assert_eq!(
        (pair.passes(device(1), CLOUD), pair.passes(device(2), CLOUD)),
        ((false, false), (true, true))
    );
}

#[test]
fn a_switch_that_comes_back_is_as_it_should_be_and_no_session_notices() {
    let mut pair = Pair::new();
    for number in 1..=3 {
        pair.take(ControllerInput::Up(session(number, device(number as u8), Policy::Service)));
    }
    pair.cut();
    // The switch goes on as it was.
    assert_eq!(pair.passes(device(1), CLOUD), (true, true));
    pair.take(ControllerInput::Down { session: 2 });
    pair.take(ControllerInput::Up(session(4, device(4), onboarding())));
    let mut says = Vec::new();
    let isolated = Policy::Isolated([].into());
    pair.controller.set(pair.now, device(3), isolated, &mut says).unwrap();
    assert_eq!(says, [], "there is nobody to be told");
    pair.connect();
    assert_eq!(pair.said(), [ControllerOutput::Synchronised { sessions: 3 }]);
    let reached = [1, 2, 3, 4].map(|number| pair.passes(device(number), ESIM).0);
    assert_eq!(reached, [true, false, false, true]);
    assert_eq!((1..5).map(|number| pair.flows_of(number)).collect::<Vec<_>>(), [2, 0, 4, 2]);
    // A packet was never dropped in between: the flow that was there has gone on counting.
    let flows = pair.switch.flows().filtered(&FlowFilter::by_cookie(1, (1 << 40) - 1));
    assert!(flows.iter().any(|flow| flow.packets == 2));
    // Every flow is of the last generation; and so again.
    for _ in 0..3 {
        let before = pair.switch.flows().len();
        pair.cut();
        pair.connect();
        assert_eq!(pair.switch.flows().len(), before);
    }
}

#[test]
fn what_somebody_else_has_written_stays() {
    let mut pair = Pair::new();
    let foreign = FlowMod { cookie: 7, ..FlowMod::add(3, 1, crate::wire::openflow::Match::any(), vec![]) };
    let octets = Message::new(1, Body::FlowMod(foreign)).encode().unwrap();
    let message = SwitchInput::Message { channel: 1, octets: &octets };
    pair.switch.handle(pair.now, message, &mut |_: Tap<'_>| {}, &mut Vec::new()).unwrap();
    pair.cut();
    pair.connect();
    assert_eq!(pair.switch.flows().in_table(3), 1);
}

#[test]
fn a_new_controller_removes_what_one_before_it_has_written_and_nothing_else() {
    let mut pair = Pair::new();
    pair.take(ControllerInput::Up(session(1, device(1), Policy::Service)));
    let foreign = FlowMod { cookie: 7, ..FlowMod::add(3, 1, crate::wire::openflow::Match::any(), vec![]) };
    let octets = Message::new(1, Body::FlowMod(foreign)).encode().unwrap();
    let message = SwitchInput::Message { channel: 1, octets: &octets };
    pair.switch.handle(pair.now, message, &mut |_: Tap<'_>| {}, &mut Vec::new()).unwrap();
    pair.cut();
    pair.controller = Controller::new(pair.controller.config.clone());
    pair.connect();
    assert_eq!((pair.flows_of(1), pair.switch.flows().in_table(3)), (0, 1));
    assert_eq!(pair.switch.flows().in_table(0), 0);
}

#[test]
fn what_an_isolated_device_has_tried_is_told_when_it_is_released() {
    let mut pair = Pair::new();
    pair.take(ControllerInput::Up(session(1, device(1), Policy::Service)));
    pair.set(device(1), Policy::Isolated([].into()));
    assert_eq!(pair.passes(device(1), CLOUD), (false, false));
    let mut says = Vec::new();
    pair.controller.release(pair.now, device(1), &mut says).unwrap();
    let mut told = Vec::new();
    for output in says {
        let ControllerOutput::Message { octets, .. } = output else { panic!() };
        let message = SwitchInput::Message { channel: 1, octets: &octets };
        pair.switch.handle(pair.now, message, &mut |_: Tap<'_>| {}, &mut told).unwrap();
    }
    let removed = told.iter().filter_map(|output| match output {
        SwitchOutput::Message { octets, .. } => match Message::decode(octets).unwrap().body {
            Body::FlowRemoved(removed) => Some((Cookie(removed.cookie).session(), removed.counts.packets)),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(removed.collect::<Vec<_>>(), [(1, 1), (1, 1)]);
}

#[test]
fn a_switch_that_says_nothing_is_asked_and_then_given_up() {
    let mut pair = Pair::new();
    let after = |seconds| Instant::ZERO + Duration::from_secs(seconds);
    assert_eq!(pair.controller.deadline(), Some(after(5)));
    pair.now = after(5);
    // It answers.
    pair.take(ControllerInput::Timer);
    assert_eq!(pair.controller.deadline(), Some(after(10)));
    let mut out = Vec::new();
    pair.controller.handle(after(10), ControllerInput::Timer, &mut out).unwrap();
    assert_eq!(out.len(), 1);
    assert_eq!(pair.controller.deadline(), Some(after(15)));
    pair.controller.handle(after(15), ControllerInput::Timer, &mut out).unwrap();
    assert_eq!(out.last(), Some(&ControllerOutput::Close));
    assert_eq!((pair.controller.deadline(), pair.controller.is_ready()), (None, false));
}

#[test]
fn a_switch_of_another_version_is_left() {
    let mut pair = Pair::new();
    for greeting in [
        Message::new(0, Body::Hello { highest: 1, bitmap: None }).encode().unwrap(),
        Message::new(0, Body::error(Code::INCOMPATIBLE, &[])).encode().unwrap(),
        vec![0; 8],
    ] {
        let mut out = Vec::new();
        pair.controller.handle(pair.now, ControllerInput::Connected, &mut out).unwrap();
        pair.controller.handle(pair.now, ControllerInput::Message(&greeting), &mut out).unwrap();
        assert_eq!(out.last(), Some(&ControllerOutput::Close), "{greeting:?}");
    }
}

#[test]
fn a_statement_that_says_nothing_new_is_no_message() {
    let mut pair = Pair::new();
    let one = session(1, device(1), Policy::Service);
    pair.take(ControllerInput::Up(one.clone()));
    let before = pair.messages;
    pair.take(ControllerInput::Up(one.clone()));
    assert_eq!(pair.messages, before);
    // A session of a policy that is known already costs two messages; one that changes is written anew.
    pair.take(ControllerInput::Up(session(2, device(2), Policy::Service)));
    assert_eq!(pair.messages, before + 2);
    pair.take(ControllerInput::Up(Session { policy: onboarding(), ..one }));
    assert_eq!((pair.passes(device(1), CLOUD), pair.passes(device(1), ESIM)), ((false, false), (true, true)));
    // The address is another session's now: nobody has to say that the first one is over.
    pair.take(ControllerInput::Up(session(3, device(1), Policy::Service)));
    assert_eq!((pair.flows_of(1), pair.flows_of(3)), (0, 2));
}

#[test]
fn policies_have_numbers_while_there_are_some() {
    let mut pair = Pair::new();
    let list =
        |number: u8| Policy::Restricted([IpAddr::V4(std::net::Ipv4Addr::new(10, 99, 1, number))].into());
    for number in 0..u8::MAX {
        pair.take(ControllerInput::Up(session(number.into(), device(number), list(number))));
    }
    let mut out = Vec::new();
    let more = ControllerInput::Up(session(300, device(255), list(255)));
    assert_eq!(pair.controller.handle(pair.now, more, &mut out), Err(SdnError::Policies { max: 255 }));
}

#[derive(Debug, Clone)]
enum Step {
    Up(u8, u8),
    Down(u8),
    Set(u8, u8),
    Release(u8),
    Cut,
    Connect,
}

fn policies() -> [Policy; 4] {
    [Policy::Service, onboarding(), Policy::Isolated([HELP].into()), Policy::Isolated([].into())]
}

/// A subscription for onboarding reaches no service of subscribers because its holder is suspected.
#[test]
fn a_restriction_widens_nothing() {
    let mut pair = Pair::new();
    pair.take(ControllerInput::Up(session(1, device(1), onboarding())));
    let hold = |pair: &mut Pair, policy: Option<Policy>| {
        let mut says = Vec::new();
        pair.controller.hold(pair.now, "holder-1", policy, &mut says).unwrap();
        pair.exchange(says, Vec::new());
    };
    let reached = |pair: &mut Pair| [ESIM, HELP, CLOUD].map(|far| pair.passes(device(1), far).0);
    let restricted = Policy::Restricted([ESIM, HELP, CLOUD].into());
    hold(&mut pair, Some(restricted.clone()));
    assert_eq!(reached(&mut pair), [true, false, false]);
    assert_eq!(pair.controller.held("holder-1"), Some(&restricted));
    // Nor under the next address; and with a subscription for services it is what it says.
    pair.take(ControllerInput::Down { session: 1 });
    let next = Session { holder: "holder-1".into(), ..session(2, device(2), onboarding()) };
    pair.take(ControllerInput::Up(next.clone()));
    assert!(!pair.passes(device(2), CLOUD).0);
    pair.take(ControllerInput::Up(Session { number: 3, policy: Policy::Service, ..next }));
    assert!(pair.passes(device(2), CLOUD).0);
    hold(&mut pair, None);
    assert_eq!(pair.controller.held("holder-1"), None);
}

proptest! {
    /// Whatever happens, and however often the switch is away: once it is there, what passes is what the policies say.
    #[test]
    fn what_passes_is_what_the_policies_say(steps in proptest::collection::vec(prop_oneof![
        4 => (1_u8..5, 0_u8..2).prop_map(|(device, policy)| Step::Up(device, policy)),
        2 => (1_u8..5).prop_map(Step::Down),
        3 => (1_u8..5, 0_u8..4).prop_map(|(device, policy)| Step::Set(device, policy)),
        2 => (1_u8..5).prop_map(Step::Release),
        1 => Just(Step::Cut),
        1 => Just(Step::Connect),
    ], 0..40)) {
        let mut pair = Pair::new();
        // Of each device: the number of its session, what it is for, and what was set.
        let mut sessions: BTreeMap<u8, (u64, Policy)> = BTreeMap::new();
        let mut held: BTreeMap<u8, Policy> = BTreeMap::new();
        let mut last = 0;
        for step in steps {
            match step {
                Step::Up(number, policy) => {
                    last += 1;
                    let policy = policies()[usize::from(policy)].clone();
                    sessions.insert(number, (last, policy.clone()));
                    pair.take(ControllerInput::Up(session(last, device(number), policy)));
                }
                Step::Down(number) => {
                    if let Some((session, _)) = sessions.remove(&number) {
                        pair.take(ControllerInput::Down { session });
                    }
                }
                Step::Set(number, policy) if sessions.contains_key(&number) => {
                    let policy = policies()[usize::from(policy)].clone();
                    // What is set as the subscription has it is set no more.
                    if policy == sessions[&number].1 {
                        held.remove(&number);
                    } else {
                        held.insert(number, policy.clone());
                    }
                    pair.set(device(number), policy);
                }
                Step::Release(number) if sessions.contains_key(&number) => {
                    held.remove(&number);
                    pair.release(device(number));
                }
                Step::Set(..) | Step::Release(_) => {}
                Step::Cut => pair.cut(),
                Step::Connect => {
                    pair.cut();
                    pair.connect();
                }
            }
        }
        if !pair.connected {
            pair.connect();
        }
        let mut flows = 0;
        for number in 1..5 {
            let session = sessions.get(&number);
            let policy = session.map(|(_, own)| held.get(&number).map_or_else(|| own.clone(), |policy| policy.over(own)));
            for far in [ESIM, HELP, CLOUD] {
                let expected = match &policy {
                    None => false,
                    Some(policy) => policy.list().is_none_or(|list| list.contains(&far)),
                };
                prop_assert_eq!(pair.passes(device(number), far), (expected, expected), "{} {}", number, far);
            }
            flows += match &policy {
                None => 0,
                Some(policy) if policy.is_isolated() => 4,
                Some(_) => 2,
            };
        }
        prop_assert_eq!(pair.switch.flows().in_table(0), flows);
        prop_assert_eq!(pair.controller.refusals().count(), 0);
    }
}

/// The services in IPv6, and two addresses of the session whose first 64 bits are `2001:db8:4000:7`.
const CLOUD_6: &str = "2001:db8:99::a63:1e";
const HELP_6: &str = "2001:db8:99::a63:46";
const PREFIX_6: &str = "2001:db8:4000:7::";

#[test]
fn a_session_of_ipv6_is_all_addresses_of_its_prefix_and_no_other() {
    let mut pair = Pair::new();
    pair.take(ControllerInput::Up(session(7, six(PREFIX_6), Policy::Service)));
    pair.take(ControllerInput::Up(session(8, six("2001:db8:4000:8::"), Policy::Service)));
    for own in ["2001:db8:4000:7::1", "2001:db8:4000:7:ffff:ffff:ffff:ffff"] {
        assert_eq!(pair.passes(six(own), six(CLOUD_6)), (true, true), "{own}");
        assert!(!pair.passes(six(own), six("2001:db8:4000:8::1")).0, "nobody reaches another device");
        assert!(!pair.passes(six(own), six("2001:db8:7fff:ffff::1")).0, "nor one that is not there yet");
    }
    for foreign in ["2001:db8:4000:9::1", "fe80::1", "2001:db8:4000:6:ffff::", "::", "2001:db8:99::a63:1e"] {
        assert_eq!(pair.passes(six(foreign), six(CLOUD_6)), (false, false), "{foreign}");
    }
    // Neither has it anything of the other version.
    assert_eq!(pair.passes(device(7), CLOUD), (false, false));
}

#[test]
fn who_is_isolated_gets_nothing_out_over_ipv6() {
    let tries = |pair: &mut Pair, far: &str| {
        ["2001:db8:4000:7::1", "2001:db8:4000:7:1:2:3:4", "2001:db8:4000:8::1", "fe80::1"]
            .map(|own| pair.passes(six(own), six(far)))
    };
    let no = (false, false);
    // IPv6 alone, and both versions in one session: set by its address, or by its prefix.
    for (address, prefix) in [(six(PREFIX_6), None), (device(7), Some(PREFIX_6.parse().unwrap()))] {
        for by in [address, six(PREFIX_6)] {
            let mut pair = Pair::new();
            let one = Session { prefix, ..session(7, address, Policy::Service) };
            pair.take(ControllerInput::Up(one.clone()));
            assert_eq!(tries(&mut pair, CLOUD_6), [(true, true), (true, true), no, no]);
            pair.set(by, Policy::Isolated([].into()));
            assert_eq!(tries(&mut pair, CLOUD_6), [no; 4]);
            assert_eq!(tries(&mut pair, HELP_6), [no; 4]);
            assert_eq!(pair.passes(device(7), CLOUD), no);
            pair.set(by, Policy::Isolated([HELP, six(HELP_6)].into()));
            assert_eq!(tries(&mut pair, CLOUD_6), [no; 4]);
            assert_eq!(tries(&mut pair, HELP_6), [(true, true), (true, true), no, no]);
            assert_eq!(pair.passes(device(7), HELP), (prefix.is_some(), prefix.is_some()));
            assert_eq!(pair.passes(device(7), CLOUD), no);
            // It stays so when it attaches again, and when the switch comes back.
            pair.set(by, Policy::Isolated([].into()));
            let again = Session { number: 9, ..one };
            pair.take(ControllerInput::Up(again));
            assert_eq!((tries(&mut pair, CLOUD_6), pair.passes(device(7), CLOUD)), ([no; 4], no));
            pair.release(by);
            assert_eq!(tries(&mut pair, CLOUD_6), [(true, true), (true, true), no, no]);
            pair.take(ControllerInput::Down { session: 9 });
            assert_eq!((tries(&mut pair, CLOUD_6), pair.flows_of(9)), ([no; 4], 0));
        }
    }
}

#[test]
fn a_list_leads_nowhere_else_in_either_version() {
    let mut pair = Pair::new();
    let policy = Policy::Onboarding([ESIM, six("2001:db8:99::a63:3c")].into());
    let prefix = Some(PREFIX_6.parse().unwrap());
    pair.take(ControllerInput::Up(Session { prefix, ..session(7, device(7), policy.clone()) }));
    pair.take(ControllerInput::Up(session(8, six("2001:db8:4000:8::"), policy)));
    for own in ["2001:db8:4000:7::1", "2001:db8:4000:8::1"] {
        assert_eq!(pair.passes(six(own), six("2001:db8:99::a63:3c")), (true, true));
        assert_eq!(pair.passes(six(own), six(CLOUD_6)), (false, false));
    }
    assert_eq!((pair.passes(device(7), ESIM), pair.passes(device(7), CLOUD)), ((true, true), (false, false)));
}
