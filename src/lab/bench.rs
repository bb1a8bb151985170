//! A bench: which vendor plays each role of a scenario, and what is recorded.

use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::document::Document;
use super::{FileKind, LabError};
use crate::corenet::Quarantine;
use crate::event::Actor;
use crate::io::files;
use crate::services::RegistrationPolicy;
use crate::world::Iface;
use crate::world::nodes::SliceReach;
use crate::world::setup::StationSetup;
use crate::world::topology::{Cut, LinkSpec, lte_links};

/// A cellbed bench.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bench {
    /// The name of the file, without its ending.
    #[serde(skip)]
    pub name: String,
    /// What the bench is, in one line.
    #[schemars(length(min = 1))]
    pub summary: String,
    /// Who plays which role.
    pub roles: Roles,
    /// What it takes to have a key put on the ledger.
    #[serde(default)]
    pub registration: RegistrationPolicy,
    /// What the core network does with a device that is in quarantine.
    #[serde(default)]
    pub quarantine: Quarantine,
    /// How long the certificate of a device is valid, in seconds: at most a year, which it is where nothing is said. A
    /// device renews it in the last third of that time.
    #[schemars(range(min = 60, max = 31_536_000))]
    pub certificate_validity_s: Option<u32>,
    /// The base stations. Where there is none, one that every device hears.
    #[serde(default)]
    pub base_station: Vec<BaseStation>,
    /// What links do besides taking their time.
    #[serde(default)]
    pub link: Vec<BenchLink>,
    /// What sessions of a slice reach behind the gateway. Where nothing is said of an access point name, every service.
    #[serde(default)]
    pub slice: Vec<Slice>,
    /// What is recorded.
    #[serde(default)]
    pub capture: Capture,
}

/// A slice of the network, which sessions belong to by their access point name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// The access point name, as SIM profiles have it. `internet` is that of who has none.
    #[schemars(length(max = 100), regex(pattern = "^[0-9A-Za-z]+([.-]+[0-9A-Za-z]+)*$"))]
    pub apn: String,
    /// What its sessions reach. A bootstrap subscription reaches the eSIM servers in every slice, and no other.
    pub reach: SliceReach,
}

/// A base station with its cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaseStation {
    /// Its number, from 1.
    #[schemars(range(min = 1, max = 255))]
    pub number: u32,
    /// The first and the last device that hear its cell. A device that hears several takes the first in this file that
    /// is not barred. Absent: every device.
    pub devices: Option<[u32; 2]>,
}

/// What a link does. A bench has S1-MME and S1-U from each base station to the core, and SGi to the services by way
/// of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BenchLink {
    /// The interface.
    pub interface: LinkInterface,
    /// The number of the base station at its end. Absent: every one.
    pub base_station: Option<u32>,
    /// How long a packet takes, one way, in milliseconds. Absent: 2; on `sgi` 0, on
    /// `sgi-lan` 5, on `openflow` 1, on `orders` 6, and on `sgi-aaa` 1 to the controller and 5 to the services.
    #[schemars(range(max = 60_000))]
    pub delay_ms: Option<u32>,
    /// How many in a million packets are lost. An association (`s1-mme`, `openflow`, `sgi-aaa`)
    /// sends them again.
    #[serde(default)]
    #[schemars(range(max = 1_000_000))]
    pub loss_ppm: u32,
    /// Kilobits per second in each direction. Absent: never the bottleneck.
    #[schemars(range(min = 1))]
    pub rate_kbps: Option<u32>,
    /// When the link is cut.
    #[serde(default)]
    pub cut: Vec<LinkCut>,
}

/// A time during which a link is cut. An association is lost with it, and set up again afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkCut {
    /// From when, in virtual milliseconds since the start.
    pub from_ms: u32,
    /// Until when.
    pub until_ms: u32,
}

