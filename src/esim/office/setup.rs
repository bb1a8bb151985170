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
pub struct Identities {
    /// The CI under which they and the eUICCs are certified.
    pub anchor: TrustAnchor,
    /// The SM-DP+.
    pub smdp: SmdpIdentity,
    /// Absent where there is no SM-DS.
    pub smds: Option<SmdsIdentity>,
    /// Absent where there is no eIM.
    pub eim: Option<Identity>,
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
        Ok(Self { anchor, smdp, smds: Some(smds), eim })
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
        let Identities { anchor, smdp, smds, eim } = identities;
        self.desks.smdp.renew(vec![(anchor.clone(), smdp)]);
        if let (Some(desk), Some(identity)) = (&mut self.desks.smds, smds) {
            desk.renew(vec![(anchor.clone(), identity)], tally);
        }
        if let (Some(desk), Some(identity)) = (&mut self.eim, eim) {
            desk.renew(identity, vec![anchor]);
        }
    }

    /// Opens an office, with what `records` say of it from before.
    ///
    /// # Errors
    /// [`StoreError`] where a record is not one of these servers.
    pub fn open(opening: Opening<'_>) -> Result<Self, StoreError> {
        let Opening { smdp: mut settings, smds_address, eim, identities, rng, store, records, tally } =
            opening;
        let Identities { anchor, smdp, smds, eim: eim_identity } = identities;
        let stream = |server: Server| -> ChaCha20Rng { rng.branch(server).stream(server.as_str()) };
        let smdp_address = settings.address.clone();
        if smds.is_some() {
            settings.smds.push(smds_address.to_owned());
        }
        let of_smdp = vec![(anchor.clone(), smdp)];
        let smdp = Smdp::new(settings, of_smdp, stream(Server::Smdp), store(), records, tally)?;
        let smds = match smds {
            Some(smds) => {
                let of_smds = vec![(anchor.clone(), smds)];
                Some(Smds::new(smds_address, of_smds, stream(Server::Smds), store(), records, tally)?)
            }
            None => None,
        };
        let eim = match (eim, eim_identity) {
            (Some(mut settings), Some(identity)) => {
                settings.peers.push(smdp_address.clone());
                settings.peers.extend(smds.as_ref().map(|smds| smds.address().to_owned()));
                let stream = stream(Server::Eim);
                Some(Eim::new(settings, identity, vec![anchor], stream, store(), records, tally)?)
            }
            _ => None,
        };
        Ok(Self { desks: Desks { smdp, smdp_address, smds }, eim })
    }
}
