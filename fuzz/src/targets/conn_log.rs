//! Connection logs of Zeek with labels: any text is a log or refused, its flows are in the order of time, and no flow becomes more
//! packets than its bound.

use cellbed::guard::conn_log::ConnLog;

/// Any text.
pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(log) = ConnLog::parse(&text) else { return };
    assert!(log.flows.is_sorted_by_key(|flow| flow.begin_ms));
    assert!(log.flows.len() + log.passed_over <= text.lines().count());
    let device = log.device();
    for flow in &log.flows {
        let packets = flow.packets(device.unwrap_or(flow.ends[0]));
        assert!(packets.len() as u64 <= (flow.packets[0] + flow.packets[1]).min(10_000));
        assert!(
            packets
                .iter()
                .all(|(at_ms, _)| (flow.begin_ms..=flow.begin_ms + flow.duration_ms + 1).contains(at_ms))
        );
    }
}
