//! The messages that carry NAS messages (TS 36.413 clauses 8.6 and 9.1.7).

use oxirush_s1ap::{build_s1ap, build_s1ap_ie, extract_s1ap_ies, ie, s1ap::*};

use super::values::{s_tmsi, s_tmsi_of};
use super::{Error, Location, Pdu, UeIds};
use crate::wire::rrc::connection::EstablishmentCause;

/// INITIAL UE MESSAGE (clause 9.1.7.1). A UE that has something to say asks for a signalling connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialUeMessage {
    /// The eNB UE S1AP ID.
    pub enb: u32,
    /// The NAS-PDU (clause 9.2.3.5).
    pub nas: Vec<u8>,
    /// `None` where the digits of its network are none.
    pub location: Option<Location>,
    /// What the UE asked for the connection for (clause 9.2.1.3a).
    pub cause: EstablishmentCause,
    /// The S-TMSI that the UE asked with, as MME code and M-TMSI (clause 9.2.3.6).
    pub s_tmsi: Option<(u8, u32)>,
}

impl InitialUeMessage {
    /// Fails without a location.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let location = whereabouts(self.location.as_ref())?;
        let cause = establishment_cause(self.cause);
        let mut ies = vec![
            build_s1ap_ie!(InitialUEMessage, eNB_UE_S1AP_ID(self.enb))?,
            build_s1ap_ie!(InitialUEMessage, NAS_PDU(self.nas.clone()))?,
            build_s1ap_ie!(InitialUEMessage, TAI(location.tai()))?,
            build_s1ap_ie!(InitialUEMessage, EUTRAN_CGI(location.cgi()?))?,
            build_s1ap_ie!(InitialUEMessage, RRC_Establishment_Cause(cause))?,
        ];
        if let Some(id) = self.s_tmsi {
            ies.push(build_s1ap_ie!(InitialUEMessage, S_TMSI(s_tmsi(id)))?);
        }
        let message = InitialUEMessage::new(ProtocolIEContainer(ies));
        Ok(Pdu(S1AP_PDU::of_message(&message, Criticality::ignore)?))
    }

    /// Reads the message. Fails where an identifier, the NAS-PDU or the TAI, which have the criticality reject, is missing
    /// or does not decode.
    pub fn read(pdu: &Pdu<'_>) -> Result<Self, Error> {
        let location = Location::of(pdu);
        let pdu = &pdu.0;
        if !matches!(pdu.ie::<ie::TAI>(), Some(Ok(_))) {
            return Err(Error::AbstractSyntax("no TAI".to_owned()));
        }
        extract_s1ap_ies!(pdu, InitialUEMessage,
            req enb: u32 = eNB_UE_S1AP_ID(id),
            req nas: Vec<u8> = NAS_PDU(nas) => nas.0.to_vec(),
            lax cause: EstablishmentCause = RRC_Establishment_Cause(cause) => read_cause(cause),
            lax s_tmsi: (u8, u32) = S_TMSI(id) => s_tmsi_of(&id),
        );
        Ok(Self { enb, nas, location, cause: cause.unwrap_or(EstablishmentCause::MoSignalling), s_tmsi })
    }
}

/// RRC Establishment Cause (clause 9.2.1.3a) of what the UE has said (TS 36.331 clause 6.2.2).
fn establishment_cause(cause: EstablishmentCause) -> RRCEstablishmentCause {
    use EstablishmentCause as C;
    match cause {
        C::Emergency => RRCEstablishmentCause::emergency,
        C::HighPriorityAccess => RRCEstablishmentCause::highPriorityAccess,
        C::MtAccess => RRCEstablishmentCause::mt_Access,
        C::MoSignalling | C::Spare1 => RRCEstablishmentCause::mo_Signalling,
        C::MoData => RRCEstablishmentCause::mo_Data,
        C::DelayTolerantAccess => RRCEstablishmentCause::delay_TolerantAccess,
        C::MoVoiceCall => RRCEstablishmentCause::mo_VoiceCall,
    }
}

fn read_cause(cause: RRCEstablishmentCause) -> EstablishmentCause {
    use EstablishmentCause as C;
    match cause {
        RRCEstablishmentCause::emergency => C::Emergency,
        RRCEstablishmentCause::highPriorityAccess => C::HighPriorityAccess,
        RRCEstablishmentCause::mt_Access => C::MtAccess,
        RRCEstablishmentCause::mo_Data | RRCEstablishmentCause::mo_ExceptionData => C::MoData,
        RRCEstablishmentCause::delay_TolerantAccess => C::DelayTolerantAccess,
        RRCEstablishmentCause::mo_VoiceCall => C::MoVoiceCall,
        _ => C::MoSignalling,
    }
}

