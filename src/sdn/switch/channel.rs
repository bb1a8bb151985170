//! What a controller says to a switch, and what it is answered.

use super::answers::Answers;
use super::{SdnError, Switch, SwitchOutput, TABLES, Watch, say};
use crate::kernel::Instant;
use crate::wire::openflow::{
    Action, Body, Code, Config, ControllerRole, Features, FlowCommand, FlowMod, Instruction, Message,
    NO_BUFFER, PacketOut, RemovedReason, Role, capability, other, port,
};

/// One controller.
#[derive(Debug)]
pub(super) struct Channel {
    /// It has said that it speaks OpenFlow 1.3.
    greeted: bool,
    role: ControllerRole,
    config: Config,
}

impl Default for Channel {
    fn default() -> Self {
        let config = Config { flags: 0, miss_send_len: 128 };
        Self { greeted: false, role: ControllerRole::Equal, config }
    }
}

impl Channel {
    /// Whether it is told of packets and flows (clause 6.3.4).
    pub fn hears(&self) -> bool {
        self.greeted && self.role != ControllerRole::Slave
    }
}

/// A message of a controller that is refused with an ERROR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unanswered(Code);

impl From<Code> for Unanswered {
    fn from(code: Code) -> Self {
        Self(code)
    }
}

impl Switch {
    /// A message of a controller. One that cannot be read ends the channel where nothing has been agreed on yet, and is
    /// answered otherwise.
    pub(super) fn message(
        &mut self,
        now: Instant,
        channel: u32,
        octets: &[u8],
        watch: Watch<'_>,
        out: &mut Vec<SwitchOutput>,
    ) -> Result<(), SdnError> {
        let Some(known) = self.channels.get_mut(&channel) else { return Ok(()) };
        let xid = Message::xid_of(octets);
        let refuse = |code, out: &mut Vec<SwitchOutput>| {
            say(channel, Message::new(xid, Body::error(code, octets)), None, out)
        };
        let body = match Message::decode(octets) {
            Ok(message) => message.body,
            Err(error) => return error.code().map_or(Ok(()), |code| refuse(code, out)),
        };
        if !known.greeted {
            let incompatible = match &body {
                Body::Hello { .. } => !body.speaks_1_3(),
                _ => true,
            };
            if incompatible {
                refuse(Code::INCOMPATIBLE, out)?;
                self.channels.remove(&channel);
                out.push(SwitchOutput::Close { channel });
                return Ok(());
            }
            known.greeted = true;
            return Ok(());
        }
        let is_slave = known.role == ControllerRole::Slave;
        if is_slave && matches!(body, Body::FlowMod(_) | Body::PacketOut(_) | Body::SetConfig(_)) {
            return refuse(Code::IS_SLAVE, out);
        }
        match self.answer(now, channel, body, watch, out)? {
            Ok(answers) => {
                answers.into_iter().try_for_each(|body| say(channel, Message::new(xid, body), None, out))
            }
            Err(Unanswered(code)) => refuse(code, out),
        }
    }

    /// What a message is answered, where that is not nothing.
    fn answer(
        &mut self,
        now: Instant,
        channel: u32,
        body: Body,
        watch: Watch<'_>,
        out: &mut Vec<SwitchOutput>,
    ) -> Result<Result<Vec<Body>, Unanswered>, SdnError> {
        let one = |body| Ok(Ok(vec![body]));
        let refused = |code: Code| Ok(Err(Unanswered(code)));
        let none = Ok(Ok(Vec::new()));
        match body {
            Body::EchoRequest(data) => one(Body::EchoReply(data)),
            Body::BarrierRequest => one(Body::BarrierReply),
            Body::FeaturesRequest => one(Body::FeaturesReply(Features {
                datapath: self.datapath,
                buffers: 0,
                tables: TABLES,
                auxiliary: 0,
                capabilities: capability::FLOW_STATS | capability::TABLE_STATS | capability::PORT_STATS,
            })),
            Body::GetConfigRequest => {
                let config = self.channels.get(&channel).map(|channel| channel.config);
                one(Body::GetConfigReply(config.unwrap_or(Config { flags: 0, miss_send_len: 0 })))
            }
            // Fragments are treated as other packets are, and nothing else is on offer.
            Body::SetConfig(config) if config.flags != 0 => refused(Code::CONFIG_FLAGS),
            Body::SetConfig(config) => {
                if let Some(channel) = self.channels.get_mut(&channel) {
                    channel.config = config;
                }
                none
            }
            Body::FlowMod(flow) => match self.check(&flow) {
                Ok(()) => self.flow_mod(now, flow, out),
                Err(code) => refused(code),
            },
            Body::PacketOut(packet) => {
                let PacketOut { buffer, in_port, actions, data } = packet;
                if buffer != NO_BUFFER {
                    return refused(Code::BUFFER_UNKNOWN);
                }
                if let Err(code) = self.check_actions(&actions, true) {
                    return refused(code);
                }
                if in_port > port::MAX && ![port::CONTROLLER, port::ANY].contains(&in_port) {
                    return refused(Code::BAD_PORT);
                }
                self.packet_out(now, in_port, &actions, data, watch, out)?;
                none
            }
            Body::MultipartRequest(request) => {
                Ok(Answers { switch: self, now }.to(request).map_err(Unanswered::from))
            }
            Body::RoleRequest(role) => match self.role(channel, role) {
                Ok(role) => one(Body::RoleReply(role)),
                Err(code) => refused(code),
            },
            // What is answered already, and what a controller may say without being asked.
            Body::Hello { .. } | Body::Error { .. } | Body::EchoReply(_) => none,
            Body::Other { kind, .. } => refused(match kind {
                other::EXPERIMENTER => Code::BAD_EXPERIMENTER,
                other::GROUP_MOD => Code::NO_GROUPS,
                other::METER_MOD => Code::NO_METERS,
                other::PORT_MOD => Code::PORT_MOD_REFUSED,
                _ => Code::BAD_TYPE,
            }),
            // Only a switch says these.
            Body::FeaturesReply(_)
            | Body::GetConfigReply(_)
            | Body::PacketIn(_)
            | Body::FlowRemoved(_)
            | Body::PortStatus { .. }
            | Body::MultipartReply { .. }
            | Body::BarrierReply
            | Body::RoleReply(_) => refused(Code::BAD_TYPE),
        }
    }

