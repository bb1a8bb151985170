//! Whole packages on the card: those of GSMA TS.48, and the one that describes a personalised card.

use super::*;
use crate::card::package;
use crate::wire::saip::Package;

const TS_48: [&[u8]; 2] = [
    include_bytes!("../../../../sim-profiles/ts48/ts48-v7.0-bertlv-suci.der"),
    include_bytes!("../../../../sim-profiles/ts48/ts48-v7.0-nobertlv-noramrfm.der"),
];

#[test]
fn the_test_profiles_of_the_gsma_are_installed() {
    for bytes in TS_48 {
        let image = Package::decode(bytes).unwrap().image().unwrap();
        let card = &mut card_of(&image);
        // EF.ICCID is what the profile says of itself.
        assert_eq!(send(card, "00a4080c022fe2"), "9000");
        assert_eq!(send(card, "00b000000a"), format!("{}9000", hex::encode(image.iccid)));
        let adf = select(card, "a0000000871002");
        assert!(adf.contains("83027fff") && adf.contains("a0000000871002") && adf.contains("c6"), "{adf}");
        assert_eq!(send(card, "00a4000c026f07"), "9000");
        let imsi = send(card, "00b0000009");
        assert!(imsi.starts_with("08") && imsi.ends_with("9000"), "{imsi}");
        // Access rules of the package: the IMSI is the administrator's to write.
        assert_eq!(send(card, "00d6000001 08"), "6982", "{imsi}");
        // The test algorithm, with the key of the specification.
        let xdout: Vec<u8> = (0..16).map(|k: u8| k ^ 0x23).collect();
        let cdout = [0, 0, 0, 0, 0, 0x20, 0x80, 0];
        let part = |from: usize, to: usize| {
            hex::encode(xdout[from..to].iter().zip(cdout).map(|(x, c)| x ^ c).collect::<Vec<u8>>())
        };
        let command = format!("0088008122 10{} 10{}8000{}", "23".repeat(16), part(3, 9), part(0, 8));
        assert_eq!(response(card, &command)[..36], format!("db10{}", hex::encode(&xdout)));
    }
}

#[test]
fn a_package_makes_the_card_that_it_describes() {
    let text = include_str!("../../../../sim-profiles/lte-test.toml");
    let p = SimProfile::parse(text).unwrap().personalise(0).unwrap();
    let image = Package::decode(&package(&p).encode()).unwrap().image().unwrap();
    let (made, personalised) = (&mut card_of(&image), &mut card());
    let mut same = |command: &str| {
        let answers = (response(made, command), response(personalised, command));
        assert_eq!(answers.0, answers.1, "{command}");
        answers.0
    };
    // Every file that a directory of the personalised card shows, with its content as far as it may be read.
    for directory in ["3f00", "7f10", "7f20", SELECT_USIM, "5fc0", "00a4040407a0000000871004"] {
        match directory.len() {
            4 => same(&format!("00a4000c02{directory}")),
            _ => same(&directory.replace("00a40404", "00a4040c")),
        };
        let files = (0x2f00..0x3000).chain(0x4f00..0x4f10).chain(0x6f00..0x7000);
        for id in files.filter(|id| *id != 0x2f06 && *id != 0x6f06) {
            if same(&format!("00a4000c02{id:04x}")) == "9000" {
                for read in ["00b0000000", "00b2010400"] {
                    let length = same(read);
                    if let Some(length) = length.strip_prefix("6c") {
                        same(&format!("{}{length}", &read[..8]));
                    }
                }
            }
        }
    }
    same_sim(&mut same);
    same("00a4040c07a0000000871002");
    assert!(same(&format!("0088008122{}", challenge(64))).starts_with("db08"));
    assert!(same(&format!("0088008122{}", challenge(64))).starts_with("dc0e"));
    same("00200001");
    same("0020008108 30303030ffffffff");
    same("0020000a08 3838383838383838");
    same("00a4040c07a0000005590010");
    same("00cb010000");
}

/// What class A0 shows of the package: directories, files with their conditions, codes and keys.
fn same_sim(same: &mut dyn FnMut(&str) -> String) {
    for directory in ["3f00", "7f10", "7f20"] {
        let mut found = 0;
        for id in (0x2f00..0x3000).chain(0x6f00..0x7000) {
            same(&format!("a0a4000002{directory}"));
            same("a0f2000016");
            let header = same(&format!("a0a4000002{id:04x}"));
            if header == "9404" {
                continue;
            }
            found += 1;
            same(&format!("a0c00000{}", &header[2..]));
            // The package has its rules in another order.
            if !matches!(id, 0x2f06 | 0x6f06) {
                same("a0b0000001");
                same("a0b2010401");
            }
        }
        assert!(found > 3, "{directory} has {found} files");
    }
    same("a0a40000027f20");
    same("a0a40000026f39");
    // CHV2 is local to the USIM.
    same("a020000208 39393939ffffffff");
    assert!(same("a0f2000016").ends_with("838a828a9000"));
    same("a020000208 30303030ffffffff");
    assert_eq!(same("a0dc000303 000007"), "9000");
    same("a032000003 000001");
    assert_eq!(same(&format!("a088000010{}", "23".repeat(16))), "9f0c");
    assert!(same("a0c000000c").ends_with("9000"));
}

#[test]
fn a_profile_without_df_gsm_is_a_sim_without_its_application() {
    for bytes in TS_48 {
        let card = &mut card_of(&Package::decode(bytes).unwrap().image().unwrap());
        assert_eq!(send(card, "a0a40000023f00"), "9f16");
        assert_eq!(send(card, "a0a40000027f20"), "9404");
        assert_eq!(send(card, &format!("a088000010{}", "23".repeat(16))), "9408");
        assert_eq!(send(card, "a0a40000022fe2"), "9f0f");
        assert!(send(card, "a0b000000a").ends_with("9000"));
    }
}
