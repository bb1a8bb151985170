//! Values that several S1AP messages carry (TS 36.413 clause 9.2).

use std::fmt;
use std::net::Ipv4Addr;

use oxirush_s1ap::helpers::{EnbKind, eutran_cgi, tai};
use oxirush_s1ap::{BitString, Deviation, ie, s1ap::*};

use super::{Error, Pdu};
use crate::id::Plmn;
use crate::wire::bcd;

/// The pair that names the logical connection of one UE (clauses 9.2.3.3 and 9.2.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UeIds {
    /// The MME UE S1AP ID, 32 bits.
    pub mme: u32,
    /// 24 bits.
    pub enb: u32,
}

/// A logical connection as Reset and its answer name it: by either identifier, or both (clause 9.1.8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// The MME UE S1AP ID, 32 bits.
    pub mme: Option<u32>,
    /// The eNB UE S1AP ID, 24 bits.
    pub enb: Option<u32>,
}

impl Connection {
    pub(super) fn of(item: &UEAssociatedLogicalS1ConnectionItem) -> Self {
        Self {
            mme: item.mme_ue_s1ap_id.as_ref().map(|id| id.0),
            enb: item.enb_ue_s1ap_id.as_ref().map(|id| id.0),
        }
    }

    pub(super) fn item(self) -> UEAssociatedLogicalS1ConnectionItem {
        UEAssociatedLogicalS1ConnectionItem::new(self.mme.map(MMEUES1APID), self.enb.map(ENBUES1APID), None)
    }
}

/// Why something is so (clause 9.2.1.3). It keeps whatever value a peer sent, so that it can be passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause(pub(super) oxirush_s1ap::s1ap::Cause);

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $group:ident($type:ident::$value:ident),)+) => {
        impl Cause {
            $($(#[$doc])* pub const $name: Self =
                Self(oxirush_s1ap::s1ap::Cause::$group($type::$value));)+
        }
    };
}

causes! {
    /// A cause of the radio network layer that no other value names.
    RADIO_UNSPECIFIED = radioNetwork(CauseRadioNetwork::unspecified),
    /// Nothing has passed for a while.
    USER_INACTIVITY = radioNetwork(CauseRadioNetwork::user_inactivity),
    /// The radio connection to the UE is gone.
    RADIO_CONNECTION_LOST = radioNetwork(CauseRadioNetwork::radio_connection_with_ue_lost),
    /// A procedure on the radio, such as RRC security mode, has failed.
    RADIO_PROCEDURE_FAILURE = radioNetwork(CauseRadioNetwork::failure_in_radio_interface_procedure),
    /// The base station has none of the algorithms that the UE has.
    ALGORITHMS_NOT_SUPPORTED =
        radioNetwork(CauseRadioNetwork::encryption_and_or_integrity_protection_algorithms_not_supported),
    /// The MME UE S1AP ID names no connection here (clause 10.6).
    UNKNOWN_MME_UE_ID = radioNetwork(CauseRadioNetwork::unknown_mme_ue_s1ap_id),
    /// The eNB UE S1AP ID names no connection here (clause 10.6).
    UNKNOWN_ENB_UE_ID = radioNetwork(CauseRadioNetwork::unknown_enb_ue_s1ap_id),
    /// Each of both identifiers may be known; together they name no connection (clause 10.6).
    UNKNOWN_PAIR = radioNetwork(CauseRadioNetwork::unknown_pair_ue_s1ap_id),
    /// This base station or network takes over no UE from another.
    HANDOVER_NOT_ALLOWED = radioNetwork(CauseRadioNetwork::ho_target_not_allowed),
    /// The E-RAB ID names no bearer of the UE.
    UNKNOWN_ERAB = radioNetwork(CauseRadioNetwork::unknown_E_RAB_ID),
    /// There is no transport resource for the bearer.
    TRANSPORT_UNAVAILABLE = transport(CauseTransport::transport_resource_unavailable),
    /// The NAS procedure is over.
    NAS_NORMAL_RELEASE = nas(CauseNas::normal_release),
    /// Authentication has failed.
    NAS_AUTHENTICATION_FAILURE = nas(CauseNas::authentication_failure),
    /// The UE has detached.
    NAS_DETACH = nas(CauseNas::detach),
    /// A cause of NAS that no other value names.
    NAS_UNSPECIFIED = nas(CauseNas::unspecified),
    /// Octets that are no PDU (clause 10.2).
    TRANSFER_SYNTAX_ERROR = protocol(CauseProtocol::transfer_syntax_error),
    /// A message that the state of its connection does not allow (clause 10.4).
    NOT_COMPATIBLE_WITH_STATE = protocol(CauseProtocol::message_not_compatible_with_receiver_state),
    /// There is too much to do.
    OVERLOAD = misc(CauseMisc::control_processing_overload),
    /// The MME serves none of the networks of the base station.
    UNKNOWN_PLMN = misc(CauseMisc::unknown_PLMN),
    /// A cause that belongs to no group.
    MISC_UNSPECIFIED = misc(CauseMisc::unspecified),
}

