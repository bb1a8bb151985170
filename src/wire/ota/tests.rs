//! Vectors of other implementations, and properties.
//!
//! The commands of [`FRESH`] were made with pySim's `pySim.ota` under the keys that stand beside them, and the responses
//! by a second implementation and read with pySim.

mod carried;

use proptest::prelude::*;

use super::*;
use crate::support::bent::bent;

fn octets(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(' ', "")).unwrap()
}

/// A key set of 16 octets and more, of AES or of triple DES.
fn set(aes: bool, version: u8, kic: &str, kid: &str, checksum: usize) -> KeySet {
    let key = |hex: &str| if aes { Key::aes(&octets(hex)) } else { Key::triple_des(&octets(hex)) }.unwrap();
    KeySet::new(version, key(kic), key(kid), checksum).unwrap()
}

/// Whether they are of AES, version, KIC and KID.
pub(crate) type Keys = (bool, u8, &'static str, &'static str);
/// SPI, TAR, counter, script and the command packet.
pub(crate) type Sent = (&'static str, &'static str, u64, &'static str, &'static str);
/// Status, what the script gave, and the response packet behind its header.
pub(crate) type Given = (u8, &'static str, &'static str);

/// Exchanges.
#[rustfmt::skip]
pub(crate) const FRESH: [(&str, Keys, Sent, Given); 16] = [
    ("F1", (true, 2, "101112131415161718191a1b1c1d1e1f", "202122232425262728292a2b2c2d2e2f"),
        ("1619", "b00120", 0x1, "00a40004022fe200b000000a",
            "00281516192222b0012079fd6003c8e63e4fdc41c23034559942520b4e496bdc496f3df627a8e6a5e1ea"),
        (0, "02900098001032547698103254",
            "002412b00120df852b68bd95466bd8f719b56a6dfbeff2487a4252d21c05c04000e24546c9cc")),
    ("F2", (true, 2, "101112131415161718191a1b1c1d1e1f", "202122232425262728292a2b2c2d2e2f"),
        ("1639", "b00140", 0x102030405, "00a40004026f0700b0000009",
            "00281516392222b0014071c2bcd2e43b6f28e2262ba09828ad9307f925cff43617fbc5aeb1579b2334a2"),
        (0, "029000089910070000000010",
            "002412b001400bf3ed3e71f351f1725f470757795dcd7124f804645d754d6e809cdd6a03258e")),
    ("F3", (false, 1, "303132333435363738393a3b3c3d3e3f", "404142434445464748494a4b4c4d4e4f"),
        ("1e19", "b00120", 0x2, "00a40004022fe200b000000a",
            "0028151e191515b001204bddc4b3d2a312c2e1c2fbf7a1283d0f69222fe39317a96c5e5efd183412a8dc"),
        (0, "02900098001032547698103254",
            "002412b001201dc68c7655779157b6312ce7295e4f75bfe25a1531bcda389b26cda3300c3fbc")),
    ("F4", (true, 3, "5050505050505050505050505050505051515151515151515151515151515151", "6060606060606060606060606060606061616161616161616161616161616161"),
        ("0619", "b00120", 0x0, "00a40004023f00",
            "00281506193232b00120d560597997f9ec8e09fe7cb0db17737c1b9fbad5738dff9ca3861f9c6f689fd8"),
        (0, "019000",
            "002412b0012091536f3e4b8982b5b32fd60518a6a45ae2c2fe16aa6b0e44776caae517f44926")),
    ("F5", (true, 2, "101112131415161718191a1b1c1d1e1f", "202122232425262728292a2b2c2d2e2f"),
        ("1619", "495341", 0x5, "aa0b220980b900000384010100",
            "002815161922224953411e57d0a6482accb7973070fc13732218f2ffa664983f4595f01ce7f17838374a"),
        (0, "ab54800101234f84010185010134454943864104000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f9000",
            "0074124953416d58770f967c7b25f73982758fc7c3a5ba4bd03c636d193d0033f1cbb4fa2562631a7dfaf16a2d34b417f8900569d661deb4ac010eff4ccbf5bded2b350d97957cdb47d32a8af2a571341dbe65d80a8de58e30ff1716a593ce42f196549066643e5598b9be65ad37118eef05dde133b1")),
    ("F6", (true, 2, "101112131415161718191a1b1c1d1e1f", "202122232425262728292a2b2c2d2e2f"),
        ("1619", "495341", 0x6, "aa0b220980cd00000385010100",
            "002815161922224953418aca18fc8c300ffc3cad5a1bdadfd1c7f4459c633a700b26ffa9e00c56d8ce0c"),
        (0, "ab4e800101234934454943864104000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f9000",
            "006412495341dd0fb2c140220a6a5d66358657c25041a25bb8ae083b469743eaad2194705eb17612e4356245fb92bad9ff17ad3a1bb96465dd83f80e5fbb0bd2ea6ad4e593e52c52d54cf2aa568e48448827defa0f4a352a80ede252a5f0b9bad7765ac761fa")),
    ("F7", (false, 1, "303132333435363738393a3b3c3d3e3f", "404142434445464748494a4b4c4d4e4f"),
        ("1619", "495341", 0x7, "aa16220980cd00000385010100220980cd00000385010900",
            "00301516191515495341bf83c62d4bfe14165e0698ea5bc34b9e389b9ba31be2f66e5dbfd9e552d6d33a53be81d867cab8f7"),
        (0, "ab52800102234934454943864104000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f900023026a88",
            "006c12495341d069b08538bd8e91ed8c6b034b8e2f2147f0b941a0bd831934419c1efb6dc89cae62845e74ff5b8a3b57950e2833447c47c40b92e47edd082d6be52308b1a45ae5e75672817a4c4d1e7800626ba53877f4fae47f183a6c9abe778f1928308e0fe9f7fb2d906ddb05")),
    ("F8", (true, 2, "101112131415161718191a1b1c1d1e1f", "202122232425262728292a2b2c2d2e2f"),
        ("1209", "b00120", 0x3, "00a40004023f00",
            "001d1512092222b0012000000000030047927c84aae25f9800a40004023f00"),
        (0, "019000",
            "001612b0012000000000030000736d013da198212e019000")),
    ("F9", (true, 2, "000102030405060708090a0b0c0d0e0f", "000102030405060708090a0b0c0d0e0f"),
        ("1619", "b00120", 0x1, "00a40004022fe200b000000a",
            "00281516192222b001203b4dc3fcff7d9663e76ce967bbbc774f1d5bf3e7f78604153ce695881f675e20"),
        (0, "02900098001032547698103254",
            "002412b00120606a3b40604b4a0289f161e9f4f15a8e1934247ca1785d6180fe2157eee8221f")),
    ("F10", (false, 1, "000102030405060708090a0b0c0d0e0f", "000102030405060708090a0b0c0d0e0f"),
        ("0201", "b00120", 0x0, "00a40004023f00",
            "001d1502011515b00120000000000000555876fddcf75e6500a40004023f00"),
        (0, "019000",
            "000e0ab0012000000000000000019000")),
    ("F11-long", (true, 2, "101112131415161718191a1b1c1d1e1f", "202122232425262728292a2b2c2d2e2f"),
        ("1639", "495341", 0xa, "aa16220980cd00000385010100220980cd00000385010100",
            "00381516392222495341832134da089aaead881cc9a377bfda198cc4c8a2c1ddffd08d4c3424b59bf0165791373f4dd7ae61cbf9f374318de29f"),
        (0, "ab8199800102234934454943864104000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f9000234934454943864104000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f9000",
            "00b412495341006e9805d01ff0af71e7fe391f51e68a8e5b7b5d6a569ea7db173771b7b53eb3cc235422b7f6e58bc2871c27a8d49b41635d9021fbd40707b2223fd56bf3fda1c98d5892f18f3c6e05bcda0844009816809aca68c4d9568dd2aec6e932e6342b1fa387763718f3233653d9d066db0808362241b834c1867286bd23851772d5d67f7bd64fc74a77d41c0b772d152b0e51101e9bdac4d4f50646ed5161b1ed992e6a4e92bd22978f0fd2d652bef329f63d")),
    ("E1-replay", (true, 2, "101112131415161718191a1b1c1d1e1f", "202122232425262728292a2b2c2d2e2f"),
        ("1619", "495341", 0x5, "aa0b220980b900000384010100",
            "002815161922224953411e57d0a6482accb7973070fc13732218f2ffa664983f4595f01ce7f17838374a"),
        (2, "",
            "00141249534102cfcc8eb80cba57ea5760d01a1223db")),
    ("E3-msl", (true, 2, "101112131415161718191a1b1c1d1e1f", "202122232425262728292a2b2c2d2e2f"),
        ("1219", "495341", 0x9, "aa0b220980b900000384010100",
            "00231512192222495341000000000900a815116d385920d8aa0b220980b900000384010100"),
        (10, "",
            "001412495341a83cf364a205a66a25a040ee7cf9f2f0")),
    ("E4-0b", (true, 2, "101112131415161718191a1b1c1d1e1f", "202122232425262728292a2b2c2d2e2f"),
        ("1619", "495341", 0xb, "aa0b220980b900000384010100",
            "0028151619222249534146bb87b37166091a94b4fd8d899e83656d7ff4c536880b7a8d069ca7c0ad53e5"),
        (11, "",
            "0014124953419208452a2899e133efcf0b96a124d22e")),
    ("E5-strict-gap", (false, 1, "303132333435363738393a3b3c3d3e3f", "404142434445464748494a4b4c4d4e4f"),
        ("1e19", "b00120", 0x9, "00a40004022fe200b000000a",
            "0028151e191515b001202180714c9314f9f4c89b8cd2a70083cebd06eec0e2edd914ffb6f9d35bd38f35"),
        (3, "",
            "001412b00120dfa4b1c548ab8bde59fb9bc982340c0d")),
    ("E6-blocked", (true, 2, "101112131415161718191a1b1c1d1e1f", "202122232425262728292a2b2c2d2e2f"),
        ("1619", "b00120", 0xffffffffff, "00a40004022fe200b000000a",
            "00281516192222b00120ca9f3ecb984e4e1efeecfe467849d499c0157de0339b86f9708fd72ff35515e6"),
        (4, "",
            "001412b00120e84a0ee269ce56b0e2f8abd10b4e9917")),
];

