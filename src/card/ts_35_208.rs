//! The test sets of 3GPP TS 35.208 clause 4.3 for Milenage, and the USIM that answers with them.
//!
//! Set 2 repeats set 1 in the document and is left out.

use super::usim::Subscribers;
use super::{Personalisation, SimProfile};
use crate::crypto::milenage::{Amf, Auts, K, Milenage, Op, Opc, Rand, Sqn};
use crate::wire::{Command, StatusWord};

/// One test set, hexadecimal digits.
struct Set {
    number: u8,
    /// K, RAND, SQN, AMF.
    input: [&'static str; 4],
    /// OP, OPc.
    operator: [&'static str; 2],
    /// f1, f1*.
    macs: [&'static str; 2],
    /// f2 (RES), f3 (CK), f4 (IK).
    results: [&'static str; 3],
    /// f5 (AK), f5*.
    anonymity: [&'static str; 2],
}

#[rustfmt::skip]
const SETS: [Set; 19] = [
    Set {
        number: 1,
        input: ["465b5ce8b199b49faa5f0a2ee238a6bc", "23553cbe9637a89d218ae64dae47bf35", "ff9bb4d0b607", "b9b9"],
        operator: ["cdc202d5123e20f62b6d676ac72cb318", "cd63cb71954a9f4e48a5994e37a02baf"],
        macs: ["4a9ffac354dfafb3", "01cfaf9ec4e871e9"],
        results: ["a54211d5e3ba50bf", "b40ba9a3c58b2a05bbf0d987b21bf8cb", "f769bcd751044604127672711c6d3441"],
        anonymity: ["aa689c648370", "451e8beca43b"],
    },
    Set {
        number: 3,
        input: ["fec86ba6eb707ed08905757b1bb44b8f", "9f7c8d021accf4db213ccff0c7f71a6a", "9d0277595ffc", "725c"],
        operator: ["dbc59adcb6f9a0ef735477b7fadf8374", "1006020f0a478bf6b699f15c062e42b3"],
        macs: ["9cabc3e99baf7281", "95814ba2b3044324"],
        results: ["8011c48c0c214ed2", "5dbdbb2954e8f3cde665b046179a5098", "59a92d3b476a0443487055cf88b2307b"],
        anonymity: ["33484dc2136b", "deacdd848cc6"],
    },
    Set {
        number: 4,
        input: ["9e5944aea94b81165c82fbf9f32db751", "ce83dbc54ac0274a157c17f80d017bd6", "0b604a81eca8", "9e09"],
        operator: ["223014c5806694c007ca1eeef57f004f", "a64a507ae1a2a98bb88eb4210135dc87"],
        macs: ["74a58220cba84c49", "ac2cc74a96871837"],
        results: ["f365cd683cd92e96", "e203edb3971574f5a94b0d61b816345d", "0c4524adeac041c4dd830d20854fc46b"],
        anonymity: ["f0b9c08ad02e", "6085a86c6f63"],
    },
    Set {
        number: 5,
        input: ["4ab1deb05ca6ceb051fc98e77d026a84", "74b0cd6031a1c8339b2b6ce2b8c4a186", "e880a1b580b6", "9f07"],
        operator: ["2d16c5cd1fdf6b22383584e3bef2a8d8", "dcf07cbd51855290b92a07a9891e523e"],
        macs: ["49e785dd12626ef2", "9e85790336bb3fa2"],
        results: ["5860fc1bce351e7e", "7657766b373d1c2138f307e3de9242f9", "1c42e960d89b8fa99f2744e0708ccb53"],
        anonymity: ["31e11a609118", "fe2555e54aa9"],
    },
    Set {
        number: 6,
        input: ["6c38a116ac280c454f59332ee35c8c4f", "ee6466bc96202c5a557abbeff8babf63", "414b98222181", "4464"],
        operator: ["1ba00a1a7c6700ac8c3ff3e96ad08725", "3803ef5363b947c6aaa225e58fae3934"],
        macs: ["078adfb488241a57", "80246b8d0186bcf1"],
        results: ["16c8233f05a0ac28", "3f8c7587fe8e4b233af676aede30ba3b", "a7466cc1e6b2a1337d49d3b66e95d7b4"],
        anonymity: ["45b0f69ab06c", "1f53cd2b1113"],
    },
    Set {
        number: 7,
        input: ["2d609d4db0ac5bf0d2c0de267014de0d", "194aa756013896b74b4a2a3b0af4539e", "6bf69438c2e4", "5f67"],
        operator: ["460a48385427aa39264aac8efc9e73e8", "c35a0ab0bcbfc9252caff15f24efbde0"],
        macs: ["bd07d3003b9e5cc3", "bcb6c2fcad152250"],
        results: ["8c25a16cd918a1df", "4cd0846020f8fa0731dd47cbdc6be411", "88ab80a415f15c73711254a1d388f696"],
        anonymity: ["7e6455f34cf3", "dc6dd01e8f15"],
    },
    Set {
        number: 8,
        input: ["a530a7fe428fad1082c45eddfce13884", "3a4c2b3245c50eb5c71d08639395764d", "f63f5d768784", "b90e"],
        operator: ["511c6c4e83e38c89b1c5d8dde62426fa", "27953e49bc8af6dcc6e730eb80286be3"],
        macs: ["53761fbd679b0bad", "21adfd334a10e7ce"],
        results: ["a63241e1ffc3e5ab", "10f05bab75a99a5fbb98a9c287679c3b", "f9ec0865eb32f22369cade40c59c3a44"],
        anonymity: ["88196c47986f", "c987a3d23115"],
    },
    Set {
        number: 9,
        input: ["d9151cf04896e25830bf2e08267b8360", "f761e5e93d603feb730e27556cb8a2ca", "47ee0199820a", "9113"],
        operator: ["75fc2233a44294ee8e6de25c4353d26b", "c4c93effe8a08138c203d4c27ce4e3d9"],
        macs: ["66cc4be44862af1f", "7a4b8d7a8753f246"],
        results: ["4a90b2171ac83a76", "71236b7129f9b22ab77ea7a54c96da22", "90527ebaa5588968db41727325a04d9e"],
        anonymity: ["82a0f5287a71", "527dbf41f35f"],
    },
    Set {
        number: 10,
        input: ["a0e2971b6822e8d354a18cc235624ecb", "08eff828b13fdb562722c65c7f30a9b2", "db5c066481e0", "716b"],
        operator: ["323792faca21fb4d5d6f13c145a9d2c1", "82a26f22bba9e9488f949a10d98e9cc4"],
        macs: ["9485fe24621cb9f6", "bce325ce03e2e9b9"],
        results: ["4bc2212d8624910a", "08cef6d004ec61471a3c3cda048137fa", "ed0318ca5deb9206272f6e8fa64ba411"],
        anonymity: ["a2f858aa9e5d", "74e76fbbec38"],
    },
    Set {
        number: 11,
        input: ["0da6f7ba86d5eac8a19cf563ac58642d", "679ac4dbacd7d233ff9d6806f4149ce3", "6e2331d692ad", "224a"],
        operator: ["4b9a26fa459e3acbff36f4015de3bdc1", "0db1071f8767562ca43a0a64c41e8d08"],
        macs: ["2831d7ae9088e492", "9b2e16951135d523"],
        results: ["6fc30fee6d123523", "69b1cae7c7429d975e245cacb05a517c", "74f24e8c26df58e1b38d7dcd4f1b7fbd"],
        anonymity: ["4c539a26e1fa", "07861e126928"],
    },
    Set {
        number: 12,
        input: ["77b45843c88e58c10d202684515ed430", "4c47eb3076dc55fe5106cb2034b8cd78", "fe1a8731005d", "ad25"],
        operator: ["bf3286c7a51409ce95724d503bfe6e70", "d483afae562409a326b5bb0b20c4d762"],
        macs: ["08332d7e9f484570", "ed41b734489d5207"],
        results: ["aefa357beac2a87a", "908c43f0569cb8f74bc971e706c36c5f", "c251df0d888dd9329bcf46655b226e40"],
        anonymity: ["30ff25cdadf6", "e84ed0d4677e"],
    },
    Set {
        number: 13,
        input: ["729b17729270dd87ccdf1bfe29b4e9bb", "311c4c929744d675b720f3b7e9b1cbd0", "c85c4cf65916", "5bb2"],
        operator: ["d04c9c35bd2262fa810d2924d036fd13", "228c2f2f06ac3268a9e616ee16db4ba1"],
        macs: ["ff794fe2f827ebf8", "24fe4dc61e874b52"],
        results: ["98dbbd099b3b408d", "44c0f23c5493cfd241e48f197e1d1012", "0c9fb81613884c2535dd0eabf3b440d8"],
        anonymity: ["5380d158cfe3", "87ac3b559fb6"],
    },
    Set {
        number: 14,
        input: ["d32dd23e89dc662354ca12eb79dd32fa", "cf7d0ab1d94306950bf12018fbd46887", "484107e56a43", "b5e6"],
        operator: ["fe75905b9da47d356236d0314e09c32e", "d22a4b4180a5325708a5ff70d9f67ec7"],
        macs: ["cf19d62b6a809866", "5d269537e45e2ce6"],
        results: ["af4a411e1139f2c2", "5af86b80edb70df5292cc1121cbad50c", "7f4d6ae7440e18789a8b75ad3f42f03a"],
        anonymity: ["217af49272ad", "900e101c677e"],
    },
    Set {
        number: 15,
        input: ["af7c65e1927221de591187a2c5987a53", "1f0f8578464fd59b64bed2d09436b57a", "3d627b01418d", "84f6"],
        operator: ["0c7acb8d95b7d4a31c5aca6d26345a88", "a4cf5c8155c08a7eff418e5443b98e55"],
        macs: ["c37cae7805642032", "68cd09a452d8db7c"],
        results: ["7bffa5c2f41fbc05", "3f8c3f3ccf7625bf77fc94bcfd22fd26", "abcbae8fd46115e9961a55d0da5f2078"],
        anonymity: ["837fd7b74419", "56e97a6090b1"],
    },
    Set {
        number: 16,
        input: ["5bd7ecd3d3127a41d12539bed4e7cf71", "59b75f14251c75031d0bcbac1c2c04c7", "a298ae8929dc", "d056"],
        operator: ["f967f76038b920a9cd25e10c08b49924", "76089d3c0ff3efdc6e36721d4fceb747"],
        macs: ["c3f25cd94309107e", "b0c8ba343665afcc"],
        results: ["7e3f44c7591f6f45", "d42b2d615e49a03ac275a5aef97af892", "0b3f8d024fe6bfafaa982b8f82e319c2"],
        anonymity: ["5be11495525d", "4d6a34a1e4eb"],
    },
    Set {
        number: 17,
        input: ["6cd1c6ceb1e01e14f1b82316a90b7f3d", "f69b78f300a0568bce9f0cb93c4be4c9", "b4fce5feb059", "e4bb"],
        operator: ["078bfca9564659ecd8851e84e6c59b48", "a219dc37f1dc7d66738b5843c799f206"],
        macs: ["69a90869c268cb7b", "2e0fdcf9fd1cfa6a"],
        results: ["70f6bdb9ad21525f", "6edaf99e5bd9f85d5f36d91c1272fb4b", "d61c853c280dd9c46f297baec386de17"],
        anonymity: ["1c408a858b3e", "aa4ae52daa30"],
    },
    Set {
        number: 18,
        input: ["b73a90cbcf3afb622dba83c58a8415df", "b120f1c1a0102a2f507dd543de68281f", "f1e8a523a36d", "471b"],
        operator: ["b672047e003bb952dca6cb8af0e5b779", "df0c67868fa25f748b7044c6e7c245b8"],
        macs: ["ebd70341bcd415b0", "12359f5d82220c14"],
        results: ["479dd25c20792d63", "66195dbed0313274c5ca7766615fa25e", "66bec707eb2afc476d7408a8f2927b36"],
        anonymity: ["aefdaa5ddd99", "12ec2b87fbb1"],
    },
    Set {
        number: 19,
        input: ["5122250214c33e723a5dd523fc145fc0", "81e92b6c0ee0e12ebceba8d92a99dfa5", "16f3b3f70fc2", "c3ab"],
        operator: ["c9e8763286b5b9ffbdf56e1297d0887b", "981d464c7c52eb6e5036234984ad0bcf"],
        macs: ["2a5c23d15ee351d5", "62dae3853f3af9d2"],
        results: ["28d7b0f2a2ec3de5", "5349fbe098649f948f5d2e973a81c00f", "9744871ad32bf9bbd1dd5ce54e3e2e5a"],
        anonymity: ["ada15aeb7bb8", "d461bc15475d"],
    },
    Set {
        number: 20,
        input: ["90dca4eda45b53cf0f12d7c9c3bc6a89", "9fddc72092c6ad036b6e464789315b78", "20f813bd4141", "61df"],
        operator: ["3ffcfe5b7b1111589920d3528e84e655", "cb9cccc4b9258e6dca4760379fb82581"],
        macs: ["09db94eab4f8149e", "a29468aa9775b527"],
        results: ["a95100e2760952cd", "b5f2da03883b69f96bf52e029ed9ac45", "b4721368bc16ea67875c5598688bb0ef"],
        anonymity: ["83cfd54db913", "4f2039392ddc"],
    },
];

fn bytes<const N: usize>(digits: &str) -> [u8; N] {
    hex::decode(digits).unwrap().try_into().unwrap()
}

fn number(digits: &str) -> u64 {
    u64::from_str_radix(digits, 16).unwrap()
}

fn subscriber(set: &Set) -> Milenage {
    Milenage::new(&K::new(&bytes(set.input[0])), &Opc::new(&bytes(set.operator[1])))
}

fn usim(set: &Set, sqn: u64) -> Subscribers {
    let profile = SimProfile::parse(include_str!("../../sim-profiles/lte-test.toml")).unwrap();
    let p = profile.personalise(0).unwrap();
    let (k, opc) = (bytes(set.input[0]), bytes(set.operator[1]));
    Subscribers::personalised(&Personalisation { k, opc, sqn, ..p }, vec![1]).unwrap()
}

/// `10 RAND 10 AUTN` with AUTN = SQN xor AK || AMF || MAC-A.
fn challenge(set: &Set) -> Vec<u8> {
    let concealed = number(set.input[2]) ^ number(set.anonymity[0]);
    let autn = format!("{concealed:012x}{}{}", set.input[3], set.macs[0]);
    hex::decode(format!("10{}10{autn}", set.input[1])).unwrap()
}

fn authenticate(usim: &mut Subscribers, data: &[u8]) -> Result<Vec<u8>, StatusWord> {
    usim.authenticate(1, false, &Command::new(0x00, 0x88, 0x00, 0x81).with_data(data))
}

#[test]
fn the_functions_of_every_set() {
    for set in &SETS {
        let milenage = subscriber(set);
        let rand = Rand::new(&bytes(set.input[1]));
        let (sqn, amf) = (Sqn::new(&bytes(set.input[2])), Amf::new(&bytes(set.input[3])));
        let opc = Opc::from_op(&K::new(&bytes(set.input[0])), &Op::new(&bytes(set.operator[0])));
        let (res, ck, ik, ak) = milenage.f2345(&rand);
        let computed = [
            hex::encode(opc.as_octets()),
            hex::encode(milenage.f1(&rand, &sqn, &amf).as_octets()),
            hex::encode(milenage.f1_star(&rand, &sqn, &amf).as_octets()),
            hex::encode(res.as_octets()),
            hex::encode(ck.as_octets()),
            hex::encode(ik.as_octets()),
            hex::encode(ak.as_octets()),
            hex::encode(milenage.f5_star(&rand).as_octets()),
        ];
        let [res, ck, ik] = set.results;
        let expected =
            [set.operator[1], set.macs[0], set.macs[1], res, ck, ik, set.anonymity[0], set.anonymity[1]];
        assert_eq!(computed, expected, "set {}", set.number);
    }
}

#[test]
fn the_card_answers_every_set_with_res_ck_and_ik() {
    for set in &SETS {
        let mut usim = usim(set, number(set.input[2]) - 32);
        let [res, ck, ik] = set.results;
        let answer = authenticate(&mut usim, &challenge(set)).map(hex::encode);
        assert_eq!(answer, Ok(format!("db08{res}10{ck}10{ik}")), "set {}", set.number);
    }
}

#[test]
fn a_replay_gives_auts_from_which_the_home_network_resynchronises() {
    let set = &SETS[0];
    let home = subscriber(set);
    let highest = number(set.input[2]);
    let mut usim = usim(set, highest - 32);
    authenticate(&mut usim, &challenge(set)).unwrap();

    let failure = authenticate(&mut usim, &challenge(set)).unwrap();
    assert_eq!(failure[..2], [0xdc, 0x0e]);
    let rand = Rand::new(&bytes(set.input[1]));
    let auts = Auts::from_slice(&failure[2..]).unwrap();
    let sqn_ms = home.verify_auts(&rand, &auts).unwrap().get();
    assert_eq!(sqn_ms, highest);

    let next = Sqn::try_from(sqn_ms + 32).unwrap();
    let vector = home.authentication_vector(&rand, &next, &Amf::new(&[0x80, 0]));
    let fresh = [&[16][..], rand.as_octets(), &[16], vector.autn().as_octets()].concat();
    let response = authenticate(&mut usim, &fresh).unwrap();
    assert_eq!(response[..2], [0xdb, 0x08]);
    assert_eq!(response[2..10], vector.xres().as_octets()[..]);
}

#[test]
fn a_wrong_mac_is_refused_and_leaves_the_sequence_number_alone() {
    let set = &SETS[0];
    let mut usim = usim(set, number(set.input[2]) - 32);
    let mut forged = challenge(set);
    forged[33] ^= 1;
    assert_eq!(authenticate(&mut usim, &forged), Err(StatusWord::INCORRECT_MAC));
    assert_eq!(authenticate(&mut usim, &challenge(set)).unwrap()[0], 0xdb);
}

#[test]
fn malformed_challenges_are_refused() {
    let set = &SETS[0];
    let mut usim = usim(set, 0);
    let good = challenge(set);
    for data in [&good[..33], &good[..17], &[], &[&good[..], &[0]].concat()] {
        assert_eq!(authenticate(&mut usim, data), Err(StatusWord::WRONG_LENGTH));
    }
    let gba = Command::new(0x00, 0x88, 0x00, 0x84).with_data(&good[..17]);
    assert_eq!(usim.authenticate(1, false, &gba), Err(StatusWord::CONTEXT_NOT_SUPPORTED));
}
