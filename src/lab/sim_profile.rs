//! SIM profiles as files of the lab: read with the diagnostics that scenarios have.

use super::FileKind;
use super::diagnostic::Diagnostic;
use super::document::Document;
use crate::card::{CardError, SimProfile};

/// Reads a SIM profile out of `source`, the content of the file called `name`. All problems that can be told apart are named
/// at once, with their places.
///
/// # Errors
/// The problems, in the order of the file. No digit of a key or code is in what they draw.
pub fn read(source: &str, name: &str) -> Result<SimProfile, Vec<Diagnostic>> {
    let mut document = Document::parse(source, name);
    document.expect_kind(FileKind::SimProfile)?;
    let profile = document.read::<SimProfile>();
    match profile.as_ref().map(|profile| profile.personalise(0)) {
        Some(Err(error @ CardError::ForeignImsi { .. })) => {
            let span = document.root().key("imsi").span();
            let help =
                "the IMSI begins with the digits of `plmn`: MCC and MNC (TS 23.003 clause 2.2)".to_owned();
            document.problem(span, error.to_string(), "of another network", Some(help));
        }
        Some(Err(error)) => document.problem(0..0, error.to_string(), "this profile", None),
        Some(Ok(_)) | None => {}
    }
    document.finish(profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = include_str!("../../sim-profiles/lte-test.toml");

    fn told(source: &str) -> String {
        read(source, "x.toml").unwrap_err().iter().map(|problem| problem.render(false, 100)).collect()
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_stands() {
        let told = told(&PROFILE.replace("imsi = \"001010000000001\"", "imsi = \"to be decided\""));
        assert!(told.contains("IMSI takes decimal digits only, found 't'"), "{told}");
        assert!(told.contains("x.toml:7:") && told.contains("imsi = \"to be decided\""), "{told}");
    }

    #[test]
    fn an_identity_of_another_network_is_found_when_the_file_is_read() {
        let told = told(&PROFILE.replace("plmn = \"001-01\"", "plmn = \"310-410\""));
        assert!(told.contains("310-410") && told.contains("of another network"), "{told}");
    }

    #[test]
    fn several_problems_are_named_at_once() {
        let told = told(&PROFILE.replace("apn =", "apm =").replace("[pin]", "[pin]\ncolour = 1"));
        assert!(told.contains("did you mean `apn`?") && told.contains("unknown key `colour`"), "{told}");
    }

    #[test]
    fn no_digit_of_a_key_is_drawn() {
        let key = "465b5ce8b199b49faa5f0a2ee238a6bc";
        let short = told(&PROFILE.replace(key, &key[..31]));
        assert!(short.contains("32 hexadecimal digits are expected: found 31"), "{short}");
        let unquoted = told(&PROFILE.replace(&format!("\"{key}\""), key));
        for told in [short, unquoted, told(&PROFILE.replace("88888888", "adm code"))] {
            assert!(!told.contains("465b5") && !told.contains("adm code"), "{told}");
        }
    }

    #[test]
    fn a_file_of_another_kind_is_told_apart() {
        let told = told("summary = \"x\"\n[[device]]\nprofile = \"lte-test\"\n");
        assert!(told.contains("this is a scenario, where a SIM profile is wanted"), "{told}");
    }
}
