//! How an MME that has too much to do slows its base stations down (TS 36.413 clause 8.7.6).

use oxirush_s1ap::s1ap::{OverloadStart as AsnOverloadStart, OverloadStop as AsnOverloadStop};
use oxirush_s1ap::{build_s1ap_ie, ie, s1ap::*};

use super::{Error, Pdu};

/// Which connections a base station is to reject (clause 9.2.3.20).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverloadAction {
    /// Those for data that the UE wants to send.
    RejectData,
    /// Those for signalling of the UE and for its data: nobody attaches.
    RejectSignalling,
    /// An action that is for other traffic than UEs have here: calls, priority, delay tolerant access.
    Other,
}

/// OVERLOAD START (clause 9.1.8.13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverloadStart {
    /// What the base station is to do until [`OverloadStop`].
    pub action: OverloadAction,
}

impl OverloadStart {
    /// Fails on [`OverloadAction::Other`].
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let action = match self.action {
            OverloadAction::RejectData => oxirush_s1ap::s1ap::OverloadAction::reject_non_emergency_mo_dt,
            OverloadAction::RejectSignalling => oxirush_s1ap::s1ap::OverloadAction::reject_rrc_cr_signalling,
            OverloadAction::Other => {
                return Err(Error::Value("no overload action that is only read is sent".to_owned()));
            }
        };
        let response = build_s1ap_ie!(OverloadStart, OverloadResponse(OverloadResponse::from(action)))?;
        let message = AsnOverloadStart::new(ProtocolIEContainer(vec![response]));
        Ok(Pdu(S1AP_PDU::of_message(&message, Criticality::ignore)?))
    }

    /// Reads the message. Fails without an Overload Response that decodes.
    pub fn read(pdu: &Pdu<'_>) -> Result<Self, Error> {
        use oxirush_s1ap::s1ap::OverloadAction as A;
        let Some(Ok(OverloadResponse::overloadAction(action))) = pdu.0.ie::<ie::OverloadResponse>() else {
            return Err(Error::AbstractSyntax("no Overload Response".to_owned()));
        };
        let action = match action {
            A::reject_non_emergency_mo_dt => OverloadAction::RejectData,
            A::reject_rrc_cr_signalling
            | A::permit_emergency_sessions_and_mobile_terminated_services_only
            | A::permit_high_priority_sessions_and_mobile_terminated_services_only => {
                OverloadAction::RejectSignalling
            }
            _ => OverloadAction::Other,
        };
        Ok(Self { action })
    }
}

/// OVERLOAD STOP (clause 9.1.8.14): every connection is welcome again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverloadStop;

impl OverloadStop {
    /// Does not fail: the message says nothing but its name.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let message = AsnOverloadStop::new(ProtocolIEContainer(Vec::new()));
        Ok(Pdu(S1AP_PDU::of_message(&message, Criticality::reject)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, sent};
    use super::*;

    #[test]
    fn overload_has_the_octets_that_the_encoding_rules_give_it() {
        // By hand: procedure 34, criticality ignore, one element, 101 with criticality reject, in whose octet two extension
        // bits come before the two bits of the action.
        for (action, octets) in [
            (OverloadAction::RejectData, "002240080000010065000100"),
            (OverloadAction::RejectSignalling, "002240080000010065000110"),
        ] {
            let start = OverloadStart { action };
            let built = sent(start.build(), Kind::OverloadStart);
            assert_eq!(hex::encode(&built), octets);
            assert_eq!(OverloadStart::read(&Pdu::decode(&built).unwrap()).unwrap(), start);
        }
        assert!(OverloadStart { action: OverloadAction::Other }.build().is_err());
        assert_eq!(hex::encode(sent(OverloadStop.build(), Kind::OverloadStop)), "00230003000000");
    }
}
