//! The causes of mobility and session management (TS 24.301 clauses 9.9.3.9 and 9.9.4.4).

use oxirush_nas::nas_eps::{NasEmmCause, NasEsmCause};

/// An EMM cause, with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmmCause(pub u8);

impl EmmCause {
    /// Authentication has failed, or the identity is not acceptable; the UE takes its USIM as invalid (clause
    /// 5.5.1.2.5).
    pub const ILLEGAL_UE: Self = Self(3);
    /// Emergency attach with an IMEI only, which the network does not take.
    pub const IMEI_NOT_ACCEPTED: Self = Self(5);
    /// The equipment is not acceptable, by its IMEI.
    pub const ILLEGAL_ME: Self = Self(6);
    /// The subscription has no EPS services; the UE takes its USIM as invalid for them.
    pub const EPS_SERVICES_NOT_ALLOWED: Self = Self(7);
    /// The subscription has no services at all, or the IMSI is not known.
    pub const EPS_AND_NON_EPS_SERVICES_NOT_ALLOWED: Self = Self(8);
    /// The network does not know the GUTI; the UE deletes it and attaches anew.
    pub const UE_IDENTITY_CANNOT_BE_DERIVED: Self = Self(9);
    /// The subscription may not use this network; the UE puts it into EF.FPLMN.
    pub const PLMN_NOT_ALLOWED: Self = Self(11);
    /// The subscription may not use this tracking area, and the UE looks no further in this network.
    pub const TRACKING_AREA_NOT_ALLOWED: Self = Self(12);
    /// The subscription may not roam here; the UE looks for another network.
    pub const ROAMING_NOT_ALLOWED_IN_TRACKING_AREA: Self = Self(13);
    /// The subscription has no EPS services in this network.
    pub const EPS_SERVICES_NOT_ALLOWED_IN_PLMN: Self = Self(14);
    /// The subscription may not use this tracking area; the UE looks for another one in the same network.
    pub const NO_SUITABLE_CELLS_IN_TRACKING_AREA: Self = Self(15);
    /// The network has ended the registration by itself; the UE attaches anew.
    pub const IMPLICITLY_DETACHED: Self = Self(10);
    /// The network cannot serve the request for reasons of its own.
    pub const NETWORK_FAILURE: Self = Self(17);
    /// The network has no circuit-switched domain for the UE (clause 5.5.1.3.4.3).
    pub const CS_DOMAIN_NOT_AVAILABLE: Self = Self(18);
    /// The ESM message that came along has failed; its own cause stands in the container.
    pub const ESM_FAILURE: Self = Self(19);
    /// Of the UE: the MAC of AUTN is wrong (clause 5.4.2.6).
    pub const MAC_FAILURE: Self = Self(20);
    /// Of the UE: the sequence number of AUTN is out of range; AUTS comes with it.
    pub const SYNCH_FAILURE: Self = Self(21);
    /// The network is busy; T3346 says how long.
    pub const CONGESTION: Self = Self(22);
    /// Of the UE: the replayed capabilities are not those that it sent (clause 5.4.3.5).
    pub const UE_SECURITY_CAPABILITIES_MISMATCH: Self = Self(23);
    /// Of the UE: it does not take the security mode for another reason.
    pub const SECURITY_MODE_REJECTED: Self = Self(24);
    /// The subscription is not in the closed subscriber group of the cell.
    pub const NOT_AUTHORIZED_FOR_THIS_CSG: Self = Self(25);
    /// Of the UE: the separation bit of AMF is 0 in E-UTRAN (TS 33.401 clause 6.1.1).
    pub const NON_EPS_AUTHENTICATION_UNACCEPTABLE: Self = Self(26);
    /// The service asked for may not be used in this network.
    pub const SERVICE_OPTION_NOT_AUTHORIZED_IN_PLMN: Self = Self(35);
    /// A message with contents that make no sense.
    pub const SEMANTICALLY_INCORRECT_MESSAGE: Self = Self(95);
    /// A mandatory information element is missing or malformed (clause 7.5.1).
    pub const INVALID_MANDATORY_INFORMATION: Self = Self(96);
    /// A message type that does not exist or is not implemented (clause 7.4).
    pub const MESSAGE_TYPE_NOT_IMPLEMENTED: Self = Self(97);
    /// A message that the state of the protocol does not allow (clause 7.4).
    pub const MESSAGE_TYPE_NOT_COMPATIBLE_WITH_STATE: Self = Self(98);
    /// An information element that does not exist or is not implemented.
    pub const INFORMATION_ELEMENT_NOT_IMPLEMENTED: Self = Self(99);
    /// A protocol error for which there is no other cause.
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
    /// The operator bars this.
    pub const OPERATOR_DETERMINED_BARRING: Self = Self(8);
    /// There are no resources for the bearer.
    pub const INSUFFICIENT_RESOURCES: Self = Self(26);
    /// The access point name is needed and absent, or not known.
    pub const MISSING_OR_UNKNOWN_APN: Self = Self(27);
    /// The PDN type is not known.
    pub const UNKNOWN_PDN_TYPE: Self = Self(28);
    /// The external network refused the user.
    pub const USER_AUTHENTICATION_FAILED: Self = Self(29);
    /// The network does not support what is asked for.
    pub const SERVICE_OPTION_NOT_SUPPORTED: Self = Self(32);
    /// The subscription does not include this access point name or service.
    pub const SERVICE_OPTION_NOT_SUBSCRIBED: Self = Self(33);
    /// The bearer identity is reserved, or names no bearer (clause 7.3.2).
    pub const INVALID_EPS_BEARER_IDENTITY: Self = Self(43);
    /// The network gives IPv4 only, whatever else was asked for (clause 6.5.1.3).
    pub const PDN_TYPE_IPV4_ONLY_ALLOWED: Self = Self(50);
    /// The network gives IPv6 only, whatever else was asked for.
    pub const PDN_TYPE_IPV6_ONLY_ALLOWED: Self = Self(51);
    /// The network gives one version of IP on a connection: the UE may ask for the other on a second one.
    pub const SINGLE_ADDRESS_BEARERS_ONLY_ALLOWED: Self = Self(52);
    /// The network gives IP only.
    pub const PDN_TYPE_IPV4V6_ONLY_ALLOWED: Self = Self(57);
    /// ESM INFORMATION REQUEST was not answered (clause 6.6.1.2.6).
    pub const ESM_INFORMATION_NOT_RECEIVED: Self = Self(53);
    /// The procedure transaction identity is reserved, or names no transaction (clause 7.3.1).
    pub const INVALID_PTI_VALUE: Self = Self(81);
    /// A message that the state of the protocol does not allow (clause 7.4).
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