/// Published commands, with the octets of a checksum. Their origins: the tests of gsm0348 and of asterix' SecurePacket,
/// and pySim's tests and manual.
#[rustfmt::skip]
pub(crate) const PUBLISHED: [(&str, (Keys, usize), Sent); 12] = [
    ("gsm0348, AES-128", ((true, 1, "D382E547B32F46A981FB1789DE20C4ED",
            "67062EAE4534B19DFCE61464597DF320"), 8),
        ("1601", "B00010", 1, "000E0AB0001000000018180000049000",
            "00281516011212B0001069787DD434C3D1C892ED66A873E85842746A9A9BA085FA42312B9DE449720A15")),
    ("gsm0348, AES-192", ((true, 1, "D382E547B32F46A981FB1789DE20C4EDD382E547B32F46A9",
            "67062EAE4534B19DFCE61464597DF32067062EAE4534B19D"), 8),
        ("1601", "B00010", 1, "000E0AB0001000000018180000049000",
            "00281516011212B0001085B09A5F9A25A1EC3E7FF5A02FA73ABF59F38EB9E4052FDB4352C38E6550DB52")),
    ("gsm0348, AES-256", ((true, 1, "D382E547B32F46A981FB1789DE20C4EDD382E547B32F46A981FB1789DE20C4ED",
            "67062EAE4534B19DFCE61464597DF320D382E547B32F46A981FB1789DE20C4ED"), 8),
        ("1601", "B00010", 1, "000E0AB0001000000018180000049000",
            "00281516011212B00010C9F23D986CC63FA53638751A249266D1086952E9A0F7E5EF1910295919E68056")),
    ("gsm0348, AES-256, four octets", ((true, 1,
            "D382E547B32F46A981FB1789DE20C4EDD382E547B32F46A981FB1789DE20C4ED",
            "67062EAE4534B19DFCE61464597DF320D382E547B32F46A981FB1789DE20C4ED"), 4),
        ("1601", "B00010", 1, "000E0AB0001000000018180000049000",
            "00281116011212B00010B2E0C40CCAFEF52E45EDF0C612D4ECA0C477A70CF860A76D0F4798A1793635A5")),
    ("pySim, AES", ((true, 2, "200102030405060708090a0b0c0d0e0f",
            "201102030405060708090a0b0c0d0e0f"), 8),
        ("0619", "b00011", 0, "00a40004023f00",
            "00281506192222b00011e87cceebb2d93083011ce294f93fc4d8de80da1abae8c37ca3e72ec4432e5058")),
    ("pySim, triple DES", ((false, 3, "300102030405060708090a0b0c0d0e0f",
            "301102030405060708090a0b0c0d0e0f"), 8),
        ("0619", "b00011", 0, "00a40004023f00",
            "00201506193535b00011ae733256918d050b87c94fbfe12e4dc402f262c41cf67f2f")),
    ("pySim, manual", ((false, 1, "F09C43EE1A0391665CC9F05AF4E0BD10",
            "01981F4A20999F62AF99988007BAF6CA"), 8),
        ("1619", "b00010", 0x64, "a0a40000027f20a0c0000016",
            "00281516191515b000103a4f599e94f2b5dcfbbda984761b7977df6514c57a580fb4844787c436d2eade")),
    ("asterix, clear", ((false, 2, "2233445566778899AABBCCDDEEFF0011",
            "456789ABCDEF012356789ABCDEF01234"), 8),
        ("1201", "C00000", 1, "A0A40000023F00",
            "001D1512012525C000000000000001004FBDB3740E950C28A0A40000023F00")),
    ("asterix, ciphered", ((false, 2, "2233445566778899AABBCCDDEEFF0011",
            "456789ABCDEF012356789ABCDEF01234"), 8),
        ("1601", "C00000", 1, "A0A40000023F00",
            "00201516012525C0000090B844A4FAABEF7184998080D900A6F55A7AD667B45EA3A6")),
    ("asterix, three keys", ((false, 3, "0956F342366C6C92F32D5392ECB1CBD5C051DB484843F0EB",
            "9CD41F792BC38C08A5DF849B4118C71AEA4D8192207297C8"), 8),
        ("1601", "C20010", 6, "A0A40000023F00",
            "00201516013939C20010BC10EE50A5C581408562D8F2C80D2C9AA0AED19DA2CD7D50")),
    ("asterix, redundancy", ((false, 1, "263B48DBCBC1C21C0AA13E4D4516C446",
            "263B48DBCBC1C21C0AA13E4D4516C446"), 8),
        ("1535", "C00000", 0x76, "80CA00E00000C0000000",
            "00201115351515C000004D5C2C7F43D3E774316C66CE8E1D5045755BACEF5DC83203")),
    ("gsm0348, version 7", ((false, 7, "20422042204420442045204520462046",
            "2123456789ABCDEF100276FEDCBA0123"), 8),
        ("1601", "000000", 0x36f, "A0A40000027F20",
            "002015160175750000002B2D234931B581FC76BE70F3C5DD49F2967E9B2244A228C1")),
];

