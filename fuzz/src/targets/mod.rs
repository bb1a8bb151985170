//! What is fuzzed: every reader of bytes from outside. A target takes any bytes, and panics where something does not hold.
//! The fuzzer and the replay of the seeds (`tests/seeds.rs`) run the same code.

mod at_lines;
mod card_apdus;
mod certificates;
mod conn_log;
pub mod device;
mod euicc_store_data;
pub mod frames;
mod gtp_u;
mod guard;
mod http;
mod kept;
pub mod ledger_records;
mod mqtt;
mod nas;
pub mod network;
mod openflow;
mod orders;
mod ota_packets;
mod pdcp;
mod rrc;
mod rsp;
mod s1ap;
mod saip;
mod secrets;
pub mod servers;
mod suit;
mod texts;
mod tlv;

/// Something that takes bytes from outside.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of the folder of its seeds.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
    /// The longest input that is worth trying, in bytes.
    pub longest: usize,
}

/// Every target, by name.
pub const TARGETS: &[Target] = &[
    Target { name: "at_lines", run: at_lines::run, longest: 1024 },
    Target { name: "card_apdus", run: card_apdus::run, longest: 4096 },
    Target { name: "certificates", run: certificates::run, longest: 4096 },
    Target { name: "conn_log", run: conn_log::run, longest: 4096 },
    Target { name: "device", run: device::run, longest: 16_384 },
    Target { name: "euicc_store_data", run: euicc_store_data::run, longest: 4096 },
    Target { name: "gtp_u", run: gtp_u::run, longest: 512 },
    Target { name: "guard", run: guard::run, longest: 4096 },
    Target { name: "http", run: http::run, longest: 4096 },
    Target { name: "ledger_records", run: ledger_records::run, longest: 16_384 },
    Target { name: "mqtt", run: mqtt::run, longest: 2048 },
    Target { name: "nas", run: nas::run, longest: 512 },
    Target { name: "network", run: network::run, longest: 4096 },
    Target { name: "openflow", run: openflow::run, longest: 4096 },
    Target { name: "orders", run: orders::run, longest: 2048 },
    Target { name: "ota_packets", run: ota_packets::run, longest: 4096 },
    Target { name: "pdcp", run: pdcp::run, longest: 512 },
    Target { name: "rrc", run: rrc::run, longest: 512 },
    Target { name: "rsp", run: rsp::run, longest: 8192 },
    Target { name: "s1ap", run: s1ap::run, longest: 1024 },
    Target { name: "saip", run: saip::run, longest: 16_384 },
    Target { name: "servers", run: servers::run, longest: 16_384 },
    Target { name: "suit", run: suit::run, longest: 4096 },
    Target { name: "texts", run: texts::run, longest: 4096 },
    Target { name: "tlv", run: tlv::run, longest: 1024 },
];
