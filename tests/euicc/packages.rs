//! What a card can install and what it announces is one thing: packages are tried as `cellbed profile check` tries them, and
//! downloaded.

use cellbed::card::{self, SimProfile, Uicc, try_package};
use cellbed::wire::rsp::{EuiccInfo2, FinalResult};
use cellbed::wire::saip::aka::AkaSource;
use cellbed::wire::saip::header::{Header, Services};
use cellbed::wire::saip::{Element, EuiccResponse, Package, PeStatusCode};

use super::download::result;
use super::lab::*;

const TS48_BER_TLV: &[u8] = include_bytes!("../../sim-profiles/ts48/ts48-v7.0-bertlv-suci.der");
const PROFILES: [&str; 3] = [
    include_str!("../../sim-profiles/lte-test.toml"),
    include_str!("../../sim-profiles/lte-test-op.toml"),
    include_str!("../../sim-profiles/lte-5g-test.toml"),
];

fn built(profile: &str) -> Package {
    card::package(&SimProfile::parse(profile).unwrap().personalise(0).unwrap())
}

/// Downloads `package`, and returns the status of its elements where it is refused for them.
fn downloaded(package: &[u8]) -> Result<(), Option<EuiccResponse>> {
    let maker = Maker::default();
    let mut card = maker.card();
    let mut smdp = Smdp::new(&maker.pki);
    smdp.package = package.to_vec();
    if let Ok(tried) = try_package(package) {
        smdp.metadata.iccid = tried.image.iccid;
    }
    let outcome = result(&maker, &smdp.download(&mut card)).result;
    match outcome {
        FinalResult::Success { .. } => Ok(()),
        FinalResult::Error { sima_response, .. } => {
            assert!(card.installed_profiles().is_empty(), "nothing is left");
            Err(sima_response.map(|response| EuiccResponse::decode(&response).unwrap()))
        }
    }
}

fn with_header(change: impl Fn(&mut Header)) -> Vec<u8> {
    let mut package = built(PROFILES[0]);
    let Some(Element::Header(header)) = package.elements.first_mut() else { panic!("no header") };
    change(header);
    package.encode()
}

fn demanding(service: &str) -> Vec<u8> {
    with_header(|header| {
        let own: Vec<&str> = header.mandatory_services.names().collect();
        let names = [&own[..], &[service]].concat();
        header.mandatory_services = Services::of(&names);
    })
}

#[test]
fn what_a_package_demands_and_the_card_lacks_is_refused_at_the_header() {
    let announced = |card: &mut Uicc| {
        let info = EuiccInfo2::parse(&es10(card, &EuiccInfo2::request())).unwrap();
        Services::of_capability(&info.uicc_capability)
    };
    let offered = announced(&mut Maker::default().card());
    assert_eq!(hex::encode(offered.capability()), "077b801b80");
    for (service, status) in [
        ("gba-usim", PeStatusCode::FEATURE_NOT_SUPPORTED),
        ("mbms", PeStatusCode::FEATURE_NOT_SUPPORTED),
        ("cave", PeStatusCode::FEATURE_NOT_SUPPORTED),
        ("cat-tp", PeStatusCode::FEATURE_NOT_SUPPORTED),
        ("eaka", PeStatusCode::FEATURE_NOT_SUPPORTED),
        ("javacard", PeStatusCode::RUNTIME_NOT_SUPPORTED),
        ("multos", PeStatusCode::RUNTIME_NOT_SUPPORTED),
    ] {
        assert!(!offered.contains(service), "{service}");
        let package = demanding(service);
        let Err(error) = try_package(&package) else { panic!("{service} is taken") };
        let said = error.to_string();
        let expected = format!("element 0 (header), eUICC-Mandatory-services: {service} is not supported");
        assert!(said.starts_with(&expected), "{said}");
        let response = downloaded(&package).unwrap_err().unwrap();
        assert_eq!((response.statuses[0].status, response.statuses[0].identification), (status, None));
        assert!(response.aborted);
    }
    // Each service that is announced may be demanded.
    for service in offered.names() {
        assert!(try_package(&demanding(service)).is_ok(), "{service}");
    }
    // A service that a later version has added: [30], an empty NULL.
    let bytes = with_header(|_| ());
    let services = hex::decode("a506810082008400").unwrap();
    let at = bytes.windows(services.len()).position(|part| part == services).unwrap();
    let mut later = bytes.clone();
    later.splice(at + services.len()..at + services.len(), [0x9e, 0x00]);
    let length = if later[1] == 0x81 { 2 } else { 1 };
    later[length] += 2;
    later[at + 1] += 2;
    let said = try_package(&later).err().unwrap().to_string();
    assert!(said.contains("the service with tag 9E is not supported"), "{said}");
}

#[test]
fn code_that_a_package_demands_has_to_be_there() {
    let aids = |aid: &str, version| {
        with_header(|header| header.mandatory_aids = Some(vec![(hex::decode(aid).unwrap(), version)]))
    };
    assert!(try_package(&aids("a0000005590010", [1, 0])).is_ok(), "the IoT SAFE applet");
    for (aid, version) in [("a0000005590010", [1, 1]), ("a0000000620001", [1, 0])] {
        let package = aids(aid, version);
        let said = try_package(&package).err().unwrap().to_string();
        assert!(said.contains("eUICC-Mandatory-AIDs") && said.contains("lib-not-supported"), "{said}");
        let response = downloaded(&package).unwrap_err().unwrap();
        assert_eq!(response.statuses[0].status, PeStatusCode::LIB_NOT_SUPPORTED);
    }
}

