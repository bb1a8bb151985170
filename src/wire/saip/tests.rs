//! Whole packages: public ones, small ones built here, and broken ones.

use proptest::prelude::*;

use super::codes::{Pin, PinCodes, PinSource, Puk, PukCodes};
use super::file::{Fcp, File, FileCommand, FileItem, GenericFiles, ProprietaryInfo, TemplateFiles};
use super::header::{Header, PeHeader, Services};
use super::*;
use crate::support::bent::bent;

const SUCI: &[u8] = include_bytes!("../../../sim-profiles/ts48/ts48-v7.0-bertlv-suci.der");
const PLAIN: &[u8] = include_bytes!("../../../sim-profiles/ts48/ts48-v7.0-nobertlv-noramrfm.der");

fn image(bytes: &[u8]) -> Image {
    Package::decode(bytes).unwrap().image().unwrap()
}

fn content(image: &Image, path: &[u16]) -> String {
    hex::encode_upper(&image.files[image.find(path).unwrap()].content)
}

#[test]
fn public_packages_are_written_back_byte_for_byte() {
    for (bytes, elements) in [(SUCI, 30), (PLAIN, 26)] {
        let package = Package::decode(bytes).unwrap();
        assert_eq!(package.elements.len(), elements);
        assert!(package.encode() == bytes);
        let header = package.header().unwrap();
        assert_eq!((header.major_version, header.minor_version), (2, 3));
        assert!(header.mandatory_services.contains("get-identity"));
    }
}

#[test]
fn a_public_package_becomes_the_files_of_its_specification() {
    // GSMA TS.48 version 7.0 annex A (the sheet "Files Definition").
    let image = image(SUCI);
    assert_eq!(image.profile_type.as_deref(), Some("GSMA Generic eUICC Test Profile"));
    assert_eq!(hex::encode(image.iccid), "98001032547698103214");
    assert_eq!(image.files.len(), 259);
    for (path, expected) in [
        (&[0x2fe2][..], "98001032547698103214"),
        (&[0x2f05], "656EFFFFFFFF"),
        (&[0x7fd0, 0x6f07], "080910101032547698"),
        (&[0x7fd0, 0x6f38], "9EFFBF1DFF3E0083410310010400403E39"),
        (&[0x7fd0, 0x6fad], "80000002"),
        (&[0x7fd0, 0x6f78], "0001"),
        // Patterns: repeated ones, and one that is filled up with its last byte.
        (&[0x7fd0, 0x6f31], "00"),
        (&[0x7fc0, 0x6f27], "00000000000000"),
        (&[0x7fd0, 0x6fce], "000000FFFF"),
        // Bytes left out before the content.
        (&[0x7fd0, 0x5f3b, 0x4f20], "FFFFFFFFFFFFFFFF07"),
        (&[0x7fd0, 0x5fc0, 0x4f01], "FFFFFFFFFFFFFFFFFFFFFFFFFF42F61800000001"),
    ] {
        assert_eq!(content(&image, path), expected, "{path:04x?}");
    }
    let sms = &image.files[image.find(&[0x7fd0, 0x6f3c]).unwrap()];
    assert_eq!(sms.kind, FileKind::LinearFixed { record: 176, count: 10 });
    assert!(sms.content.chunks(176).all(|record| record[0] == 0 && record[1..] == [0xff; 175]));
}