/// Answers to commands of [`PUBLISHED`]: which one, the SPI where another one was asked, the response packet of a real
/// card, and the beginning of what the script gave.
#[rustfmt::skip]
const ANSWERED: [(&str, &str, &str, &str); 6] = [
    ("pySim, AES", "0619",
        "002412b00011ebc6b497e2cad7aedf36ace0e3a29b38853f0fe9ccde81913be5702b73abce1f", "016132"),
    ("pySim, triple DES", "0619",
        "001c12b000118bb989492c632529326a2f4681feb37c825bc9021c9f6d0b", "016132"),
    ("pySim, triple DES", "0609", "001612b0001100000000000000b5bcd6353a421fae016132", "016132"),
    ("pySim, triple DES", "0601", "000e0ab0001100000000000000016132", "016132"),
    ("pySim, manual", "1619",
        "002c12b0001049fb0315f6c6401b553867f412cefaf9355b38271178edb342a3bc9cc7e670cdc1f45eea6ffcbb39", "029000"),
    ("asterix, redundancy", "1535",
        "002C0EC00000888B39C361C66D5F3DC4EFCEF508CC228021DD34E577B147E54EFF18B3922C9176644E2E8AA9A695",
        "019000E012C00401018210"),
];

fn command(keys: &KeySet, spi: &str, tar: &str, counter: u64, data: &str) -> Command {
    let spi = Spi(octets(spi).try_into().unwrap());
    let header = keys.header(spi, octets(tar).try_into().unwrap());
    Command { header, counter: Counter::new(counter).unwrap(), data: octets(data) }
}