    fn flow_mod(
        &mut self,
        now: Instant,
        flow: FlowMod,
        out: &mut Vec<SwitchOutput>,
    ) -> Result<Result<Vec<Body>, Unanswered>, SdnError> {
        let mut removed = Vec::new();
        let put = match self.flows.apply(now, flow, &mut removed) {
            Ok(put) => put,
            Err(code) => return Ok(Err(Unanswered(code))),
        };
        for (id, flow) in removed {
            self.drops.forget(id);
            self.tell_removed(now, flow, RemovedReason::Delete, out)?;
        }
        if let Some(id) = put {
            self.schedule(id);
        }
        Ok(Ok(Vec::new()))
    }

    /// Whether a flow can be done here.
    fn check(&self, flow: &FlowMod) -> Result<(), Code> {
        if matches!(flow.command, FlowCommand::Delete | FlowCommand::DeleteStrict) {
            return Ok(());
        }
        if flow.buffer != NO_BUFFER {
            return Err(Code::BUFFER_UNKNOWN);
        }
        for instruction in &flow.instructions {
            match instruction {
                Instruction::ApplyActions(actions) => self.check_actions(actions, false)?,
                Instruction::WriteActions(actions) => {
                    self.check_actions(actions, false)?;
                }
                Instruction::GotoTable(table) if *table <= flow.table || *table >= TABLES => {
                    return Err(Code::INSTRUCTION_TABLE);
                }
                Instruction::Meter(_) => return Err(Code::INSTRUCTION_UNSUPPORTED),
                Instruction::GotoTable(_) | Instruction::WriteMetadata { .. } | Instruction::ClearActions => {
                }
            }
        }
        Ok(())
    }

    fn check_actions(&self, actions: &[Action], packet_out: bool) -> Result<(), Code> {
        actions.iter().try_for_each(|action| match action {
            Action::Output { port, .. } => match *port {
                port::CONTROLLER | port::IN_PORT | port::FLOOD | port::ALL => Ok(()),
                port::TABLE if packet_out => Ok(()),
                number if self.ports.contains_key(&number) => Ok(()),
                _ => Err(Code::ACTION_OUT_PORT),
            },
            Action::Other { .. } => Err(Code::ACTION_TYPE),
        })
    }

    /// A controller wants to be master, slave or equal (clause 6.3.4).
    fn role(&mut self, channel: u32, wanted: Role) -> Result<Role, Code> {
        use ControllerRole::{Equal, Master, NoChange, Slave};
        if matches!(wanted.role, Master | Slave) {
            // Generations go round: an older one is less than half of them behind.
            let stale = |latest: u64| (wanted.generation.wrapping_sub(latest) as i64) < 0;
            if self.generation.is_some_and(stale) {
                return Err(Code::ROLE_STALE);
            }
            self.generation = Some(wanted.generation);
        }
        if wanted.role == Master {
            let masters = self.channels.values_mut().filter(|other| other.role == Master);
            masters.for_each(|other| other.role = Slave);
        }
        let own = self.channels.get_mut(&channel).map(|own| &mut own.role);
        let role = own.map_or(Equal, |own| {
            if wanted.role != NoChange {
                *own = wanted.role;
            }
            *own
        });
        Ok(Role { role, generation: self.generation.unwrap_or(u64::MAX) })
    }
}