#[test]
fn a_public_package_gives_rules_links_codes_and_keys() {
    let image = image(SUCI);
    let place = |path: &[u16]| image.find(path).unwrap();
    let file = |path: &[u16]| &image.files[place(path)];
    assert_eq!(file(&[0x7fd0, 0x6f07]).security, [0x6f, 0x06, 0x0a]);
    assert_eq!(file(&[0x7fd0, 0x6f07]).sfi, Some(7));
    assert_eq!(file(&[0x2fe2]).sfi, Some(2));
    assert_eq!(file(&[0x7f10, 0x6f54]).sfi, None);
    // EF.FDN of the CSIM is that of the USIM.
    let csim = image.adf(&[0xa0, 0, 0, 3, 0x43, 0x10, 0x02]).unwrap();
    let link = &image.files[image.child(csim, 0x6f3b).unwrap()];
    assert_eq!(link.kind, FileKind::Link { to: place(&[0x7fd0, 0x6f3b]) });
    assert_eq!(place(&[0x7fc0, 0x6f3b]), place(&[0x7fd0, 0x6f3b]));

    let owners: Vec<(u16, u8)> =
        image.pins.iter().map(|pin| (image.files[pin.owner].id, pin.key_reference)).collect();
    let expected =
        [(0x3f00, 1), (0x3f00, 10), (0x3f00, 11), (0x7f10, 129), (0x7fd0, 129), (0x7fc0, 129), (0x7fb0, 129)];
    assert_eq!(owners, expected);
    assert!(!image.pins[0].enabled() && image.pins[1].enabled());
    assert_eq!(image.pins[0].attempts, Attempts { max: 3, left: 3 });
    assert_eq!(image.puks.len(), 2);

    let keys: Vec<(u16, AkaAlgorithm)> =
        image.subscriptions.iter().map(|s| (image.files[s.adf].id, s.algorithm)).collect();
    assert_eq!(keys, [(0x7fd0, AkaAlgorithm::Test), (0x7fb0, AkaAlgorithm::Test)]);
    let usim = &image.subscriptions[0];
    assert_eq!(hex::encode(&usim.key), "000102030405060708090a0b0c0d0e0f");
    assert_eq!((usim.sqn.options, usim.sqn.delta, usim.sqn.age_limit), (2, 1 << 28, 1 << 28));
    assert_eq!(usim.rotation, aka::ROTATION);
    assert_eq!(usim.xoring[4][15], 8);

    assert_eq!((image.cdma.len(), image.security_domains.len(), image.rfm.len()), (1, 1, 4));
    assert_eq!(image.security_domains[0].keys.len(), 6);
    assert_eq!(image.rfm[1].tars, [[0xb0, 0x01, 0x40]]);
    assert!(image.left_out.is_empty());
}

fn head(identification: u16) -> PeHeader {
    PeHeader::mandated(identification)
}

fn fcp(fcp: Fcp) -> File {
    File(vec![FileItem::Descriptor(Box::new(fcp))])
}

fn templated(element: &'static str, id: u16, files: Vec<(&'static str, File)>) -> Element {
    let template = template_oid(element, 1).unwrap();
    Element::Template(element, TemplateFiles { header: head(id), template, files, extra: Vec::new() })
}

fn create(fcp: Fcp) -> FileCommand {
    FileCommand::Create(Box::new(fcp))
}

fn records(length: u8, size: u8) -> Fcp {
    Fcp {
        file_descriptor: Some(vec![0x42, 0x21, 0x00, length]),
        file_size: Some(vec![size]),
        ..Fcp::default()
    }
}

/// A package with as little as there can be: MF, a PIN, a USIM.
fn small() -> Vec<Element> {
    let header = Header {
        major_version: 3,
        minor_version: 3,
        profile_type: None,
        iccid: [0x89, 0x88, 0x21, 0x10, 0x00, 0x00, 0x00, 0x00, 0x01, 0x1f],
        pol: None,
        mandatory_services: Services::of(&["usim"]),
        mandatory_templates: Vec::new(),
        connectivity: None,
        mandatory_aids: None,
        iot_pix: None,
        extra: Vec::new(),
    };
    let directory = |references: &[u8]| Fcp { pin_status: Some(references.to_vec()), ..Fcp::default() };
    let pin = Pin {
        key_reference: 1,
        value: *b"1234\xff\xff\xff\xff",
        puk: Some(1),
        attributes: None,
        attempts: None,
        extra: Vec::new(),
    };
    let puk = Puk { key_reference: 1, value: *b"12345678", attempts: None, extra: Vec::new() };
    let adf = Fcp {
        file_id: Some(0x7f01),
        df_name: Some(vec![0xa0, 0, 0, 0, 0x87, 0x10, 0x02]),
        ..directory(&[0x01])
    };
    vec![
        Element::Header(header),
        templated(
            "mf",
            1,
            vec![
                ("mf", fcp(directory(&[0x01]))),
                ("ef-iccid", File::default()),
                ("ef-dir", fcp(records(0x20, 0x40))),
                ("ef-arr", fcp(records(0x10, 0x10))),
            ],
        ),
        Element::PukCodes(PukCodes { header: head(2), puks: vec![puk], extra: Vec::new() }),
        Element::PinCodes(PinCodes { header: head(3), pins: PinSource::Own(vec![pin]), extra: Vec::new() }),
        templated(
            "usim",
            4,
            vec![
                ("adf-usim", fcp(adf)),
                ("ef-imsi", File(vec![FileItem::Content(vec![8, 9, 0x10, 0x10])])),
                ("ef-arr", fcp(records(0x10, 0x10))),
                ("ef-fdn", File(vec![FileItem::DoNotCreate])),
            ],
        ),
        Element::End(head(5)),
    ]
}