/// An interface whose links a bench can describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LinkInterface {
    /// S1AP between base station and MME.
    #[serde(rename = "s1-mme")]
    S1Mme,
    /// GTP-U between base station and gateway.
    #[serde(rename = "s1-u")]
    S1U,
    /// IP between gateway and switch.
    #[serde(rename = "sgi")]
    Sgi,
    /// IP between switch and services.
    #[serde(rename = "sgi-lan")]
    SgiLan,
    /// OpenFlow between controller and switch.
    #[serde(rename = "openflow")]
    OpenFlow,
    /// What the gateway states of sessions to the controller of the switch and to the services.
    #[serde(rename = "sgi-aaa")]
    SgiAaa,
    /// What the registrar orders of the network's parts.
    #[serde(rename = "orders")]
    Orders,
}

impl LinkInterface {
    fn iface(self) -> Iface {
        match self {
            Self::S1Mme => Iface::S1Mme,
            Self::S1U => Iface::S1U,
            Self::Sgi => Iface::Sgi,
            Self::SgiLan => Iface::SgiLan,
            Self::OpenFlow => Iface::OpenFlow,
            Self::SgiAaa => Iface::SgiAaa,
            Self::Orders => Iface::Orders,
        }
    }
}

/// Who plays which role. A role that is left out is played by its embedded vendor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Roles {
    /// The UICC: `virtual`, or `pcsc:` and a reader, called by its name, a beginning of it, or its number from 0.
    #[schemars(with = "String", regex(pattern = "^(virtual|pcsc:.+)$"))]
    pub card: CardVendor,
    /// The user equipment.
    pub modem: ModemVendor,
    /// The base stations.
    pub base_station: BaseStationVendor,
    /// The core network.
    pub core: CoreVendor,
    /// The switch behind the gateway, with its controller.
    pub switch: SwitchVendor,
    /// The radio between modem and base station.
    pub air: AirVendor,
    /// The device registry.
    pub ledger: LedgerVendor,
    /// The certificate authority.
    pub ca: CaVendor,
}

/// Declares the vendors of each role; the first is the embedded one, which needs nothing installed.
macro_rules! vendors {
    ($($(#[$of:meta])* $role:ident {
        $(#[$what:meta])* $embedded:ident $(, $(#[$more:meta])* $other:ident)*
    })*) => {$(
        // First, so that what follows may say something of the schema.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
        $(#[$of])*
        #[serde(rename_all = "kebab-case")]
        pub enum $role {
            $(#[$what])*
            #[default]
            $embedded,
            $($(#[$more])* $other,)*
        }
    )*};
}

vendors! {
    /// Vendors of the modem.
    ModemVendor {
        /// The protocol UE: real NAS bytes, card commands and IP stack; RRC is modelled.
        Protocol
    }
    /// Vendors of the base station.
    BaseStationVendor {
        /// The protocol eNB: real S1AP and GTP-U bytes; RRC is modelled.
        Protocol,
        /// Protocol eNBs in processes of their own, started with `cellbed node`, which join in real time.
        Joined
    }
    /// Vendors of the core network.
    CoreVendor {
        /// MME, HSS and gateway in the same process.
        Embedded
    }
    /// Vendors of the switch behind the gateway.
    #[schemars(extend("x-refused" = {
        "ovs": "a bench runs in virtual time, in which Open vSwitch does not forward: its datapath, timers and counters go by the     wall clock. Our controller drives a real one in `cargo test --test sdn`, and `cellbed sdn switch` serves ours to others"
    }))]
    SwitchVendor {
        /// Switch and controller in the same process.
        Embedded
    }
    /// Vendors of the radio.
    AirVendor {
        /// A model of each technology's timing, in virtual time.
        Model
    }
    /// Vendors of the ledger.
    LedgerVendor {
        /// The EVM chain in the same process, on disk.
        Embedded
    }
    /// Vendors of the certificate authority.
    CaVendor {
        /// The authority and its EST server in the same process.
        Embedded
    }
}

/// Vendors of the card: `virtual`, or `pcsc:` and a reader.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CardVendor {
    /// The virtual UICC in the same process.
    #[default]
    Virtual,
    /// The card in this PC/SC reader (see [`crate::io::pcsc::open`]).
    Pcsc(String),
}

impl TryFrom<String> for CardVendor {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix("pcsc:").map(str::trim) {
            _ if text == "virtual" => Ok(Self::Virtual),
            Some(reader) if !reader.is_empty() => Ok(Self::Pcsc(reader.to_owned())),
            _ => Err(format!("a card is `virtual` or `pcsc:READER`, not `{text}`")),
        }
    }
}

