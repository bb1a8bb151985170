//! Two cells, and what lies between them and the core: UEs that move, and an S1 that loses messages or is cut.

use std::time::Duration;

use cellbed::corenet::EpcInput;
use cellbed::ran::UeInput;
use cellbed::world::Iface;
use cellbed::world::topology::{Cut, LinkSpec};

use crate::bench::{Bench, EVERYBODY, NOBODY, SERVER, at, config, packet};
use crate::log::Fact;

/// From now on the second station is the one that everybody hears.
fn move_everybody(bench: &mut Bench) {
    bench.cover(1, NOBODY);
    bench.cover(2, EVERYBODY);
}

/// Whether a packet of `ue` and one for it arrive within a second.
fn passes(bench: &mut Bench, ue: u32, text: &str) -> (bool, bool) {
    let ip = bench.ip_of(ue).unwrap();
    let (up, down) = (packet(ip, SERVER, text.as_bytes()), packet(SERVER, ip, text.as_bytes()));
    bench.ue(ue, UeInput::SendIp(up.clone()));
    bench.core(EpcInput::Sgi(&down));
    let end = bench.now() + Duration::from_secs(1);
    bench.run_until(end);
    (bench.facts.contains(&Fact::Sgi(up)), bench.facts.contains(&Fact::ReceivedIp { ue, packet: down }))
}

#[test]
fn a_ue_that_moves_comes_back_through_the_other_cell() {
    let mut bench = Bench::new(config(), 1);
    bench.power_on(1, 100);
    bench.run(5);
    let ip = bench.ip_of(1).unwrap();
    assert_eq!(passes(&mut bench, 1, "here"), (true, true));
    move_everybody(&mut bench);
    assert_eq!(passes(&mut bench, 1, "out of reach"), (false, false));
    assert_eq!((bench.connections(1), bench.connections(2)), (1, 0));
    // The modem finds that it has lost its cell, and the device has something to send.
    bench.ue(1, UeInput::RadioLinkFailure);
    bench.ue(1, UeInput::SendIp(packet(ip, SERVER, b"who is there?")));
    bench.run(20);
    // It keeps its session, and its old connection is released.
    assert!(!bench.facts.contains(&Fact::SessionDown(ip)));
    assert_eq!((bench.contexts(), bench.connections(1), bench.connections(2)), (1, 0, 1));
    assert_eq!(passes(&mut bench, 1, "there"), (true, true));
    bench.ue(1, UeInput::Detach);
    bench.run(30);
    assert!(bench.facts.contains(&Fact::Detached { ue: 1 }));
    assert_eq!((bench.contexts(), bench.connections(1), bench.connections(2)), (0, 0, 0));
}

#[test]
fn a_ue_that_moves_while_it_attaches_is_attached_in_the_end() {
    for ms in (100..200).step_by(2) {
        let mut bench = Bench::new(config(), 1);
        bench.power_on(1, 100);
        bench.run_until(at(ms));
        move_everybody(&mut bench);
        bench.run(60);
        let ip = bench.ip_of(1).unwrap_or_else(|| panic!("moved at {ms} ms: {:#?}", bench.facts));
        // One that had its session before does not know yet that it has moved: its modem finds out now.
        bench.ue(1, UeInput::RadioLinkFailure);
        bench.ue(1, UeInput::SendIp(packet(ip, SERVER, b"who is there?")));
        bench.run(90);
        assert_eq!(
            (bench.contexts(), bench.connections(1), bench.connections(2)),
            (1, 0, 1),
            "moved at {ms} ms"
        );
        assert_eq!(passes(&mut bench, 1, "there"), (true, true), "moved at {ms} ms");
    }
}

#[test]
fn an_association_that_loses_messages_carries_every_procedure() {
    const UES: u32 = 10;
    let lossy = |link: &mut LinkSpec| {
        if link.ends.0.at == Iface::S1Mme {
            link.loss_ppm = 200_000;
        }
    };
    let mut bench = Bench::on(lossy, config(), UES, |_| {});
    for ue in 1..=UES {
        bench.power_on(ue, 30_000);
    }
    bench.run(31);
    let at_once = (1..=UES).filter(|ue| bench.ip_of(*ue).is_some()).count();
    assert!(at_once < UES as usize, "nothing was lost");
    bench.run(300);
    for ue in 1..=UES {
        assert!(bench.ip_of(ue).is_some(), "{ue}: {:#?}", bench.facts);
        bench.ue(ue, UeInput::Detach);
    }
    assert_eq!((bench.contexts(), bench.connections(1)), (UES as usize, UES as usize));
    bench.run(600);
    for ue in 1..=UES {
        assert!(bench.facts.contains(&Fact::Detached { ue }), "{ue}: {:#?}", bench.facts);
    }
    assert_eq!((bench.contexts(), bench.connections(1)), (0, 0));
}

#[test]
fn an_s1_that_is_cut_at_any_moment_of_an_attach_leaves_the_other_cell() {
    for ms in (100..200).step_by(2) {
        let cut = Cut { from: Duration::from_millis(ms), until: Duration::from_secs(40) };
        let first = cellbed::event::Actor::enb(1);
        let cuts = |link: &mut LinkSpec| {
            if (link.ends.0.who, link.ends.0.at) == (first, Iface::S1Mme) {
                link.cuts = vec![cut];
            }
        };
        let mut bench = Bench::on(cuts, config(), 1, |_| {});
        bench.cover(2, EVERYBODY);
        bench.power_on(1, 100);
        bench.run(30);
        let ip = bench.ip_of(1).unwrap_or_else(|| panic!("cut at {ms} ms: {:#?}", bench.facts));
        // One that was attached before has to have something to send.
        bench.ue(1, UeInput::SendIp(packet(ip, SERVER, b"hello")));
        bench.run(39);
        assert_eq!((bench.connections(1), bench.connections(2)), (0, 1), "cut at {ms} ms");
        assert_eq!(passes(&mut bench, 1, "hello again"), (true, true), "cut at {ms} ms");
        bench.run(60);
        let is_ready = Fact::State("enb1.s1 READY".into());
        assert_eq!(bench.facts.iter().filter(|fact| **fact == is_ready).count(), 2, "cut at {ms} ms");
        bench.ue(1, UeInput::Detach);
        bench.run(90);
        assert_eq!((bench.contexts(), bench.connections(2)), (0, 0), "cut at {ms} ms");
    }
}