fn both_ways(name: &str, command: &Command, keys: &KeySet, packet: &str) {
    assert_eq!(hex::encode(command.seal(Some(keys)).unwrap()), packet.to_lowercase(), "{name}");
    let bytes = octets(packet);
    let read = CommandPacket::read(&bytes).unwrap();
    assert_eq!(read.header(), command.header, "{name}");
    assert_eq!(read.open(Some(keys)).unwrap(), *command, "{name}");
}

#[test]
fn packets_of_a_second_implementation() {
    for (name, (aes, version, kic, kid), (spi, tar, counter, data, packet), (status, given, answer)) in FRESH
    {
        let keys = set(aes, version, kic, kid, 8);
        let command = command(&keys, spi, tar, counter, data);
        both_ways(name, &command, &keys, packet);
        let Header { tar, .. } = command.header;
        let response =
            Response { tar, counter: command.counter, status: Status(status), data: octets(given) };
        assert_eq!(hex::encode(response.seal(&command.header, Some(&keys)).unwrap()), answer, "{name}");
        let bytes = octets(answer);
        let read = ResponsePacket::read(&bytes).unwrap();
        assert_eq!(read.open(&command.header, command.counter, Some(&keys)).unwrap(), response, "{name}");
    }
}

#[test]
fn packets_that_were_published() {
    let row = |name: &str| {
        let &(name, ((aes, version, kic, kid), checksum), sent) =
            PUBLISHED.iter().find(|row| row.0 == name).unwrap();
        (name, set(aes, version, kic, kid, checksum), sent)
    };
    for (name, ..) in PUBLISHED {
        let (name, keys, (spi, tar, counter, data, packet)) = row(name);
        both_ways(name, &command(&keys, spi, tar, counter, data), &keys, packet);
    }
    for (name, spi, answer, given) in ANSWERED {
        let (name, keys, (_, tar, counter, data, _)) = row(name);
        let command = command(&keys, spi, tar, counter, data);
        let bytes = octets(answer);
        let response = ResponsePacket::read(&bytes).unwrap();
        let response = response.open(&command.header, command.counter, Some(&keys)).unwrap();
        assert_eq!(response.status, Status::OK);
        assert!(response.data.starts_with(&octets(given)), "{name}: {}", hex::encode(&response.data));
        assert_eq!(response.seal(&command.header, Some(&keys)).unwrap(), bytes, "{name}");
    }
    // A proof that a real card gave, published with gsm0348 without its command.
    let keys = set(false, 1, "AAADB5D0727D2BC91075D204FE41DA99", "26A54F5FC8E1538BF9C9655C18F10A5B", 8);
    let bytes = octets("001C12C00203F5909CB8B8F141FEC926024DCF0EB376D4CCFB92BB35177A");
    let header = keys.header(Spi::PROTECTED, [0xc0, 0x02, 0x03]);
    let response = ResponsePacket::read(&bytes).unwrap();
    let counter = Counter::new(0x42).unwrap();
    assert_eq!(response.open(&header, counter, Some(&keys)).unwrap().data, [0x11, 0x00]);
}

