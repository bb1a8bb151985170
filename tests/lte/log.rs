//! What happened on the bench, as far as it is worth asserting. Whatever was sent is checked against the codecs' own
//! idea of a clean message.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use cellbed::corenet::{Attestation, SessionChange, SessionId};
use cellbed::event::{Actor, Body, Event, Message, Role, StateChange};
use cellbed::wire::rrc::Channel;
use cellbed::wire::{Label, Proto};
use oxirush_nas::nas_eps::{NasEpsMessage, Validate};
use oxirush_s1ap::s1ap::S1AP_PDU;

/// What is worth asserting. UEs go by the number of their actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    Attached {
        ue: u32,
        ip: Option<Ipv4Addr>,
        interface: Option<[u8; 8]>,
    },
    Failed {
        ue: u32,
        reason: String,
        retry: bool,
    },
    Detached {
        ue: u32,
    },
    /// "ue1 > Attach Request", "ue1 < Attach Accept", "enb1 > S1SetupRequest", "mme > ...", "mme > hss ...".
    Sent(String),
    ReceivedIp {
        ue: u32,
        packet: Vec<u8>,
    },
    Sgi(Vec<u8>),
    SessionUp(Ipv4Addr),
    SessionDown(Ipv4Addr),
    /// "ue1.emm DEREGISTERED -> ...".
    State(String),
}

#[derive(Default)]
pub struct Log {
    pub facts: Vec<Fact>,
    /// The S1AP and NAS PDUs that were sent.
    pub bytes: Vec<Vec<u8>>,
    /// What the network has stated of the sessions that are up.
    pub sessions: BTreeMap<SessionId, Attestation>,
}

impl Log {
    /// Takes in what the world tells.
    pub fn event(&mut self, event: Event) {
        match event.body {
            Body::Message(message) => self.message(message),
            Body::State(StateChange { actor, machine, change, .. }) => {
                self.facts.push(Fact::State(format!("{actor}.{machine} {change}")));
            }
            // There is nobody who goes through steps.
            Body::StepStarted { .. } | Body::StepEnded { .. } => unreachable!(),
        }
    }

    fn message(&mut self, Message { from, to, label, bytes }: Message) {
        if label.proto == Proto::Rrc {
            // What a UE has heard may be somebody's forgery.
            if from.role == Role::Ue {
                check_rrc(&label, &bytes);
            }
            return;
        }
        let name = &label.name;
        let fields: Vec<String> =
            label.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let fields = fields.join(" ");
        let line = match (from.role, to.role) {
            (Role::Ue, _) => {
                check_nas(&bytes);
                format!("{from} > {name} {fields}")
            }
            (_, Role::Ue) => format!("{to} < {name} {fields}"),
            // The user plane, and statements on sessions.
            (Role::Gateway, _) | (_, Role::Gateway) => return,
            (Role::Enb, _) | (_, Role::Enb) => {
                check_s1ap(&bytes);
                // A base station only carries what UEs send.
                if from == Actor::MME {
                    check_nas_of(&bytes);
                }
                format!("{from} > {name}")
            }
            _ => return self.facts.push(Fact::Sent(format!("{from} > {to} {name} {fields}"))),
        };
        self.facts.push(Fact::Sent(line));
        self.bytes.push(bytes);
    }

    /// Takes in what the network states of a session.
    pub fn session(&mut self, change: SessionChange) {
        let ip = |attestation: &Attestation| attestation.ipv4().next().unwrap();
        match change {
            SessionChange::Up(attestation) | SessionChange::Changed(attestation) => {
                self.facts.push(Fact::SessionUp(ip(&attestation)));
                self.sessions.insert(attestation.session, attestation);
            }
            SessionChange::Down(session) => {
                let ended = self.sessions.remove(&session).unwrap();
                self.facts.push(Fact::SessionDown(ip(&ended)));
            }
        }
    }
}

/// RRC that is read is written again as it was.
fn check_rrc(label: &Label, bytes: &[u8]) {
    let channel = Channel::of(label).unwrap();
    assert_eq!(channel.again(bytes).unwrap(), bytes, "{}", label.name);
}

fn check_s1ap(bytes: &[u8]) {
    let pdu = S1AP_PDU::decode(bytes).unwrap();
    let deviations = pdu.check().unwrap();
    assert!(deviations.is_empty(), "{pdu}: {deviations:?}");
}

/// The NAS PDUs inside.
fn check_nas_of(bytes: &[u8]) {
    let pdu = S1AP_PDU::decode(bytes).unwrap();
    if let Some(Ok(nas)) = pdu.ie::<oxirush_s1ap::ie::NAS_PDU>() {
        check_nas(&nas.0);
    }
    for item in pdu.items::<oxirush_s1ap::ie::E_RABToBeSetupListCtxtSUReq>() {
        // A UE that is served again gets no message with it.
        if let Some(nas) = item.unwrap().nas_pdu {
            check_nas(&nas.0);
        }
    }
}

fn check_nas(bytes: &[u8]) {
    let message = NasEpsMessage::decode(bytes).unwrap();
    check_clean(&message);
    // Under EEA0, what is inside can be read too.
    if EEA0.get() && matches!(message, NasEpsMessage::SecurityProtected(..)) {
        check_clean(&message.decode_null_ciphered_payload().unwrap());
    }
}

fn check_clean(message: &NasEpsMessage) {
    let findings = message.validate();
    assert!(findings.is_empty(), "{message}: {findings:?}");
}

thread_local! {
    /// Whether the test runs without ciphering, so that what is inside protected messages can be checked.
    pub static EEA0: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}
