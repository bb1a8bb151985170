//! RRC of the UE (TS 36.331): the cell that it is in, its connection, security and bearers.

use rand_core::RngCore;

use super::{Emm, Rrc, Timer, Ue, UeOutput, fault};
use crate::event::Actor;
use crate::kernel::Instant;
use crate::ran::RanError;
use crate::ran::cell::Cell;
use crate::ran::uu::{Bearer, Bearers, Frame};
use crate::wire::Label;
use crate::wire::nas::Message;
use crate::wire::pdcp::{End, RadioKeys, Signalling};
use crate::wire::rrc::connection::*;
use crate::wire::rrc::security::*;
use crate::wire::rrc::system::{PagingUeIdentity, PlmnIdentity, STmsi};
use crate::wire::rrc::{BcchDlSch, Bits, Channel, DlCcch, DlDcch, Int, Later, Octets, Pcch, UlCcch, UlDcch};

/// The NAS message that begins a connection.
#[derive(Debug)]
pub(super) enum Initial {
    /// One that is protected as others are, where there is a context.
    Message(Message),
    /// SERVICE REQUEST, which has a form of its own.
    ServiceRequest,
}

/// The radio of a UE.
#[derive(Debug)]
pub(super) struct Radio {
    /// The cell that it has selected.
    cell: Option<Cell>,
    /// What that cell has said of itself last.
    heard: [Vec<u8>; 2],
    bearers: Bearers,
    /// What the next connection is asked for.
    cause: EstablishmentCause,
    /// How many random identities were drawn.
    drawn: u32,
}

impl Radio {
    /// Without a cell.
    pub(super) fn new() -> Self {
        Self {
            cell: None,
            heard: Default::default(),
            bearers: Bearers::new(End::Ue),
            cause: EstablishmentCause::MoSignalling,
            drawn: 0,
        }
    }

    /// The cell that the UE has selected.
    pub(super) fn cell(&self) -> Option<&Cell> {
        self.cell.as_ref()
    }

    /// The connection is gone, and its bearers with it.
    pub(super) fn leave(&mut self) {
        self.bearers = Bearers::new(End::Ue);
    }

    /// Whether a data radio bearer stands.
    pub(super) fn has_data(&self) -> bool {
        self.bearers.has_data(DEFAULT_DRB)
    }
}

/// The data radio bearer of the default bearer; a base station that gives it another identity is not understood yet.
const DEFAULT_DRB: u8 = 1;

impl Ue {
    /// Asks for a connection to say `message` on: a cell is looked for first.
    pub(super) fn connect(&mut self, message: Initial, cause: EstablishmentCause, out: &mut Vec<UeOutput>) {
        self.pending = Some(message);
        self.rrc = Rrc::Searching;
        self.radio.cause = cause;
        out.push(UeOutput::SelectCell);
    }

    /// The octets of a NAS message go to the network on the connection that there is.
    pub(super) fn transfer(&mut self, nas: Vec<u8>, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        let info = DedicatedInfo::Nas(Octets(nas));
        let message = UlDcch::from(UlInformationTransfer { info, later: Later::default() });
        let octets = self.encoded(&message, out)?;
        // Where no COUNT is left the timers of NAS find out.
        out.extend(self.radio.bearers.send_nas(&octets).ok().map(UeOutput::Air));
        Ok(())
    }

    pub(super) fn send_packet(&mut self, packet: &[u8], out: &mut Vec<UeOutput>) {
        let sent = self.radio.bearers.send_packet(DEFAULT_DRB, packet);
        out.extend(sent.and_then(Result::ok).map(UeOutput::Air));
    }

    pub(super) fn air(
        &mut self,
        now: Instant,
        frame: &Frame,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        match frame.bearer {
            Bearer::Bcch => self.system_information(now, &frame.octets, out),
            Bearer::Pcch => {
                self.paging(now, &frame.octets, out);
                Ok(())
            }
            Bearer::Ccch => match DlCcch::decode(&frame.octets) {
                Ok(message) => self.answered(now, &message, &frame.octets, out),
                Err(error) => self.ignored(&error.to_string(), out),
            },
            Bearer::Srb1 | Bearer::Srb2 if self.rrc == Rrc::Connected => self.dcch(now, frame, out),
            Bearer::Drb(identity) => {
                let packet = self.radio.bearers.receive_packet(identity, &frame.octets);
                out.extend(packet.map(UeOutput::ReceiveIp));
                Ok(())
            }
            // Of a connection that is gone.
            Bearer::Srb1 | Bearer::Srb2 => Ok(()),
        }
    }