/// UPLINK NAS TRANSPORT (clause 9.1.7.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UplinkNasTransport {
    /// The connection of the UE.
    pub ids: UeIds,
    /// The NAS-PDU (clause 9.2.3.5).
    pub nas: Vec<u8>,
    /// `None` where the sender's cannot be read.
    pub location: Option<Location>,
}

impl UplinkNasTransport {
    /// Fails without a location.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let location = whereabouts(self.location.as_ref())?;
        let pdu = build_s1ap!(
            InitiatingMessage,
            uplinkNASTransport,
            UplinkNASTransport,
            MME_UE_S1AP_ID(self.ids.mme),
            eNB_UE_S1AP_ID(self.ids.enb),
            NAS_PDU(self.nas.clone()),
            EUTRAN_CGI(location.cgi()?),
            TAI(location.tai()),
        );
        Ok(Pdu(pdu?))
    }

    /// Reads the message. Fails where an identifier or the NAS-PDU is missing or does not decode.
    pub fn read(pdu: &Pdu<'_>) -> Result<Self, Error> {
        let location = Location::of(pdu);
        let pdu = &pdu.0;
        extract_s1ap_ies!(pdu, UplinkNASTransport,
            req mme: u32 = MME_UE_S1AP_ID(id),
            req enb: u32 = eNB_UE_S1AP_ID(id),
            req nas: Vec<u8> = NAS_PDU(nas) => nas.0.to_vec(),
        );
        Ok(Self { ids: UeIds { mme, enb }, nas, location })
    }
}

fn whereabouts(location: Option<&Location>) -> Result<&Location, Error> {
    location.ok_or_else(|| Error::Value("a message of a UE says where its cell is".to_owned()))
}

/// DOWNLINK NAS TRANSPORT (clause 9.1.7.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownlinkNasTransport {
    /// The connection of the UE.
    pub ids: UeIds,
    /// The NAS-PDU (clause 9.2.3.5).
    pub nas: Vec<u8>,
}

impl DownlinkNasTransport {
    /// Fails on an identifier that its field cannot hold.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let pdu = build_s1ap!(
            InitiatingMessage,
            downlinkNASTransport,
            DownlinkNASTransport,
            MME_UE_S1AP_ID(self.ids.mme),
            eNB_UE_S1AP_ID(self.ids.enb),
            NAS_PDU(self.nas.clone()),
        );
        Ok(Pdu(pdu?))
    }

    /// Reads the message. Fails where an identifier or the NAS-PDU is missing or does not decode.
    pub fn read(pdu: &Pdu<'_>) -> Result<Self, Error> {
        let pdu = &pdu.0;
        extract_s1ap_ies!(pdu, DownlinkNASTransport,
            req mme: u32 = MME_UE_S1AP_ID(id),
            req enb: u32 = eNB_UE_S1AP_ID(id),
            req nas: Vec<u8> = NAS_PDU(nas) => nas.0.to_vec(),
        );
        Ok(Self { ids: UeIds { mme, enb }, nas })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, sent};
    use super::*;

    #[test]
    fn nas_messages_survive_with_where_they_came_from() {
        let nas = vec![0x07, 0x41, 0x02];
        let ids = UeIds { mme: u32::MAX, enb: 0x00ff_ffff };
        let location = Location { plmn: "310-410".parse().unwrap(), tac: 0x1234, enb: 0xf_ffff, cell: 1 };

        let (location, cause) = (Some(location), EstablishmentCause::MtAccess);
        for s_tmsi in [None, Some((0xfe, 0xc000_0001))] {
            let initial = InitialUeMessage { enb: 7, nas: nas.clone(), location, cause, s_tmsi };
            let octets = sent(initial.build(), Kind::InitialUeMessage);
            assert_eq!(InitialUeMessage::read(&Pdu::decode(&octets).unwrap()).unwrap(), initial);
        }
        let initial = InitialUeMessage { enb: 7, nas: nas.clone(), location, cause, s_tmsi: None };
        assert!(InitialUeMessage { location: None, ..initial }.build().is_err());

        let uplink = UplinkNasTransport { ids, nas: nas.clone(), location };
        let octets = sent(uplink.build(), Kind::UplinkNasTransport);
        assert_eq!(UplinkNasTransport::read(&Pdu::decode(&octets).unwrap()).unwrap(), uplink);

        let downlink = DownlinkNasTransport { ids, nas };
        let octets = sent(downlink.build(), Kind::DownlinkNasTransport);
        assert_eq!(DownlinkNasTransport::read(&Pdu::decode(&octets).unwrap()).unwrap(), downlink);
    }

    #[test]
    fn an_identifier_of_more_than_24_bits_has_no_octets() {
        let ids = UeIds { mme: 1, enb: 1 << 24 };
        assert!(matches!(DownlinkNasTransport { ids, nas: Vec::new() }.build(), Err(Error::Value(_))));
    }
}