impl From<CardVendor> for String {
    fn from(vendor: CardVendor) -> Self {
        match vendor {
            CardVendor::Virtual => "virtual".to_owned(),
            CardVendor::Pcsc(reader) => format!("pcsc:{reader}"),
        }
    }
}

/// What a run records.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Capture {
    /// Whether the secrets of the run are written: those of TLS beside the capture (`SSLKEYLOGFILE` format), so that
    /// Wireshark reads what TLS protects, and in the files what it protected, CK and IK, codes and keys in commands to
    /// cards. Where not, they are zero in every file. Absent: yes where the card is virtual, no where it is one in a
    /// reader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_log: Option<bool>,
    /// Whose messages and state changes are written: `all` devices', those of the `failing` (that do not go as the
    /// scenario expects), or those of so many from the first on and of the failing. The others are counted. Absent:
    /// all of up to 100 devices; of more, the first 3 and the failing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<RecordedDevices>,
}

/// Whose messages and state changes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RecordedDevices {
    /// `all`, or the `failing`.
    Class(DeviceClass),
    /// So many from the first on, and those that do not go as expected.
    First(u32),
}

/// Which devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceClass {
    /// Every device.
    All,
    /// Those that do not go as expected.
    Failing,
}

/// Every device is recorded where there are at most so many and the bench says nothing else.
pub const DEVICES_RECORDED_MAX: u32 = 100;
/// How many are where there are more, besides those that fail: what a good one looks like.
const DEVICES_SAMPLED: u32 = 3;

impl Capture {
    /// Where not all of `devices` are recorded: how many from the first on are in any case.
    pub fn recorded(&self, devices: u32) -> Option<u32> {
        let first = match self.devices {
            None if devices <= DEVICES_RECORDED_MAX => return None,
            None => DEVICES_SAMPLED,
            Some(RecordedDevices::Class(DeviceClass::All)) => return None,
            Some(RecordedDevices::Class(DeviceClass::Failing)) => 0,
            Some(RecordedDevices::First(first)) => first,
        };
        (first < devices).then_some(first)
    }
}

impl Bench {
    /// Whether the secrets of a run are written.
    pub fn writes_secrets(&self) -> bool {
        self.capture.key_log.unwrap_or(self.roles.card == CardVendor::Virtual)
    }

    /// The base stations, the one of a bench that names none among them.
    pub fn stations(&self) -> Vec<StationSetup> {
        let outside = self.roles.base_station == BaseStationVendor::Joined;
        let of = |station: &BaseStation| {
            let [first, last] = station.devices.unwrap_or([1, u32::MAX]);
            StationSetup { number: station.number, devices: first..=last, outside }
        };
        match self.base_station.is_empty() {
            true => vec![StationSetup { outside, ..StationSetup::only() }],
            false => self.base_station.iter().map(of).collect(),
        }
    }

    /// The links that are not as the bench would have them by itself.
    pub fn links(&self) -> Vec<LinkSpec> {
        let mut drawn = lte_links(self.stations().iter().map(|station| Actor::enb(station.number)));
        for told in &self.link {
            let interface = told.interface.iface();
            let meant = |link: &&mut LinkSpec| {
                let end = link.ends.0;
                end.at == interface && told.base_station.is_none_or(|number| end.who == Actor::enb(number))
            };
            for link in drawn.iter_mut().filter(meant) {
                let ms = |ms: u32| Duration::from_millis(ms.into());
                link.delay = told.delay_ms.map_or(link.delay, ms);
                link.loss_ppm = told.loss_ppm;
                link.rate_bps = told.rate_kbps.map(|kbps| u64::from(kbps) * 1_000);
                link.cuts = told
                    .cut
                    .iter()
                    .map(|cut| Cut { from: ms(cut.from_ms), until: ms(cut.until_ms) })
                    .collect();
            }
        }
        drawn
    }

    /// Reads and checks the bench at `path`.
    pub fn load(path: &Path) -> Result<Self, LabError> {
        let text = files::read_text(path)?;
        check(&text, &path.to_string_lossy()).map_err(LabError::Invalid)
    }
}

