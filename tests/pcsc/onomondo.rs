//! onomondo-ipa, an IPA of SGP.32 v1.0 by third parties, makes the eUICC that `cellbed card serve --euicc` puts into a
//! reader ready: told of the eIM of `cellbed esim serve`, it downloads through it, enables and lists.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use cellbed::wire::rsp::iot::{AddInitialEim, EimConfigurationData};

use super::lab::Lab;
use crate::support::{from_variable, need};

const CARD: &str = "sim-profiles/bootstrap.toml";

/// The program, where `ONOMONDO_IPA` names it.
fn program(unproved: &str) -> Option<PathBuf> {
    need("onomondo-ipa", unproved, from_variable("ONOMONDO_IPA"))
}

/// Runs it, with its memory in the lab's folder. It polls without an end where a download fails again and again, so
/// that it is given 20 seconds.
fn ipa(lab: &Lab, program: &PathBuf, args: &[&str]) -> Output {
    let state = lab.path().join("nvstate.bin");
    let mut command = lab.command("timeout");
    command.arg("20").arg(program).args(["-r", "0", "-y", "0", "-n", state.to_str().unwrap()]).args(args);
    command.output().unwrap()
}

#[test]
fn onomondo_ipa_makes_the_euicc_ready() {
    let unproved = "an IPA of others makes the eUICC ready";
    let Some(program) = program(unproved) else { return };
    let Some(lab) = Lab::start(unproved) else { return };
    let path = |name: &str| lab.path().join(name).to_str().unwrap().to_owned();
    let (pki, root, config, add) = (path("pki"), path("root.pem"), path("eim.der"), path("add.der"));
    // A hierarchy of its own: its eUICCs know no eIM yet.
    let made = lab.cellbed(&["pki", "new", &pki]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let server = lab.serve_profiles(&[
        "--pki",
        &pki,
        "--root",
        &root,
        "--eim-config",
        &config,
        "--order",
        "sim-profiles/lte-test.toml:TOKEN-1",
        "--eim-download",
        "TOKEN-1",
    ]);
    server.wait_for("LPA:1$");
    let card = lab.serve_card(CARD, &["--euicc", "--no-iot-info", "--trace", "--pki", &pki]);

    let eim = EimConfigurationData::parse(&fs::read(&config).unwrap()).unwrap();
    fs::write(&add, AddInitialEim(vec![eim]).to_bytes()).unwrap();
    let told = ipa(&lab, &program, &["-f", &add]);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    card.wait_for("eim-added");

    let polled = ipa(&lab, &program, &["-C", &root]);
    let said = String::from_utf8_lossy(&polled.stderr);
    assert!(polled.status.success(), "{said}");
    for line in [
        "ESipa.ProvideEimPackageResult EID 89049032700000000000000000000062: the eUICC's data",
        "ESipa.GetBoundProfilePackage a bound profile package",
        "the profile is installed",
        "ESipa.ProvideEimPackageResult EID 89049032700000000000000000000062: enable: ok",
        "ESipa.ProvideEimPackageResult EID 89049032700000000000000000000062: listProfileInfo: 2 profiles",
        "ESipa.GetEimPackage          EID 89049032700000000000000000000062: nothing to do",
    ] {
        server.wait_for(line);
    }
    for event in ["profile-installed", "profile-enabled", "package-executed: listProfileInfo"] {
        card.wait_for(event);
    }
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(card.terminate(), Some(0));
}
