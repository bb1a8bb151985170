//! Connection logs of Zeek with labels, as IoT-23 has them (`conn.log.labeled`): a line for each flow, from which packets are made.
//!
//! Two forms are read: Zeek's own, with tabs and a line `#fields`, in which IoT-23 joins the last three columns by three spaces; and
//! the same columns with commas under a line of names. What is read is strict: a line that is neither a comment nor a flow ends it.
//!
//! A log has no packets. Those of a flow are laid evenly over its duration, each as long as the mean: bursts are lost, and so are
//! names of DNS, with whatever they would have made known.

use std::net::{IpAddr, Ipv4Addr};

use cellbed_guard::{Dns, Packet};

use super::GuardError;

/// Longer lines are none.
const LINE_MAX: usize = 4_096;
/// More flows are not read.
const FLOWS_MAX: usize = 2_000_000;
/// Of a flow with more packets in a direction so many are made.
const PACKETS_MAX: u64 = 5_000;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const PUSH: u8 = 0x18;
const FIN: u8 = 0x11;
const RST: u8 = 0x14;

/// The columns that are looked at.
const COLUMNS: [&str; 14] = [
    "ts",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "proto",
    "duration",
    "conn_state",
    "orig_pkts",
    "orig_ip_bytes",
    "resp_pkts",
    "resp_ip_bytes",
    "label",
    "detailed-label",
];

/// One flow, seen from whoever began it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// When it began, in milliseconds of Unix time.
    pub begin_ms: u64,
    /// Who began it, and with whom.
    pub ends: [Ipv4Addr; 2],
    /// Their ports; type and code for ICMP.
    pub ports: [u16; 2],
    /// The protocol in the IPv4 header.
    pub protocol: u8,
    /// From its first packet to its last, in milliseconds.
    pub duration_ms: u64,
    /// How Zeek calls what became of it, as in `S0`.
    pub state: String,
    /// Packets in both directions.
    pub packets: [u64; 2],
    /// Bytes of these packets with their headers.
    pub bytes: [u64; 2],
    /// What it is where it is bad, in the words of the log.
    pub class: Option<String>,
}

/// What a log has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnLog {
    /// The flows over IPv4, in the order of their beginnings.
    pub flows: Vec<Flow>,
    /// How many lines were of IPv6 or of other protocols.
    pub passed_over: usize,
}

impl ConnLog {
    /// Reads a log.
    ///
    /// # Errors
    /// Where a line is not what it should be, or there are too many of them.
    pub fn parse(text: &str) -> Result<Self, GuardError> {
        let mut log = Self::default();
        let mut columns: Option<Columns> = None;
        for (number, line) in (1..).zip(text.lines()) {
            let wrong = |what: &str| GuardError::ConnLog { line: number, what: what.to_owned() };
            if line.len() > LINE_MAX {
                return Err(wrong("is longer than 4,096 bytes"));
            }
            if let Some(names) = line.strip_prefix("#fields\t") {
                columns = Some(Columns::of(names, '\t').ok_or_else(|| wrong("lacks a column"))?);
                continue;
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some(columns) = &columns else {
                columns = Some(Columns::of(line, ',').ok_or_else(|| {
                    wrong("is neither a `#fields` line of Zeek nor the names of all columns with commas")
                })?);
                continue;
            };
            if log.flows.len() >= FLOWS_MAX {
                return Err(wrong("is the flow too many: at most 2,000,000 are read"));
            }
            match columns.flow(line).map_err(|what| wrong(&format!("has no {what}")))? {
                Some(flow) => log.flows.push(flow),
                None => log.passed_over += 1,
            }
        }
        log.flows.sort_by_key(|flow| flow.begin_ms);
        Ok(log)
    }

    /// The device that the log is of: the private address (RFC 1918) that begins the most flows.
    pub fn device(&self) -> Option<Ipv4Addr> {
        let mut counts = std::collections::BTreeMap::<Ipv4Addr, usize>::new();
        for flow in self.flows.iter().filter(|flow| flow.ends[0].is_private()) {
            *counts.entry(flow.ends[0]).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(address, _)| address)
    }
}

/// Where the columns are.
struct Columns {
    separator: char,
    places: [usize; COLUMNS.len()],
    count: usize,
}

/// The fields of a line. With tabs the last one may hold three, with three spaces between them.
fn fields(line: &str, separator: char) -> Vec<&str> {
    let mut fields: Vec<&str> = line.split(separator).collect();
    if separator == '\t'
        && let Some(last) = fields.pop()
    {
        fields.extend(last.split("   "));
    }
    fields
}

impl Columns {
    fn of(line: &str, separator: char) -> Option<Self> {
        let names = fields(line, separator);
        let mut places = [0; COLUMNS.len()];
        for (place, column) in places.iter_mut().zip(COLUMNS) {
            *place = names.iter().position(|name| *name == column)?;
        }
        Some(Self { separator, places, count: names.len() })
    }

