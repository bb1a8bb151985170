//! Who may reach what over the air: security domains with their key sets and counters, and the applications that stand
//! behind toolkit application references (ETSI TS 102 225 clause 5.1, TS 102 226 clause 8).

use super::super::fs::{Index, Tree};
use super::super::iot_safe::{AID_GSMA, AID_THALES};
use super::super::pin::AccessDomain;
use super::super::state::{OTA_COUNTER, OTA_GUESSES, Stored, Writer, damaged, exactly};
use super::super::{CardError, OtaKeys};
use crate::wire::ota::{Counter, Key, KeySet, TAR_IOT_SAFE, Tar, tar_of_aid};
use crate::wire::saip::{AppletInstance, ElementRef, Image, RfmImage, SecurityDomainImage};

/// The issuer's security domain (GlobalPlatform Card Specification annex H).
pub(in crate::card) const ISSUER_AID: [u8; 8] = [0xa0, 0, 0, 1, 0x51, 0, 0, 0];
/// Its reference (ETSI TS 101 220 annex D).
pub(in crate::card) const ISSUER_TAR: Tar = [0, 0, 0];
/// The reference of an operator's security domain in its profile (GSMA SGP.02 annex).
pub(in crate::card) const MNO_TAR: Tar = [0xb2, 0x01, 0x00];
/// Remote file management of the files of the UICC, the USIM and the ISIM, with the references that the test profiles
/// of GSMA TS.48 give it, and AIDs beside those of them.
pub(in crate::card) const UICC_FILES: (&[u8], Tar) =
    (&[0xa0, 0, 0, 5, 0x59, 0x10, 0x10, 0, 1], [0xb0, 1, 0x20]);
pub(in crate::card) const USIM_FILES: (&[u8], Tar) =
    (&[0xa0, 0, 0, 5, 0x59, 0x10, 0x10, 0, 2], [0xb0, 1, 0x40]);
pub(in crate::card) const ISIM_FILES: (&[u8], Tar) =
    (&[0xa0, 0, 0, 5, 0x59, 0x10, 0x10, 0, 3], [0xb0, 1, 0x41]);

/// Security levels, in the form of the first octet of an SPI: nothing here is open to a packet without a cryptographic
/// checksum, and the applet, which makes keys, wants a counter and ciphering as well.
const CHECKSUM: u8 = 0x02;
pub(in crate::card) const IOT_SAFE_MINIMUM: u8 = 0x16;

/// GlobalPlatform life cycle states: selectable, and secured for the issuer's domain.
const SELECTABLE: u8 = 0x07;
const SECURED: u8 = 0x0f;

/// Key versions of SCP80 (GlobalPlatform UICC Configuration).
const VERSIONS: std::ops::RangeInclusive<u8> = 0x01..=0x0f;

/// How many wrong checksums a key set takes whose own have fewer than eight octets, one after another. Of four octets one
/// guess in 2^32 is right: who may try no more has found one with a probability of 2^-22.
pub(in crate::card) const GUESSES_MAX: u32 = 1_000;

/// A key set, how far packets under it have counted, and how many wrong checksums have come since the last right one.
struct Counted {
    set: KeySet,
    counter: Counter,
    guesses: u32,
}

impl Counted {
    fn new(set: KeySet, counter: Counter) -> Self {
        Self { set, counter, guesses: 0 }
    }

    /// Whether checksums of the set can be found by trying.
    fn can_be_guessed(&self) -> bool {
        self.set.checksum_octets() < 8
    }
}

/// A security domain.
struct Domain {
    aid: Vec<u8>,
    keys: Vec<Counted>,
}

/// What a script talks to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Remote file management: the files of the UICC with these rights, and of one application with its own.
    Files {
        access: AccessDomain,
        adf: Option<(Index, AccessDomain)>,
    },
    /// Remote application management.
    Applications,
    IotSafe,
}

/// An application that packets reach.
#[derive(Debug, Clone)]
pub(super) struct Target {
    tar: Tar,
    /// The least security of a packet for it.
    pub(super) minimum: u8,
    /// Place of the domain whose keys open it.
    domain: usize,
    pub(super) purpose: Purpose,
}

/// What GET STATUS tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Issuer,
    Application,
    Code,
}

/// An entry of the registry of applications.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) kind: Kind,
    pub(super) aid: Vec<u8>,
    pub(super) life_cycle: u8,
    pub(super) privileges: Vec<u8>,
}

/// The part of a profile that is managed over the air.
#[derive(Default)]
pub(in crate::card) struct Administration {
    domains: Vec<Domain>,
    targets: Vec<Target>,
    listed: Vec<Listed>,
    changes: u64,
}

