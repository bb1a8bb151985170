//! The flows that a controller writes.

use std::net::Ipv4Addr;

use super::{Controller, ControllerOutput, POLICIES_MAX};
use crate::sdn::SdnError;
use crate::sdn::cookie::{Cookie, Kind};
use crate::sdn::policy::Policy;
use crate::sdn::switch::Direction;
use crate::wire::openflow::{
    Action, Body, Field, FlowCommand, FlowMod, IPV4, Instruction, Match, OpenflowError, flag,
};

/// Says whose a packet is.
const WHO: u8 = 0;
/// Says what that session may reach.
const MAY: u8 = 1;

const ISOLATE: u16 = 1000;
const BETWEEN: u16 = 200;
const USUAL: u16 = 100;

/// Where the class of a session stands in the metadata; its number is below.
const CLASS_SHIFT: u32 = 56;
const CLASS: u64 = 0xff << CLASS_SHIFT;

impl Controller {
    /// Nobody reaches another device.
    pub(super) fn write_between(&mut self, out: &mut Vec<ControllerOutput>) -> Result<(), SdnError> {
        let (network, bits) = self.config.pool;
        let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
        let matching = from(self.config.devices)
            .and_then(|m| m.with(Field::EthType, IPV4))
            .and_then(|m| m.with_masked(Field::Ipv4Dst, (u32::from(network) & mask).into(), mask.into()));
        let flow = FlowMod::add(MAY, BETWEEN, own(matching)?, Vec::new());
        self.write(flow, Kind::Shared, 0, None, out)
    }

    /// The flows of a session: which class it has, and that it is isolated where it is.
    pub(super) fn write_session(
        &mut self,
        number: u64,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), SdnError> {
        self.write_flows_of(number, FlowCommand::Add, out)?;
        let isolated = self.sessions.get(&number).is_some_and(|known| known.policy.is_isolated());
        if isolated { self.write_isolation(number, out) } else { Ok(()) }
    }

    /// Changes the class of a session; its counters go on.
    pub(super) fn write_class(
        &mut self,
        number: u64,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), SdnError> {
        self.write_flows_of(number, FlowCommand::ModifyStrict, out)
    }

    fn write_flows_of(
        &mut self,
        number: u64,
        command: FlowCommand,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), SdnError> {
        let Some(known) = self.sessions.get(&number) else { return Ok(()) };
        let address = known.session.address;
        // While it is isolated this is what it will have when it is released.
        let policy =
            if known.policy.is_isolated() { known.session.policy.clone() } else { known.policy.clone() };
        let instructions = self.classify(&policy, number, out)?;
        for direction in [Direction::Up, Direction::Down] {
            let matching = self.packets_of(address, direction)?;
            let flow = FlowMod { command, ..FlowMod::add(WHO, USUAL, matching, instructions.clone()) };
            self.write(flow, Kind::Session, number, Some(address), out)?;
        }
        Ok(())
    }

    /// Cuts a session off, in both directions. What it tries is counted, and told when it is released.
    pub(super) fn write_isolation(
        &mut self,
        number: u64,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), SdnError> {
        let Some(known) = self.sessions.get(&number) else { return Ok(()) };
        let (address, policy) = (known.session.address, known.policy.clone());
        let nothing = policy.list().is_some_and(<[Ipv4Addr]>::is_empty);
        let instructions = if nothing { Vec::new() } else { self.classify(&policy, number, out)? };
        for direction in [Direction::Up, Direction::Down] {
            let matching = self.packets_of(address, direction)?;
            let flags = flag::SEND_FLOW_REM;
            let flow = FlowMod { flags, ..FlowMod::add(WHO, ISOLATE, matching, instructions.clone()) };
            self.write(flow, Kind::Isolate, number, Some(address), out)?;
        }
        Ok(())
    }

    /// Gives a packet the class of `policy`, whose flows the switch has then.
    fn classify(
        &mut self,
        policy: &Policy,
        number: u64,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<Vec<Instruction>, SdnError> {
        let class = self.class(policy)?;
        if self.written.insert(class) {
            self.write_policy(policy, class, out)?;
        }
        let value = u64::from(class) << CLASS_SHIFT | number & !CLASS;
        Ok(vec![Instruction::WriteMetadata { value, mask: u64::MAX }, Instruction::GotoTable(MAY)])
    }

    /// The class of a policy: a number that is its own while a session has it.
    fn class(&mut self, policy: &Policy) -> Result<u8, SdnError> {
        if let Some(class) = self.classes.get(policy) {
            return Ok(*class);
        }
        let taken: Vec<u8> = self.classes.values().copied().collect();
        let free = (1..=u8::MAX).find(|class| !taken.contains(class));
        let class = free.ok_or(SdnError::Policies { max: POLICIES_MAX })?;
        self.classes.insert(policy.clone(), class);
        Ok(class)
    }

    /// What a class may reach, in both directions.
    fn write_policy(
        &mut self,
        policy: &Policy,
        class: u8,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), SdnError> {
        let everywhere = [None];
        let listed: Vec<Option<Ipv4Addr>> = match policy.list() {
            Some(list) => list.iter().copied().map(Some).collect(),
            None => everywhere.to_vec(),
        };
        for far in listed {
            for direction in [Direction::Up, Direction::Down] {
                let (in_port, out_port, field) = match direction {
                    Direction::Up => (self.config.devices, self.config.services, Field::Ipv4Dst),
                    Direction::Down => (self.config.services, self.config.devices, Field::Ipv4Src),
                };
                let matching = from(in_port)
                    .and_then(|m| m.with_masked(Field::Metadata, u64::from(class) << CLASS_SHIFT, CLASS))
                    .and_then(|m| match far {
                        Some(far) => m.with(Field::EthType, IPV4)?.with(field, u32::from(far)),
                        None => Ok(m),
                    });
                let actions = vec![Instruction::ApplyActions(vec![Action::output(out_port)])];
                let flow = FlowMod::add(MAY, USUAL, own(matching)?, actions);
                self.write(flow, Kind::Shared, class.into(), None, out)?;
            }
        }
        Ok(())
    }

    /// The packets of a device, in one direction.
    fn packets_of(&self, address: Ipv4Addr, direction: Direction) -> Result<Match, SdnError> {
        let (port, field) = match direction {
            Direction::Up => (self.config.devices, Field::Ipv4Src),
            Direction::Down => (self.config.services, Field::Ipv4Dst),
        };
        own(from(port)
            .and_then(|m| m.with(Field::EthType, IPV4))
            .and_then(|m| m.with(field, u32::from(address))))
    }

    fn write(
        &mut self,
        flow: FlowMod,
        kind: Kind,
        session: u64,
        about: Option<Ipv4Addr>,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), SdnError> {
        let cookie = Cookie::new(kind, self.generation, session).0;
        self.say(Body::FlowMod(FlowMod { cookie, ..flow }), about, out)
    }
}

fn from(port: u32) -> Result<Match, OpenflowError> {
    Match::any().with(Field::InPort, port)
}

/// A match of the controller's own, which is right unless the controller is not.
fn own(matching: Result<Match, OpenflowError>) -> Result<Match, SdnError> {
    matching.map_err(|cause| SdnError::Encode { place: "controller", cause })
}
