//! Which versions of IP a PDN connection has (TS 23.401 clause 5.3.1.1): what the subscription allows, and what comes of what
//! a UE asks for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::nas::{EsmCause, PdnType};

/// The PDN type of a subscription (TS 29.272 clause 7.3.62).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SubscribedPdn {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv6.
    Ipv6,
    /// IPv4, IPv6, or both on one connection.
    Ipv4v6,
    /// Either, and both on no connection.
    Ipv4OrIpv6,
}

/// The versions of IP that a connection has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PdnAddresses {
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
    /// Both.
    Both,
}

impl PdnAddresses {
    /// Whether it has an IPv4 address.
    pub fn has_ipv4(self) -> bool {
        self != Self::Ipv6
    }

    /// Whether it has a prefix of IPv6.
    pub fn has_ipv6(self) -> bool {
        self != Self::Ipv4
    }
}

impl SubscribedPdn {
    /// What a UE gets that asks for `asked`, with the cause that says why where that is not all that it has asked for (TS
    /// 24.301 clause 6.5.1.3).
    ///
    /// # Errors
    /// The cause with which it is refused (clause 6.5.1.4).
    pub fn grant(self, asked: PdnType) -> Result<(PdnAddresses, Option<EsmCause>), EsmCause> {
        use PdnAddresses as A;
        let only = match self {
            Self::Ipv6 => EsmCause::PDN_TYPE_IPV6_ONLY_ALLOWED,
            _ => EsmCause::PDN_TYPE_IPV4_ONLY_ALLOWED,
        };
        match (asked, self) {
            (PdnType::Ipv4, Self::Ipv6) | (PdnType::Ipv6, Self::Ipv4) => Err(only),
            (PdnType::Ipv4, _) => Ok((A::Ipv4, None)),
            (PdnType::Ipv6, _) => Ok((A::Ipv6, None)),
            (PdnType::Ipv4v6, Self::Ipv4) => Ok((A::Ipv4, Some(only))),
            (PdnType::Ipv4v6, Self::Ipv6) => Ok((A::Ipv6, Some(only))),
            (PdnType::Ipv4v6, Self::Ipv4v6) => Ok((A::Both, None)),
            (PdnType::Ipv4v6, Self::Ipv4OrIpv6) => {
                Ok((A::Ipv4, Some(EsmCause::SINGLE_ADDRESS_BEARERS_ONLY_ALLOWED)))
            }
            (PdnType::Reserved, _) => Err(EsmCause::UNKNOWN_PDN_TYPE),
            // Non-IP and Ethernet, which there is not.
            (_, Self::Ipv4v6) => Err(EsmCause::PDN_TYPE_IPV4V6_ONLY_ALLOWED),
            (_, _) => Err(only),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TS 23.401 clause 5.3.1.1, TS 24.301 clauses 6.5.1.3 and 6.5.1.4, with the numbers of its clause 9.9.4.4.
    #[test]
    fn what_is_asked_for_and_what_is_given() {
        use PdnAddresses::{Both, Ipv4, Ipv6};
        use PdnType as P;
        use SubscribedPdn as S;
        for (subscribed, asked, expected) in [
            (S::Ipv4, P::Ipv4, Ok((Ipv4, None))),
            (S::Ipv4, P::Ipv6, Err(50)),
            (S::Ipv4, P::Ipv4v6, Ok((Ipv4, Some(50)))),
            (S::Ipv6, P::Ipv4, Err(51)),
            (S::Ipv6, P::Ipv6, Ok((Ipv6, None))),
            (S::Ipv6, P::Ipv4v6, Ok((Ipv6, Some(51)))),
            (S::Ipv4v6, P::Ipv4, Ok((Ipv4, None))),
            (S::Ipv4v6, P::Ipv6, Ok((Ipv6, None))),
            (S::Ipv4v6, P::Ipv4v6, Ok((Both, None))),
            (S::Ipv4OrIpv6, P::Ipv4, Ok((Ipv4, None))),
            (S::Ipv4OrIpv6, P::Ipv6, Ok((Ipv6, None))),
            (S::Ipv4OrIpv6, P::Ipv4v6, Ok((Ipv4, Some(52)))),
            (S::Ipv4, P::NonIp, Err(50)),
            (S::Ipv6, P::Ethernet, Err(51)),
            (S::Ipv4v6, P::NonIp, Err(57)),
            (S::Ipv4, P::Reserved, Err(28)),
        ] {
            let given = subscribed.grant(asked);
            let numbers =
                given.map(|(what, cause)| (what, cause.map(|cause| cause.0))).map_err(|cause| cause.0);
            assert_eq!(numbers, expected, "{subscribed:?}, {asked:?}");
        }
        assert_eq!(
            [Ipv4, Ipv6, Both].map(|one| (one.has_ipv4(), one.has_ipv6())),
            [(true, false), (false, true), (true, true)]
        );
    }
}