/// Reads a bench out of `source`, the content of the file called `name`.
pub fn check(source: &str, name: &str) -> Result<Bench, Vec<Diagnostic>> {
    let mut document = Document::parse(source, name);
    document.expect_kind(FileKind::Bench)?;
    let mut bench = document.read::<Bench>();
    if let Some(bench) = &mut bench {
        bench.name = super::file_stem(name).to_owned();
        base_stations(bench, &mut document);
        links(bench, &mut document);
    }
    document.finish(bench)
}

fn base_stations(bench: &Bench, document: &mut Document<'_>) {
    for (i, station) in bench.base_station.iter().enumerate() {
        let place =
            |document: &Document<'_>, key| document.root().key("base_station").item(i).key(key).span();
        if bench.base_station[..i].iter().any(|earlier| earlier.number == station.number) {
            let message = format!("there are two base stations with number {}", station.number);
            let span = place(document, "number");
            document.problem(span, message, "the second", Some("give each a number of its own".to_owned()));
        }
        if let Some([first, last]) = station.devices
            && (first == 0 || first > last)
        {
            let span = place(document, "devices");
            let help = "write the first and the last, as in devices = [1, 10]".to_owned();
            document.problem(span, "these are no devices", "from 1 upwards", Some(help));
        }
    }
}

