//! The card tools as a user meets them: on a virtual card, by their exit codes and messages.
#![allow(clippy::disallowed_methods, reason = "a test starts the program")]

mod support;

const PROFILE: &str = "sim-profiles/lte-test.toml";

/// Runs `cellbed card`: see [`support::ended`].
fn ended(code: i32, arguments: &[&str]) -> String {
    support::ended(env!("CARGO_BIN_EXE_cellbed"), code, &[&["card"], arguments].concat())
}

#[test]
fn a_virtual_card_tells_about_itself() {
    let text = ended(0, &["info", "--virtual", PROFILE]);
    assert!(text.contains("00101**********") && !text.contains("001010000000001"), "{text}");
    let text = ended(0, &["dump", "--virtual", PROFILE, "--json", "--show-identifiers"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let files = json["files"].as_array().unwrap();
    let imsi = files.iter().find(|file| file["path"] == "MF/ADF.USIM/EF.IMSI").unwrap();
    assert_eq!(imsi["content"], "080910100000000010");
    let keys = files.iter().find(|file| file["path"] == "MF/ADF.USIM/EF.Keys").unwrap();
    assert_eq!(keys["withheld"], "keys");
}

#[test]
fn a_challenge_that_fails_is_a_finding() {
    let forged = "00000000000000000000000000000000";
    let text = ended(100, &["auth", "--virtual", PROFILE, "--rand", forged, "--autn", forged]);
    assert!(text.contains("MAC failure") && text.contains("separation bit"), "{text}");
    let text = ended(96, &["auth", "--virtual", PROFILE, "--rand", "00", "--autn", forged]);
    assert!(text.contains("32 hexadecimal digits"), "{text}");
}

#[test]
fn the_applet_of_a_virtual_card_works() {
    let text = ended(0, &["iot-safe", "--virtual", PROFILE, "--write"]);
    assert!(text.contains(" 0 failed"), "{text}");
}

#[test]
fn a_wrong_key_writes_nothing() {
    let arguments = ["program", PROFILE, "--virtual", PROFILE, "--index", "3"];
    let with = |more: &[&'static str]| [&arguments[..], more].concat();
    assert!(ended(0, &with(&["--dry-run"])).contains("nothing was written"));
    assert!(ended(0, &with(&["--adm", "88888888"])).contains("written and read back"));
    let text = ended(96, &with(&["--adm", "12345678"]));
    assert!(text.contains("ADM1 is wrong; 2 tries left"), "{text}");
    assert!(!text.contains("12345678"), "{text}");
    assert!(ended(96, &with(&[])).contains("--adm"));
}

#[test]
fn a_card_of_a_table_is_written_with_its_own_administrative_key() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let table = "iccid,imsi,acc,pin1,puk1,adm1,ki,opc\n\
                 8988211000000900004,001010000900001,0002,0000,12345678,TESTADM1,465b5ce8b199b49faa5f0a2ee238a6bc,\
                 cd63cb71954a9f4e48a5994e37a02baf\n";
    std::fs::write(place("cards.csv"), table).unwrap();
    // The card in the reader has the administrative key of the table.
    let text = std::fs::read_to_string(PROFILE).unwrap();
    std::fs::write(place("card.toml"), text.replace("adm1 = \"88888888\"", "adm1 = \"TESTADM1\"")).unwrap();
    let (cards, card) = (place("cards.csv"), place("card.toml"));
    let program = ["program", PROFILE, "--virtual", &card, "--table", &cards, "--card"];
    let text = ended(0, &[&program[..], &["8988211000000900004"]].concat());
    assert!(text.contains("written and read back") && !text.contains("TESTADM1"), "{text}");
    let text = ended(96, &[&program[..], &["8988211000000900012"]].concat());
    assert!(text.contains("cards.csv has no card"), "{text}");
    // A profile may name a table: then its cards are those of home network and readers.
    let text = std::fs::read_to_string(PROFILE).unwrap();
    std::fs::write(place("tabled.toml"), text.replace("apn =", "cards = \"cards.csv\"\napn =")).unwrap();
    let text = ended(0, &["info", "--virtual", &place("tabled.toml"), "--show-identifiers"]);
    assert!(text.contains("8988211000000900004") && text.contains("001010000900001"), "{text}");
}

#[test]
fn a_packet_over_the_air_has_a_key_made() {
    let ota = ["ota", "--virtual", PROFILE, "--counter", "1"];
    let with = |more: &[&'static str]| [&ota[..], more].concat();
    let text = ended(0, &with(&["--tar", "495341", "--script", "aa0b220980b900000384010100"]));
    assert!(
        text.contains("answer        00 (done), in the report") && text.contains("84010185010134"),
        "{text}"
    );
    // What has no meaning is refused.
    let text = ended(96, &with(&["--list-applications", "--show-keys"]));
    assert!(text.contains("--show-keys"), "{text}");
    // Less security than the applet wants is a finding, and a profile without keys a wrong set-up.
    let text = ended(100, &with(&["--tar", "495341", "--spi", "1219", "--script", "80b9000003840101"]));
    assert!(text.contains("0A (the application wants more security)"), "{text}");
    let text = ended(
        96,
        &["ota", "--virtual", "sim-profiles/bootstrap.toml", "--counter", "1", "--list-applications"],
    );
    assert!(text.contains("bootstrap.toml has no [ota] table"), "{text}");
}

#[test]
fn what_cannot_be_reached_is_said() {
    assert!(ended(96, &["info", "--virtual", "no-such-profile.toml"]).contains("no-such-profile.toml"));
    assert!(ended(96, &["info", "--virtual", "Cargo.toml"]).contains("the file lacks `imsi`"));
    // Whatever this machine lacks, or has: no reader is called this.
    let text = ended(96, &["info", "--reader", "no such reader"]);
    assert!(text.starts_with("error: "), "{text}");
}
