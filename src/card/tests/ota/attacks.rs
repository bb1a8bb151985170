//! What somebody without the keys does, who has the card in his hand and hears every message; and what somebody does who
//! keeps old messages.

use super::*;
use crate::card::ota::GUESSES_MAX;

const GENERATE: &str = "aa0b 2209 80b90000038401 0100";

/// The next packet of a server that has a key made.
fn generating(server: &mut Server) -> (Command, Vec<u8>) {
    let command = server.command(TAR_IOT_SAFE, &octets(GENERATE));
    let packet = server.seal(&command);
    (command, packet)
}

#[test]
fn a_packet_is_done_once() {
    let (card, server) = &mut lab();
    let (command, packet) = generating(server);
    let first = delivered(card, &packet);
    assert_eq!(server.open(&command, &first).status, Status::OK);
    let state = card.save();
    for _ in 0..3 {
        let again = delivered(card, &packet);
        assert_eq!(server.open(&command, &again).status, Status::COUNTER_LOW);
        assert_eq!(card.save(), state, "nothing was done");
    }
    // Neither does the power bring it back.
    let mut other = super::card();
    other.restore(&state).unwrap();
    send(&mut other, ABLE);
    let again = delivered(&mut other, &packet);
    assert_eq!(server.open(&command, &again).status, Status::COUNTER_LOW);
}

#[test]
fn packets_in_another_order_are_stale_or_wait() {
    let (card, server) = &mut lab();
    let (six, seven) = (generating(server), generating(server));
    assert_eq!(server.open(&seven.0, &delivered(card, &seven.1)).status, Status::OK);
    assert_eq!(server.open(&six.0, &delivered(card, &six.1)).status, Status::COUNTER_LOW);
    // One that has to be the next: the one behind it is too early.
    let mut strict = server.with(0x1e19);
    let (eight, nine) = (generating(&mut strict), generating(&mut strict));
    assert_eq!(strict.open(&nine.0, &delivered(card, &nine.1)).status, Status::COUNTER_HIGH);
    assert_eq!(strict.open(&eight.0, &delivered(card, &eight.1)).status, Status::OK);
    assert_eq!(strict.open(&nine.0, &delivered(card, &nine.1)).status, Status::OK);
}

#[test]
fn a_counter_that_is_used_up_stays_so() {
    let (card, server) = &mut lab();
    server.counter = 0xff_ffff_fffe;
    let (command, packet) = generating(server);
    assert_eq!(server.open(&command, &delivered(card, &packet)).status, Status::OK);
    assert_eq!(server.open(&command, &delivered(card, &packet)).status, Status::COUNTER_BLOCKED);
    let low = Server { counter: 0, ..server.clone() };
    let (command, packet) = generating(&mut low.clone());
    assert_eq!(server.open(&command, &delivered(card, &packet)).status, Status::COUNTER_BLOCKED);
}

#[test]
fn guesses_at_a_short_checksum_are_counted_and_end() {
    let with_octets = |octets: usize| {
        let mut personal = personalisation();
        let ota = personal.ota.as_mut().unwrap();
        ota.set = KeySet::new(1, ota.set.kic().clone(), ota.set.kid().clone(), octets).unwrap();
        let server = Server::of(ota);
        let mut card = Uicc::new(&personal, RngTree::new(7).branch("card1"), &trust_anchor()).unwrap();
        send(&mut card, ABLE);
        (card, server)
    };
    // Not ciphered, so that who guesses can choose the checksum: it stands behind header and counters.
    let guess = |server: &Server| {
        let mut open = server.with(0x1219);
        open.counter += 1_000;
        let mut packet = open.seal(&open.clone().command(TAR_IOT_SAFE, &octets(GENERATE)));
        *packet.last_mut().unwrap() ^= 1;
        packet
    };
    let (mut card, mut server) = with_octets(4);
    let wrong = guess(&server);
    let guesses = |card: &mut Uicc, count: u32| {
        (0..count).for_each(|_| assert!(delivered(card, &wrong).is_empty()));
    };
    // A right one begins the count anew.
    guesses(&mut card, GUESSES_MAX - 1);
    let (command, packet) = generating(&mut server);
    assert_eq!(server.open(&command, &delivered(&mut card, &packet)).status, Status::OK);
    guesses(&mut card, GUESSES_MAX - 1);
    let (_, packet) = generating(&mut server);
    assert!(!delivered(&mut card, &packet).is_empty());
    guesses(&mut card, GUESSES_MAX);
    let state = card.save();
    // Nothing is looked at, and nothing is counted any more; neither does the power bring it back.
    let (_, right) = generating(&mut server);
    let mut restored = with_octets(4).0;
    restored.restore(&state).unwrap();
    send(&mut restored, ABLE);
    for card in [&mut card, &mut restored] {
        assert!(delivered(card, &right).is_empty());
        assert_eq!(card.save(), state);
    }
    // Of eight octets nobody finds one.
    let (mut card, mut server) = with_octets(8);
    let wrong = guess(&server);
    (0..=GUESSES_MAX).for_each(|_| assert!(delivered(&mut card, &wrong).is_empty()));
    let (command, packet) = generating(&mut server);
    assert_eq!(server.open(&command, &delivered(&mut card, &packet)).status, Status::OK);
}

