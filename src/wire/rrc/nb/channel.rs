//! What travels on each logical channel of NB-IoT (TS 36.331 clause 6.7.1).

use super::super::coder::{Code, Coder};
use super::super::connection::RrcConnectionReestablishmentReject;
use super::super::error::{Cause, Error};
use super::super::kinds::channel;
use super::super::security::{SecurityModeCommand, SecurityModeComplete, SecurityModeFailure};
use super::connection::*;
use super::system::*;

channel! {
    /// BCCH on the broadcast channel.
    BcchBchNb false {
        MasterInformationBlock(MasterInformationBlockNb) = 0, 0;
    } unspoken {}
    /// BCCH on the downlink shared channel.
    BcchDlSchNb true {
        SystemInformation(SystemInformationNb) = 2, 0b00;
        SystemInformationBlockType1(SystemInformationBlockType1Nb) = 2, 0b01;
    } unspoken {}
    /// PCCH.
    PcchNb true {
        Paging(PagingNb) = 1, 0b0;
    } unspoken {}
    /// CCCH from the UE.
    UlCcchNb false {
        RrcConnectionReestablishmentRequest(RrcConnectionReestablishmentRequestNb) = 3, 0;
        RrcConnectionRequest(RrcConnectionRequestNb) = 3, 1;
        RrcConnectionResumeRequest(RrcConnectionResumeRequestNb) = 3, 2;
    } unspoken {
        3, 3 => "rrcEarlyDataRequest-r15";
    }
    /// CCCH to the UE.
    DlCcchNb false {
        RrcConnectionReestablishment(RrcConnectionReestablishmentNb) = 4, 0;
        RrcConnectionReestablishmentReject(RrcConnectionReestablishmentReject) = 4, 1;
        RrcConnectionReject(RrcConnectionRejectNb) = 4, 2;
        RrcConnectionSetup(RrcConnectionSetupNb) = 4, 3;
    } unspoken {
        4, 4 => "rrcEarlyDataComplete-r15";
    }
    /// DCCH from the UE.
    UlDcchNb false {
        RrcConnectionReconfigurationComplete(RrcConnectionReconfigurationCompleteNb) = 5, 0;
        RrcConnectionReestablishmentComplete(RrcConnectionReestablishmentCompleteNb) = 5, 1;
        RrcConnectionSetupComplete(RrcConnectionSetupCompleteNb) = 5, 2;
        SecurityModeComplete(SecurityModeComplete) = 5, 3;
        SecurityModeFailure(SecurityModeFailure) = 5, 4;
        UeCapabilityInformation(UeCapabilityInformationNb) = 5, 5;
        UlInformationTransfer(UlInformationTransferNb) = 5, 6;
        RrcConnectionResumeComplete(RrcConnectionResumeCompleteNb) = 5, 7;
    } unspoken {
        5, 8 => "ueInformationResponse-r16";
        5, 9 => "purConfigurationRequest-r16";
    }
    /// DCCH to the UE.
    DlDcchNb false {
        DlInformationTransfer(DlInformationTransferNb) = 4, 0;
        RrcConnectionReconfiguration(RrcConnectionReconfigurationNb) = 4, 1;
        RrcConnectionRelease(RrcConnectionReleaseNb) = 4, 2;
        SecurityModeCommand(SecurityModeCommand) = 4, 3;
        UeCapabilityEnquiry(UeCapabilityEnquiryNb) = 4, 4;
        RrcConnectionResume(RrcConnectionResumeNb) = 4, 5;
    } unspoken {
        4, 6 => "ueInformationRequest-r16";
    }
}
