//! What the MME knows of one UE.

use std::sync::Arc;

use super::GRACE;
use super::stored::Native;
use crate::corenet::hss::Vector;
use crate::event::SessionKey;
use crate::id::{Imei, Imsi};
use crate::kernel::{Duration, Instant};
use crate::wire::nas::{AttachType, Kasme, Kenb, Message, NetworkCapability, PdnType, SecurityHeader};
use crate::wire::s1ap::Cause;

/// How far a UE has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing was understood yet.
    Initial,
    /// IDENTITY REQUEST was sent.
    Identity,
    /// AUTHENTICATION REQUEST was sent.
    Authentication,
    /// SECURITY MODE COMMAND was sent.
    SecurityMode,
    /// ESM INFORMATION REQUEST was sent.
    EsmInformation,
    /// ATTACH ACCEPT was sent.
    ContextSetup,
    /// EMM-REGISTERED.
    Registered,
    /// DETACH REQUEST was sent.
    Detaching,
    /// UE CONTEXT RELEASE COMMAND was sent and nothing is left to keep.
    Releasing,
    /// To be forgotten.
    Ended,
}

/// The guard that runs (TS 24.301 tables 10.2.2 and 10.3.2). At most one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// Paging.
    T3413,
    /// Detach.
    T3422,
    /// Attach accept.
    T3450,
    /// Authentication, security mode.
    T3460,
    /// Identity.
    T3470,
    /// ESM information.
    T3489,
    /// The base station's answer to a UE CONTEXT RELEASE COMMAND; ours, not the specification's.
    Release,
    /// The base station's answer to an INITIAL CONTEXT SETUP REQUEST whose NAS message was answered already; ours.
    ContextSetup,
    /// A sign of a UE without a connection.
    MobileReachable,
    /// The same, once it is overdue.
    ImplicitDetach,
}

impl Timer {
    /// How long it runs in a network with this T3412.
    pub(super) fn duration(self, t3412: Duration) -> Duration {
        match self {
            Self::MobileReachable => t3412 + GRACE,
            Self::ImplicitDetach => GRACE,
            Self::T3489 => Duration::from_secs(4),
            Self::Release | Self::ContextSetup => Duration::from_secs(5),
            _ => Duration::from_secs(6),
        }
    }

    /// How often the message is sent again.
    pub(super) fn retransmissions(self) -> u8 {
        match self {
            Self::T3489 | Self::Release | Self::T3413 => 2,
            Self::ContextSetup | Self::MobileReachable | Self::ImplicitDetach => 0,
            _ => 4,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::T3413 => "T3413",
            Self::T3422 => "T3422",
            Self::T3450 => "T3450",
            Self::T3460 => "T3460",
            Self::T3470 => "T3470",
            Self::T3489 => "T3489",
            Self::Release => "release",
            Self::ContextSetup => "context-setup",
            Self::MobileReachable => "mobile-reachable",
            Self::ImplicitDetach => "implicit-detach",
        }
    }
}

/// What the ATTACH REQUEST asked for.
#[derive(Debug, Clone)]
pub(super) struct AttachRequest {
    /// The whole plain message, as far as it was not ciphered.
    pub octets: Vec<u8>,
    /// Whether the message was authentic under the context of its subscriber.
    pub verified: bool,
    pub kind: AttachType,
    pub capability: NetworkCapability,
    /// The transaction of the PDN CONNECTIVITY REQUEST.
    pub pti: u8,
    /// Whether an ESM INFORMATION REQUEST is wanted.
    pub information: bool,
    pub apn: Option<String>,
    pub pdn_type: PdnType,
    /// The M-TMSI of the GUTI by which the UE named itself.
    pub tmsi: Option<u32>,
}

pub(super) struct UeContext {
    pub mme_id: u32,
    pub enb: u32,
    /// `None` in ECM-IDLE.
    pub enb_id: Option<u32>,
    pub phase: Phase,
    pub imsi: Option<Imsi>,
    pub imei: Option<Imei>,
    pub request: Option<AttachRequest>,
    /// The challenge that waits for its answer.
    pub vector: Option<Arc<Vector>>,
    pub ksi: u8,
    pub kasme: Option<Kasme>,
    /// The context that a SECURITY MODE COMMAND takes into use, until the UE has said that it does.
    pub commanded: Option<Box<Native>>,
    /// Secure exchange of NAS messages is established on this connection, and stays so as long as it lasts.
    pub exchanged: bool,
    /// An INITIAL CONTEXT SETUP REQUEST was sent on this connection: there is no second one (TS 36.331 clause 5.3.1.2: the
    /// security of the radio begins once).
    pub set_up: bool,
    pub kenb: Option<Kenb>,
    pub mac_failures: u8,
    pub synchronised: bool,
    pub identified: bool,
    /// The gateway's TEID of the session.
    pub session: Option<u32>,
    pub bearer_up: bool,
    pub timer: Option<(Instant, Timer)>,
    /// While the UE is paged: what ran before, by which it is to show itself.
    pub reachable: Option<Option<(Instant, Timer)>>,
    pub retransmissions: u8,
    /// What the running guard sends again.
    pub guarded: Option<(Message, SecurityHeader)>,
    /// Why the S1 connection is being released.
    pub release_cause: Option<Cause>,
}

impl UeContext {
    /// By what the MME knows the UE: the subscriber, or until it has said who that is, the connection.
    pub(super) fn session_key(&self) -> Option<SessionKey> {
        let connection = || Some(SessionKey::Connection { enb: self.enb, id: self.enb_id? });
        self.imsi.clone().map(SessionKey::Subscriber).or_else(connection)
    }

    pub(super) fn new(mme_id: u32, enb: u32, enb_id: u32) -> Self {
        Self {
            mme_id,
            enb,
            enb_id: Some(enb_id),
            phase: Phase::Initial,
            imsi: None,
            imei: None,
            request: None,
            vector: None,
            ksi: 6,
            kasme: None,
            commanded: None,
            exchanged: false,
            set_up: false,
            kenb: None,
            mac_failures: 0,
            synchronised: false,
            identified: false,
            session: None,
            bearer_up: false,
            timer: None,
            reachable: None,
            retransmissions: 0,
            guarded: None,
            release_cause: None,
        }
    }

    /// Whether an attach is under way.
    pub(super) fn attaching(&self) -> bool {
        matches!(
            self.phase,
            Phase::Initial
                | Phase::Identity
                | Phase::Authentication
                | Phase::SecurityMode
                | Phase::EsmInformation
                | Phase::ContextSetup
        )
    }
}