impl Cause {
    /// What is wrong with a message, by the first of its deviations that has a cause (clause 10.3).
    pub(super) fn of_deviations(deviations: &[Deviation]) -> Self {
        let cause = deviations.iter().find_map(Deviation::cause);
        Self(oxirush_s1ap::s1ap::Cause::protocol(
            cause.unwrap_or(CauseProtocol::abstract_syntax_error_reject),
        ))
    }
}

impl fmt::Display for Cause {
    /// Group and value as clause 9.2.1.3 writes them, as in `nas/detach`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use oxirush_s1ap::s1ap::Cause as C;
        let (group, value) = match &self.0 {
            C::radioNetwork(c) => ("radio-network", format!("{c:?}")),
            C::transport(c) => ("transport", format!("{c:?}")),
            C::nas(c) => ("nas", format!("{c:?}")),
            C::protocol(c) => ("protocol", format!("{c:?}")),
            C::misc(c) => ("misc", format!("{c:?}")),
            other => ("unknown", format!("{other:?}")),
        };
        write!(f, "{group}/{}", value.replace('_', "-").to_lowercase())
    }
}

/// What was not understood in a message (clause 9.2.1.21). Only [`Pdu`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics(pub(super) CriticalityDiagnostics);

/// Where the cell of a UE is: its tracking area and its global identity (clauses 9.2.3.16 and 9.2.1.38).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// The network of the tracking area.
    pub plmn: Plmn,
    /// The tracking area code.
    pub tac: u16,
    /// The macro eNB ID, 20 bits.
    pub enb: u32,
    /// The cell within the base station.
    pub cell: u8,
}

impl Location {
    pub(super) fn tai(&self) -> TAI {
        tai(network(self.plmn), self.tac.to_be_bytes())
    }

    pub(super) fn cgi(&self) -> Result<EUTRANCGI, Error> {
        Ok(eutran_cgi(network(self.plmn), EnbKind::Macro, self.enb, self.cell.into())?)
    }

    /// `None` where the TAI is missing or no network's. A missing cell identity, which a receiver ignores, is base station
    /// and cell 0.
    pub(super) fn of(pdu: &Pdu<'_>) -> Option<Self> {
        let tai = pdu.0.ie::<ie::TAI>()?.ok()?;
        let cgi = pdu.0.ie::<ie::EUTRAN_CGI>().and_then(Result::ok);
        let cell = cgi.map_or(0, |cgi| cgi.cell_id.0.value() as u32);
        Some(Self {
            plmn: plmn_of(&tai.plmn_identity)?,
            tac: u16::from_be_bytes(tai.tac.0),
            enb: cell >> 8,
            cell: cell as u8,
        })
    }
}

/// An S-TMSI (clause 9.2.3.6) of MME code and M-TMSI.
pub(super) fn s_tmsi((code, tmsi): (u8, u32)) -> STMSI {
    STMSI::new(MMECode([code]), MTMSI(tmsi.to_be_bytes()), None)
}

/// Its MME code and M-TMSI.
pub(super) fn s_tmsi_of(id: &STMSI) -> (u8, u32) {
    (id.mmec.0[0], u32::from_be_bytes(id.m_tmsi.0))
}