impl Administration {
    /// That of a personalised card, whose issuer's domain has `keys`.
    pub(in crate::card) fn personalised(keys: &OtaKeys, tree: &Tree) -> Self {
        let counted = Counted::new(keys.set.clone(), keys.counter);
        let domain = Domain { aid: ISSUER_AID.to_vec(), keys: vec![counted] };
        let mut made = Self { domains: vec![domain], ..Self::default() };
        let mut add = |tar, floor, purpose| {
            let minimum = at_least(keys.minimum_security_level, floor);
            made.targets.push(Target { tar, minimum, domain: 0, purpose });
        };
        let access = AccessDomain::Full;
        add(ISSUER_TAR, CHECKSUM, Purpose::Applications);
        add(UICC_FILES.1, CHECKSUM, Purpose::Files { access, adf: None });
        // The two applications of the table have files: USIM and ISIM, in this order.
        for ((_, adf), (_, tar)) in tree.applications().zip([USIM_FILES, ISIM_FILES]) {
            add(tar, CHECKSUM, Purpose::Files { access: AccessDomain::Nothing, adf: Some((adf, access)) });
        }
        add(TAR_IOT_SAFE, IOT_SAFE_MINIMUM, Purpose::IotSafe);
        let mut list = |kind, aid: &[u8], life_cycle| {
            let privileges = if kind == Kind::Issuer { vec![0x80] } else { vec![0] };
            made.listed.push(Listed { kind, aid: aid.to_vec(), life_cycle, privileges });
        };
        list(Kind::Issuer, &ISSUER_AID, SECURED);
        tree.applications().for_each(|(aid, _)| list(Kind::Application, aid, SELECTABLE));
        for aid in [&AID_GSMA[..], &AID_THALES, UICC_FILES.0, USIM_FILES.0, ISIM_FILES.0] {
            list(Kind::Application, aid, SELECTABLE);
        }
        made
    }

    /// That of the profile of `image`, with `applet` for its IoT SAFE applet. Keys that are none of SCP80, and sets
    /// that lack a key or are of single DES, open nothing.
    ///
    /// # Errors
    /// The element whose reference another one has, with the cause.
    pub(in crate::card) fn of_image(
        image: &Image,
        tree: &Tree,
        applet: Option<&AppletInstance>,
    ) -> Result<Self, (ElementRef, String)> {
        let mut made = Self::default();
        for domain in &image.security_domains {
            made.domains.push(Domain { aid: domain.instance.instance.clone(), keys: key_sets(domain) });
        }
        for domain in &image.security_domains {
            made.reach(&domain.instance, CHECKSUM, Purpose::Applications, Some(&domain.instance.instance))?;
        }
        for rfm in &image.rfm {
            made.reach_files(rfm, tree)?;
        }
        if let Some(applet) = applet {
            let domain = applet.security_domain.as_deref();
            made.reach(applet, IOT_SAFE_MINIMUM, Purpose::IotSafe, domain)?;
        }
        made.list(image, tree);
        Ok(made)
    }

    /// Lets packets reach an application by the references that its parameters have, or else by the one in its AID.
    fn reach(
        &mut self,
        instance: &AppletInstance,
        floor: u8,
        purpose: Purpose,
        domain: Option<&[u8]>,
    ) -> Result<(), (ElementRef, String)> {
        let parameters = instance.toolkit.clone().unwrap_or_default();
        let minimum = at_least(parameters.minimum_security_level, floor);
        let own = if parameters.tars.is_empty() { tar_of_aid(&instance.instance) } else { None };
        for tar in parameters.tars.into_iter().chain(own) {
            self.add(instance.element, tar, minimum, purpose.clone(), domain)?;
        }
        Ok(())
    }

    fn reach_files(&mut self, rfm: &RfmImage, tree: &Tree) -> Result<(), (ElementRef, String)> {
        let adf = match &rfm.adf {
            None => None,
            Some((aid, access, _)) => {
                let adf = tree.applications().find(|(own, _)| own.starts_with(aid));
                let cause = || format!("it is for files of {}, which has none", hex::encode_upper(aid));
                let (_, adf) = adf.ok_or_else(|| (rfm.element, cause()))?;
                Some((adf, AccessDomain::parse(access)))
            }
        };
        let purpose = Purpose::Files { access: AccessDomain::parse(&rfm.access_domain), adf };
        let own = if rfm.tars.is_empty() { tar_of_aid(&rfm.instance) } else { None };
        let minimum = at_least(rfm.minimum_security_level, CHECKSUM);
        for tar in rfm.tars.iter().copied().chain(own) {
            self.add(rfm.element, tar, minimum, purpose.clone(), rfm.security_domain.as_deref())?;
        }
        Ok(())
    }

