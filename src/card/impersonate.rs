//! A package of somebody else with the identity of a card: what says who the subscriber is, and what follows from that.

use super::Personalisation;
use super::fs::personal;
use super::package;
use crate::wire::saip::aka::AkaSource;
use crate::wire::saip::{Element, FileKind, Image, Package};

/// First bytes of the AIDs of USIM and ISIM.
const USIM: &[u8] = &[0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02];
const ISIM: &[u8] = &[0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x04];

/// A file that follows the identity.
struct Follower {
    element: &'static str,
    name: &'static str,
    application: &'static [u8],
    id: u16,
    /// What is to be in it, given what is.
    content: fn(&Personalisation, &[u8]) -> Option<Vec<u8>>,
}

const fn usim(
    element: &'static str,
    name: &'static str,
    id: u16,
    content: fn(&Personalisation, &[u8]) -> Option<Vec<u8>>,
) -> Follower {
    Follower { element, name, application: USIM, id, content }
}

const fn isim(
    name: &'static str,
    id: u16,
    content: fn(&Personalisation, &[u8]) -> Option<Vec<u8>>,
) -> Follower {
    Follower { element: "isim", name, application: ISIM, id, content }
}

/// 3GPP TS 31.102 clauses 4.2.15, 4.2.18, 4.2.54 and 4.2.84, TS 31.103 clause 4.2, TS 23.003 clauses 13.2 to 13.4.
const FOLLOWERS: [Follower; 7] = [
    usim("usim", "ef-acc", 0x6f78, |p, _| personal::access_class(p)),
    usim("usim", "ef-ad", 0x6fad, administrative),
    usim("opt-usim", "ef-hplmnwact", 0x6f62, |p, _| personal::home_network(p)),
    usim("opt-usim", "ef-ehplmn", 0x6fd9, |p, _| personal::equivalent_home(p)),
    isim("ef-impi", 0x6f02, |p, _| personal::private_identity(p)),
    isim("ef-domain", 0x6f03, |p, _| personal::home_domain(p)),
    isim("ef-impu", 0x6f04, |p, _| personal::public_identity(p)),
];

/// The length of the MNC, in the fourth byte; the rest stays.
fn administrative(p: &Personalisation, now: &[u8]) -> Option<Vec<u8>> {
    let mut content = now.to_vec();
    let length = content.get_mut(3)?;
    *length = *length & 0xf0 | p.plmn.mnc().len() as u8;
    Some(content)
}

/// Gives `package`, whoever made it, the keys and identifiers of `p`: IMSI, ICCID, algorithm, K and OPc, what follows from
/// them in the files of USIM and ISIM, and in its first security domain the keys for packets over the air in the place
/// of all that it had for these.
///
/// Returns which files should follow and have records too short for it, each with its sizes; none where the package has no USIM
/// with keys of its own, and is left as it is.
pub fn impersonate(package: &mut Package, p: &Personalisation) -> Option<Vec<String>> {
    let imsi = personal::imsi(p)?;
    let own = |element: &Element| matches!(element, Element::AkaParameter(aka) if matches!(aka.source, AkaSource::Own(_)));
    let image = package.image().ok();
    if !package.elements.iter().any(own) || !package.replace_content("usim", "ef-imsi", &imsi) {
        return None;
    }
    let mut left = Vec::new();
    if let Some(image) = &image {
        FOLLOWERS.iter().for_each(|file| left.extend(follow(package, image, file, p)));
    }
    package.replace_keys(&package::algorithm(p));
    if let Some(keys) = &p.ota {
        package.replace_ota_keys(package::key_list(keys));
    }
    package.replace_iccid(package::iccid(p));
    Some(left)
}