    /// The flow of a line; none where it is not over IPv4.
    fn flow(&self, line: &str) -> Result<Option<Flow>, &'static str> {
        let fields = fields(line, self.separator);
        if fields.len() != self.count {
            return Err("field for each column");
        }
        let [
            ts,
            from,
            from_port,
            to,
            to_port,
            proto,
            duration,
            state,
            sent,
            sent_bytes,
            got,
            got_bytes,
            label,
            detail,
        ] = self.places.map(|place| fields[place]);
        let address = |text: &str, what| text.parse::<IpAddr>().map_err(|_| what);
        let number = |text: &str, what| match text {
            "-" | "" => Ok(0),
            digits => digits.parse::<u64>().map_err(|_| what),
        };
        let port = |text: &str, what| number(text, what)?.try_into().map_err(|_| what);
        let ends = (address(from, "address of its origin")?, address(to, "address of its other end")?);
        let ports = [port(from_port, "port of its origin")?, port(to_port, "port of its other end")?];
        let begin_ms = millis(ts).ok_or("moment")?;
        let duration_ms =
            if matches!(duration, "-" | "") { 0 } else { millis(duration).ok_or("duration")? };
        let packets = [number(sent, "number of packets sent")?, number(got, "number of packets received")?];
        let bytes = [number(sent_bytes, "bytes sent")?, number(got_bytes, "bytes received")?];
        let class = match label.to_ascii_lowercase().as_str() {
            "benign" => None,
            "malicious" if matches!(detail, "-" | "") => Some("malicious".to_owned()),
            "malicious" => Some(detail.to_owned()),
            _ => return Err("label that says benign or malicious"),
        };
        let protocol = match proto {
            "icmp" => ICMP,
            "tcp" => TCP,
            "udp" => UDP,
            _ => return Ok(None),
        };
        let (IpAddr::V4(from), IpAddr::V4(to)) = ends else { return Ok(None) };
        let (ends, state) = ([from, to], state.to_owned());
        Ok(Some(Flow { begin_ms, ends, ports, protocol, duration_ms, state, packets, bytes, class }))
    }
}

/// Seconds with up to six decimals, in milliseconds.
fn millis(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits =
        |text: &str| !text.is_empty() && text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return None;
    }
    let thousandths: u64 = format!("{part:0<3}")[..3].parse().ok()?;
    Some(whole.parse::<u64>().ok()? * 1_000 + thousandths)
}

impl Flow {
    /// Whether `device` is one of its ends.
    pub fn is_of(&self, device: Ipv4Addr) -> bool {
        self.ends.contains(&device)
    }

    /// Its packets as the guard of `device` would have read them, each with its moment in milliseconds, in no order.
    pub fn packets(&self, device: Ipv4Addr) -> Vec<(u64, Packet)> {
        let began = self.ends[0] == device;
        let (peer, local_port, peer_port) = if began {
            (self.ends[1], self.ports[0], self.ports[1])
        } else {
            (self.ends[0], self.ports[1], self.ports[0])
        };
        let mut packets = Vec::new();
        for side in 0..2 {
            let count = self.packets[side].min(PACKETS_MAX);
            let Some(mean) = self.bytes[side].checked_div(self.packets[side]) else { continue };
            for n in 0..count {
                // What answers comes a little later than what it answers.
                let at_ms =
                    self.begin_ms + self.duration_ms * n / count.max(2).saturating_sub(1) + side as u64;
                let is_dns = self.protocol == UDP && peer_port == 53;
                let dns = Dns { name: 0, length: 0, entropy_q4: 0, answers: [0; 4] };
                let packet = Packet {
                    up: began == (side == 0),
                    peer: peer.into(),
                    protocol: self.protocol,
                    local_port: if self.protocol == ICMP { 0 } else { local_port },
                    peer_port: if self.protocol == ICMP { 0 } else { peer_port },
                    length: mean.min(1_500) as u16,
                    flags: if self.protocol == TCP { self.flags(side, n, count) } else { 0 },
                    unreachable: self.protocol == ICMP && self.ports[0] == 3,
                    dns: is_dns.then_some(dns),
                };
                packets.push((at_ms, packet));
            }
        }
        packets
    }