    /// Without a `domain` it belongs to the first one, the issuer's. One that names a domain that is not there belongs
    /// to nobody, and nobody reaches it.
    fn add(
        &mut self,
        element: ElementRef,
        tar: Tar,
        minimum: u8,
        purpose: Purpose,
        domain: Option<&[u8]>,
    ) -> Result<(), (ElementRef, String)> {
        if self.targets.iter().any(|target| target.tar == tar) {
            let cause = format!("another application has its reference {}", hex::encode_upper(tar));
            return Err((element, cause));
        }
        let place = match domain {
            None => (!self.domains.is_empty()).then_some(0),
            Some(aid) => self.domains.iter().position(|domain| domain.aid == aid),
        };
        if let Some(domain) = place {
            self.targets.push(Target { tar, minimum, domain, purpose });
        }
        Ok(())
    }

    fn list(&mut self, image: &Image, tree: &Tree) {
        let entry = |kind, instance: &AppletInstance| Listed {
            kind,
            aid: instance.instance.clone(),
            life_cycle: instance.life_cycle,
            privileges: instance.privileges.clone(),
        };
        let plain = |kind, aid: &[u8]| Listed {
            kind,
            aid: aid.to_vec(),
            life_cycle: if kind == Kind::Code { 0x01 } else { SELECTABLE },
            privileges: vec![0],
        };
        for (at, domain) in image.security_domains.iter().enumerate() {
            self.listed.push(entry(if at == 0 { Kind::Issuer } else { Kind::Application }, &domain.instance));
        }
        self.listed.extend(tree.applications().map(|(aid, _)| plain(Kind::Application, aid)));
        self.listed.extend(image.applets.iter().map(|applet| entry(Kind::Application, applet)));
        self.listed.extend(image.rfm.iter().map(|rfm| plain(Kind::Application, &rfm.instance)));
        self.listed.extend(image.load_packages.iter().map(|code| plain(Kind::Code, &code.aid)));
    }

    /// Whether anything can be reached.
    pub(super) fn is_some(&self) -> bool {
        !self.targets.is_empty()
    }

    /// The application behind a reference.
    pub(super) fn target(&self, tar: Tar) -> Option<&Target> {
        self.targets.iter().find(|target| target.tar == tar)
    }

    /// The key set `version` of the domain that `target` belongs to; the only one where the version is 0, which leaves
    /// it to both sides.
    pub(super) fn keys(&self, target: &Target, version: u8) -> Option<&KeySet> {
        let keys = &self.domains.get(target.domain)?.keys;
        match (version, &keys[..]) {
            (0, [only]) => Some(&only.set),
            (0, _) => None,
            _ => keys.iter().map(|counted| &counted.set).find(|set| set.version() == version),
        }
    }

    /// The counter of packets under a key set.
    pub(super) fn counter(&mut self, target: &Target, version: u8) -> Option<&mut Counter> {
        self.counted(target, version).map(|counted| &mut counted.counter)
    }

    fn counted(&mut self, target: &Target, version: u8) -> Option<&mut Counted> {
        let keys = &mut self.domains.get_mut(target.domain)?.keys;
        keys.iter_mut().find(|counted| counted.set.version() == version)
    }

    /// Whether checksums under a key set are looked at: not any more where too many were wrong.
    pub(super) fn takes_checksums(&mut self, target: &Target, version: u8) -> bool {
        self.counted(target, version)
            .is_some_and(|counted| !counted.can_be_guessed() || counted.guesses < GUESSES_MAX)
    }

    /// Notes that the checksum of a packet was right or wrong.
    pub(super) fn note_checksum(&mut self, target: &Target, version: u8, right: bool) {
        let Some(counted) = self.counted(target, version).filter(|counted| counted.can_be_guessed()) else {
            return;
        };
        let guesses = if right { 0 } else { counted.guesses.saturating_add(1) };
        if std::mem::replace(&mut counted.guesses, guesses) != guesses {
            self.changed();
        }
    }

    pub(super) fn changed(&mut self) {
        self.changes += 1;
    }

    /// Version, algorithm and octets of the keys of the domain that `target` belongs to, by what they are for: 1
    /// ciphers, 2 makes checksums.
    pub(super) fn key_information(&self, target: &Target) -> Vec<[u8; 4]> {
        let keys = self.domains.get(target.domain).map(|domain| &domain.keys[..]).unwrap_or_default();
        let of = |(identifier, version, key): (u8, u8, &Key)| {
            [identifier, version, if key.is_aes() { AES } else { DES }, key.octets().len() as u8]
        };
        let both = |counted: &Counted| {
            let (set, version) = (&counted.set, counted.set.version());
            [(1, version, set.kic()), (2, version, set.kid())].map(of)
        };
        keys.iter().flat_map(both).collect()
    }

    pub(super) fn listed(&self) -> &[Listed] {
        &self.listed
    }

    pub(in crate::card) fn changes(&self) -> u64 {
        self.changes
    }