    fn system_information(
        &mut self,
        now: Instant,
        octets: &[u8],
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        let message = match BcchDlSch::decode(octets) {
            Ok(message) => message,
            Err(error) => return self.ignored(&error.to_string(), out),
        };
        let place = usize::from(matches!(message, BcchDlSch::SystemInformation(_)));
        if let BcchDlSch::SystemInformationBlockType1(sib1) = &message {
            self.radio.cell = Cell::read(sib1);
        }
        if self.radio.heard[place] != octets {
            self.tell(false, message.label(), (Channel::BcchDlSch, octets), out);
            self.radio.heard[place] = octets.to_vec();
        }
        match message {
            BcchDlSch::SystemInformation(_) if self.rrc == Rrc::Searching => self.request(now, out),
            _ => Ok(()),
        }
    }

    /// What is on PCCH is for this UE where it names it.
    fn paging(&mut self, now: Instant, octets: &[u8], out: &mut Vec<UeOutput>) {
        let Some(guti) = self.guti.filter(|_| self.rrc == Rrc::Idle && self.is_registered()) else { return };
        let Ok(message @ Pcch::Paging(_)) = Pcch::decode(octets) else { return };
        let Pcch::Paging(paging) = &message;
        let own = PagingUeIdentity::STmsi(STmsi::of((guti.mme_code, guti.tmsi)));
        let records = paging.records.iter().flat_map(|list| list.iter());
        if records.map(|record| &record.ue_identity).any(|identity| *identity == own) {
            self.tell(false, message.label(), (Channel::Pcch, octets), out);
            self.paged(now, out);
        }
    }

    /// The UE knows its cell: it asks for a connection (clause 5.3.3.3).
    fn request(&mut self, now: Instant, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        let Some(cell) = self.radio.cell else { return Ok(()) };
        if cell.barred {
            return self.released(now, "the cell is barred", out);
        }
        self.rrc = Rrc::Connecting;
        let ue_identity = match self.guti.filter(|_| self.is_registered()) {
            Some(guti) => InitialUeIdentity::STmsi(STmsi::of((guti.mme_code, guti.tmsi))),
            None => {
                let mut stream = self.rng.stream(&format!("rrc/identity/{}", self.radio.drawn));
                self.radio.drawn = self.radio.drawn.wrapping_add(1);
                InitialUeIdentity::Random(Bits::of(stream.next_u64()))
            }
        };
        let request = RrcConnectionRequest { ue_identity, cause: self.radio.cause, spare: Bits::default() };
        let message = UlCcch::from(request);
        let octets = message.encode().map_err(|e| fault("RRCConnectionRequest", &e))?;
        self.tell(true, message.label(), (Channel::UlCcch, &octets), out);
        out.push(UeOutput::Air(Frame::new(Bearer::Ccch, octets)));
        Ok(())
    }

    /// What the cell says to a request for a connection.
    fn answered(
        &mut self,
        now: Instant,
        message: &DlCcch,
        octets: &[u8],
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        if self.rrc != Rrc::Connecting {
            return Ok(());
        }
        self.tell(false, message.label(), (Channel::DlCcch, octets), out);
        match message {
            DlCcch::RrcConnectionSetup(setup) => self.connected(setup.transaction, out),
            DlCcch::RrcConnectionReject(_) => self.released(now, "the cell rejected the connection", out),
            _ => Ok(()),
        }
    }

    fn connected(&mut self, transaction: Int<0, 3>, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        self.rrc = Rrc::Connected;
        self.radio.leave();
        self.timers.remove(&Timer::T3412);
        let Some(message) = self.pending.take() else { return Ok(()) };
        let nas = match message {
            Initial::Message(message) => self.protect_initial(&message, out)?,
            Initial::ServiceRequest => self.protect_service_request(out)?,
        };
        let registered_mme = self.guti.map(|guti| RegisteredMme {
            plmn: Some(PlmnIdentity::of(guti.plmn)),
            mmegi: Bits::of(guti.mme_group.into()),
            mmec: Bits::of(guti.mme_code.into()),
        });
        let complete = RrcConnectionSetupComplete {
            transaction,
            selected_plmn: Int::clamped(1),
            registered_mme,
            nas: Octets(nas),
            v8a0: None,
        };
        self.signal(complete, out)
    }