/// Packages of which only the AKA parameter differs from one that is in order.
fn with_keys() -> Vec<(&'static str, Vec<u8>)> {
    let with = |change: &dyn Fn(&mut cellbed::wire::saip::aka::AkaParameter)| {
        let mut package = built(PROFILES[0]);
        for element in &mut package.elements {
            if let Element::AkaParameter(aka) = element
                && matches!(aka.source, AkaSource::Own(_))
            {
                change(aka);
            }
        }
        package.encode()
    };
    let algorithm = |change: fn(&mut cellbed::wire::saip::aka::Algorithm)| {
        with(&|aka| {
            if let AkaSource::Own(own) = &mut aka.source {
                change(own);
            }
        })
    };
    vec![
        ("rotationConstants", algorithm(|own| own.rotation = Some([0x40, 0, 0x20, 0x40, 0x61]))),
        (
            "xoringConstants",
            algorithm(|own| {
                let mut constants = cellbed::wire::saip::aka::XORING;
                constants[79] = 9;
                own.xoring = Some(constants);
            }),
        ),
        ("sqnOptions", with(&|aka| aka.sqn_options = Some(0x04))),
        ("sqnInit", with(&|aka| aka.sqn_initial = Some(vec![[0xff; 6]; 32]))),
        ("sqnDelta", with(&|aka| aka.sqn_delta = Some([0x08, 0, 0, 0, 0, 0]))),
        ("sqnAgeLimit", with(&|aka| aka.sqn_age_limit = Some([0x08, 0, 0, 0, 0, 0]))),
    ]
}

#[test]
fn what_a_check_passes_the_card_installs_and_nothing_else() {
    let mut packages: Vec<(String, Vec<u8>)> =
        vec![("TS.48".to_owned(), TS48.to_vec()), ("TS.48 BER-TLV".to_owned(), TS48_BER_TLV.to_vec())];
    packages.extend(PROFILES.iter().map(|profile| ("built".to_owned(), built(profile).encode())));
    for (name, package) in &packages {
        assert!(try_package(package).is_ok(), "{name}");
    }
    for (name, package) in with_keys() {
        let Err(error) = try_package(&package) else { panic!("{name} is in order") };
        let (element, place) = (error.element.name, error.path.as_str());
        assert_eq!(element, "akaParameter", "{name}");
        let expected = if name.ends_with("Constants") { "algoParameter" } else { name };
        assert_eq!(place, expected, "{error}");
        packages.push((name.to_owned(), package));
    }
    // One byte changed, here and there over a whole package.
    let base = built(PROFILES[2]).encode();
    for at in (0..base.len()).step_by(base.len() / 90) {
        let mut bent = base.clone();
        bent[at] ^= 0x11;
        packages.push((format!("byte {at}"), bent));
    }
    let mut counts = [0, 0];
    for (name, package) in &packages {
        let (checked, installed) = (try_package(package), downloaded(package));
        let said = checked.as_ref().err().map(ToString::to_string);
        assert_eq!(checked.is_ok(), installed.is_ok(), "{name}: {said:?}");
        counts[usize::from(installed.is_ok())] += 1;
        if let (Err(error), Err(Some(response))) = (&checked, &installed) {
            assert_eq!(response.statuses[0].status, error.status, "{name}");
            assert_eq!(response.statuses[0].identification, error.identification, "{name}");
        }
    }
    assert!(counts[0] > 10 && counts[1] > 10, "both happen: {counts:?}");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the test takes the time")]
fn links_resolve_in_no_time_and_files_have_one_limit() {
    use cellbed::wire::saip::file::{Fcp, FileCommand, GenericFiles};
    use cellbed::wire::saip::{FILES_MAX, FileKind, Image};
    // Each file is a link to the next one, the last one holds a byte.
    let chain = |links: u16| -> Result<Image, String> {
        let mut package = built(PROFILES[0]);
        let mut commands = vec![FileCommand::Path(Vec::new())];
        let path = |number: u16| (0x5000 + number).to_be_bytes();
        for number in 0..=links {
            let last = number == links;
            commands.push(FileCommand::Create(Box::new(Fcp {
                file_descriptor: Some(vec![0x41, 0x21]),
                file_id: Some(0x5000 + number),
                security: Some(vec![0x2f, 0x06, 0x02]),
                short_id: Some(Vec::new()),
                file_size: last.then(|| vec![1]),
                link_path: (!last).then(|| path(number + 1).to_vec()),
                ..Fcp::default()
            })));
        }
        let header = cellbed::wire::saip::header::PeHeader::mandated(900);
        let files = GenericFiles { header, commands: vec![commands], extra: Vec::new() };
        let end = package.elements.len() - 1;
        package.elements.insert(end, Element::GenericFiles(files));
        package.image().map_err(|error| error.to_string())
    };
    let begun = std::time::Instant::now();
    let image = chain(1500).unwrap();
    let first = image.child(0, 0x5000).unwrap();
    assert_eq!(image.files[first].kind, FileKind::Link { to: image.child(0, 0x5000 + 1500).unwrap() });
    let said = chain(3900).err().unwrap();
    assert!(
        said.contains(&format!("more than {FILES_MAX} files")) && said.contains("not-enough-memory"),
        "{said}"
    );
    assert!(begun.elapsed().as_secs_f64() < 1.0, "{:?}", begun.elapsed());
}
