//! A SIM profile as a profile package: what an eUICC has to install to be the card that the profile makes.

use super::capabilities::DOMAIN_CODE;
use super::fs::blueprint::{self, USIM};
use super::fs::personal;
use super::ota::{IOT_SAFE_MINIMUM, ISSUER_AID, ISSUER_TAR, MNO_TAR, UICC_FILES, USIM_FILES};
use super::{Algorithm, OtaKeys, Personalisation, SuciScheme, iot_safe};
use crate::wire::ota::{Counter, Key, TAR_IOT_SAFE};
use crate::wire::saip::aka::{self, AkaParameter, AkaSource};
use crate::wire::saip::application::{
    self, Application, Instance, KeyComponent, Rfm, SecurityDomain, UiccParameters,
};
use crate::wire::saip::codes::{Pin, PinCodes, PinSource, Puk, PukCodes};
use crate::wire::saip::header::{Header, PeHeader, Services};
use crate::wire::saip::{Draft, Element, FileSpec, Package, SpecKind, ToolkitParameters};

/// A local PIN that may be changed but not disabled, and an administrative code likewise.
const ENABLED_AND_CHANGEABLE: u8 = 0x03;
/// PIN1: changeable, and may be enabled and disabled.
const SWITCHABLE: u8 = 0x06;
const PIN1: u8 = 1;
const ADM1: u8 = 10;
const PIN2: u8 = 129;

/// Ten tries of ten.
const TEN_TRIES: u8 = 0xaa;

/// Length of RES in the option octet: 64 bits.
const RES_64: u8 = 0x01;
/// Keys and sequence numbers are those of the other application.
const ALL_SHARED: u8 = 0x06;

/// The package of the profile that `p` personalises. It holds K and the other secrets of the subscriber in clear.
/// The IoT SAFE applet is an instance of code that the card has already.
pub fn package(p: &Personalisation) -> Package {
    let mut files = blueprint::files(p);
    let mut draft = Draft::new(header(p));
    draft.template("mf", 1, &[], &mut files);
    draft.push(|header| Element::PukCodes(PukCodes { header, puks: puks(p), extra: Vec::new() }));
    pins(&mut draft, PinSource::Own(global_codes(p)));

    draft.template("telecom", 1, &[0x7f10], &mut files);
    pins(&mut draft, PinSource::Own(vec![pin2(p)]));
    draft.generic(&taken(&mut files, |file| file.path.first() == Some(&0x7f10)));

    let usim = aid_of_adf(&files, USIM);
    draft.template("usim", 1, &[USIM], &mut files);
    pins(&mut draft, PinSource::Shared(vec![0x7f, 0x10]));
    draft.push(|header| keys(header, AkaSource::Own(algorithm(p)), p));
    draft.template("opt-usim", 1, &[USIM], &mut files);
    draft.template("df-5gs", 1, &[USIM, 0x5fc0], &mut files);
    draft.template("df-saip", 1, &[USIM, 0x5fd0], &mut files);

    let isim = files.iter().find(|file| matches!(file.kind, SpecKind::Directory { aid: Some(_), .. }));
    if let Some(isim) = isim.map(|file| file.path.clone()) {
        draft.template("isim", 1, &isim, &mut files);
        pins(&mut draft, PinSource::Shared(vec![0x7f, 0x10]));
        let source = AkaSource::Mapped { options: ALL_SHARED, source: usim.clone(), extra: Vec::new() };
        draft.push(|header| keys(header, source, p));
        draft.template("opt-isim", 1, &isim, &mut files);
    }
    // What no template has: DF.GSM, and files that are the issuer's own choice.
    draft.generic(&files);
    if let Some(keys) = &p.ota {
        administration(&mut draft, keys, &usim);
    }
    draft.push(|header| {
        let applet = Instance {
            load_package: iot_safe::AID_GSMA.to_vec(),
            class: iot_safe::AID_GSMA.to_vec(),
            instance: iot_safe::AID_GSMA.to_vec(),
            security_domain: None,
            privileges: vec![0x00],
            life_cycle: None,
            parameters: Vec::new(),
            system: None,
            uicc: p.ota.as_ref().map(|_| toolkit(IOT_SAFE_MINIMUM, &[TAR_IOT_SAFE])),
            data: None,
            provider: None,
            extra: Vec::new(),
        };
        Element::Application(Application {
            header,
            code: None,
            instances: Some(vec![applet]),
            extra: Vec::new(),
        })
    });
    draft.finish()
}