    /// Writes down the counters. Keys are what the profile was made with, as K is.
    pub(in crate::card) fn save(&self, out: &mut Writer) {
        for domain in &self.domains {
            for Counted { set, counter, guesses } in &domain.keys {
                out.put_parts(OTA_COUNTER, &[&domain.aid, &[set.version()], &counter.to_bytes()]);
                if *guesses > 0 {
                    out.put_parts(OTA_GUESSES, &[&domain.aid, &[set.version()], &guesses.to_be_bytes()]);
                }
            }
        }
    }

    /// The counters as they were stored, for [`assume`](Self::assume). None goes back.
    pub(in crate::card) fn restored(&self, stored: Stored<'_>) -> Result<Counters, CardError> {
        let of = |keys: &Counted| (keys.counter, keys.guesses);
        let mut counters: Counters =
            self.domains.iter().map(|domain| domain.keys.iter().map(of).collect()).collect();
        for parts in stored.all_parts::<3>(OTA_COUNTER) {
            let [aid, version, counter] = parts?;
            let (at, key) = self.place_of(aid, version)?;
            let held = &mut counters[at][key].0;
            *held = (*held).max(Counter::from_bytes(exactly(counter)?));
        }
        for parts in stored.all_parts::<3>(OTA_GUESSES) {
            let [aid, version, guesses] = parts?;
            let (at, key) = self.place_of(aid, version)?;
            let held = &mut counters[at][key].1;
            *held = (*held).max(u32::from_be_bytes(exactly(guesses)?));
        }
        Ok(counters)
    }

    /// The places of a domain and of its key set.
    fn place_of(&self, aid: &[u8], version: &[u8]) -> Result<(usize, usize), CardError> {
        let unknown = damaged("it counts packets under keys that this card does not have");
        let at = self.domains.iter().position(|domain| domain.aid == aid).ok_or(unknown.clone())?;
        let same = |keys: &Counted| version == [keys.set.version()];
        let key = self.domains[at].keys.iter().position(same).ok_or(unknown)?;
        Ok((at, key))
    }

    pub(in crate::card) fn assume(&mut self, counters: Counters) {
        for (domain, counters) in self.domains.iter_mut().zip(counters) {
            for (keys, counted) in domain.keys.iter_mut().zip(counters) {
                (keys.counter, keys.guesses) = counted;
            }
        }
    }

    /// The keys, for tests that look for them in what the card says.
    #[cfg(any(test, fuzzing))]
    pub(in crate::card) fn keys_held(&self) -> Vec<Vec<u8>> {
        let sets = self.domains.iter().flat_map(|domain| &domain.keys).map(|counted| &counted.set);
        sets.flat_map(|set| [set.kic().octets().to_vec(), set.kid().octets().to_vec()]).collect()
    }
}

/// Counters, and how many wrong checksums have come, by domain and key set.
pub(in crate::card) type Counters = Vec<Vec<(Counter, u32)>>;

/// Key types (GlobalPlatform Card Specification table 11-16).
const DES: u8 = 0x80;
const AES: u8 = 0x88;
/// Key identifiers of SCP80: KIc and KID.
const KIC: u8 = 1;
const KID: u8 = 2;

/// The key sets of a domain.
fn key_sets(domain: &SecurityDomainImage) -> Vec<Counted> {
    let key = |version, identifier| {
        let held = domain.keys.iter().find(|key| (key.version, key.identifier) == (version, identifier))?;
        let [(kind, octets, checksum_octets)] = &held.components[..] else { return None };
        let key = match kind[..] {
            [DES] => Key::triple_des(octets),
            [AES] => Key::aes(octets),
            _ => return None,
        };
        Some((key.ok()?, usize::from(*checksum_octets), counter(held.counter.as_deref())))
    };
    let set = |version| {
        let (kic, _, counted) = key(version, KIC)?;
        let (kid, checksum_octets, counter) = key(version, KID)?;
        let set = KeySet::new(version, kic, kid, checksum_octets).ok()?;
        Some(Counted::new(set, counter.max(counted)))
    };
    VERSIONS.filter_map(set).collect()
}

/// The counter of a key. One that is longer than counters are is used up.
fn counter(octets: Option<&[u8]>) -> Counter {
    let value = octets
        .unwrap_or_default()
        .iter()
        .fold(0u64, |value, octet| value.saturating_mul(0x100).saturating_add(u64::from(*octet)));
    Counter::new(value).unwrap_or(Counter::BLOCKED)
}

/// The security level that is at least `level` and at least `floor`, each part of it on its own.
fn at_least(level: u8, floor: u8) -> u8 {
    let part = |bits: u8| (level & bits).max(floor & bits);
    part(0x18) | part(0x04) | part(0x03)
}
