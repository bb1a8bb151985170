//! The guard's reader of packets, its features and its decision: any packets of a device and to it, at any moments, are read or
//! refused, and each window has features within their bounds. The network's strangers answer the same packets.
//!
//! The input is a row of records: a byte of waiting in tenths of a second, a byte whose lowest bit says that the device has sent it,
//! a byte of length, and a packet, of which the addresses are set.

use cellbed::kernel::Instant;
use cellbed::services::internet::Internet;
use cellbed_guard::{
    BIASES, FEATURES, Guard, INSTANT, Known, Model, Packet, Scale, Tracker, WEIGHTS, WINDOW_MS,
};

const DEVICE: u32 = 0x0a2c_0002;

/// A model that lets little pass.
fn model() -> Model {
    let mut known = Known::default();
    known.add_service(17, 53);
    known.add_peer(0xc612_0035);
    Model {
        windows: 1_000,
        hours: 72,
        known,
        means: [0; FEATURES],
        gains: [4_096; FEATURES],
        limits: [256; FEATURES],
        residual_limits: [16; FEATURES],
        instant: [2; INSTANT],
        scales: [Scale { multiplier: 20_000, shift: 20 }; 4],
        weights: std::array::from_fn::<i8, WEIGHTS, _>(|n| (n * 37 % 255) as i8),
        biases: [100; BIASES],
    }
}

/// Any row of packets.
pub fn run(bytes: &[u8]) {
    let model = model();
    let (mut guard, mut tracker) = (Guard::new(0), Tracker::new(0));
    let mut internet = Internet::default();
    let (mut rest, mut now_ms) = (bytes, 0_u64);
    while let [wait, side, length, tail @ ..] = rest {
        let (packet, behind) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = behind;
        // Some waits are hours.
        now_ms += if *wait == 255 { 7_200_000 } else { u64::from(*wait) * 100 };
        let mut packet = packet.to_vec();
        if packet.len() >= 20 {
            let at = if side & 1 == 1 { 12 } else { 16 };
            packet[at..at + 4].copy_from_slice(&DEVICE.to_be_bytes());
        }
        let _ = internet.answer(Instant::from_nanos(now_ms * 1_000_000), &packet);
        let Ok(read) = Packet::parse(&packet, DEVICE) else { continue };
        assert!(usize::from(read.length) <= packet.len());
        let mut found = 0;
        guard.packet(now_ms, &read, &model, &mut |finding| {
            found += 1;
            assert!(finding.begin_ms <= finding.end_ms && finding.begin_ms <= now_ms);
        });
        assert!(found <= 2, "a window and a second at most");
        if let Some(window) = tracker.advance(now_ms) {
            assert_eq!(window.begin_ms % WINDOW_MS, 0);
            assert!(window.values.iter().all(|value| (-32 * 256..=32 * 256).contains(value)));
        }
        tracker.packet(now_ms, &read, &model.known);
        assert!(tracker.deadline_ms().is_some_and(|due_ms| due_ms > now_ms.saturating_sub(WINDOW_MS)));
    }
}