/// Class of a security domain (GlobalPlatform UICC Configuration annex A).
const DOMAIN_CLASS: [u8; 8] = [0xa0, 0, 0, 1, 0x51, 0x53, 0x50, 0x41];
/// A security domain that manages applications for the issuer.
const ISSUER_PRIVILEGES: [u8; 3] = [0x82, 0xdc, 0x00];
/// Secured.
const ISSUER_LIFE_CYCLE: u8 = 0x0f;
/// Its secure channel: SCP80.
const SCP80: [u8; 4] = [0x81, 0x02, 0x80, 0x00];
/// All files, and none.
const FULL_ACCESS: [u8; 1] = [0x00];
const NO_ACCESS: [u8; 1] = [0xff];

/// The issuer's security domain with the keys for packets over the air, and remote management of files.
fn administration(draft: &mut Draft, keys: &OtaKeys, usim: &[u8]) {
    let level = keys.minimum_security_level;
    draft.push(|header| {
        let instance = Instance {
            load_package: DOMAIN_CODE.to_vec(),
            class: DOMAIN_CLASS.to_vec(),
            instance: ISSUER_AID.to_vec(),
            security_domain: None,
            privileges: ISSUER_PRIVILEGES.to_vec(),
            life_cycle: Some(ISSUER_LIFE_CYCLE),
            parameters: SCP80.to_vec(),
            system: None,
            uicc: Some(toolkit(level, &[MNO_TAR, ISSUER_TAR])),
            data: None,
            provider: None,
            extra: Vec::new(),
        };
        Element::SecurityDomain(SecurityDomain {
            header,
            instance,
            keys: Some(key_list(keys)),
            data: None,
            open: None,
            cat_tp: None,
            extra: Vec::new(),
        })
    });
    let usim = (usim.to_vec(), FULL_ACCESS.to_vec(), FULL_ACCESS.to_vec());
    for ((instance, tar), access, adf) in
        [(UICC_FILES, FULL_ACCESS, None), (USIM_FILES, NO_ACCESS, Some(usim))]
    {
        draft.push(|header| {
            Element::Rfm(Rfm {
                header,
                instance: instance.to_vec(),
                security_domain: None,
                tars: Some(vec![tar]),
                minimum_security_level: level,
                access: access.to_vec(),
                admin_access: access.to_vec(),
                adf,
                extra: Vec::new(),
            })
        });
    }
}

fn toolkit(minimum_security_level: u8, tars: &[[u8; 3]]) -> UiccParameters {
    let parameters = ToolkitParameters { minimum_security_level, tars: tars.to_vec() };
    UiccParameters { toolkit: Some(parameters.encode()), ..UiccParameters::default() }
}

/// KIc, KID and DEK with their usage (GlobalPlatform Card Specification table 11-17): for ciphering, for checksums, for
/// keys.
pub(super) fn key_list(keys: &OtaKeys) -> Vec<application::Key> {
    let set = &keys.set;
    let all = [(1, 0x18, Some(set.kic())), (2, 0x14, Some(set.kid())), (3, 0x48, keys.dek.as_ref())];
    let key = |(identifier, usage, key): (u8, u8, Option<&Key>)| {
        let key = key?;
        let checksum = (identifier == 2).then_some(set.checksum_octets()).filter(|octets| *octets != 8);
        Some(application::Key {
            usage: vec![usage],
            access: None,
            identifier,
            version: set.version(),
            counter: (keys.counter != Counter::default()).then(|| keys.counter.to_bytes().to_vec()),
            components: vec![KeyComponent {
                key_type: vec![if key.is_aes() { 0x88 } else { 0x80 }],
                value: key.octets().to_vec(),
                mac_length: checksum.map(|octets| octets as u8),
            }],
            extra: Vec::new(),
        })
    };
    all.into_iter().filter_map(key).collect()
}

pub(super) fn iccid(p: &Personalisation) -> [u8; 10] {
    let mut iccid = [0xff; 10];
    iccid.copy_from_slice(&personal::iccid(p).unwrap_or_else(|| vec![0xff; 10]));
    iccid
}

fn header(p: &Personalisation) -> Header {
    let mut services = vec!["usim", "isim"];
    services.push(match p.algorithm {
        Algorithm::Milenage => "milenage",
        Algorithm::Tuak { .. } => "tuak128",
        Algorithm::Test => "usim-test-algorithm",
    });
    if let Some(suci) = p.suci.as_ref().filter(|suci| suci.by_card) {
        services.push("get-identity");
        services.extend(match suci.scheme {
            SuciScheme::Null => None,
            SuciScheme::ProfileA(_) => Some("profile-a-x25519"),
            SuciScheme::ProfileB(_) => Some("profile-b-p256"),
        });
    }
    Header {
        major_version: 2,
        minor_version: 3,
        profile_type: Some("cellbed test profile".to_owned()),
        iccid: iccid(p).map(|byte| byte.rotate_left(4)),
        pol: None,
        mandatory_services: Services::of(&services),
        mandatory_templates: Vec::new(),
        connectivity: None,
        mandatory_aids: None,
        iot_pix: None,
        extra: Vec::new(),
    }
}

