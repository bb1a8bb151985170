//! `PEDefinitions` of the eUICC profile package.

use cellbed::wire::saip::Package;

use crate::python::Python;
use crate::vectors;

const FILE: &str = "saip.txt";

/// A header, which every package begins with.
const HEADER: &str = "a01f800101810101830a112233445566778899aaa500a609060767811201020100";

fn again(kind: &str, der: &[u8]) -> Option<Result<Vec<u8>, String>> {
    let element = || {
        let header = if der.starts_with(&[0xa0]) { Vec::new() } else { hex::decode(HEADER).unwrap() };
        let package = Package::decode(&[&header, der].concat()).map_err(|error| error.to_string())?;
        Ok(package.encode().split_off(header.len()))
    };
    (kind == "ProfileElement").then(element)
}

/// What is not kept or refused on purpose.
const KEPT_OUT: &[(&str, &str, &str)] = &[
    (
        "ProfileElement",
        "genericFileManagement fileManagementCMD createFCP efFileSize 0",
        "a size has 1 to 4 bytes",
    ),
    (
        "ProfileElement",
        "genericFileManagement fileManagementCMD createFCP proprietaryEFInfo maximumFileSize 0",
        "a size has 1 to 4 bytes",
    ),
];

#[test]
fn what_an_independent_encoder_writes_of_profile_elements_is_read_and_written_alike() {
    vectors::are_read_and_written_alike(FILE, again, KEPT_OUT);
}

#[test]
fn the_vectors_of_profile_elements_are_those_of_the_independent_encoder() {
    let unproved = "the vectors of profile elements are what an independent encoder makes today";
    if let Some(python) = Python::find(unproved) {
        vectors::are_those_of(&python, FILE, "PEDefinitions", &["ProfileElement"]);
    }
}
