//! A core network with a base station that is no machine: octets in, octets out.

use cellbed::corenet::{Epc, EpcConfig, EpcInput, EpcOutput};
use cellbed::crypto::milenage::{Autn, K, Milenage, Opc, Rand};
use cellbed::kernel::Instant;
use cellbed::wire::nas::{
    AlgorithmSet, AttachAccept, AttachRequest, AttachType, Direction, Emm, Esm, EsmMessage, Identity, Kasme,
    Message, NetworkCapability, PdnType, SecurityContext, SecurityHeader,
};
use cellbed::wire::s1ap::{
    ContextSetupRequest, ContextSetupResponse, DownlinkNasTransport, Gummei, InitialUeMessage, Kind,
    Location, Pdu, S1SetupRequest, Tunnel, UeIds, UplinkNasTransport,
};

use crate::bench::{PLMN, TAC, at, epc, imsi};

pub struct Raw {
    pub epc: Epc,
    pub now: Instant,
    /// What came since it was asked for last: the base station and the PDU.
    pub out: Vec<(u32, Vec<u8>)>,
    /// Everything else that the core did.
    pub told: Vec<EpcOutput>,
}

impl Raw {
    /// A core with base stations 1 and 2, whose S1 is set up.
    pub fn new(config: EpcConfig, subscribers: u32) -> Self {
        let mut raw = Self { epc: epc(config, subscribers), now: at(0), out: Vec::new(), told: Vec::new() };
        for enb in [1, 2] {
            raw.set_up(enb);
        }
        raw.out.clear();
        raw
    }

    pub fn set_up(&mut self, enb: u32) {
        let plmn = PLMN.parse().unwrap();
        let request =
            S1SetupRequest { plmn: Some(plmn), enb: Some(enb), name: None, areas: vec![(plmn, TAC)] };
        self.give(EpcInput::S1Connected { enb });
        self.give(EpcInput::S1 { enb, bytes: &request.build().unwrap().encode().unwrap() });
    }

    pub fn give(&mut self, input: EpcInput<'_>) {
        let mut out = Vec::new();
        self.epc.handle(self.now, input, &mut out).unwrap();
        for output in out {
            match output {
                EpcOutput::S1 { enb, bytes, .. } => self.out.push((enb, bytes)),
                other => self.told.push(other),
            }
        }
    }

    /// A first message of connection `id` of base station `enb`, from where its cell is.
    pub fn initial(&mut self, enb: u32, id: u32, nas: Vec<u8>) {
        self.initial_from(TAC, enb, id, nas);
    }

    pub fn initial_from(&mut self, tac: u16, enb: u32, id: u32, nas: Vec<u8>) {
        let location = Some(Location { plmn: PLMN.parse().unwrap(), tac, enb, cell: 1 });
        let message = InitialUeMessage { enb: id, nas, location, cause: Default::default(), s_tmsi: None };
        self.give(EpcInput::S1 { enb, bytes: &message.build().unwrap().encode().unwrap() });
    }

    pub fn uplink(&mut self, enb: u32, ids: UeIds, nas: Vec<u8>) {
        let location = Some(Location { plmn: PLMN.parse().unwrap(), tac: TAC, enb, cell: 1 });
        let message = UplinkNasTransport { ids, nas, location };
        self.give(EpcInput::S1 { enb, bytes: &message.build().unwrap().encode().unwrap() });
    }

    /// Lets the timers of the next `seconds` expire.
    pub fn wait(&mut self, seconds: u64) {
        let end = self.now + cellbed::kernel::Duration::from_secs(seconds);
        while let Some(due) = self.epc.deadline().filter(|due| *due <= end) {
            self.now = due;
            self.give(EpcInput::Timer);
        }
        self.now = end;
    }

    /// The kinds of the PDUs that came to base station `enb`.
    pub fn kinds(&self, enb: u32) -> Vec<Kind> {
        self.out
            .iter()
            .filter(|(to, _)| *to == enb)
            .map(|(_, bytes)| Pdu::decode(bytes).unwrap().kind())
            .collect()
    }

    /// The identifiers and the plain NAS messages that came to base station `enb`.
    pub fn nas(&self, enb: u32) -> Vec<(UeIds, Message)> {
        let of = |(_, bytes): &(u32, Vec<u8>)| {
            let DownlinkNasTransport { ids, nas } =
                DownlinkNasTransport::read(&Pdu::decode(bytes).unwrap()).ok()?;
            Some((ids, Message::decode(&nas, Direction::Downlink).ok()?.message))
        };
        self.out.iter().filter(|(to, _)| *to == enb).filter_map(of).collect()
    }

    /// How many vectors the HSS has given.
    pub fn challenges(&self) -> usize {
        self.told
            .iter()
            .filter(|told| matches!(told, EpcOutput::Call { label, .. } if label.name == "Authentication-Information-Answer"))
            .count()
    }
}

/// Who the MME is, for an S1 SETUP RESPONSE.
pub fn gummei() -> Gummei {
    Gummei { plmn: PLMN.parse().unwrap(), group: 1, code: 1 }
}

