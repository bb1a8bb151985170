//! The causes of mobility and session management (TS 24.301 clauses 9.9.3.9 and 9.9.4.4).

use oxirush_nas::nas_eps::{NasEmmCause, NasEsmCause};

/// An EMM cause, with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmmCause(pub u8);

impl EmmCause {
    pub const ILLEGAL_UE: Self = Self(3);
    pub const IMEI_NOT_ACCEPTED: Self = Self(5);
    pub const ILLEGAL_ME: Self = Self(6);
    pub const EPS_SERVICES_NOT_ALLOWED: Self = Self(7);
    pub const EPS_AND_NON_EPS_SERVICES_NOT_ALLOWED: Self = Self(8);
    pub const UE_IDENTITY_CANNOT_BE_DERIVED: Self = Self(9);
    pub const PLMN_NOT_ALLOWED: Self = Self(11);
    pub const TRACKING_AREA_NOT_ALLOWED: Self = Self(12);
    pub const ROAMING_NOT_ALLOWED_IN_TRACKING_AREA: Self = Self(13);
    pub const EPS_SERVICES_NOT_ALLOWED_IN_PLMN: Self = Self(14);
    pub const NO_SUITABLE_CELLS_IN_TRACKING_AREA: Self = Self(15);
    pub const NETWORK_FAILURE: Self = Self(17);
    pub const ESM_FAILURE: Self = Self(19);
    pub const MAC_FAILURE: Self = Self(20);
    pub const SYNCH_FAILURE: Self = Self(21);
    pub const CONGESTION: Self = Self(22);
    pub const UE_SECURITY_CAPABILITIES_MISMATCH: Self = Self(23);
    pub const SECURITY_MODE_REJECTED: Self = Self(24);
    pub const NOT_AUTHORIZED_FOR_THIS_CSG: Self = Self(25);
    pub const NON_EPS_AUTHENTICATION_UNACCEPTABLE: Self = Self(26);
    pub const SERVICE_OPTION_NOT_AUTHORIZED_IN_PLMN: Self = Self(35);
    pub const SEMANTICALLY_INCORRECT_MESSAGE: Self = Self(95);
    pub const INVALID_MANDATORY_INFORMATION: Self = Self(96);
    pub const MESSAGE_TYPE_NOT_IMPLEMENTED: Self = Self(97);
    pub const MESSAGE_TYPE_NOT_COMPATIBLE_WITH_STATE: Self = Self(98);
    pub const INFORMATION_ELEMENT_NOT_IMPLEMENTED: Self = Self(99);
    pub const PROTOCOL_ERROR_UNSPECIFIED: Self = Self(111);

    /// As a receiver takes it: a number that the specification does not have is #111.
    pub fn as_received(self) -> Self {
        Self(self.codec().cause_received().as_u8())
    }

    /// The words of the specification for what [`Self::as_received`] makes of it.
    pub fn description(self) -> &'static str {
        self.codec().cause_received().description()
    }

    pub(super) fn of(cause: &NasEmmCause) -> Self {
        Self(cause.cause_raw())
    }

    pub(super) fn codec(self) -> NasEmmCause {
        NasEmmCause::new(self.0)
    }
}

/// An ESM cause, with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EsmCause(pub u8);

impl EsmCause {
    pub const OPERATOR_DETERMINED_BARRING: Self = Self(8);
    pub const INSUFFICIENT_RESOURCES: Self = Self(26);
    pub const MISSING_OR_UNKNOWN_APN: Self = Self(27);
    pub const UNKNOWN_PDN_TYPE: Self = Self(28);
    pub const USER_AUTHENTICATION_FAILED: Self = Self(29);
    pub const SERVICE_OPTION_NOT_SUPPORTED: Self = Self(32);
    pub const SERVICE_OPTION_NOT_SUBSCRIBED: Self = Self(33);
    pub const INVALID_EPS_BEARER_IDENTITY: Self = Self(43);
    pub const ESM_INFORMATION_NOT_RECEIVED: Self = Self(53);
    pub const INVALID_PTI_VALUE: Self = Self(81);
    pub const MESSAGE_TYPE_NOT_COMPATIBLE_WITH_STATE: Self = Self(98);

    /// The words of the specification, or the number where it has none.
    pub fn description(self) -> String {
        self.codec().description()
    }

    pub(super) fn of(cause: &NasEsmCause) -> Self {
        Self(cause.cause_raw())
    }

    pub(super) fn codec(self) -> NasEsmCause {
        NasEsmCause::new(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_read_as_clause_9_9_says() {
        assert_eq!(EmmCause(3).description(), "Illegal UE");
        assert_eq!(EmmCause(3).as_received(), EmmCause::ILLEGAL_UE);
        assert_eq!(EmmCause(200).as_received(), EmmCause::PROTOCOL_ERROR_UNSPECIFIED);
        assert_eq!(EsmCause(27).description(), "Missing or unknown APN");
        assert_eq!(EsmCause(200).description(), "Unknown ESM cause 0xc8");
    }
}
