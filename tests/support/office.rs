//! Servers of remote SIM provisioning with an order, as tests and the fuzzer open them.

use cellbed::crypto::Tally;
use cellbed::esim::eim::EimSettings;
use cellbed::esim::office::{Identities, Issue, Office, Opening};
use cellbed::esim::smdp::{ConfirmOrder, DownloadOrder, Profile, SmdpSettings};
use cellbed::esim::store::{Forgetful, Records};
use cellbed::esim::{Identity, Pki};
use cellbed::id::{Eid, Iccid};
use cellbed::kernel::{EPOCH_UNIX_S, RngTree};

/// SM-DP+ and SM-DS under these names, and an eIM where there is one.
pub fn identities(pki: &Pki, smdp: &str, smds: &str, eim: Option<Identity>, now: u64) -> Identities {
    let issue = Issue {
        pki,
        smdp_hosts: &[smdp.to_owned()],
        smds_hosts: &[smds.to_owned()],
        from_unix_s: EPOCH_UNIX_S,
        now_unix_s: now,
        rng: &RngTree::new(7),
        tally: &Tally::new(),
    };
    Identities::issue(&issue, eim).expect("servers")
}

/// The servers that these are, which keep nothing.
pub fn office(identities: Identities, smdp: &str, smds: &str, eim: Option<EimSettings>) -> Office {
    Office::open(Opening {
        smdp: SmdpSettings::new(smdp),
        smds_address: smds,
        eim,
        identities,
        rng: &RngTree::new(7),
        store: &|| Box::new(Forgetful),
        records: &Records::new(),
        tally: &Tally::new(),
    })
    .expect("an office")
}

/// A released order at the SM-DP+ for `eid`, of this profile: by its matching identifier, or without one; `smds` hears
/// of it.
pub fn ordered(
    office: &mut Office,
    profile: Profile,
    eid: Eid,
    (matching_id, smds): (Option<&str>, Option<&str>),
    now: u64,
) -> Iccid {
    let iccid = profile.iccid.clone();
    let smdp = office.smdp_mut();
    smdp.add_profile(profile).expect("a new profile");
    let download = DownloadOrder { eid: Some(eid), iccid: Some(iccid.clone()), profile_type: None };
    smdp.download_order(&download).expect("an order");
    let confirm = ConfirmOrder {
        iccid: iccid.clone(),
        eid: None,
        matching_id: matching_id.map(str::to_owned),
        confirmation_code: None,
        smds: smds.map(str::to_owned),
        release: true,
    };
    smdp.confirm_order(now, &confirm).expect("an order that is confirmed");
    iccid
}
