//! What a session may reach.

use std::net::IpAddr;
use std::sync::Arc;

/// What a session may reach behind the gateway. Nobody reaches another device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// What it takes to get an operational subscription.
    Onboarding(Arc<[IpAddr]>),
    /// Services that are known, and no others.
    Restricted(Arc<[IpAddr]>),
    /// Every service.
    Service,
    /// Nothing but what helps: with no address, nothing at all.
    Isolated(Arc<[IpAddr]>),
}

impl Policy {
    /// The word that events carry.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Onboarding(_) => "onboarding-only",
            Self::Restricted(_) => "restricted",
            Self::Service => "service",
            Self::Isolated(_) => "isolated",
        }
    }

    /// What a session whose subscription lets it reach `own` reaches while its holder is held to this. A restriction takes
    /// away: it leads nobody to services that are not for him.
    pub fn over(&self, own: &Self) -> Self {
        match (self, own) {
            (Self::Restricted(_), Self::Onboarding(_)) => own.clone(),
            _ => self.clone(),
        }
    }

    /// Whether it cuts a session off.
    pub fn is_isolated(&self) -> bool {
        matches!(self, Self::Isolated(_))
    }

    /// The addresses that it leads to; `None` where it leads everywhere.
    pub fn list(&self) -> Option<&[IpAddr]> {
        match self {
            Self::Onboarding(list) | Self::Restricted(list) | Self::Isolated(list) => Some(list),
            Self::Service => None,
        }
    }
}