fn built(elements: Vec<Element>) -> Result<Image, PackageError> {
    let package = Package { elements };
    let image = package.image();
    match Package::decode(&package.encode()) {
        Ok(read) => assert_eq!(read, package),
        Err(error) => assert!(image.is_err(), "{error}"),
    }
    image
}

#[test]
fn a_template_makes_what_nobody_mentions_and_not_what_is_declined() {
    let image = built(small()).unwrap();
    assert_eq!(hex::encode(image.iccid), "988812010000000010f1");
    for (id, expected) in [
        (0x6f07, "08091010FFFFFFFFFF"),
        (0x6f08, "07FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"),
        (0x6f31, "0A"),
        (0x6f7e, "FFFFFFFFFFFFFF0000FF01"),
        (0x6fe3, "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFF000001"),
        (0x6fad, "00000002"),
    ] {
        assert_eq!(content(&image, &[0x7f01, id]), expected);
    }
    assert_eq!(image.find(&[0x7f01, 0x6f3b]), None);
    let keys = &image.files[image.find(&[0x7f01, 0x6f08]).unwrap()];
    assert_eq!((keys.security, keys.sfi, keys.special), ([0x6f, 0x06, 5], Some(8), 0xc0));
    // In the MF, rules are those of its own EF.ARR.
    assert_eq!(image.files[image.find(&[0x7f01]).unwrap()].security, [0x2f, 0x06, 14]);
    assert_eq!(image.pins[0].attributes, 7);
}

#[test]
fn a_later_version_of_a_template_has_other_sizes() {
    let mut elements = small();
    let Element::Template(_, usim) = &mut elements[4] else { panic!() };
    usim.template = template_oid("usim", 2).unwrap();
    assert_eq!(built(elements).unwrap().files.iter().find(|f| f.name == "ef-ust").unwrap().content.len(), 17);
    let earlier = built(small()).unwrap();
    assert_eq!(earlier.files.iter().find(|f| f.name == "ef-ust").unwrap().content.len(), 14);
    assert_eq!(template_oid("df-5gs", 4).unwrap().to_string(), "2.23.143.1.2.13.4");
    assert_eq!(template_oid("df-5gs", 5), None);
}

fn generic(id: u16, commands: Vec<FileCommand>) -> Element {
    Element::GenericFiles(GenericFiles { header: head(id), commands: vec![commands], extra: Vec::new() })
}

fn transparent(id: u16, size: u8) -> Fcp {
    Fcp {
        file_descriptor: Some(vec![0x41, 0x21]),
        file_id: Some(id),
        security: Some(vec![2]),
        file_size: Some(vec![size]),
        ..Fcp::default()
    }
}

/// A file of the MF that shows another one there.
fn link(id: u16, to: u16) -> FileCommand {
    let path = Some(to.to_be_bytes().to_vec());
    create(Fcp { link_path: path, file_size: None, ..transparent(id, 1) })
}

#[test]
fn links_may_show_links_and_come_before_what_they_show() {
    let mut elements = small();
    let commands = vec![
        link(0x6f01, 0x6f02),
        link(0x6f02, 0x6f03),
        // A link has no content of its own, and is no place to put files.
        create(transparent(0x6f03, 2)),
        FileCommand::Content(vec![5]),
    ];
    elements.insert(5, generic(9, commands.clone()));
    let image = built(elements).unwrap();
    assert_eq!(content(&image, &[0x6f01]), "05FF");
    let to = image.child(0, 0x6f03).unwrap();
    for id in [0x6f01, 0x6f02] {
        assert_eq!(image.files[image.child(0, id).unwrap()].kind, FileKind::Link { to });
    }
    let mut elements = small();
    let into_link = vec![FileCommand::Path(vec![0x6f, 0x01]), FileCommand::Content(vec![1])];
    elements.insert(5, generic(9, [commands, into_link].concat()));
    let error = Package { elements }.image().unwrap_err();
    assert!(error.to_string().contains("a link has no content of its own"), "{error}");
}

