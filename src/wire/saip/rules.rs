//! The order of elements in a package (TCA profile interoperability clause 7.1), and how often each may stand in it.

use super::der::Fault;
use super::element::{Element, Package};
use super::error::ElementRef;
use super::error::{PackageError, PeStatusCode};
use super::image::{AkaAlgorithm, FileKind, Image};
use super::template;

/// Elements that may stand only once.
const ONCE: &[&str] = &["header", "mf", "cd", "telecom", "pukCodes", "end"];

/// Elements that make files or keys, or bring applications: they need an MF before them.
const NEEDS_MF: &[&str] = &[
    "cd",
    "telecom",
    "usim",
    "isim",
    "csim",
    "pinCodes",
    "pukCodes",
    "securityDomain",
    "application",
    "rfm",
];

/// Checks the order.
pub(super) fn order(package: &Package) -> Result<(), PackageError> {
    let refuse = |place: ElementRef, cause: String| {
        Err(package.refuse(place, Fault::new(PeStatusCode::INVALID_REQUEST_FORMAT, cause)))
    };
    let last = package.elements.len().saturating_sub(1);
    let mut seen: Vec<&str> = Vec::new();
    let mut identifications: Vec<(u16, ElementRef)> = Vec::new();
    for (place, element) in package.numbered() {
        let name = element.name();
        match (place.index, element) {
            (0, Element::Header(_)) => {}
            (0, _) => return refuse(place, "a package begins with its header".to_owned()),
            (index, Element::End(_)) if index < last => {
                return refuse(place, format!("{} elements stand behind the end", last - index));
            }
            _ => {}
        }
        if ONCE.contains(&name) && seen.contains(&name) {
            return refuse(place, "it stands in the package twice".to_owned());
        }
        let has_mf = seen.iter().any(|other| matches!(*other, "mf" | "genericFileManagement"));
        if NEEDS_MF.contains(&name) && !has_mf {
            return refuse(place, "it stands before the element that makes the MF".to_owned());
        }
        if let Some(head) = element.head() {
            let same = identifications.iter().find(|(number, _)| *number == head.identification);
            if let Some((number, other)) = same {
                return refuse(place, format!("identification {number} is that of {other}, too"));
            }
            identifications.push((head.identification, place));
        }
        seen.push(name);
    }
    match package.numbered().last() {
        Some((_, Element::End(_))) => Ok(()),
        Some((place, _)) => {
            refuse(place, "the package is cut off: its last element has to be `end`".to_owned())
        }
        None => Ok(()),
    }
}

/// What a card would take, and somebody should know all the same. `image` is that of `package`.
pub fn remarks(package: &Package, image: &Image) -> Vec<String> {
    let mut remarks = Vec::new();
    let Some(header) = package.header() else { return remarks };
    if header.iccid.map(|byte| byte.rotate_left(4)) != image.iccid {
        remarks.push("the header has another ICCID than EF.ICCID".to_owned());
    }
    for (place, element) in package.numbered() {
        let Element::Template(_, files) = element else { continue };
        let known = template::find(&files.template).is_some();
        if known && !header.mandatory_templates.contains(&files.template) {
            remarks.push(format!("{place}: the header does not list template {}", files.template));
        }
    }
    for (service, algorithm) in [
        ("milenage", AkaAlgorithm::Milenage),
        ("tuak128", AkaAlgorithm::Tuak),
        ("tuak256", AkaAlgorithm::Tuak),
        ("usim-test-algorithm", AkaAlgorithm::Test),
    ] {
        let used = image.subscriptions.iter().any(|subscription| subscription.algorithm == algorithm);
        if header.mandatory_services.contains(service) && !used {
            remarks.push(format!("the header asks for {service}, which no keys are for"));
        }
    }
    let without_rule = |place: usize| rule(image, place).is_none();
    let lacking: Vec<usize> = (0..image.files.len()).filter(|place| without_rule(*place)).collect();
    if let Some(first) = lacking.first() {
        let file = &image.files[*first];
        let [a, b, record] = file.security;
        remarks.push(format!(
            "{} files have no access rule: {} ({}) names record {record} of {a:02x}{b:02x}, which is not there",
            lacking.len(),
            file.name,
            path(image, *first),
        ));
    }
    remarks
}

fn path(image: &Image, place: usize) -> String {
    let path: Vec<String> = image.path(place).iter().map(|id| format!("{id:04X}")).collect();
    path.join("/")
}

/// The record of EF.ARR that says who may do what with the file at `place`: in the directory itself or the nearest
/// one above that has an EF.ARR of that identifier (ETSI TS 102 221 clause 9.2.7).
fn rule(image: &Image, place: usize) -> Option<&[u8]> {
    let [a, b, record] = image.files[place].security;
    let mut directory = match image.files[place].kind {
        FileKind::Directory { .. } => place,
        _ => image.files[place].parent,
    };
    loop {
        if let Some(arr) = image.child(directory, u16::from_be_bytes([a, b])) {
            let arr = &image.files[arr];
            let FileKind::LinearFixed { record: length, .. } = arr.kind else { return None };
            return arr.content.chunks(length).nth(usize::from(record).checked_sub(1)?);
        }
        if directory == 0 {
            return None;
        }
        directory = image.files[directory].parent;
    }
}
