//! What a transcript says of a message of NB-IoT.

use super::super::label::{barred, identities, named};
use super::channel::{BcchBchNb, BcchDlSchNb, DlCcchNb, DlDcchNb, PcchNb, UlCcchNb, UlDcchNb};
use super::connection::{EstablishmentCauseNb, ReleaseCauseNb};
use crate::wire::Label;

impl BcchBchNb {
    /// Its name, with what is worth seeing.
    pub fn label(&self) -> Label {
        use super::system::OperationMode as M;
        let Self::MasterInformationBlock(mib) = self;
        let mode = match mib.operation_mode {
            M::InbandSamePci(_) => "inband-same-pci",
            M::InbandDifferentPci(_) => "inband-different-pci",
            M::Guardband(_) => "guardband",
            M::Standalone(_) => "standalone",
        };
        named("MasterInformationBlock-NB").with("mode", mode)
    }
}

impl BcchDlSchNb {
    /// Its name, with what is worth seeing.
    pub fn label(&self) -> Label {
        match self {
            Self::SystemInformation(information) => {
                named("SystemInformation-NB").with("blocks", information.blocks.len())
            }
            Self::SystemInformationBlockType1(sib1) => {
                let mut label = named("SystemInformationBlockType1-NB");
                if let Some(plmn) = sib1.access.plmn_identity_list.first().and_then(|one| one.plmn.plmn()) {
                    label = label.with("plmn", plmn);
                }
                barred(label.with("tac", sib1.access.tracking_area_code.get()), sib1.access.barred)
            }
        }
    }
}

impl PcchNb {
    /// Its name, with what is worth seeing.
    pub fn label(&self) -> Label {
        let Self::Paging(paging) = self;
        let records = paging.records.iter().flat_map(|records| records.iter());
        identities(named("Paging-NB"), records.map(|record| &record.ue_identity))
    }
}

fn cause_name(cause: EstablishmentCauseNb) -> &'static str {
    match cause {
        EstablishmentCauseNb::MtAccess => "mt-Access",
        EstablishmentCauseNb::MoSignalling => "mo-Signalling",
        EstablishmentCauseNb::MoData => "mo-Data",
        EstablishmentCauseNb::MoExceptionData => "mo-ExceptionData",
        EstablishmentCauseNb::DelayTolerantAccess => "delayTolerantAccess",
        EstablishmentCauseNb::MtEdt => "mt-EDT",
        EstablishmentCauseNb::Spare2 => "spare2",
        EstablishmentCauseNb::Spare1 => "spare1",
    }
}

impl UlCcchNb {
    /// Its name, with what is worth seeing.
    pub fn label(&self) -> Label {
        match self {
            Self::RrcConnectionRequest(request) => {
                named("RRCConnectionRequest-NB").with("cause", cause_name(request.cause))
            }
            Self::RrcConnectionResumeRequest(request) => {
                named("RRCConnectionResumeRequest-NB").with("cause", cause_name(request.cause))
            }
            Self::RrcConnectionReestablishmentRequest(_) => named("RRCConnectionReestablishmentRequest-NB"),
        }
    }
}

impl DlCcchNb {
    /// Its name, with what is worth seeing.
    pub fn label(&self) -> Label {
        match self {
            Self::RrcConnectionSetup(_) => named("RRCConnectionSetup-NB"),
            Self::RrcConnectionReject(reject) => named("RRCConnectionReject-NB")
                .with("extended-wait", format!("{}s", reject.extended_wait_time.get())),
            Self::RrcConnectionReestablishment(_) => named("RRCConnectionReestablishment-NB"),
            Self::RrcConnectionReestablishmentReject(_) => named("RRCConnectionReestablishmentReject"),
        }
    }
}

impl UlDcchNb {
    /// Its name, with what is worth seeing.
    pub fn label(&self) -> Label {
        named(match self {
            Self::RrcConnectionReconfigurationComplete(_) => "RRCConnectionReconfigurationComplete-NB",
            Self::RrcConnectionReestablishmentComplete(_) => "RRCConnectionReestablishmentComplete-NB",
            Self::RrcConnectionSetupComplete(_) => "RRCConnectionSetupComplete-NB",
            Self::SecurityModeComplete(_) => "SecurityModeComplete",
            Self::SecurityModeFailure(_) => "SecurityModeFailure",
            Self::UeCapabilityInformation(_) => "UECapabilityInformation-NB",
            Self::UlInformationTransfer(_) => "ULInformationTransfer-NB",
            Self::RrcConnectionResumeComplete(_) => "RRCConnectionResumeComplete-NB",
        })
    }
}

impl DlDcchNb {
    /// Its name, with what is worth seeing.
    pub fn label(&self) -> Label {
        match self {
            Self::DlInformationTransfer(_) => named("DLInformationTransfer-NB"),
            Self::RrcConnectionReconfiguration(message) => {
                let drbs = message.radio.as_ref().and_then(|radio| radio.drbs.as_ref());
                drbs.iter()
                    .flat_map(|drbs| drbs.iter())
                    .fold(named("RRCConnectionReconfiguration-NB"), |label, drb| {
                        label.with("drb", drb.identity.get())
                    })
            }
            Self::RrcConnectionRelease(release) => {
                let cause = match release.cause {
                    ReleaseCauseNb::LoadBalancingTauRequired => "loadBalancingTAUrequired",
                    ReleaseCauseNb::Other => "other",
                    ReleaseCauseNb::RrcSuspend => "rrc-Suspend",
                    ReleaseCauseNb::Spare1 => "spare1",
                };
                let label = named("RRCConnectionRelease-NB").with("cause", cause);
                match release.extended_wait_time {
                    Some(seconds) => label.with("extended-wait", format!("{}s", seconds.get())),
                    None => label,
                }
            }
            Self::SecurityModeCommand(command) => command.label(),
            Self::UeCapabilityEnquiry(_) => named("UECapabilityEnquiry-NB"),
            Self::RrcConnectionResume(_) => named("RRCConnectionResume-NB"),
        }
    }
}