#[test]
fn files_are_made_one_by_one_and_linked() {
    let mut elements = small();
    let end = elements.pop().unwrap();
    let pattern = ProprietaryInfo { repeat_pattern: Some(vec![1, 2]), ..ProprietaryInfo::default() };
    let directory = Fcp {
        file_descriptor: Some(vec![0x78, 0x21]),
        file_id: Some(0x7f66),
        security: Some(vec![1]),
        pin_status: Some(vec![1]),
        ..Fcp::default()
    };
    let link = Fcp { link_path: Some(vec![0x7f, 0x66, 0x4f, 0x01]), ..transparent(0x6fff, 1) };
    elements.push(generic(
        6,
        vec![
            FileCommand::Path(vec![0x7f, 0x01]),
            create(Fcp { file_size: None, ..link }),
            FileCommand::Path(Vec::new()),
            create(directory),
            create(Fcp { proprietary: Some(pattern), ..transparent(0x4f01, 5) }),
            FileCommand::Offset(1),
            FileCommand::Content(vec![9]),
            FileCommand::Offset(1),
            FileCommand::Content(vec![8]),
            FileCommand::Path(vec![0x7f, 0x01, 0x6f, 0x07]),
            FileCommand::Content(vec![7]),
        ],
    ));
    elements.push(end);
    let image = built(elements).unwrap();
    assert_eq!(content(&image, &[0x7f66, 0x4f01]), "0109010801");
    assert_eq!(content(&image, &[0x7f01, 0x6f07]), "07091010FFFFFFFFFF", "an existing file, from its start");
    assert_eq!(image.find(&[0x7f01, 0x6fff]), image.find(&[0x7f66, 0x4f01]));
    // Without shortEFID, the low bits of the identifier are the short one; 31 is none.
    assert_eq!(image.files[image.find(&[0x7f66, 0x4f01]).unwrap()].sfi, Some(1));
    let usim = image.find(&[0x7f01]).unwrap();
    assert_eq!(image.files[image.child(usim, 0x6fff).unwrap()].sfi, None);
}

