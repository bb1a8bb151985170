//! The failure message that each procedure has for itself (TS 36.413 tables 8.1-1 and 10.3.5): whoever does not do what
//! is asked of it says so with that and a cause. An ERROR INDICATION is for messages that are not understood.

use oxirush_s1ap::{S1apPduKind, build_s1ap, extract_s1ap_ies, ie, s1ap::*};

use super::interface::areas_of;
use super::{Cause, Error, Pdu};
use crate::id::Plmn;

impl Pdu<'_> {
    /// The refusal of what this message asks for, for `cause`. `None` where its procedure has no failure message, and where
    /// the identifiers that one carries are missing.
    pub fn failure(&self, cause: &Cause) -> Option<Result<Pdu<'static>, Error>> {
        use S1apPduKind as K;
        let cause = cause.0.clone();
        let ids = self.ue_ids();
        let pdu = match self.0.kind() {
            K::Initiating_HandoverPreparation => {
                let ids = ids.ok()?;
                build_s1ap!(
                    UnsuccessfulOutcome,
                    HandoverPreparation,
                    HandoverPreparationFailure,
                    MME_UE_S1AP_ID(ids.mme),
                    eNB_UE_S1AP_ID(ids.enb),
                    Cause(cause),
                )
            }
            K::Initiating_HandoverResourceAllocation => {
                let mme = self.ids().0?;
                build_s1ap!(
                    UnsuccessfulOutcome,
                    HandoverResourceAllocation,
                    HandoverFailure,
                    MME_UE_S1AP_ID(mme),
                    Cause(cause),
                )
            }
            K::Initiating_PathSwitchRequest => {
                let (mme, enb) = (self.source_mme_id()?, self.ids().1?);
                build_s1ap!(
                    UnsuccessfulOutcome,
                    PathSwitchRequest,
                    PathSwitchRequestFailure,
                    MME_UE_S1AP_ID(mme),
                    eNB_UE_S1AP_ID(enb),
                    Cause(cause),
                )
            }
            K::Initiating_UEContextModification => {
                let ids = ids.ok()?;
                build_s1ap!(
                    UnsuccessfulOutcome,
                    UEContextModification,
                    UEContextModificationFailure,
                    MME_UE_S1AP_ID(ids.mme),
                    eNB_UE_S1AP_ID(ids.enb),
                    Cause(cause),
                )
            }
            K::Initiating_UEContextResume => {
                let ids = ids.ok()?;
                build_s1ap!(
                    UnsuccessfulOutcome,
                    UEContextResume,
                    UEContextResumeFailure,
                    MME_UE_S1AP_ID(ids.mme),
                    eNB_UE_S1AP_ID(ids.enb),
                    Cause(cause),
                )
            }
            K::Initiating_ENBConfigurationUpdate => build_s1ap!(
                UnsuccessfulOutcome,
                ENBConfigurationUpdate,
                ENBConfigurationUpdateFailure,
                Cause(cause),
            ),
            K::Initiating_MMEConfigurationUpdate => build_s1ap!(
                UnsuccessfulOutcome,
                MMEConfigurationUpdate,
                MMEConfigurationUpdateFailure,
                Cause(cause),
            ),
            _ => return None,
        };
        Some(pdu.map(Pdu).map_err(Error::from))
    }

    /// The Source MME UE S1AP ID of a PATH SWITCH REQUEST (clause 9.1.5.8).
    pub fn source_mme_id(&self) -> Option<u32> {
        self.0.ie::<ie::SourceMME_UE_S1AP_ID>().and_then(Result::ok).map(|id| id.0)
    }
}

impl Pdu<'_> {
    /// The tracking areas of an ENB CONFIGURATION UPDATE (clause 9.1.8.7), each with each network that is broadcast in it;
    /// `None` where they stay what they are. Fails where they are there and do not decode.
    pub fn updated_areas(&self) -> Result<Option<Vec<(Plmn, u16)>>, Error> {
        let pdu = &self.0;
        extract_s1ap_ies!(pdu, ENBConfigurationUpdate,
            opt areas: SupportedTAs = SupportedTAs(areas) => areas,
        );
        Ok(areas.as_ref().map(areas_of))
    }

    /// How a message that refuses or acknowledges is called.
    pub(super) fn refusal_name(&self) -> Option<&'static str> {
        use S1apPduKind as K;
        Some(match self.0.kind() {
            K::Unsuccessful_HandoverPreparation => "HandoverPreparationFailure",
            K::Unsuccessful_HandoverResourceAllocation => "HandoverFailure",
            K::Unsuccessful_PathSwitchRequest => "PathSwitchRequestFailure",
            K::Unsuccessful_UEContextModification => "UEContextModificationFailure",
            K::Unsuccessful_UEContextResume => "UEContextResumeFailure",
            K::Unsuccessful_ENBConfigurationUpdate => "ENBConfigurationUpdateFailure",
            K::Unsuccessful_MMEConfigurationUpdate => "MMEConfigurationUpdateFailure",
            K::Successful_HandoverCancel => "HandoverCancelAcknowledge",
            K::Successful_ENBConfigurationUpdate => "ENBConfigurationUpdateAcknowledge",
            _ => return None,
        })
    }
}

/// ENB CONFIGURATION UPDATE ACKNOWLEDGE (clause 9.1.8.8).
pub fn enb_configuration_updated() -> Result<Pdu<'static>, Error> {
    let message = ENBConfigurationUpdateAcknowledge::new(ProtocolIEContainer(Vec::new()));
    Ok(Pdu(S1AP_PDU::of_message(&message, Criticality::reject)?))
}

/// HANDOVER CANCEL ACKNOWLEDGE (clause 9.1.5.12): whatever handover there was is none any more.
pub fn handover_cancelled(mme: u32, enb: u32) -> Result<Pdu<'static>, Error> {
    let pdu = build_s1ap!(
        SuccessfulOutcome,
        HandoverCancel,
        HandoverCancelAcknowledge,
        MME_UE_S1AP_ID(mme),
        eNB_UE_S1AP_ID(enb),
    );
    Ok(Pdu(pdu?))
}