fn links(bench: &Bench, document: &mut Document<'_>) {
    let stations = bench.stations();
    for (i, link) in bench.link.iter().enumerate() {
        let place = |document: &Document<'_>, key| document.root().key("link").item(i).key(key).span();
        match link.base_station {
            Some(_) if !matches!(link.interface, LinkInterface::S1Mme | LinkInterface::S1U) => {
                let span = place(document, "base_station");
                let help = "leave `base_station` out".to_owned();
                let message = format!("no base station is at an end of {}", link.interface.iface().name());
                document.problem(span, message, "not here", Some(help));
            }
            Some(number) if !stations.iter().any(|station| station.number == number) => {
                let known: Vec<String> = stations.iter().map(|station| station.number.to_string()).collect();
                let span = place(document, "base_station");
                let help = format!("the base stations of this bench: {}", known.join(", "));
                document.problem(span, format!("there is no base station {number}"), "unknown", Some(help));
            }
            _ => {}
        }
        for (n, cut) in link.cut.iter().enumerate() {
            let begins = cut.from_ms >= cut.until_ms;
            let overlaps = n.checked_sub(1).is_some_and(|before| link.cut[before].until_ms > cut.from_ms);
            if begins || overlaps {
                let span = document.root().key("link").item(i).key("cut").item(n).span();
                let message = if begins {
                    "the cut ends before it begins"
                } else {
                    "the cut begins before the one before ends"
                };
                document.problem(
                    span,
                    message,
                    "this cut",
                    Some("cuts come in their order, each with from_ms < until_ms".to_owned()),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_left_out_are_played_by_the_embedded_vendors() {
        let bench = check("summary = \"x\"\n[roles]\nair = \"model\"\n", "lab/benches/x.toml").unwrap();
        assert!(bench.writes_secrets());
        assert_eq!((bench.name.as_str(), bench.roles), ("x", Roles::default()));
    }

    #[test]
    fn of_many_devices_a_sample_and_the_failing_are_recorded() {
        let recorded = |devices: &str, count| {
            let source = format!("summary = \"x\"\n[roles]\n[capture]\n{devices}");
            check(&source, "x.toml").unwrap().capture.recorded(count)
        };
        assert_eq!((recorded("", 100), recorded("", 101)), (None, Some(3)));
        assert_eq!(recorded("devices = \"all\"", 100_000), None);
        assert_eq!(recorded("devices = \"failing\"", 2), Some(0));
        assert_eq!((recorded("devices = 7", 8), recorded("devices = 7", 7)), (Some(7), None));
        let wrong = check("summary = \"x\"\n[roles]\n[capture]\ndevices = \"some\"\n", "x.toml").unwrap_err();
        assert_eq!(wrong[0].message, "`devices` cannot be \"some\"");
    }

    #[test]
    fn base_stations_and_links_are_as_the_file_says() {
        let source = "summary = \"x\"\n[roles]\n[[base_station]]\nnumber = 1\ndevices = [1, 3]\n[[base_station]]\n\
                      number = 4\n[[link]]\ninterface = \"s1-mme\"\nbase_station = 4\ndelay_ms = 30\n\
                      cut = [{ from_ms = 3000, until_ms = 13000 }]\n[[link]]\ninterface = \"sgi\"\nrate_kbps = 64\n";
        let bench = check(source, "x.toml").unwrap();
        let stations = bench.stations();
        assert_eq!((stations[0].devices.clone(), stations[1].number), (1..=3, 4));
        let links = bench.links();
        assert_eq!(links.len(), 12);
        let cut = |link: &&LinkSpec| !link.cuts.is_empty();
        let [s1] = &links.iter().filter(cut).collect::<Vec<_>>()[..] else { panic!("{links:?}") };
        assert_eq!((s1.ends.0.who, s1.delay), (Actor::enb(4), Duration::from_millis(30)));
        assert_eq!(s1.cuts, [Cut { from: Duration::from_secs(3), until: Duration::from_secs(13) }]);
        assert_eq!(links[4].rate_bps, Some(64_000));
        assert_eq!(links[4].delay, Duration::ZERO);
    }

    #[test]
    fn what_is_wrong_with_stations_and_links_is_said_where_it_stands() {
        let source = "summary = \"x\"\n[roles]\n[[base_station]]\nnumber = 1\ndevices = [3, 1]\n[[base_station]]\n\
                      number = 1\n[[link]]\ninterface = \"s1-u\"\nbase_station = 2\n[[link]]\ninterface = \"sgi\"\n\
                      base_station = 1\ncut = [{ from_ms = 5, until_ms = 5 }]\n";
        let problems = check(source, "x.toml").unwrap_err();
        let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "these are no devices",
                "there are two base stations with number 1",
                "there is no base station 2",
                "no base station is at an end of sgi",
                "the cut ends before it begins",
            ]
        );
    }

    #[test]
    fn a_scenario_is_no_bench() {
        let problems = check("summary = \"x\"\n[[device]]\nprofile = \"p\"\n", "x.toml").unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].message, "this is a scenario, where a bench is wanted");
    }

    #[test]
    fn a_card_is_virtual_or_in_a_reader() {
        let card = |value: &str| {
            check(&format!("summary = \"x\"\n[roles]\ncard = \"{value}\"\n"), "x.toml")
                .map(|bench| bench.roles.card)
                .map_err(|problems| problems[0].message.clone())
        };
        assert_eq!(card("virtual"), Ok(CardVendor::Virtual));
        assert_eq!(card("pcsc:Virtual PCD 00 00"), Ok(CardVendor::Pcsc("Virtual PCD 00 00".to_owned())));
        assert_eq!(card("pcsc"), Err("a card is `virtual` or `pcsc:READER`, not `pcsc`".to_owned()));
        assert!(card("pcsc: ").is_err() && card("").is_err());
    }

    #[test]
    fn an_unknown_vendor_or_role_names_the_known_ones() {
        let source = "summary = \"x\"\n[roles]\ncore = \"srs\"\nbasestation = \"srs\"\n";
        let problems = check(source, "x.toml").unwrap_err();
        insta::assert_snapshot!(problems.iter().map(|p| p.render(false, 90)).collect::<String>(), @r##"
     × `core` cannot be "srs"
      ╭─[x.toml:3:8]
    2 │ [roles]
    3 │ core = "srs"
      ·        ──┬──
      ·          ╰── unknown value
    4 │ basestation = "srs"
      ╰────
     help: the only one known here is `embedded`
     × unknown key `basestation` in `roles`
      ╭─[x.toml:4:1]
    3 │ core = "srs"
    4 │ basestation = "srs"
      · ─────┬─────
      ·      ╰── not a key here
      ╰────
     help: did you mean `base_station`? known here: `card`, `modem`, `base_station`,
           `core`, `switch`, `air`, `ledger`, `ca`
    "##);
    }
}