#[test]
fn what_is_no_package_is_called_what_it_is() {
    let der = Package { elements: small() }.encode();
    let said = |bytes: &[u8]| Package::decode(bytes).unwrap_err().to_string();
    let hex = hex::encode(&der);
    let lines: Vec<&str> = (0..hex.len()).step_by(64).map(|at| &hex[at..hex.len().min(at + 64)]).collect();
    for (bytes, what) in [
        (lines.join("\n").into_bytes(), "this is text, hexadecimal digits"),
        (base64_of(&der).into_bytes(), "this is text, Base64"),
        (
            b"value1 ProfileElement ::= header : { major-version 2 }".to_vec(),
            "this is text, ASN.1 value notation",
        ),
        (b"[package]\nname = \"cellbed\"\n".to_vec(), "this is text, no form of DER"),
        (vec![0x7f, b'E', b'L', b'F', 2, 1], "a package begins with its header, tag A0; this does not"),
        (der[1..].to_vec(), "a package begins with its header, tag A0; this does not"),
    ] {
        let error = said(&bytes);
        assert!(error.starts_with(&format!("element 0 (header): {what}")), "{error}");
    }
    let behind = said(&[&der[..], b"\n\n"].concat());
    let expected =
        format!("element 5 (end): 2 bytes stand behind the end of the package, from byte {} on", der.len());
    assert!(behind.starts_with(&expected), "{behind}");
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn a_refusal_names_the_element_the_place_and_the_status() {
    type Change = fn(&mut Vec<Element>);
    let cases: &[(Change, &str)] = &[
        (|e| drop(e.pop()), "element 4 (usim): the package is cut off"),
        (
            |e| drop(e.remove(0)),
            "element 0 (mf): a package begins with its header [invalid-request-format (5)]",
        ),
        (|e| e.push(Element::End(head(9))), "element 5 (end): 1 elements stand behind the end"),
        (|e| e.insert(1, Element::End(head(9))), "element 1 (end): 5 elements stand behind the end"),
        (|e| e.swap(1, 2), "element 1 (pukCodes): it stands before the element that makes the MF"),
        (|e| e.insert(2, templated("mf", 9, vec![])), "element 2 (mf): it stands in the package twice"),
        (
            |e| {
                let Element::Header(header) = &mut e[0] else { panic!() };
                header.major_version = 4;
            },
            "element 0 (header), major-version: version 4 of the specification is not known here \
             [unsupported-profile-version (31)]",
        ),
        (
            |e| {
                let Element::Template(_, usim) = &mut e[4] else { panic!() };
                usim.template = Oid::new(&[2, 23, 143, 1, 2, 99]);
            },
            "element 4 (usim), templateID: template 2.23.143.1.2.99 is not known here \
             [template-not-supported (9)]",
        ),
        (
            |e| {
                let Element::Template(_, usim) = &mut e[4] else { panic!() };
                usim.files[1].1 = File(vec![FileItem::Offset(8), FileItem::Content(vec![1, 2, 3])]);
            },
            "element 4 (usim), ef-imsi/fillFileContent: content goes 2 bytes beyond the 9 of the file \
             [bad-values (3)]",
        ),
        (
            |e| {
                let Element::Template(_, usim) = &mut e[4] else { panic!() };
                usim.files.remove(2);
            },
            "element 4 (usim), ef-arr/fileDescriptor: neither the template nor the package gives the length \
             of a record [bad-values (3)]",
        ),
        (
            |e| drop(e.remove(3)),
            "element 1 (mf), mf/pinStatusTemplateDO: it lists code 01, which no element defines for it \
             [pin-code-missing (11)]",
        ),
        (|e| drop(e.remove(2)), "element 2 (pinCodes): PIN 1 names PUK 1, which no element defines"),
        (
            |e| e.insert(4, templated("opt-usim", 9, vec![])),
            "element 4 (opt-usim): opt-usim belongs behind the element that makes a USIM [invalid-parameter (6)]",
        ),
        (
            |e| e.insert(5, templated("telecom", 4, vec![])),
            "element 5 (telecom): identification 4 is that of element 4 (usim), too",
        ),
        (
            |e| {
                let directory = ("df-telecom", File::default());
                e.insert(5, templated("telecom", 9, vec![directory, ("ef-img", File::default())]));
            },
            "element 5 (telecom), ef-img: ef-img is in df-graphics, which is not made",
        ),
        (
            |e| e.insert(5, templated("telecom", 9, vec![("df-graphics", File::default())])),
            "element 5 (telecom), df-telecom: it is missing; the other files are in it",
        ),
        (
            |e| {
                let directory = Fcp { file_descriptor: Some(vec![0x78, 0x21]), ..Fcp::default() };
                let Element::Template(_, usim) = &mut e[4] else { panic!() };
                usim.files[1].1 = fcp(directory);
            },
            "element 4 (usim), ef-imsi/fileDescriptor: the template has a directory where this is a file",
        ),
        (
            |e| e.insert(5, generic(9, vec![link(0x6f01, 0x6f02), link(0x6f02, 0x6f01)])),
            "element 5 (genericFileManagement), file/linkPath: 6f02 is a link that leads back to links",
        ),
        (
            |e| {
                let huge = Fcp { file_size: Some(vec![0xff; 4]), ..transparent(0x6f01, 1) };
                e.insert(5, generic(9, vec![create(huge)]));
            },
            "element 5 (genericFileManagement), fileManagementCMD/[0]/[0]/createFCP: 4294445310 bytes more than",
        ),
        (
            |e| {
                let descriptor = Some(vec![0x79, 0x21]);
                let huge = Fcp {
                    file_descriptor: descriptor,
                    file_size: Some(vec![0xff; 4]),
                    ..transparent(0x6f01, 1)
                };
                e.insert(5, generic(9, vec![create(huge)]));
            },
            "element 5 (genericFileManagement), fileManagementCMD/[0]/[0]/createFCP: 4294445310 bytes more than",
        ),
        (
            |e| {
                let link = Fcp { link_path: Some(vec![0x7f, 0x99]), ..Fcp::default() };
                let Element::Template(_, usim) = &mut e[4] else { panic!() };
                usim.files.push(("ef-sms", fcp(link)));
            },
            "element 4 (usim), ef-sms/linkPath: there is no file 7f99",
        ),
        (
            |e| e.insert(5, generic(9, vec![create(transparent(0x2fe2, 1))])),
            "element 5 (genericFileManagement), fileManagementCMD/[0]/[0]/createFCP: there is a file 2fe2 in \
             this directory already",
        ),
        (
            |e| e.insert(5, generic(9, vec![FileCommand::Content(vec![1])])),
            "element 5 (genericFileManagement), fileManagementCMD/[0]/[0]/fillFileContent: no file is selected",
        ),
    ];
    for (change, expected) in cases {
        let mut elements = small();
        change(&mut elements);
        let error = Package { elements }.image().unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}\nexpected: {expected}");
    }
    let error = Package::decode(&[]).unwrap_err();
    assert_eq!(error.to_string(), "element 0 (header): the package is empty [invalid-request-format (5)]");
}