    fn dcch(&mut self, now: Instant, frame: &Frame, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        if frame.bearer == Bearer::Srb1
            && !self.radio.bearers.is_secure()
            && let Some(octets) = Signalling::look(&frame.octets)
            && let Ok(DlDcch::SecurityModeCommand(command)) = DlDcch::decode(octets)
        {
            return self.access_security(&command, &frame.octets, out);
        }
        let octets = match self.radio.bearers.receive(frame.bearer, &frame.octets) {
            Some(Ok(octets)) => octets,
            Some(Err(error)) => return self.ignored(&error.to_string(), out),
            None => return self.ignored("a bearer that is not set up", out),
        };
        let message = match DlDcch::decode(&octets) {
            Ok(message) => message,
            Err(error) => return self.ignored(&error.to_string(), out),
        };
        self.tell(false, message.label(), (Channel::DlDcch, &octets), out);
        match message {
            DlDcch::DlInformationTransfer(transfer) => match transfer.info {
                DedicatedInfo::Nas(nas) => self.receive_nas(now, &nas.0, out),
                DedicatedInfo::OneXrtt(_) | DedicatedInfo::Hrpd(_) => Ok(()),
            },
            DlDcch::RrcConnectionReconfiguration(message) => self.reconfigured(now, message, out),
            DlDcch::RrcConnectionRelease(_) => self.released(now, "the connection was released", out),
            DlDcch::SecurityModeCommand(_)
            | DlDcch::UeCapabilityEnquiry(_)
            | DlDcch::RrcConnectionResume(_) => Ok(()),
        }
    }

    /// SecurityModeCommand (clause 5.3.4.3): it is verified with the keys that it takes into use.
    fn access_security(
        &mut self,
        command: &SecurityModeCommand,
        pdu: &[u8],
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        let octets = Signalling::look(pdu).unwrap_or_default();
        self.tell(false, command.label(), (Channel::DlDcch, octets), out);
        let SecurityAlgorithmConfig { ciphering, integrity } = command.config.algorithms;
        let (eia, eea) = (integrity.number(), ciphering.number());
        let supported = self.config.eia.contains(eia) && self.config.eea.contains(eea);
        let keys =
            self.kenb.as_ref().filter(|_| supported).and_then(|kenb| RadioKeys::derive(kenb, eia, eea));
        let srb1 = self.radio.bearers.srb1();
        let (transaction, later) = (command.transaction, Later::default());
        match keys.filter(|keys| srb1.begin(keys.clone(), pdu).is_ok()) {
            Some(keys) => {
                srb1.cipher_hearing();
                srb1.protect_sending(keys.clone());
                // The answer has integrity and is not ciphered.
                self.signal(SecurityModeComplete { transaction, later }, out)?;
                self.radio.bearers.srb1().cipher_sending();
                self.radio.bearers.secure(keys);
                Ok(())
            }
            None => {
                // What came is a message of the sequence all the same.
                let _ = srb1.receive(pdu);
                self.signal(SecurityModeFailure { transaction, later }, out)
            }
        }
    }

    fn reconfigured(
        &mut self,
        now: Instant,
        message: RrcConnectionReconfiguration,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        let bearers = &mut self.radio.bearers;
        if let Some(radio) = &message.radio {
            if radio.srbs.iter().flat_map(|list| list.iter()).any(|srb| srb.identity.get() == 2) {
                bearers.add_srb2();
            }
            for drb in radio.drbs.iter().flat_map(|list| list.iter()) {
                bearers.add_data(drb.identity.get() as u8);
            }
            for identity in radio.drbs_to_release.iter().flat_map(|list| list.iter()) {
                bearers.remove_data(identity.get() as u8);
            }
        }
        let (transaction, later) = (message.transaction, Later::default());
        self.signal(RrcConnectionReconfigurationComplete { transaction, later }, out)?;
        self.served(out);
        let messages = message.nas.iter().flat_map(|list| list.iter());
        messages.map(|nas| &nas.0).try_for_each(|nas| self.receive_nas(now, nas, out))
    }

    fn signal(&mut self, message: impl Into<UlDcch>, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        let octets = self.encoded(&message.into(), out)?;
        out.extend(self.radio.bearers.send(&octets).ok().map(UeOutput::Air));
        Ok(())
    }

    fn encoded(&self, message: &UlDcch, out: &mut Vec<UeOutput>) -> Result<Vec<u8>, RanError> {
        let octets = message.encode().map_err(|e| fault("RRC message", &e))?;
        self.tell(true, message.label(), (Channel::UlDcch, &octets), out);
        Ok(octets)
    }

    /// Whether the network knows the UE by its GUTI.
    fn is_registered(&self) -> bool {
        matches!(
            self.emm,
            Emm::Registered
                | Emm::UpdatingInitiated
                | Emm::ServiceRequestInitiated
                | Emm::DeregisteredInitiated
        )
    }

    /// Tells of an RRC message.
    fn tell(
        &self,
        to_network: bool,
        label: Label,
        (channel, octets): (Channel, &[u8]),
        out: &mut Vec<UeOutput>,
    ) {
        let station = self.radio.cell.map_or(Actor::enb(0), |cell| cell.station);
        let label = channel.named_in(label);
        out.push(UeOutput::Rrc { to_network, station, label, bytes: octets.to_vec() });
    }

    /// Something that came on the radio leads to nothing.
    fn ignored(&self, why: &str, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        let fields = vec![("why", why.to_owned())];
        out.push(UeOutput::State { machine: "rrc", change: "message dropped".into(), fields });
        Ok(())
    }
}