fn pins(draft: &mut Draft, pins: PinSource) {
    draft.push(|header| Element::PinCodes(PinCodes { header, pins, extra: Vec::new() }));
}

/// Without `attempts` there are three, which is the default and as such not in the package.
fn code(key_reference: u8, value: [u8; 8], puk: Option<u8>, attributes: u8, attempts: Option<u8>) -> Pin {
    Pin {
        key_reference,
        value,
        puk,
        attributes: (attributes != 7).then_some(attributes),
        attempts,
        extra: Vec::new(),
    }
}

fn global_codes(p: &Personalisation) -> Vec<Pin> {
    let pin1 = SWITCHABLE | u8::from(p.pin.enabled);
    vec![
        code(PIN1, p.pin.pin1.0, Some(PIN1), pin1, None),
        code(ADM1, p.pin.adm1.0, None, ENABLED_AND_CHANGEABLE, Some(TEN_TRIES)),
    ]
}

fn pin2(p: &Personalisation) -> Pin {
    code(PIN2, p.pin.pin2.0, Some(PIN2), ENABLED_AND_CHANGEABLE, None)
}

fn puks(p: &Personalisation) -> Vec<Puk> {
    // Without a number there are ten tries.
    let puk = |key_reference, value| Puk { key_reference, value, attempts: None, extra: Vec::new() };
    vec![puk(PIN1, p.pin.puk1.0), puk(PIN2, p.pin.puk2.0)]
}

pub(super) fn algorithm(p: &Personalisation) -> aka::Algorithm {
    let (id, opc) = match &p.algorithm {
        Algorithm::Milenage => (aka::MILENAGE, p.opc.to_vec()),
        Algorithm::Tuak { topc } => (aka::TUAK, topc.0.to_vec()),
        Algorithm::Test => (aka::USIM_TEST, p.opc.to_vec()),
    };
    aka::Algorithm {
        id,
        options: RES_64,
        key: p.k.to_vec(),
        opc,
        rotation: None,
        xoring: None,
        counter_max: None,
        keccak: None,
        extra: Vec::new(),
    }
}

/// The keys, with SEQ of the personalisation for every IND. Five bits of a sequence number are IND.
fn keys(header: PeHeader, source: AkaSource, p: &Personalisation) -> Element {
    let seq = (p.sqn >> 5).to_be_bytes();
    let initial = [seq[2], seq[3], seq[4], seq[5], seq[6], seq[7]];
    Element::AkaParameter(AkaParameter {
        header,
        source,
        sqn_options: None,
        sqn_delta: None,
        sqn_age_limit: None,
        sqn_initial: (initial != [0; 6]).then(|| vec![initial; 32]),
        extra: Vec::new(),
    })
}

/// The AID of the ADF that goes by `id`.
fn aid_of_adf(files: &[FileSpec], id: u16) -> Vec<u8> {
    let adf = files.iter().find(|file| file.path == [id]);
    match adf.map(|file| &file.kind) {
        Some(SpecKind::Directory { aid: Some(aid), .. }) => aid.clone(),
        _ => Vec::new(),
    }
}