fn keys() -> KeySet {
    let (_, (aes, version, kic, kid), ..) = FRESH[0];
    set(aes, version, kic, kid, 8)
}

#[test]
fn what_does_not_fit_is_refused_and_says_why() {
    let keys = keys();
    let command = command(&keys, "1619", "495341", 5, "aa0b220980b900000384010100");
    let bytes = command.seal(Some(&keys)).unwrap();
    let open = |bytes: &[u8], keys: Option<&KeySet>| CommandPacket::read(bytes)?.open(keys);
    assert_eq!(open(&bytes, None), Err(OtaError::NoKeys { version: 2 }));
    assert_eq!(open(&bytes[..9], None), Err(OtaError::Length { announced: 40, found: 7 }));
    assert_eq!(open(&[0], None), Err(OtaError::Header { found: 1 }));
    assert_eq!(open(&[0, 1, 0x15], None), Err(OtaError::Header { found: 3 }));

    let other = KeySet::new(3, keys.kic().clone(), keys.kid().clone(), 8).unwrap();
    assert_eq!(open(&bytes, Some(&other)), Err(OtaError::NoKeys { version: 2 }));
    let des = set(false, 2, &"30".repeat(16), &"40".repeat(16), 8);
    let wrong = OtaError::Algorithm { field: "KIc", nibble: 2, expected: 5 };
    assert_eq!(open(&bytes, Some(&des)), Err(wrong));
    let short = KeySet::new(2, keys.kic().clone(), keys.kid().clone(), 4).unwrap();
    assert_eq!(open(&bytes, Some(&short)), Err(OtaError::HeaderLength { found: 0x15, expected: 0x11 }));
    let forged = KeySet::new(2, keys.kic().clone(), keys.kic().clone(), 8).unwrap();
    assert_eq!(open(&bytes, Some(&forged)), Err(OtaError::Checksum));

    let mut mixed = bytes.clone();
    mixed[6] = 0x32;
    assert_eq!(open(&mixed, Some(&keys)), Err(OtaError::Versions { kic: 2, kid: 3 }));
    let mut cut = bytes.clone();
    cut.truncate(bytes.len() - 1);
    cut[1] -= 1;
    assert_eq!(open(&cut, Some(&keys)), Err(OtaError::Blocks { octets: 31, block: 16 }));
    let signed = Header { spi: Spi([0x17, 0x19]), ..command.header };
    let signed = Command { header: signed, ..command.clone() }.seal(Some(&keys));
    assert!(matches!(signed, Err(OtaError::Unsupported { .. })));
    let long = Command { data: vec![0; 0x10000], ..command }.seal(Some(&keys));
    assert!(matches!(long, Err(OtaError::TooLong { octets: 0x10000, .. })));
}

