//! The flows that a controller writes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Controller, ControllerOutput, POLICIES_MAX, Version};
use crate::sdn::SdnError;
use crate::sdn::cookie::{Cookie, Kind};
use crate::sdn::policy::Policy;
use crate::sdn::switch::Direction;
use crate::wire::openflow::{
    Action, Body, Field, FlowCommand, FlowMod, IPV4, IPV6, Instruction, Match, OpenflowError, flag,
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
/// The bits of IPv6 that are a session's own.
const PREFIX: u128 = u128::MAX << 64;

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

    /// The same in IPv6, once there is a session that has it.
    fn write_between_v6(&mut self, out: &mut Vec<ControllerOutput>) -> Result<(), SdnError> {
        if std::mem::replace(&mut self.apart_v6, true) {
            return Ok(());
        }
        let (network, bits) = self.config.pool_v6;
        let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
        let matching = from(self.config.devices)
            .and_then(|m| m.with(Field::EthType, IPV6))
            .and_then(|m| m.with_masked(Field::Ipv6Dst, u128::from(network) & mask, mask));
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
        let addresses = known.session.addresses();
        // While it is isolated this is what it will have when it is released.
        let policy =
            if known.policy.is_isolated() { known.session.policy.clone() } else { known.policy.clone() };
        for address in addresses.into_iter().flatten() {
            if address.is_ipv6() {
                self.write_between_v6(out)?;
            }
            let instructions = self.classify((&policy, Version::of(address)), number, out)?;
            for direction in [Direction::Up, Direction::Down] {
                let matching = self.packets_of(address, direction)?;
                let flow = FlowMod { command, ..FlowMod::add(WHO, USUAL, matching, instructions.clone()) };
                self.write(flow, Kind::Session, number, Some(address), out)?;
            }
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
        let (addresses, policy) = (known.session.addresses(), known.policy.clone());
        let nothing = policy.list().is_some_and(<[IpAddr]>::is_empty);
        for address in addresses.into_iter().flatten() {
            let version = Version::of(address);
            let instructions =
                if nothing { Vec::new() } else { self.classify((&policy, version), number, out)? };
            for direction in [Direction::Up, Direction::Down] {
                let matching = self.packets_of(address, direction)?;
                let flags = flag::SEND_FLOW_REM;
                let flow = FlowMod { flags, ..FlowMod::add(WHO, ISOLATE, matching, instructions.clone()) };
                self.write(flow, Kind::Isolate, number, Some(address), out)?;
            }
        }
        Ok(())
    }

    /// Gives a packet the class of `policy`, whose flows the switch has then.
    fn classify(
        &mut self,
        (policy, version): (&Policy, Version),
        number: u64,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<Vec<Instruction>, SdnError> {
        let class = self.class(policy)?;
        // What leads everywhere does so in both versions.
        let version = if policy.list().is_some() { version } else { Version::Four };
        if self.written.insert((class, version)) {
            self.write_policy((policy, version), class, out)?;
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

    /// What a class may reach in one version of IP, in both directions.
    fn write_policy(
        &mut self,
        (policy, version): (&Policy, Version),
        class: u8,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), SdnError> {
        let everywhere = [None];
        let listed: Vec<Option<IpAddr>> = match policy.list() {
            Some(list) => list.iter().copied().filter(|far| Version::of(*far) == version).map(Some).collect(),
            None => everywhere.to_vec(),
        };
        for far in listed {
            for direction in [Direction::Up, Direction::Down] {
                let (in_port, out_port) = match direction {
                    Direction::Up => (self.config.devices, self.config.services),
                    Direction::Down => (self.config.services, self.config.devices),
                };
                let matching = from(in_port)
                    .and_then(|m| {
                        m.with_masked(Field::Metadata, u128::from(class) << CLASS_SHIFT, CLASS.into())
                    })
                    .and_then(|m| match (far, direction) {
                        (Some(IpAddr::V4(far)), Direction::Up) => four(m, Field::Ipv4Dst, far),
                        (Some(IpAddr::V4(far)), Direction::Down) => four(m, Field::Ipv4Src, far),
                        (Some(IpAddr::V6(far)), Direction::Up) => six(m, Field::Ipv6Dst, far, u128::MAX),
                        (Some(IpAddr::V6(far)), Direction::Down) => six(m, Field::Ipv6Src, far, u128::MAX),
                        (None, _) => Ok(m),
                    });
                let actions = vec![Instruction::ApplyActions(vec![Action::output(out_port)])];
                let flow = FlowMod::add(MAY, USUAL, own(matching)?, actions);
                self.write(flow, Kind::Shared, class.into(), None, out)?;
            }
        }
        Ok(())
    }

    /// The packets of a device, in one direction.
    fn packets_of(&self, address: IpAddr, direction: Direction) -> Result<Match, SdnError> {
        let port = match direction {
            Direction::Up => self.config.devices,
            Direction::Down => self.config.services,
        };
        own(from(port).and_then(|m| match (address, direction) {
            (IpAddr::V4(address), Direction::Up) => four(m, Field::Ipv4Src, address),
            (IpAddr::V4(address), Direction::Down) => four(m, Field::Ipv4Dst, address),
            (IpAddr::V6(address), Direction::Up) => six(m, Field::Ipv6Src, address, PREFIX),
            (IpAddr::V6(address), Direction::Down) => six(m, Field::Ipv6Dst, address, PREFIX),
        }))
    }

    fn write(
        &mut self,
        flow: FlowMod,
        kind: Kind,
        session: u64,
        about: Option<IpAddr>,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), SdnError> {
        let cookie = Cookie::new(kind, self.generation, session).0;
        self.say(Body::FlowMod(FlowMod { cookie, ..flow }), about, out)
    }
}

fn from(port: u32) -> Result<Match, OpenflowError> {
    Match::any().with(Field::InPort, port)
}

fn four(matching: Match, field: Field, address: Ipv4Addr) -> Result<Match, OpenflowError> {
    matching.with(Field::EthType, IPV4)?.with(field, u32::from(address))
}

fn six(matching: Match, field: Field, address: Ipv6Addr, mask: u128) -> Result<Match, OpenflowError> {
    matching.with(Field::EthType, IPV6)?.with_masked(field, u128::from(address) & mask, mask)
}

/// A match of the controller's own, which is right unless the controller is not.
fn own(matching: Result<Match, OpenflowError>) -> Result<Match, SdnError> {
    matching.map_err(|cause| SdnError::Encode { place: "controller", cause })
}