/// Takes the files that `wanted` names out of `files`.
fn taken(files: &mut Vec<FileSpec>, wanted: impl Fn(&FileSpec) -> bool) -> Vec<FileSpec> {
    files.extract_if(.., |file| wanted(file)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::SimProfile;
    use crate::wire::saip::{AkaAlgorithm, FileKind, Image};

    const PROFILES: [&str; 3] = [
        include_str!("../../sim-profiles/lte-test.toml"),
        include_str!("../../sim-profiles/lte-test-op.toml"),
        include_str!("../../sim-profiles/lte-5g-test.toml"),
    ];

    fn card(profile: &str, index: u32) -> Personalisation {
        SimProfile::parse(profile).unwrap().personalise(index).unwrap()
    }

    fn image(package: &Package) -> Image {
        let bytes = package.encode();
        let read = Package::decode(&bytes).unwrap();
        assert!(read == *package && read.encode() == bytes);
        read.image().unwrap()
    }

    #[test]
    fn the_package_makes_the_files_of_the_card() {
        for profile in PROFILES {
            for index in [0, 1] {
                let p = card(profile, index);
                let image = image(&package(&p));
                let files = blueprint::files(&p);
                assert_eq!(image.files.len(), files.len());
                for file in &files {
                    // A link is found by its directory: `find` follows it.
                    let place = match file.path.split_last() {
                        None => 0,
                        Some((id, home)) => image.child(image.find(home).unwrap(), *id).unwrap(),
                    };
                    let made = &image.files[place];
                    assert!(made.content == file.content, "{:04x?}", file.path);
                    assert_eq!((made.sfi, made.security), (file.sfi, file.security), "{:04x?}", file.path);
                    match (&made.kind, &file.kind) {
                        (FileKind::Directory { aid, .. }, SpecKind::Directory { aid: wanted, .. }) => {
                            assert_eq!(aid, wanted);
                        }
                        (FileKind::Transparent { size }, SpecKind::Transparent) => {
                            assert_eq!(*size, file.content.len());
                        }
                        (FileKind::LinearFixed { record, count }, SpecKind::Linear(wanted))
                        | (FileKind::Cyclic { record, count }, SpecKind::Cyclic(wanted)) => {
                            assert_eq!((*record, record * count), (usize::from(*wanted), file.content.len()));
                        }
                        (FileKind::Link { to }, SpecKind::Link(_, path)) => {
                            assert_eq!(Some(*to), image.find(path));
                        }
                        (made, wanted) => panic!("{:04x?}: {made:?} for {wanted:?}", file.path),
                    }
                }
            }
        }
    }

    #[test]
    fn the_subscriber_is_the_one_of_the_profile() {
        let p = card(PROFILES[0], 0);
        let image = image(&package(&p));
        let content = |path: &[u16]| hex::encode(&image.files[image.find(path).unwrap()].content);
        assert_eq!(content(&[0x2fe2]), "988812010000000010f1");
        assert_eq!(hex::encode(image.iccid), "988812010000000010f1");
        assert_eq!(content(&[USIM, 0x6f07]), "080910100000000010");
        assert_eq!(content(&[USIM, 0x6fad]), "00000002");
        assert_eq!(content(&[USIM, 0x6fe3]), "ffffffffffffffffffffffff00f110000001");
        assert_eq!(content(&[0x7f20, 0x6f07]), content(&[USIM, 0x6f07]), "DF.GSM shows it, too");

        let [usim, isim] = &image.subscriptions[..] else { panic!("{:?}", image.subscriptions) };
        assert_eq!((usim.algorithm, &usim.key[..]), (AkaAlgorithm::Milenage, &p.k[..]));
        assert_eq!(usim.opc, p.opc);
        assert_eq!((isim.shares_sqn_of, &isim.key), (Some(0), &usim.key));
        assert_eq!(image.applets[0].class, iot_safe::AID_GSMA);
        let pin1 = &image.pins[0];
        assert_eq!((pin1.value, pin1.enabled(), pin1.puk), (p.pin.pin1.0, false, Some(1)));
        // PIN2 is enabled, PIN1 is not.
        let FileKind::Directory { pin_status, .. } = &image.files[image.find(&[USIM]).unwrap()].kind else {
            panic!()
        };
        assert_eq!(hex::encode(pin_status), "90016083010183018183010a");
    }

    #[test]
    fn sequence_numbers_and_concealment_are_those_of_the_profile() {
        let mut p = card(PROFILES[2], 0);
        p.sqn = 0x1234_5678_9abc;
        let image = image(&package(&p));
        assert_eq!(image.subscriptions[0].sqn.initial, [p.sqn >> 5; 32]);
        let by_card = p.suci.as_ref().is_some_and(|suci| suci.by_card);
        assert!(by_card && image.mandatory_services.contains("get-identity"));
        let concealed = &image.files[image.find(&[USIM, 0x5fd0, 0x4f01]).unwrap()].content;
        assert!(hex::encode(concealed).starts_with("a002"), "schemes come first");
        assert_eq!(image.find(&[USIM, 0x5fc0, 0x4f07]), None, "what only the card reads is not shown");
    }

    #[test]
    fn a_card_with_tuak_has_its_keys() {
        let mut p = card(PROFILES[0], 0);
        p.algorithm = Algorithm::Tuak { topc: crate::card::Secret([7; 32]) };
        let image = image(&package(&p));
        let usim = &image.subscriptions[0];
        assert_eq!((usim.algorithm, &usim.opc[..], usim.keccak), (AkaAlgorithm::Tuak, &[7; 32][..], 1));
        assert!(image.mandatory_services.contains("tuak128"));
    }

    #[test]
    fn keys_are_in_no_debug_output() {
        let p = card(PROFILES[0], 0);
        let package = package(&p);
        let shown = format!("{package:?} {:?}", package.image().unwrap());
        let decimal = format!("{:?}", &p.k[..4]);
        assert!(!shown.contains(decimal.trim_matches(['[', ']'])), "K");
    }
}