#[test]
fn an_element_that_is_not_known_is_left_out_unless_it_is_mandated() {
    let unknown = |mandated: &str| {
        let header = Package { elements: small()[..1].to_vec() }.encode();
        let bytes = [header, hex::decode(format!("bf2a{mandated}")).unwrap()].concat();
        Package::decode(&bytes).unwrap().elements.remove(1)
    };
    let mut elements = small();
    elements.insert(5, unknown("05a003810107"));
    let image = Package { elements: elements.clone() }.image().unwrap();
    assert_eq!(image.left_out[0].identification, Some(7));
    assert_eq!(image.left_out[0].status, PeStatusCode::PE_NOT_SUPPORTED);
    elements[5] = unknown("07a0058000810107");
    let error = Package { elements }.image().unwrap_err();
    assert_eq!((error.element.index, error.status), (5, PeStatusCode::PE_NOT_SUPPORTED));
}

#[test]
fn a_fault_of_the_encoding_names_field_and_offset() {
    // The template identifier of the MF has no arcs.
    let mut bytes = SUCI.to_vec();
    let at = bytes.windows(2).position(|pair| pair == [0x8b, 0x03]).unwrap();
    bytes[at + 1] = 0x04;
    let error = Package::decode(&bytes).unwrap_err();
    assert_eq!(error.element, ElementRef { index: 1, name: "mf" });
    assert!(error.path.starts_with("mf/fileDescriptor"), "{error}");
    assert!(error.offset.is_some_and(|offset| offset > 0));
    assert_eq!(error.identification, Some(4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_package_is_refused_or_written_back_and_nothing_panics(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let mut bytes = PLAIN.to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(package) = Package::decode(&bytes) {
            prop_assert!(package.encode() == bytes);
            if let Ok(image) = package.image() {
                prop_assert!(image.files.iter().enumerate().all(|(at, file)| file.parent <= at));
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_package_has_its_place(bytes in prop_oneof![
        bent(SUCI.to_vec()),
        bent(Package { elements: small() }.encode()),
    ]) {
        let error = match Package::decode(&bytes) {
            Ok(package) => {
                prop_assert!(package.encode() == bytes);
                match package.image() {
                    Ok(image) => {
                        let has_parent = image.files.iter().enumerate().all(|(at, file)| file.parent <= at);
                        prop_assert!(has_parent && image.files.len() <= bytes.len());
                        return Ok(());
                    }
                    Err(error) => {
                        prop_assert!(error.element.index < package.elements.len().max(1), "{error}");
                        error
                    }
                }
            }
            Err(error) => error,
        };
        prop_assert!(!error.cause.is_empty() && !error.element.name.is_empty(), "{error:?}");
        prop_assert!(error.offset.is_none_or(|offset| offset as usize <= bytes.len()), "{error:?}");
    }
}