#[test]
fn a_packet_with_one_bit_changed_does_nothing_and_hears_nothing() {
    let (card, server) = &mut lab();
    let (command, packet) = generating(server);
    let state = card.save();
    for bit in 0..packet.len() * 8 {
        let mut bent = packet.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        assert!(delivered(card, &bent).is_empty(), "bit {bit}");
        assert_eq!(card.save(), state, "bit {bit}");
        assert_eq!(submitted(card), None);
    }
    // The packet itself is good still: no bit of the others has moved the counter.
    assert_eq!(server.open(&command, &delivered(card, &packet)).status, Status::OK);
}

#[test]
fn silence_is_the_same_for_everybody() {
    let (card, server) = &mut lab();
    let (_, packet) = generating(server);
    let changed = |at: usize, octet: u8| {
        let mut bent = packet.clone();
        bent[at] = octet;
        bent
    };
    let foreign = Server::of(&OtaKeys::draw(&mut RngTree::new(9).stream("foreign")).unwrap());
    let sent = [
        changed(9, 0x00),                    // another reference
        changed(5, 0x52),                    // a key version that is not there
        changed(3, 0x06),                    // no counter any more
        changed(3, 0x12),                    // not ciphered any more
        changed(20, packet[20] ^ 1),         // another plaintext
        packet[..packet.len() - 1].to_vec(), // cut off
        generating(&mut foreign.clone()).1,  // other keys
    ];
    for bent in sent {
        for envelope in envelopes(&bent) {
            assert_eq!(card.transmit(&envelope).unwrap(), [0x90, 0x00], "{}", hex::encode(&bent));
        }
    }
}

#[test]
fn a_flood_of_first_parts_holds_one_packet_and_hinders_none() {
    let (card, server) = &mut lab();
    let part = |reference: u16, number: u8| Part {
        kind: (number == 1).then_some(Kind::Command),
        concatenation: Some(crate::wire::ota::Concatenation { reference, parts: 8, number }),
        payload: vec![0xaa; 130],
    };
    for reference in 0..300 {
        for number in 1..8 {
            assert_eq!(exchange(card, &envelope(part(reference, number).encode())).1, StatusWord::OK);
        }
    }
    let (command, packet) = generating(server);
    assert_eq!(server.open(&command, &delivered(card, &packet)).status, Status::OK);
    // More parts than there may be.
    let many = Part {
        concatenation: Some(crate::wire::ota::Concatenation { reference: 1, parts: 200, number: 1 }),
        ..part(1, 1)
    };
    assert_eq!(exchange(card, &envelope(many.encode())).1, StatusWord(0x6a80));
}

/// The card writes its state down before an answer leaves. Whenever the power goes, counter and work are both there or
/// both not.
#[test]
fn power_that_goes_at_any_moment_costs_a_packet_or_nothing_and_never_does_it_twice() {
    let (card, server) = &mut lab();
    let before = card.save();
    let (command, packet) = generating(server);
    delivered(card, &packet);
    let after = card.save();
    let made = |state: &[u8]| {
        let mut card = super::card();
        card.restore(state).unwrap();
        send(&mut card, ABLE);
        card
    };
    // It went before the state was kept: the packet was not there, and is done once when it comes again.
    let mut cut = made(&before);
    assert_eq!(server.open(&command, &delivered(&mut cut, &packet)).status, Status::OK);
    assert_eq!(cut.save(), after);
    // It went behind that: the answer is lost, and the packet is not done again.
    let mut cut = made(&after);
    assert_eq!(server.open(&command, &delivered(&mut cut, &packet)).status, Status::COUNTER_LOW);
    assert_eq!(cut.save(), after);
    // The answer is to be had with another packet.
    let read = server.expanded(&mut cut, TAR_IOT_SAFE, &["80cd00000385010100"]);
    assert!(read[0].ends_with("9000"));
}