/// The ATTACH REQUEST of subscriber `n`, in the clear.
pub fn attach_request(n: u32) -> AttachRequest {
    AttachRequest {
        kind: AttachType::Eps,
        identity: Identity::Imsi(imsi(n).as_str().to_owned()),
        ksi: 7,
        capability: NetworkCapability::new(AlgorithmSet::ALL, AlgorithmSet::PROTECTING),
        esm: Some(EsmMessage::new(
            0,
            1,
            Esm::PdnConnectivityRequest { pdn_type: PdnType::Ipv4, information: false },
        )),
    }
}

pub fn octets(message: Emm) -> Vec<u8> {
    Message::Emm(message).encode().unwrap().octets
}

/// A UE that is no machine either: it has the card of subscriber `n`, and sends what a test has it send.
pub struct Phone {
    milenage: Milenage,
    pub enb: u32,
    pub ids: UeIds,
    pub kasme: Option<Kasme>,
    pub nas: Option<SecurityContext>,
}

impl Phone {
    pub fn new() -> Self {
        let milenage = Milenage::new(&K::new(&crate::bench::K), &Opc::new(&crate::bench::OPC));
        Self { milenage, enb: 1, ids: UeIds { mme: 0, enb: 0 }, kasme: None, nas: None }
    }

    /// Sends `request` as the first message of connection `id` and goes on until the security mode is complete.
    pub fn authenticate(&mut self, raw: &mut Raw, id: u32, request: AttachRequest) {
        raw.out.clear();
        raw.initial(self.enb, id, octets(Emm::AttachRequest(request)));
        let Some((ids, Message::Emm(Emm::AuthenticationRequest { rand, autn, .. }))) =
            raw.nas(self.enb).pop()
        else {
            panic!("{:?}", raw.nas(self.enb))
        };
        self.ids = ids;
        let answer = self.milenage.check_autn(&Rand::new(&rand), &Autn::new(&autn)).unwrap();
        let kasme = Kasme::derive(answer.ck(), answer.ik(), PLMN.parse().unwrap(), &autn).unwrap();
        self.kasme = Some(kasme);
        raw.out.clear();
        raw.uplink(
            self.enb,
            ids,
            octets(Emm::AuthenticationResponse { res: answer.res().as_octets().to_vec() }),
        );
        let Some((_, Message::Emm(Emm::SecurityModeCommand(command)))) = raw.nas(self.enb).pop() else {
            panic!("{:?}", raw.nas(self.enb))
        };
        let mut nas = SecurityContext::new(self.kasme.as_ref().unwrap(), command.eia, command.eea).unwrap();
        let sent = self.last_nas(raw);
        nas.unprotect(&sent, Direction::Downlink).unwrap();
        self.nas = Some(nas);
        raw.out.clear();
        self.send(
            raw,
            Emm::SecurityModeComplete { imeisv: None, replayed: None }.into(),
            SecurityHeader::CipheredNew,
        );
    }

    /// Attaches, and returns what the ATTACH ACCEPT says.
    pub fn attach(&mut self, raw: &mut Raw, id: u32, request: AttachRequest) -> AttachAccept {
        self.authenticate(raw, id, request);
        let Some(Message::Emm(Emm::AttachAccept(accept))) = self.received(raw) else {
            panic!("{:?}", raw.out)
        };
        self.confirm_context(raw);
        raw.out.clear();
        let esm = Some(EsmMessage::new(5, 0, Esm::DefaultBearerAccept));
        self.send(raw, Emm::AttachComplete { esm }.into(), SecurityHeader::Ciphered);
        accept
    }

    /// The base station has set up the context.
    pub fn confirm_context(&mut self, raw: &mut Raw) {
        let response = ContextSetupResponse {
            ids: self.ids,
            erab: 5,
            tunnel: Tunnel::new([10, 53, 2, 1].into(), self.ids.enb + 1),
        };
        raw.give(EpcInput::S1 { enb: self.enb, bytes: &response.build().unwrap().encode().unwrap() });
    }

    /// The octets of a protected message.
    pub fn protect(&mut self, message: Message, header: SecurityHeader) -> Vec<u8> {
        self.nas.as_mut().unwrap().protect(&message, header, Direction::Uplink).unwrap().octets
    }

    pub fn send(&mut self, raw: &mut Raw, message: Message, header: SecurityHeader) {
        let nas = self.protect(message, header);
        raw.uplink(self.enb, self.ids, nas);
    }

    /// The last NAS message that came to the base station, behind its security header.
    fn last_nas(&self, raw: &Raw) -> Vec<u8> {
        let of = |(_, bytes): &(u32, Vec<u8>)| {
            let pdu = Pdu::decode(bytes).unwrap();
            match pdu.kind() {
                Kind::InitialContextSetupRequest => ContextSetupRequest::read(&pdu).ok()?.nas,
                _ => DownlinkNasTransport::read(&pdu).ok().map(|message| message.nas),
            }
        };
        raw.out.iter().filter(|(to, _)| *to == self.enb).filter_map(of).next_back().unwrap()
    }

    /// What that message says, where it is authentic.
    pub fn received(&mut self, raw: &Raw) -> Option<Message> {
        let nas = self.last_nas(raw);
        self.nas.as_mut()?.unprotect(&nas, Direction::Downlink).ok().map(|verified| verified.message)
    }
}
