//! What a transcript says of an RRC message.

use super::channel::{BcchBch, BcchDlSch, DlCcch, DlDcch, Pcch, UlCcch, UlDcch};
use super::connection::{EstablishmentCause, RedirectedCarrierInfo};
use super::security::SecurityModeCommand;
use super::system::{CellBarred, PagingUeIdentity};
use crate::wire::{Label, Proto};

pub(super) fn named(name: &'static str) -> Label {
    Label::new(Proto::Rrc, name)
}

/// The same with whether the cell is barred.
pub(super) fn barred(label: Label, barred: CellBarred) -> Label {
    match barred {
        CellBarred::Barred => label.with("cell", "barred"),
        CellBarred::NotBarred => label,
    }
}

/// The same with who is paged.
pub(super) fn identities<'a>(label: Label, paged: impl Iterator<Item = &'a PagingUeIdentity>) -> Label {
    paged.fold(label, |label, identity| match identity {
        PagingUeIdentity::STmsi(s_tmsi) => label.with("tmsi", format!("{:08x}", s_tmsi.m_tmsi.get())),
        PagingUeIdentity::Imsi(digits) => {
            label.with("imsi", digits.iter().map(|digit| digit.get().to_string()).collect::<String>())
        }
    })
}

impl SecurityModeCommand {
    /// Its name, with the algorithms.
    pub fn label(&self) -> Label {
        let algorithms = &self.config.algorithms;
        named("SecurityModeCommand")
            .with("eia", algorithms.integrity.number())
            .with("eea", algorithms.ciphering.number())
    }
}

impl BcchBch {
    /// Its name, with what is worth seeing.
    pub fn label(&self) -> Label {
        let Self::MasterInformationBlock(mib) = self;
        let blocks = [6, 15, 25, 50, 75, 100].get(usize::from(mib.dl_bandwidth.get())).copied().unwrap_or(0);
        named("MasterInformationBlock").with("prb", blocks)
    }
}

impl BcchDlSch {
    /// Its name, with what is worth seeing.
    pub fn label(&self) -> Label {
        match self {
            Self::SystemInformation(information) => {
                named("SystemInformation").with("blocks", information.blocks.len())
            }
            Self::SystemInformationBlockType1(sib1) => {
                let mut label = named("SystemInformationBlockType1");
                if let Some(plmn) = sib1.access.plmn_identity_list.first().and_then(|one| one.plmn.plmn()) {
                    label = label.with("plmn", plmn);
                }
                barred(label.with("tac", sib1.access.tracking_area_code.get()), sib1.access.barred)
            }
        }
    }
}

impl Pcch {
    /// Its name, with what is worth seeing.
    pub fn label(&self) -> Label {
        let Self::Paging(paging) = self;
        let records = paging.records.iter().flat_map(|records| records.iter());
        identities(named("Paging"), records.map(|record| &record.ue_identity))
    }
}

impl UlCcch {
    /// Its name, with what is worth seeing.
    pub fn label(&self) -> Label {
        match self {
            Self::RrcConnectionRequest(request) => {
                named("RRCConnectionRequest").with("cause", cause_name(request.cause))
            }
            Self::RrcConnectionReestablishmentRequest(_) => named("RRCConnectionReestablishmentRequest"),
            Self::RrcConnectionResumeRequest(_) => named("RRCConnectionResumeRequest"),
        }
    }
}

fn cause_name(cause: EstablishmentCause) -> &'static str {
    match cause {
        EstablishmentCause::Emergency => "emergency",
        EstablishmentCause::HighPriorityAccess => "highPriorityAccess",
        EstablishmentCause::MtAccess => "mt-Access",
        EstablishmentCause::MoSignalling => "mo-Signalling",
        EstablishmentCause::MoData => "mo-Data",
        EstablishmentCause::DelayTolerantAccess => "delayTolerantAccess",
        EstablishmentCause::MoVoiceCall => "mo-VoiceCall",
        EstablishmentCause::Spare1 => "spare1",
    }
}

impl DlCcch {
    /// Its name, with what is worth seeing.
    pub fn label(&self) -> Label {
        match self {
            Self::RrcConnectionSetup(_) => named("RRCConnectionSetup"),
            Self::RrcConnectionReject(reject) => {
                let extended = reject.v8a0.as_ref().and_then(|v8a0| v8a0.v1020.as_ref());
                let label = named("RRCConnectionReject").with("wait", format!("{}s", reject.wait_time.get()));
                match extended.and_then(|v1020| v1020.extended_wait_time) {
                    Some(seconds) => label.with("extended-wait", format!("{}s", seconds.get())),
                    None => label,
                }
            }
            Self::RrcConnectionReestablishment(_) => named("RRCConnectionReestablishment"),
            Self::RrcConnectionReestablishmentReject(_) => named("RRCConnectionReestablishmentReject"),
        }
    }
}

impl UlDcch {
    /// Its name, with what is worth seeing.
    pub fn label(&self) -> Label {
        named(match self {
            Self::MeasurementReport(report) => {
                let results = &report.results;
                return named("MeasurementReport").with("rsrp", results.rsrp.get() - 140);
            }
            Self::RrcConnectionReconfigurationComplete(_) => "RRCConnectionReconfigurationComplete",
            Self::RrcConnectionReestablishmentComplete(_) => "RRCConnectionReestablishmentComplete",
            Self::RrcConnectionSetupComplete(_) => "RRCConnectionSetupComplete",
            Self::SecurityModeComplete(_) => "SecurityModeComplete",
            Self::SecurityModeFailure(_) => "SecurityModeFailure",
            Self::UeCapabilityInformation(_) => "UECapabilityInformation",
            Self::UlInformationTransfer(_) => "ULInformationTransfer",
            Self::RrcConnectionResumeComplete(_) => "RRCConnectionResumeComplete",
        })
    }
}

impl DlDcch {
    /// Its name, with what is worth seeing.
    pub fn label(&self) -> Label {
        match self {
            Self::DlInformationTransfer(_) => named("DLInformationTransfer"),
            Self::RrcConnectionReconfiguration(message) => {
                let mut label = named("RRCConnectionReconfiguration");
                if let Some(mobility) = &message.mobility {
                    label = label.with("target", mobility.target_phys_cell_id.get());
                }
                let Some(radio) = &message.radio else { return label };
                for srb in radio.srbs.iter().flat_map(|list| list.iter()) {
                    label = label.with("srb", srb.identity.get());
                }
                for drb in radio.drbs.iter().flat_map(|list| list.iter()) {
                    label = label.with("drb", drb.identity.get());
                }
                for drb in radio.drbs_to_release.iter().flat_map(|list| list.iter()) {
                    label = label.with("drb-released", drb.get());
                }
                label
            }
            Self::RrcConnectionRelease(release) => {
                use super::connection::ReleaseCause as C;
                let cause = match release.cause {
                    C::LoadBalancingTauRequired => "loadBalancingTAUrequired",
                    C::Other => "other",
                    C::CsFallbackHighPriority => "cs-FallbackHighPriority",
                    C::RrcSuspend => "rrc-Suspend",
                };
                let label = named("RRCConnectionRelease").with("cause", cause);
                match &release.redirected_carrier_info {
                    Some(RedirectedCarrierInfo::Eutra(earfcn)) => label.with("earfcn", earfcn.get()),
                    _ => label,
                }
            }
            Self::SecurityModeCommand(command) => command.label(),
            Self::UeCapabilityEnquiry(_) => named("UECapabilityEnquiry"),
            Self::RrcConnectionResume(_) => named("RRCConnectionResume"),
        }
    }
}