/// What is not defended: who has the state of a card and puts it back has the card of then.
#[test]
fn a_card_that_is_put_back_takes_old_packets_again() {
    let (card, server) = &mut lab();
    let old = card.save();
    let (command, packet) = generating(server);
    delivered(card, &packet);
    let mut back = super::card();
    back.restore(&old).unwrap();
    send(&mut back, ABLE);
    assert_eq!(server.open(&command, &delivered(&mut back, &packet)).status, Status::OK);
    // In a card that knows better it changes nothing.
    card.restore(&old).unwrap();
    send(card, ABLE);
    assert_eq!(server.open(&command, &delivered(card, &packet)).status, Status::COUNTER_LOW);
}

#[test]
fn a_status_in_clear_is_no_proof() {
    let (card, server) = &mut lab();
    let (command, packet) = generating(server);
    let forged =
        Response { tar: TAR_IOT_SAFE, counter: command.counter, status: Status::CHECKSUM, data: Vec::new() };
    let forged = forged.seal_clear().unwrap();
    let read = ResponsePacket::read(&forged).unwrap();
    assert!(read.open(&command.header, command.counter, Some(&server.keys)).is_err());
    // An answer to another packet is none, either.
    let (other, sent) = generating(server);
    let first = delivered(card, &packet);
    assert!(!delivered(card, &sent).is_empty());
    let part = Part::parse(&first).unwrap();
    let old = ResponsePacket::read(&part.payload).unwrap();
    assert!(old.open(&other.header, other.counter, Some(&server.keys)).is_err());
}

#[test]
fn no_key_is_in_anything_that_the_card_says_or_keeps() {
    let (card, server) = &mut lab();
    let (_, packet) = generating(server);
    let mut said = vec![card.save(), format!("{:?}", personalisation()).into_bytes()];
    said.push(delivered(card, &packet));
    for command in ["80f24002024f0000", "80f28000024f0000", "80ca00e000", "80ca000000"] {
        let script = Expanded::of([&octets(command)[..]]).encode();
        said.push(server.ask(card, ISSUER, &script).1);
    }
    said.push(card.save());
    let ota = keys();
    for key in [Some(ota.set.kic()), Some(ota.set.kid()), ota.dek.as_ref()].into_iter().flatten() {
        for half in key.octets().chunks(8) {
            assert!(!said.iter().any(|said| said.windows(8).any(|window| window == half)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Messages of anybody: no panic, no answer under the card's keys, a state that is whole.
    #[test]
    fn no_message_breaks_the_card_or_gets_a_key_out_of_it(
        messages in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 0..140), 0u8..6, any::<u8>()), 1..12),
    ) {
        let (mut card, mut server) = lab();
        let (_, good) = generating(&mut server);
        let secrets = card.private_scalars();
        for (bytes, form, octet) in messages {
            let user_data = match form {
                0 => bytes,
                1 => Part::whole(Kind::Command, bytes).encode(),
                2 => {
                    let mut bent = good.clone();
                    let at = usize::from(octet) % bent.len();
                    bent.splice(at..at, bytes.into_iter().take(4));
                    Part::whole(Kind::Command, bent).encode()
                }
                3 => Part {
                    kind: (octet & 1 == 1).then_some(Kind::Command),
                    concatenation: Some(crate::wire::ota::Concatenation {
                        reference: u16::from(octet >> 6),
                        parts: 3,
                        number: 1 + octet % 3,
                    }),
                    payload: bytes.into_iter().take(130).collect(),
                }
                .encode(),
                // A script of anything, by somebody who has the keys.
                4 => {
                    let tar = [UICC, USIM, ISSUER, TAR_IOT_SAFE][usize::from(octet % 4)];
                    let command = server.command(tar, &bytes[..bytes.len().min(90)]);
                    Part::whole(Kind::Command, server.seal(&command)).encode()
                }
                _ => Part::whole(Kind::Command, good.clone()).encode(),
            };
            if user_data.len() > 140 {
                continue;
            }
            let (answer, _) = exchange(&mut card, &envelope(user_data));
            let known = card.private_scalars();
            for secret in secrets.iter().chain(&known) {
                prop_assert!(!answer.windows(secret.len()).any(|window| window == secret));
            }
            submitted(&mut card);
        }
        let state = card.save();
        let mut again = super::card();
        again.restore(&state).unwrap();
        prop_assert_eq!(again.save(), state);
        prop_assert_eq!(send(&mut card, "00a4000c023f00"), "9000");
    }
}