/// Writes one file, if the package has it. Says why not, where it should and cannot.
fn follow(package: &mut Package, image: &Image, file: &Follower, p: &Personalisation) -> Option<String> {
    let place = image.child(image.adf(file.application)?, file.id)?;
    let now = &image.files[place];
    let wanted = (file.content)(p, &now.content)?;
    // One that the template makes and the package leaves erased holds nothing of anybody.
    let erased = now.content.iter().all(|byte| *byte == 0xff);
    let length = match now.kind {
        FileKind::Transparent { size } => size.max(wanted.len()),
        FileKind::LinearFixed { record, .. } if wanted.len() > record => {
            let (needed, name) = (wanted.len(), file.name);
            let room =
                format!("{name} of {} has records of {record} bytes, {needed} are needed", file.element);
            return Some(format!("{room}: it is left as it is"));
        }
        FileKind::LinearFixed { .. } => now.content.len(),
        _ => return None,
    };
    let mut content = vec![0xff; length];
    content[..wanted.len()].copy_from_slice(&wanted);
    if content != now.content && !(erased && file.element == "opt-usim") {
        package.set_content(file.element, file.name, &content);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::SimProfile;
    use crate::wire::saip::AkaAlgorithm;

    const PROFILE: &str = include_str!("../../sim-profiles/lte-test.toml");
    const TS_48: &[u8] = include_bytes!("../../sim-profiles/ts48/ts48-v7.0-bertlv-suci.der");

    fn card(index: u32) -> Personalisation {
        SimProfile::parse(PROFILE).unwrap().personalise(index).unwrap()
    }

    fn content(image: &Image, application: &[u8], id: u16) -> Vec<u8> {
        let place = image.child(image.adf(application).unwrap(), id).unwrap();
        image.files[place].content.clone()
    }

    #[test]
    fn a_public_package_takes_the_identity_of_a_card() {
        let p = card(1);
        let mut package = Package::decode(TS_48).unwrap();
        assert_eq!(impersonate(&mut package, &p), Some(Vec::new()));
        let image = package.image().unwrap();
        assert_eq!(content(&image, USIM, 0x6f07), personal::imsi(&p).unwrap());
        assert_eq!(&image.iccid[..], personal::iccid(&p).unwrap());
        assert!(image.subscriptions.iter().all(|s| s.algorithm == AkaAlgorithm::Milenage && s.key == p.k));
        assert!(image.mandatory_services.contains("milenage"));
        assert!(!image.mandatory_services.contains("usim-test-algorithm"));

        let without_keys = Package { elements: vec![Package::decode(TS_48).unwrap().elements.remove(0)] };
        let mut unchanged = without_keys.clone();
        assert_eq!(impersonate(&mut unchanged, &p), None);
        assert!(unchanged == without_keys);
    }

    #[test]
    fn the_length_of_the_mnc_and_the_identities_of_the_ims_follow_the_imsi() {
        let mut p = card(0);
        p.imsi = "310410000000001".parse().unwrap();
        p.plmn = "310-410".parse().unwrap();
        let mut package = Package::decode(TS_48).unwrap();
        let before = package.image().unwrap();
        assert_eq!(content(&before, USIM, 0x6fad)[3], 2);
        assert_eq!(impersonate(&mut package, &p), Some(Vec::new()));
        let package = Package::decode(&package.encode()).unwrap();
        let image = package.image().unwrap();
        let [was, now] = [&before, &image].map(|image| content(image, USIM, 0x6fad));
        assert_eq!((&now[..3], now[3]), (&was[..3], 3), "the rest of EF.AD stays");
        let identity = |id| {
            let content = content(&image, ISIM, id);
            let text = &content[2..2 + usize::from(content[1])];
            assert!(
                content[2 + text.len()..].iter().all(|byte| *byte == 0xff),
                "nothing of the base is left"
            );
            String::from_utf8(text.to_vec()).unwrap()
        };
        assert_eq!(identity(0x6f02), "310410000000001@ims.mnc410.mcc310.3gppnetwork.org");
        assert_eq!(identity(0x6f03), "ims.mnc410.mcc310.3gppnetwork.org");
        assert_eq!(identity(0x6f04), "sip:310410000000001@ims.mnc410.mcc310.3gppnetwork.org");
    }

    #[test]
    fn what_has_no_room_is_said() {
        let mut package = Package::decode(TS_48).unwrap();
        for element in &mut package.elements {
            let Element::Template("isim", files) = element else { continue };
            for (_, file) in files.files.iter_mut().filter(|(name, _)| *name == "ef-impu") {
                file.0.retain(|item| matches!(item, crate::wire::saip::file::FileItem::Descriptor(_)));
                for item in &mut file.0 {
                    let crate::wire::saip::file::FileItem::Descriptor(fcp) = item else { continue };
                    fcp.file_descriptor = Some(vec![0x42, 0x21, 0x00, 0x08]);
                    fcp.file_size = Some(vec![8]);
                }
            }
        }
        let left = impersonate(&mut package, &card(0)).unwrap();
        assert_eq!(left.len(), 1);
        assert!(left[0].starts_with("ef-impu of isim has records of 8 bytes, "), "{left:?}");
    }
}