    /// The flags of packet `n` of `count` in one direction (Zeek's documentation of `conn_state`).
    fn flags(&self, side: usize, n: u64, count: u64) -> u8 {
        let refuses = match self.state.as_str() {
            "REJ" | "RSTR" | "RSTRH" => Some(1),
            "RSTO" | "RSTOS0" => Some(0),
            _ => None,
        };
        // Whoever only tries sends SYN again and again.
        let only_tries = matches!(self.state.as_str(), "S0" | "SH") || self.state == "REJ";
        match (side, n) {
            (0, 0) => SYN,
            (0, _) if only_tries => SYN,
            (1, _) if self.state == "REJ" => RST,
            (1, 0) => SYN | ACK,
            (side, n) if n + 1 == count && refuses == Some(side) => RST,
            (_, n) if n + 1 == count && self.state == "SF" => FIN,
            _ => PUSH,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAMES: &str = "ts,uid,id.orig_h,id.orig_p,id.resp_h,id.resp_p,proto,service,duration,orig_bytes,resp_bytes,\
        conn_state,local_orig,local_resp,missed_bytes,history,orig_pkts,orig_ip_bytes,resp_pkts,resp_ip_bytes,\
        tunnel_parents,label,detailed-label";

    /// One flow in both forms, made up in the form of Zeek 2.6.
    fn both() -> [String; 2] {
        let flow = "1540469302.538640,CGm6jB,192.168.1.200,50435,46.28.110.244,123,udp,ntp,0.5,48,48,SF,-,-,0,Dd,1,76,2,152,\
            (empty),Malicious,C&C-HeartBeat";
        let tabs = |line: &str| {
            let (head, tail) =
                line.replace(',', "\t").rsplit_once('\t').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
            let (head, label) = head.rsplit_once('\t').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
            format!("{head}   {label}   {tail}")
        };
        let zeek = format!(
            "#separator \\x09\n#fields\t{}\n#types\ttime\n{}\n#close\t2019\n",
            tabs(NAMES),
            tabs(flow)
        );
        [format!("{NAMES}\n{flow}\n"), zeek]
    }

    #[test]
    fn both_forms_say_the_same() {
        for text in both() {
            let log = ConnLog::parse(&text).unwrap();
            assert_eq!((log.flows.len(), log.passed_over), (1, 0));
            let flow = &log.flows[0];
            assert_eq!((flow.begin_ms, flow.duration_ms), (1_540_469_302_538, 500));
            assert_eq!((flow.ports, flow.protocol, &*flow.state), ([50_435, 123], UDP, "SF"));
            assert_eq!((flow.packets, flow.bytes), ([1, 2], [76, 152]));
            assert_eq!(flow.class.as_deref(), Some("C&C-HeartBeat"));
            let device = log.device().unwrap();
            let packets = flow.packets(device);
            assert_eq!(packets.len(), 3);
            assert_eq!((packets[0].1.up, packets[0].1.peer_port, packets[0].1.length), (true, 123, 76));
            assert_eq!((packets[1].0, packets[2].0), (1_540_469_302_539, 1_540_469_303_039));
            // Seen from the other end.
            assert!(!flow.packets(Ipv4Addr::new(46, 28, 110, 244))[0].1.up);
        }
    }

    #[test]
    fn states_become_flags() {
        let flow = |state: &str, packets| Flow {
            begin_ms: 0,
            ends: [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(1, 2, 3, 4)],
            ports: [50_000, 23],
            protocol: TCP,
            duration_ms: 3_000,
            state: state.to_owned(),
            packets,
            bytes: [40 * packets[0], 40 * packets[1]],
            class: None,
        };
        let flags = |state, packets| -> Vec<u8> {
            flow(state, packets)
                .packets(Ipv4Addr::new(10, 0, 0, 1))
                .iter()
                .map(|(_, packet)| packet.flags)
                .collect()
        };
        assert_eq!(flags("S0", [3, 0]), [SYN; 3]);
        assert_eq!(flags("REJ", [1, 1]), [SYN, RST]);
        assert_eq!(flags("SF", [3, 2]), [SYN, PUSH, FIN, SYN | ACK, FIN]);
        assert_eq!(flags("RSTO", [3, 2]), [SYN, PUSH, RST, SYN | ACK, PUSH]);
        assert_eq!(flags("RSTR", [2, 2]), [SYN, PUSH, SYN | ACK, RST]);
        assert_eq!(flow("SF", [1_000_000, 0]).packets(Ipv4Addr::new(10, 0, 0, 1)).len(), 5_000);
    }

    #[test]
    fn what_is_no_flow_is_refused_with_its_line() {
        let [good, _] = both();
        for (from, to, what) in [
            ("1540469302.538640", "yesterday", "moment"),
            ("192.168.1.200", "192.168.1", "address of its origin"),
            ("50435", "65536", "port of its origin"),
            (",0.5,", ",-0.5,", "duration"),
            (",76,", ",many,", "bytes sent"),
            ("Malicious", "Unknown", "label"),
            (",udp,ntp", ",udp", "field for each column"),
        ] {
            let error = ConnLog::parse(&good.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains("line 2") && error.contains(what), "{to}: {error}");
        }
        let error = ConnLog::parse(&good.replacen("label,", "", 1)).unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
        assert!(ConnLog::parse(&format!("{good}{}", "x".repeat(5_000))).is_err());
        let other = good.replacen("192.168.1.200", "fe80::1", 1).replacen("udp", "sctp", 1);
        assert_eq!(ConnLog::parse(&other).unwrap().passed_over, 1);
    }

    proptest! {
        #[test]
        fn any_text_is_a_log_or_refused(text in "(ts|[0-9.,a-z#:\t\n -]){0,200}", swaps in proptest::collection::vec(any::<(usize, u8)>(), 0..4)) {
            let _ = ConnLog::parse(&text);
            for whole in both() {
                let mut bytes = whole.into_bytes();
                for (at, byte) in &swaps {
                    let at = at % bytes.len();
                    bytes[at] = byte & 0x7f;
                }
                if let Ok(log) = ConnLog::parse(&String::from_utf8(bytes).unwrap()) {
                    for flow in &log.flows {
                        prop_assert!(flow.packets(flow.ends[0]).len() <= 10_000);
                    }
                }
            }
        }
    }
}