#[test]
fn an_answer_belongs_to_its_command_only() {
    let keys = keys();
    let header = keys.header(Spi::PROTECTED, TAR_IOT_SAFE);
    let (five, six) = (Counter::new(5).unwrap(), Counter::new(6).unwrap());
    let response = Response { tar: TAR_IOT_SAFE, counter: five, status: Status::OK, data: vec![1, 2] };
    let bytes = response.seal(&header, Some(&keys)).unwrap();
    let open = |header: &Header, counter| ResponsePacket::read(&bytes)?.open(header, counter, Some(&keys));
    assert_eq!(open(&header, five), Ok(response));
    assert_eq!(open(&header, six), Err(OtaError::OtherCommand { found: 5, expected: 6 }));
    let other = keys.header(Spi::PROTECTED, [0xb0, 0x01, 0x20]);
    let expected = other.tar;
    assert_eq!(open(&other, five), Err(OtaError::OtherApplication { found: TAR_IOT_SAFE, expected }));

    // The clear answer of a card that takes replays for a security error, from pySim's manual.
    let clear = octets("000b0ab0001000000000000006");
    let read = ResponsePacket::read(&clear).unwrap();
    let told = read.unproved().unwrap();
    assert_eq!((told.status, told.seal_clear().unwrap()), (Status::SECURITY, clear.clone()));
    assert!(read.open(&header, Counter::default(), Some(&keys)).is_err(), "what is in clear proves nothing");
    assert_eq!(ResponsePacket::read(&bytes).unwrap().unproved(), None);
}

#[test]
fn a_security_level_is_met_part_by_part() {
    assert!(Spi([0x16, 0]).meets(0x16) && Spi([0x1e, 0]).meets(0x16) && Spi([0x16, 0]).meets(0x02));
    for weaker in [0x00, 0x06, 0x12, 0x15, 0x0e, 0x1a] {
        assert!(!Spi([weaker, 0]).meets(0x16), "{weaker:02x}");
    }
    assert_eq!(Spi([0x16, 0x39]).proof(), Proof::Always);
    assert!(Spi([0, 0x39]).proof_by_submit() && !Spi([0, 0x19]).proof_by_submit());
    let modes = [0x00, 0x08, 0x10, 0x18].map(|spi| Spi([spi, 0]).counter());
    assert_eq!(
        modes,
        [CounterMode::None, CounterMode::Unchecked, CounterMode::Higher, CounterMode::NextOnly]
    );
}

#[test]
fn keys_have_the_lengths_of_their_algorithm_and_are_never_shown() {
    assert_eq!(Key::aes(&[0; 8]), Err(KeyError::Aes { found: 8 }));
    assert_eq!(Key::triple_des(&[0; 8]), Err(KeyError::TripleDes { found: 8 }));
    let des = Key::triple_des(&[1; 24]).unwrap();
    assert_eq!(KeySet::new(0, des.clone(), des.clone(), 8), Err(KeyError::Version(0)));
    assert_eq!(KeySet::new(1, des.clone(), des.clone(), 4), Err(KeyError::Checksum { found: 4 }));
    let shown = format!("{:?}", KeySet::new(1, Key::aes(&[0xab; 16]).unwrap(), des, 8).unwrap());
    assert!(
        shown.contains("AES key of 128 bits") && !shown.contains("171") && !shown.contains("ab"),
        "{shown}"
    );
}