/// A PLMN identity (clause 9.2.3.8).
pub(super) fn network(plmn: Plmn) -> PLMNidentity {
    PLMNidentity(TBCDSTRING(bcd::ran_plmn(plmn)))
}

/// `None` where the octets are no PLMN.
pub(super) fn plmn_of(identity: &PLMNidentity) -> Option<Plmn> {
    bcd::read_ran_plmn(identity.0.0).ok()
}

/// The address of a tunnel's end: IPv4, IPv6, or both (clause 9.2.2.1, TS 36.414 clause 5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportAddress(Vec<u8>);

impl From<Ipv4Addr> for TransportAddress {
    fn from(address: Ipv4Addr) -> Self {
        Self(address.octets().to_vec())
    }
}

impl TransportAddress {
    /// The IPv4 address: the first 32 bits of 32 (IPv4) or 160 (IPv4 and IPv6). `None` for IPv6 alone.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        match self.0.len() {
            4 | 20 => self.0.first_chunk::<4>().map(|&octets| Ipv4Addr::from(octets)),
            _ => None,
        }
    }

    pub(super) fn of(address: &TransportLayerAddress<'_>) -> Self {
        Self(address.0.as_octets().to_vec())
    }

    pub(super) fn ie(&self) -> TransportLayerAddress<'static> {
        TransportLayerAddress(BitString::from(self.0.clone()))
    }
}

/// One end of an E-RAB's GTP-U tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// Where the end is.
    pub address: TransportAddress,
    /// The GTP-TEID (clause 9.2.2.2), which the end has chosen.
    pub teid: u32,
}

impl Tunnel {
    /// The end at an IPv4 address.
    pub fn new(address: Ipv4Addr, teid: u32) -> Self {
        Self { address: address.into(), teid }
    }

    pub(super) fn of(address: &TransportLayerAddress<'_>, teid: &GTPTEID) -> Self {
        Self { address: TransportAddress::of(address), teid: u32::from_be_bytes(teid.0) }
    }
}

/// The algorithms of a UE besides the null ones, which S1AP does not signal: bit 8 of each octet is algorithm 1
/// (clause 9.2.1.40), where the UE network capability of NAS begins with algorithm 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecurityCapabilities {
    /// The first octet of the encryption algorithms: bit 8 is 128-EEA1.
    pub encryption: u8,
    /// The first octet of the integrity protection algorithms: bit 8 is 128-EIA1.
    pub integrity: u8,
}

impl SecurityCapabilities {
    /// From the octets of the UE network capability (TS 24.301 clause 9.9.3.34).
    pub fn of_network_capability(eea: u8, eia: u8) -> Self {
        Self { encryption: eea << 1, integrity: eia << 1 }
    }

    /// Whether the UE has EIA`number`. EIA0 is never signalled.
    pub fn eia(self, number: u8) -> bool {
        Self::signalled(self.integrity, number)
    }

    /// Whether the UE has EEA`number`. EEA0 is mandatory for every UE (TS 33.401 clause 5.1.3.2).
    pub fn eea(self, number: u8) -> bool {
        number == 0 || Self::signalled(self.encryption, number)
    }

    fn signalled(octet: u8, number: u8) -> bool {
        (1..=8).contains(&number) && octet & (0x80 >> (number - 1)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_ipv4_and_of_both_versions() {
        let address = Ipv4Addr::new(10, 53, 1, 2);
        let sent = TransportAddress::from(address);
        assert_eq!(TransportAddress::of(&sent.ie()), sent);
        assert_eq!(sent.ipv4(), Some(address));
        let both = TransportAddress([&address.octets()[..], &[0xfe; 16]].concat());
        assert_eq!(TransportAddress::of(&both.ie()).ipv4(), Some(address));
        assert_eq!(TransportAddress(vec![0xfe; 16]).ipv4(), None);
    }

    #[test]
    fn capabilities_begin_with_algorithm_one() {
        let all = SecurityCapabilities::of_network_capability(0xf0, 0x70);
        assert_eq!((all.encryption, all.integrity), (0xe0, 0xe0));
        assert!(all.eia(1) && all.eia(3) && !all.eia(0) && !all.eia(4) && !all.eia(9));
        assert!(all.eea(0) && all.eea(3) && !all.eea(4));
    }
}
