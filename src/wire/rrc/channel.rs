//! What travels on each logical channel of LTE (TS 36.331 clause 6.2.1).

use super::coder::{Code, Coder};
use super::connection::*;
use super::error::{Cause, Error};
use super::kinds::channel;
use super::measurement::MeasurementReport;
use super::security::*;
use super::system::{MasterInformationBlock, Paging, SystemInformation, SystemInformationBlockType1};

channel! {
    /// BCCH on the broadcast channel.
    BcchBch false {
        MasterInformationBlock(MasterInformationBlock) = 0, 0;
    } unspoken {}
    /// BCCH on the downlink shared channel.
    BcchDlSch true {
        SystemInformation(SystemInformation) = 2, 0b00;
        SystemInformationBlockType1(SystemInformationBlockType1) = 2, 0b01;
    } unspoken {}
    /// PCCH.
    Pcch true {
        Paging(Paging) = 1, 0b0;
    } unspoken {}
    /// CCCH from the UE.
    UlCcch false {
        RrcConnectionReestablishmentRequest(RrcConnectionReestablishmentRequest) = 2, 0b00;
        RrcConnectionRequest(RrcConnectionRequest) = 2, 0b01;
        RrcConnectionResumeRequest(RrcConnectionResumeRequest) = 2, 0b10;
    } unspoken {
        3, 0b110 => "rrcEarlyDataRequest-r15";
    }
    /// CCCH to the UE.
    DlCcch false {
        RrcConnectionReestablishment(RrcConnectionReestablishment) = 3, 0b000;
        RrcConnectionReestablishmentReject(RrcConnectionReestablishmentReject) = 3, 0b001;
        RrcConnectionReject(RrcConnectionReject) = 3, 0b010;
        RrcConnectionSetup(RrcConnectionSetup) = 3, 0b011;
    } unspoken {
        4, 0b1000 => "rrcEarlyDataComplete-r15";
    }
    /// DCCH from the UE.
    UlDcch false {
        MeasurementReport(MeasurementReport) = 5, 1;
        RrcConnectionReconfigurationComplete(RrcConnectionReconfigurationComplete) = 5, 2;
        RrcConnectionReestablishmentComplete(RrcConnectionReestablishmentComplete) = 5, 3;
        RrcConnectionSetupComplete(RrcConnectionSetupComplete) = 5, 4;
        SecurityModeComplete(SecurityModeComplete) = 5, 5;
        SecurityModeFailure(SecurityModeFailure) = 5, 6;
        UeCapabilityInformation(UeCapabilityInformation) = 5, 7;
        UlInformationTransfer(UlInformationTransfer) = 5, 9;
        RrcConnectionResumeComplete(RrcConnectionResumeComplete) = 6, 0b10_0110;
    } unspoken {
        5, 0 => "csfbParametersRequestCDMA2000";
        5, 8 => "ulHandoverPreparationTransfer";
        5, 10 => "counterCheckResponse";
        5, 11 => "ueInformationResponse-r9";
        5, 12 => "proximityIndication-r9";
        5, 13 => "rnReconfigurationComplete-r10";
        5, 14 => "mbmsCountingResponse-r10";
        5, 15 => "interFreqRSTDMeasurementIndication-r10";
    }
    /// DCCH to the UE.
    DlDcch false {
        DlInformationTransfer(DlInformationTransfer) = 5, 1;
        RrcConnectionReconfiguration(RrcConnectionReconfiguration) = 5, 4;
        RrcConnectionRelease(RrcConnectionRelease) = 5, 5;
        SecurityModeCommand(SecurityModeCommand) = 5, 6;
        UeCapabilityEnquiry(UeCapabilityEnquiry) = 5, 7;
        RrcConnectionResume(RrcConnectionResume) = 5, 12;
    } unspoken {
        5, 0 => "csfbParametersResponseCDMA2000";
        5, 2 => "handoverFromEUTRAPreparationRequest";
        5, 3 => "mobilityFromEUTRACommand";
        5, 8 => "counterCheck";
        5, 9 => "ueInformationRequest-r9";
        5, 10 => "loggedMeasurementConfiguration-r10";
        5, 11 => "rnReconfiguration-r10";
        5, 13 => "dlDedicatedMessageSegment-r16";
    }
}
