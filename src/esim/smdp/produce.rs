//! Fresh subscribers: a profile package with keys that nobody has had before, and in the same act what the home
//! network has to know of them.

use std::fmt;

use rand_core::RngCore;

use super::order::Profile;
use crate::card::{Algorithm, CardError, OtaKeys, Personalisation, Secret, SimProfile, impersonate, package};
use crate::id::{Iccid, Imsi};
use crate::kernel::RngTree;
use crate::wire::bcd;
use crate::wire::rsp::{
    NotificationConfiguration, NotificationEvents, OperatorId, ProfileClass, ProfileMetadata,
};
use crate::wire::saip::Package;

/// What the home network is provisioned with: HSS or UDM.
#[derive(Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// The number of the subscriber.
    pub imsi: Imsi,
    /// K, which the profile has as well.
    pub k: [u8; 16],
    /// The operator's constant.
    pub operator: OperatorConstant,
    /// Authentication management field for AUTN.
    pub amf: [u8; 2],
    /// The highest sequence number that the card has accepted, 48 bits.
    pub sqn: u64,
    /// The keys for packets over the air, which the security domain of the profile has as well: for the operator's OTA
    /// server.
    pub ota: OtaKeys,
}

/// The operator's constant as the card holds it; it says which algorithm applies.
#[derive(Clone, PartialEq, Eq)]
pub enum OperatorConstant {
    /// OPc of Milenage.
    Opc([u8; 16]),
    /// TOPc of TUAK.
    Topc([u8; 32]),
    /// The test algorithm has none.
    None,
}

impl fmt::Debug for Subscriber {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("imsi", &self.imsi).field("sqn", &self.sqn).finish_non_exhaustive()
    }
}

/// Makes fresh subscribers from a SIM profile.
pub struct Producer {
    profile: SimProfile,
    profile_type: String,
    /// Where notifications of the profile go.
    address: String,
    /// A package of somebody else that subscribers are given, with their own identity and keys in it.
    base: Option<Package>,
    rng: RngTree,
}

impl Producer {
    /// Subscribers like those of `profile`, with keys from `rng`. Notifications go to `address`.
    pub fn new(profile: SimProfile, profile_type: &str, address: &str, rng: RngTree) -> Self {
        Self { profile, profile_type: profile_type.to_owned(), address: address.to_owned(), base: None, rng }
    }

    /// The same subscribers with another package: `base` with their IMSI, ICCID and keys in the place of its own. `None`
    /// where it has no USIM with keys of its own.
    pub fn with_base(self, base: Package) -> Option<Self> {
        let any = self.profile.personalise(0).ok()?;
        impersonate(&mut base.clone(), &any).map(|_| Self { base: Some(base), ..self })
    }

    /// What the home network is provisioned with for subscriber number `number`, and the ICCID of its profile: the
    /// same as [`Producer::make`] gives, without the package.
    ///
    /// # Errors
    /// As [`Producer::make`].
    pub fn subscriber(&self, number: u32) -> Result<(Iccid, Subscriber), CardError> {
        let (p, subscriber) = self.personalised(number)?;
        Ok((p.iccid, subscriber))
    }

    /// Subscriber number `number`: IMSI and ICCID that many further on than the profile's, K, the operator's constant
    /// and keys for packets over the air of its own. The same number gives the same subscriber, whatever else was made before.
    ///
    /// # Errors
    /// [`CardError`] where the digits of an identifier run out, or the profile contradicts itself.
    pub fn make(&self, number: u32) -> Result<(Profile, Subscriber), CardError> {
        let (p, subscriber) = self.personalised(number)?;
        let metadata = ProfileMetadata {
            iccid: bcd::iccid(&p.iccid),
            service_provider: "cellbed".to_owned(),
            name: format!("{} {}", self.profile_type, p.plmn).chars().take(64).collect(),
            icon: None,
            class: ProfileClass::Operational,
            notifications: vec![NotificationConfiguration {
                events: NotificationEvents::ALL,
                address: self.address.clone(),
            }],
            owner: Some(OperatorId { mcc_mnc: bcd::plmn(p.plmn), gid1: None, gid2: None }),
            rules: Default::default(),
            further: Vec::new(),
        };
        let profile = Profile {
            iccid: p.iccid.clone(),
            profile_type: self.profile_type.clone(),
            metadata,
            package: match self.base.clone() {
                Some(mut base) => {
                    impersonate(&mut base, &p);
                    base.encode()
                }
                None => package(&p).encode(),
            },
        };
        Ok((profile, subscriber))
    }

    fn personalised(&self, number: u32) -> Result<(Personalisation, Subscriber), CardError> {
        let mut p = self.profile.personalise(number)?;
        let mut keys = self.rng.branch(number).stream("subscriber");
        keys.fill_bytes(&mut p.k);
        let operator = match &mut p.algorithm {
            Algorithm::Milenage => {
                keys.fill_bytes(&mut p.opc);
                OperatorConstant::Opc(p.opc)
            }
            Algorithm::Tuak { topc } => {
                let mut fresh = [0; 32];
                keys.fill_bytes(&mut fresh);
                *topc = Secret(fresh);
                OperatorConstant::Topc(fresh)
            }
            Algorithm::Test => OperatorConstant::None,
        };
        let ota = OtaKeys::draw(&mut keys)?;
        p.ota = Some(ota.clone());
        let subscriber = Subscriber { imsi: p.imsi.clone(), k: p.k, operator, amf: p.amf, sqn: p.sqn, ota };
        Ok((p, subscriber))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_package_gets_the_subscribers_identity() {
        let profile = SimProfile::parse(include_str!("../../../sim-profiles/lte-test.toml")).unwrap();
        let producer = || Producer::new(profile.clone(), "lte-test", "smdp.example", RngTree::new(7));
        let base = include_bytes!("../../../sim-profiles/ts48/ts48-v7.0-nobertlv-noramrfm.der");
        let base = Package::decode(base).unwrap();
        let (made, subscriber) = producer().with_base(base.clone()).unwrap().make(1).unwrap();
        let image = Package::decode(&made.package).unwrap().image().unwrap();
        assert_eq!(image.iccid, made.metadata.iccid);
        assert_eq!(image.subscriptions[0].key[..], subscriber.k);
        let without_usim = Package { elements: base.elements[..2].to_vec() };
        assert!(producer().with_base(without_usim).is_none());
    }

    #[test]
    fn each_subscriber_is_another_one_and_the_package_is_its() {
        let profile = SimProfile::parse(include_str!("../../../sim-profiles/lte-test.toml")).unwrap();
        let producer = Producer::new(profile, "lte-test", "smdp.example", RngTree::new(7));
        let (first, subscriber) = producer.make(1).unwrap();
        assert_eq!(producer.make(1).unwrap().1, subscriber);
        assert_eq!(producer.subscriber(1).unwrap(), (first.iccid.clone(), subscriber.clone()));
        assert_ne!(producer.make(2).unwrap().1.k, subscriber.k);
        assert_eq!(subscriber.imsi.as_str(), "001010000000002");
        assert_eq!(first.metadata.owner.as_ref().unwrap().mcc_mnc, [0x00, 0xf1, 0x10]);
        let image = Package::decode(&first.package).unwrap().image().unwrap();
        assert_eq!(image.iccid, first.metadata.iccid);
        assert_eq!(image.subscriptions[0].key[..], subscriber.k);
        assert!(!format!("{subscriber:?}").contains(&hex::encode(subscriber.k)));
    }
}
