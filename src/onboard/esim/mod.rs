//! The eSIM side of the lab: SM-DP+, SM-DS and eIM on the service network, the orders of a run, and what goes wrong
//! with them on purpose.

mod faults;

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ServerConfig;

use super::OnboardError;
use super::backend::note;
use super::factory::bootstrap;
use super::inventory::Inventory;
use super::setup::DeviceSetup;
use super::steps::Endpoint;
use crate::card::{Personalisation, SimProfile};
use crate::crypto::tls::{self, KeyLogSink, VirtualClock};
use crate::crypto::{CryptoError, Tally};
use crate::esim::eim::{Eim, EimOutput};
use crate::esim::pki::{Identity, Pki, PkiOptions};
use crate::esim::smdp::{ConfirmOrder, DownloadOrder, Profile, SmdpSettings};
use crate::esim::store::{Forgetful, Records};
use crate::esim::{HttpRequest, HttpResponse, Served, Smdp, Smds};
use crate::event::{Actor, Body, Message};
use crate::id::Eid;
use crate::net::http::{self, Request, Response};
use crate::sim::{EPOCH_UNIX_S, Instant, RngTree};
use crate::wire::rsp::{NotificationConfiguration, NotificationEvents, OperatorId, ProfileClass, ProfileMetadata};

pub use faults::EsimFault;

/// Where the SM-DP+ listens, and the name that its certificate carries.
pub const SMDP: Endpoint = Endpoint { actor: Actor::Smdp, port: 443, name: "smdp.cellbed.test" };
/// The same of the SM-DS.
pub const SMDS: Endpoint = Endpoint { actor: Actor::Smds, port: 443, name: "smds.cellbed.test" };
/// The same of the eIM.
pub const EIM: Endpoint = Endpoint { actor: Actor::Eim, port: 443, name: "eim.cellbed.test" };
/// Where a device's IPA may have to go, by name.
pub const SERVERS: [Endpoint; 3] = [SMDP, SMDS, EIM];

/// How the eIM tells a device what to download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    ActivationCode,
    DefaultSmdp,
    Smds,
}

/// The eSIM side, as the scenario wants it.
#[derive(Debug, Clone)]
pub struct EsimSetup {
    /// What operational profiles are made from; device number `n` gets its card number `n - 1`.
    pub profile: Arc<SimProfile>,
    pub trigger: Trigger,
    /// Whether the eIM speaks to the SM-DP+ in the place of the device.
    pub indirect: bool,
    /// Whether the operational subscribers are provisioned in the HSS.
    pub subscribed: bool,
}