#[test]
fn counters_do_not_wrap() {
    let last = Counter::from_bytes([0xff; 5]);
    assert_eq!((last, last.next()), (Counter::BLOCKED, None));
    assert_eq!(Counter::new(1 << 40), None);
    assert_eq!(Counter::new(0x01_0203_0405).unwrap().to_bytes(), [1, 2, 3, 4, 5]);
    assert_eq!(tar_of_aid(&octets("A00000003053F12401770101495341")), Some(TAR_IOT_SAFE));
    assert_eq!(tar_of_aid(&octets("A0000005590010")), None);
}

proptest! {
    #[test]
    fn what_is_sealed_opens_and_only_whole(
        kind in 0usize..5,
        checksum in prop_oneof![Just(4usize), Just(8)],
        spi in any::<[u8; 2]>().prop_map(|[a, b]| Spi([a & 0x1f, b & 0x3f])),
        tar: [u8; 3],
        counter in 0u64..1 << 40,
        data in proptest::collection::vec(any::<u8>(), 0..300),
        flip in (any::<proptest::sample::Index>(), 1u8..),
    ) {
        let key = |first: u8| match kind {
            0 => Key::Aes128([first; 16]),
            1 => Key::Aes192([first; 24]),
            2 => Key::Aes256([first; 32]),
            // Three parts of one value would be single DES, which any change of parity bits leaves as it is.
            3 => Key::TripleDes2(std::array::from_fn(|at| first.wrapping_add(at as u8 * 2))),
            _ => Key::TripleDes3(std::array::from_fn(|at| first.wrapping_add(at as u8 * 2))),
        };
        let checksum = if kind < 3 { checksum } else { 8 };
        let keys = KeySet::new(5, key(0x10), key(0x60), checksum).unwrap();
        let (header, counter) = (keys.header(spi, tar), Counter::new(counter).unwrap());
        let command = Command { header, counter, data };
        match command.seal(Some(&keys)) {
            Ok(mut packet) => {
                let read = CommandPacket::read(&packet).unwrap();
                prop_assert_eq!(read.open(Some(&keys)).unwrap(), command.clone());
                let at = flip.0.index(packet.len());
                packet[at] ^= flip.1;
                let bent = CommandPacket::read(&packet).and_then(|read| read.open(Some(&keys)));
                // What is under a checksum of a key is refused whatever was changed, SPI apart, which may ask for none.
                if spi.check() == Check::Cryptographic && !(3..5).contains(&at) {
                    prop_assert!(bent.is_err(), "octet {at}");
                }
            }
            Err(error) => {
                // One KID names the checks of both directions, which can only be of one kind then.
                let checks = [spi.check(), spi.proof_check()];
                let mixed = checks.contains(&Check::Redundancy) && checks.contains(&Check::Cryptographic);
                prop_assert!(mixed || checks.contains(&Check::Signature), "{}", error);
            }
        }
        let response = Response { tar, counter, status: Status(spi.0[0]), data: command.data };
        if let Ok(packet) = response.seal(&header, Some(&keys)) {
            let read = ResponsePacket::read(&packet).unwrap();
            prop_assert_eq!(read.open(&header, counter, Some(&keys)).unwrap(), response);
        }
    }

    #[test]
    fn any_octets_are_a_packet_or_refused(bytes in bent(octets(FRESH[4].2.4))) {
        if let Ok(command) = CommandPacket::read(&bytes).and_then(|read| read.open(Some(&keys()))) {
            prop_assert_eq!(command.seal(Some(&keys())).unwrap(), bytes);
        }
    }

    #[test]
    fn any_octets_are_an_answer_or_refused(bytes in bent(octets(FRESH[4].3.2))) {
        let header = keys().header(Spi::PROTECTED, TAR_IOT_SAFE);
        let counter = Counter::new(5).unwrap();
        if let Ok(read) = ResponsePacket::read(&bytes) {
            prop_assert!(read.unproved().is_none_or(|told| told.seal_clear().unwrap() == bytes));
            if let Ok(response) = read.open(&header, counter, Some(&keys())) {
                prop_assert_eq!(response.seal(&header, Some(&keys())).unwrap(), bytes);
            }
        }
    }
}
