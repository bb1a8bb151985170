//! What leaves an SM-DP+ about one of its profiles.

use super::OrderState;
use crate::id::{Eid, Iccid};
use crate::wire::rsp::NotificationEvents;

/// What a card has signed of a profile of this SM-DP+, verified. Whoever keeps the operator's inventory learns from it
/// which card holds which subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileNotice {
    /// What has happened.
    pub event: NotificationEvents,
    /// The profile that it happened to.
    pub iccid: Iccid,
    /// The card that the profile is for.
    pub eid: Eid,
    /// What has become of the order.
    pub order: OrderState,
}

impl ProfileNotice {
    /// Whether the card holds the subscription from now on.
    pub fn is_installed(&self) -> bool {
        self.event == NotificationEvents::INSTALL && self.order == OrderState::Installed
    }
}
