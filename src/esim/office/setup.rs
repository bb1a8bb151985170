//! How an office is opened: who its servers are, and where they keep what they must not forget.

use rand_chacha::ChaCha20Rng;

use super::{Desks, Office, Server};
use crate::crypto::Tally;
use crate::crypto::rsp_cert::TrustAnchor;
use crate::esim::eim::{Eim, EimSettings};
use crate::esim::smdp::{Smdp, SmdpSettings};
use crate::esim::smds::Smds;
use crate::esim::store::{Records, Store, StoreError};
use crate::esim::{EsimError, Identity, Pki, SmdpIdentity, SmdsIdentity};
use crate::kernel::RngTree;

/// The object identifiers of SM-DP+ and SM-DS, in the arc for examples (ITU-T X.660).
const SMDP_OID: &str = "2.999.10";
const SMDS_OID: &str = "2.999.15";

/// Who the servers are.
#[derive(Clone)]
pub struct Identities {
    /// The CI under which they and the eUICCs are certified.
    pub anchor: TrustAnchor,
    /// The SM-DP+.
    pub smdp: SmdpIdentity,
    /// Absent where there is no SM-DS.
    pub smds: Option<SmdsIdentity>,
    /// Absent where there is no eIM.
    pub eim: Option<Identity>,
    /// Who they are under CIs besides.
    pub further: Vec<UnderCi>,
    /// The CIs whose eUICCs the eIM takes; those of the other servers where it is empty.
    pub eim_anchors: Vec<TrustAnchor>,
}

/// Who SM-DP+ and SM-DS are under one more CI.
#[derive(Clone)]
pub struct UnderCi {
    /// The CI.
    pub anchor: TrustAnchor,
    /// The SM-DP+.
    pub smdp: SmdpIdentity,
    /// The SM-DS.
    pub smds: SmdsIdentity,
}

/// What identities are issued with.
pub struct Issue<'a> {
    /// Who issues them.
    pub pki: &'a Pki,
    /// Names and addresses for TLS.
    pub smdp_hosts: &'a [String],
    /// The same for the SM-DS.
    pub smds_hosts: &'a [String],
    /// When the certificates begin, Unix seconds.
    pub from_unix_s: u64,
    /// When the CI is to be valid.
    pub now_unix_s: u64,
    /// Each server's keys come from its branch.
    pub rng: &'a RngTree,
    /// Counts what the SM-DP+ and whoever verifies under the CI compute.
    pub tally: &'a Tally,
}

impl Identities {
    /// Issues the identities of an SM-DP+ and an SM-DS.
    ///
    /// # Errors
    /// [`EsimError`] where no certificate can be issued.
    pub fn issue(issue: &Issue<'_>, eim: Option<Identity>) -> Result<Self, EsimError> {
        let Issue { pki, smdp_hosts, smds_hosts, from_unix_s, now_unix_s, rng, tally } = issue;
        let anchor = pki.anchor(Some(*now_unix_s), tally)?;
        let smdp = pki.smdp(&SMDP_OID.parse()?, smdp_hosts, *from_unix_s, &rng.branch(Server::Smdp))?;
        let smds = pki.smds(&SMDS_OID.parse()?, smds_hosts, *from_unix_s, &rng.branch(Server::Smds))?;
        let smdp = SmdpIdentity { auth: smdp.auth.counted(tally), pb: smdp.pb.counted(tally), ..smdp };
        Ok(Self { anchor, smdp, smds: Some(smds), eim, further: Vec::new(), eim_anchors: Vec::new() })
    }
}

/// What each server has, CI by CI.
struct Servers {
    smdp: Vec<(TrustAnchor, SmdpIdentity)>,
    /// Empty where there is no SM-DS.
    smds: Vec<(TrustAnchor, SmdsIdentity)>,
    eim: Option<Identity>,
    eim_anchors: Vec<TrustAnchor>,
}

impl Identities {
    fn by_server(self) -> Servers {
        let Self { anchor, smdp, smds, eim, further, eim_anchors } = self;
        let mut anchors = vec![anchor.clone()];
        let has_smds = smds.is_some();
        let mut of_smds: Vec<_> = smds.into_iter().map(|smds| (anchor.clone(), smds)).collect();
        let mut of_smdp = vec![(anchor, smdp)];
        for UnderCi { anchor, smdp, smds } in further {
            anchors.push(anchor.clone());
            of_smdp.push((anchor.clone(), smdp));
            if has_smds {
                of_smds.push((anchor, smds));
            }
        }
        let eim_anchors = if eim_anchors.is_empty() { anchors } else { eim_anchors };
        Servers { smdp: of_smdp, smds: of_smds, eim, eim_anchors }
    }
}

/// What an office is opened with.
pub struct Opening<'a> {
    /// What the SM-DP+ is. It tells the SM-DS of the office.
    pub smdp: SmdpSettings,
    /// The address of the SM-DS: FQDN, with `:port` where that is not 443.
    pub smds_address: &'a str,
    /// What the eIM is, where there is one with an identity. The servers of the office are among its peers.
    pub eim: Option<EimSettings>,
    /// Who the servers are.
    pub identities: Identities,
    /// What each server draws, from its branch. It must not begin again where `records` of before are given.
    pub rng: &'a RngTree,
    /// Where each server keeps its records.
    pub store: &'a dyn Fn() -> Box<dyn Store>,
    /// What was kept before.
    pub records: &'a Records,
    /// Where public-key operations are counted.
    pub tally: &'a Tally,
}

impl Office<Smdp> {
    /// Takes other certificates and revocation lists, while it serves. A server that has none among them keeps its own.
    pub fn renew(&mut self, identities: Identities, tally: &Tally) {
        let Servers { smdp, smds, eim, eim_anchors } = identities.by_server();
        self.desks.smdp.renew(smdp);
        if let (Some(desk), false) = (&mut self.desks.smds, smds.is_empty()) {
            desk.renew(smds, tally);
        }
        if let (Some(desk), Some(identity)) = (&mut self.eim, eim) {
            desk.renew(identity, eim_anchors);
        }
    }

    /// Opens an office, with what `records` say of it from before.
    ///
    /// # Errors
    /// [`StoreError`] where a record is not one of these servers.
    pub fn open(opening: Opening<'_>) -> Result<Self, StoreError> {
        let Opening { smdp: mut settings, smds_address, eim, identities, rng, store, records, tally } =
            opening;
        let Servers { smdp, smds, eim: eim_identity, eim_anchors } = identities.by_server();
        let stream = |server: Server| -> ChaCha20Rng { rng.branch(server).stream(server.as_str()) };
        let smdp_address = settings.address.clone();
        if !smds.is_empty() {
            settings.smds.push(smds_address.to_owned());
        }
        let smdp = Smdp::new(settings, smdp, stream(Server::Smdp), store(), records, tally)?;
        let smds = match smds.is_empty() {
            false => Some(Smds::new(smds_address, smds, stream(Server::Smds), store(), records, tally)?),
            true => None,
        };
        let eim = match (eim, eim_identity) {
            (Some(mut settings), Some(identity)) => {
                settings.peers.push(smdp_address.clone());
                settings.peers.extend(smds.as_ref().map(|smds| smds.address().to_owned()));
                let stream = stream(Server::Eim);
                Some(Eim::new(settings, identity, eim_anchors, stream, store(), records, tally)?)
            }
            _ => None,
        };
        Ok(Self { desks: Desks { smdp, smdp_address, smds }, eim })
    }
}
