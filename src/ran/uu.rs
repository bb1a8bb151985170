//! The radio between UE and base station (Uu, TS 36.300 clause 4.3), from PDCP upwards: RRC messages and IP packets as
//! the octets that PDCP hands to RLC. RLC, MAC and PHY are a model of time ([`super::air`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::wire::pdcp::{Data, End, Error, RadioKeys, Received, SequenceSize, Signalling};

/// What a frame travels on: a logical channel without PDCP, or a radio bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bearer {
    /// System information on BCCH: an RRC message.
    Bcch,
    /// Paging on PCCH: an RRC message.
    Pcch,
    /// The signalling bearer before there is a connection, SRB0 on CCCH: an RRC message.
    Ccch,
    /// The signalling bearer of a connection, on DCCH: a PDCP PDU with an RRC message.
    Srb1,
    /// That of NAS messages once security has begun, on DCCH: the same.
    Srb2,
    /// A data radio bearer with its identity: a PDCP PDU with an IP packet.
    Drb(u8),
}

/// What one end of the radio hands to the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    /// What it travels on.
    pub bearer: Bearer,
    /// The RRC message or PDCP PDU.
    #[serde(with = "hex")]
    pub octets: Vec<u8>,
}

impl Frame {
    /// `octets` on `bearer`.
    pub fn new(bearer: Bearer, octets: Vec<u8>) -> Self {
        Self { bearer, octets }
    }

    /// Whether it is of the user plane.
    pub fn is_data(&self) -> bool {
        matches!(self.bearer, Bearer::Drb(_))
    }
}

/// The radio bearers of one end of a connection.
#[derive(Debug)]
pub struct Bearers {
    end: End,
    srb1: Signalling,
    srb2: Option<Signalling>,
    /// Once security has begun.
    keys: Option<RadioKeys>,
    data: BTreeMap<u8, Data>,
}

impl Bearers {
    /// SRB1 alone, without security.
    pub fn new(end: End) -> Self {
        Self { end, srb1: Signalling::new(1, end), srb2: None, keys: None, data: BTreeMap::new() }
    }

    /// SRB1.
    pub fn srb1(&mut self) -> &mut Signalling {
        &mut self.srb1
    }

    /// Security has begun both ways: bearers can be set up that need it.
    pub fn secure(&mut self, keys: RadioKeys) {
        self.keys = Some(keys);
    }

    /// Whether security has begun both ways.
    pub fn is_secure(&self) -> bool {
        self.keys.is_some()
    }

    /// Sets SRB2 up. Nothing happens before security.
    pub fn add_srb2(&mut self) {
        if self.srb2.is_none() {
            self.srb2 = self.keys.clone().map(|keys| Signalling::secured(2, self.end, keys));
        }
    }

    /// Sets DRB`identity` up. Nothing happens before security.
    pub fn add_data(&mut self, identity: u8) {
        if let Some(keys) = &self.keys {
            let bearer = || Data::new(identity, self.end, SequenceSize::Twelve, keys.clone());
            self.data.entry(identity).or_insert_with(bearer);
        }
    }

    /// Releases DRB`identity`.
    pub fn remove_data(&mut self, identity: u8) {
        self.data.remove(&identity);
    }

    /// Whether DRB`identity` stands.
    pub fn has_data(&self, identity: u8) -> bool {
        self.data.contains_key(&identity)
    }

    /// The frame of an RRC message on SRB1.
    pub fn send(&mut self, message: &[u8]) -> Result<Frame, Error> {
        self.srb1.send(message).map(|pdu| Frame::new(Bearer::Srb1, pdu))
    }

    /// The frame of an RRC message with a NAS message in it: on SRB2 where that is set up (TS 36.331 clause 4.2.2).
    pub fn send_nas(&mut self, message: &[u8]) -> Result<Frame, Error> {
        match &mut self.srb2 {
            Some(srb2) => srb2.send(message).map(|pdu| Frame::new(Bearer::Srb2, pdu)),
            None => self.send(message),
        }
    }

    /// The RRC message of a PDU on SRB1, or on SRB2; `None` where that is not set up.
    pub fn receive(&mut self, bearer: Bearer, pdu: &[u8]) -> Option<Result<Vec<u8>, Error>> {
        match bearer {
            Bearer::Srb1 => Some(self.srb1.receive(pdu)),
            Bearer::Srb2 => self.srb2.as_mut().map(|srb2| srb2.receive(pdu)),
            _ => None,
        }
    }

    /// The frame of an IP packet on DRB`identity`; `None` where that does not stand.
    pub fn send_packet(&mut self, identity: u8, packet: &[u8]) -> Option<Result<Frame, Error>> {
        let sent = self.data.get_mut(&identity)?.send(packet);
        Some(sent.map(|pdu| Frame::new(Bearer::Drb(identity), pdu)))
    }

    /// The IP packet of a PDU on DRB`identity`; `None` where that does not stand, and where it brings none.
    pub fn receive_packet(&mut self, identity: u8, pdu: &[u8]) -> Option<Vec<u8>> {
        match self.data.get_mut(&identity)?.receive(pdu) {
            Ok(Received::Packet(packet)) => Some(packet),
            Ok(Received::Old | Received::Control) | Err(_) => None,
        }
    }
}
