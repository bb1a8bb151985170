//! The order of elements in a package (TCA profile interoperability clause 7.1), and how often each may stand in it.

use super::der::Fault;
use super::element::{Element, Package};
use super::error::{PackageError, PeStatusCode};
use super::image::ElementRef;

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
