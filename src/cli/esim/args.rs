//! What can be asked of `cellbed esim`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueHint};

use crate::esim::lpa::ActivationCode;
use crate::esim::pki::lab::EIM_ID;
use crate::id::{Eid, Plmn};
use crate::wire::rsp::{PolicyRules, ProfileClass};

#[derive(Debug, Args)]
pub struct EsimArgs {
    #[command(subcommand)]
    pub verb: EsimVerb,
}

#[derive(Debug, Subcommand)]
pub enum EsimVerb {
    /// Serve profiles to eUICCs: SM-DP+, SM-DS and eIM over HTTPS
    #[command(after_help = "\
Examples:
  cellbed esim serve --order sim-profiles/lte-test.toml
  cellbed esim serve --order sim-profiles/lte-test.toml:TOKEN-1 --state esim-state --subscribers hss.jsonl
  cellbed esim serve --pki my-pki --order profile.der::89049032123451234512345678901235 --announce
  cellbed esim serve --order sim-profiles/lte-test.toml:TOKEN-1,cc=4711,ppr2,class=test
  cellbed esim serve --order sim-profiles/lte-test.toml:TOKEN-1 --eim-download TOKEN-1")]
    Serve(EsimServeArgs),
}

#[derive(Debug, Args)]
pub struct EsimServeArgs {
    /// Certificates and keys, laid out as SGP.26; without it those of the lab, whose keys are public
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub pki: Option<PathBuf>,

    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,

    /// What devices call the SM-DP+: a host, with the port where it is not 443 [default: the address]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub name: Option<String>,

    /// What devices call the SM-DS [default: smds.localhost and the port]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub smds_name: Option<String>,

    /// What devices call the eIM [default: the same as the SM-DP+]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub eim_name: Option<String>,

    /// Where orders, sessions, notifications and what the eIM knows are kept, encrypted; without it everything is forgotten at the end
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,

    /// The file with the key of the state [default: in the folder of the state]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "state")]
    pub state_key: Option<PathBuf>,

    /// Have a profile ready: a fresh subscriber like that of a SIM profile (TOML), or a profile package (DER); for a
    /// matching identifier, or for an eUICC, where they are given. Options behind commas: cc=CODE, a confirmation code;
    /// ppr1 and ppr2, policy rules; class=test, provisioning or operational; owner=MCC-MNC
    #[arg(long = "order", value_name = "PROFILE[:MATCHING_ID][:EID][,OPTION...]")]
    pub orders: Vec<OrderArg>,

    /// Tell the SM-DS of each order that names an EID
    #[arg(long)]
    pub announce: bool,

    /// Write what the home network needs of the fresh subscribers to this file, their keys in clear: a JSON object a
    /// line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub subscribers: Option<PathBuf>,

    /// Have the eIM do this with an eUICC, or with every one, when it asks for the first time: download, enable with a
    /// way back, list. `order` is what is ordered here for the EID, a matching identifier means an order here
    #[arg(long = "eim-download", value_name = "[EID=]CODE|MATCHING_ID|order|default|smds")]
    pub eim_downloads: Vec<EimDownloadArg>,

    /// Do not tell devices the activation code: they download through the eIM
    #[arg(long, requires = "eim_downloads")]
    pub eim_indirect: bool,

    /// Serve devices alone: ES2+, where operators order, and ES12, where SM-DP+s register events, are for nobody
    #[arg(long)]
    pub devices_only: bool,

    /// A certificate (PEM or DER) under which operators are trusted as clients of ES2+, beside the CI of `--pki`; may be
    /// given several times
    #[arg(long = "client-ca", value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "devices_only")]
    pub client_ca: Vec<PathBuf>,

    /// Have profiles that operators may order over ES2+: fresh subscribers like that of a SIM profile (TOML), how many, or
    /// a profile package (DER). Their type is the name of the file
    #[arg(long = "stock", value_name = "PROFILE[:NUMBER]")]
    pub stock: Vec<StockArg>,

    /// Another server that these may connect to: an SM-DP+ from which devices download through the eIM, or an SM-DS that
    /// ES2+.ConfirmOrder may name; may be given several times. Those of `--eim-download` are
    #[arg(long = "peer", value_name = "HOST[:PORT]")]
    pub peers: Vec<String>,

    /// The identifier of the eIM, under which eUICCs know it
    #[arg(long, value_name = "ID", default_value = EIM_ID, value_parser = eim_id)]
    pub eim_id: String,

    /// Where to write what eUICCs have to be told of the eIM (EimConfigurationData, DER), for `cellbed euicc add-eim`
    /// [default: a temporary file]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub eim_config: Option<PathBuf>,

    /// Where to write the certificate that TLS clients have to trust [default: a temporary file]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub root: Option<PathBuf>,
}

/// `PROFILE[:MATCHING_ID][:EID][,OPTION...]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderArg {
    pub profile: PathBuf,
    pub matching_id: Option<String>,
    pub eid: Option<Eid>,
    /// What the user has to type.
    pub confirmation_code: Option<String>,
    pub rules: PolicyRules,
    pub class: Option<ProfileClass>,
    /// The network that owns the profile.
    pub owner: Option<Plmn>,
}

impl OrderArg {
    /// Takes what stands behind a comma: `cc=CODE`, `ppr1`, `ppr2`, `class=CLASS` or `owner=PLMN`.
    fn take(&mut self, option: &str) -> Result<(), String> {
        match option.split_once('=').unwrap_or((option, "")) {
            ("cc", code) if !code.is_empty() && code.len() <= 255 => {
                self.confirmation_code = Some(code.to_owned())
            }
            ("cc", _) => return Err("cc= takes the confirmation code, of 1 to 255 characters".to_owned()),
            ("ppr1", "") => self.rules.0 |= PolicyRules::PPR1.0,
            ("ppr2", "") => self.rules.0 |= PolicyRules::PPR2.0,
            ("class", "test") => self.class = Some(ProfileClass::Test),
            ("class", "provisioning") => self.class = Some(ProfileClass::Provisioning),
            ("class", "operational") => self.class = Some(ProfileClass::Operational),
            ("class", _) => return Err("class= takes test, provisioning or operational".to_owned()),
            ("owner", plmn) => {
                self.owner = Some(plmn.parse().map_err(|error| format!("owner= takes MCC-MNC: {error}"))?)
            }
            _ => {
                return Err(format!(
                    "{option:?} is none of cc=CODE, ppr1, ppr2, class=CLASS and owner=MCC-MNC"
                ));
            }
        }
        Ok(())
    }
}

impl FromStr for OrderArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A name of a file may have commas: the options are behind the last ones that lead options.
        let is_option = |part: &str| {
            ["cc=", "class=", "owner="].iter().any(|key| part.starts_with(key))
                || part == "ppr1"
                || part == "ppr2"
        };
        let mut rest = text;
        let mut options = Vec::new();
        while let Some((before, option)) = rest.rsplit_once(',').filter(|(_, option)| is_option(option)) {
            options.push(option);
            rest = before;
        }
        let mut order = Self::without_options(rest)?;
        options.iter().rev().try_for_each(|option| order.take(option))?;
        Ok(order)
    }
}

impl OrderArg {
    /// PROFILE[:MATCHING_ID][:EID].
    fn without_options(text: &str) -> Result<Self, String> {
        let mut parts: Vec<&str> = text.split(':').collect();
        let digits = |part: &&str| part.len() == 32 && part.bytes().all(|b| b.is_ascii_digit());
        let eid = match parts.last().filter(|_| parts.len() > 1).filter(|part| digits(part)) {
            Some(eid) => Some(eid.parse().map_err(|error| format!("{eid}: {error}"))?),
            None => None,
        };
        if eid.is_some() {
            parts.pop();
        }
        let (profile, id) = match parts[..] {
            [""] | ["", _] => return Err("it names no profile".to_owned()),
            [profile] => (profile, ""),
            [profile, id] => (profile, id),
            _ => {
                return Err(
                    "it has the form PROFILE[:MATCHING_ID][:EID][,OPTION...], and an EID has 32 digits"
                        .to_owned(),
                );
            }
        };
        Ok(Self {
            profile: profile.into(),
            matching_id: (!id.is_empty()).then(|| id.to_owned()),
            eid,
            confirmation_code: None,
            rules: PolicyRules::default(),
            class: None,
            owner: None,
        })
    }
}

/// `PROFILE[:NUMBER]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockArg {
    pub profile: PathBuf,
    pub number: u32,
}

impl FromStr for StockArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (profile, number) = match text.rsplit_once(':') {
            Some((profile, number)) => {
                (profile, number.parse().map_err(|_| format!("{number:?} is no number"))?)
            }
            None => (text, 1),
        };
        match (profile, number) {
            ("", _) => Err("it names no profile".to_owned()),
            (_, 1..=10_000) => Ok(Self { profile: profile.into(), number }),
            _ => Err("1 to 10000 profiles are expected".to_owned()),
        }
    }
}

/// `[EID=]WHAT`: what the eIM does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EimDownloadArg {
    /// The one that is meant; all where there is none.
    pub eid: Option<Eid>,
    pub what: Download,
}

/// Where a download comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Download {
    /// By this activation code.
    Code(String),
    /// By this matching identifier at the SM-DP+ that is served here.
    MatchingId(String),
    /// What is ordered for the EID at the SM-DP+ that is served here.
    Order,
    /// From the SM-DP+ that the eUICC holds.
    Default,
    /// What the SM-DS that is served here knows.
    Smds,
}

impl FromStr for EimDownloadArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (eid, what) = match text.split_once('=') {
            Some((eid, what)) => {
                (Some(eid.parse().map_err(|error| format!("{eid:?} before the =: {error}"))?), what)
            }
            None => (None, text),
        };
        let in_matching_id = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
        let what = match what {
            "order" => Download::Order,
            "default" => Download::Default,
            "smds" => Download::Smds,
            code if code.contains('$') => match code.parse::<ActivationCode>() {
                Ok(_) => Download::Code(code.to_owned()),
                Err(error) => return Err(error.to_string()),
            },
            id if !id.is_empty() && id.chars().all(in_matching_id) => Download::MatchingId(id.to_owned()),
            _ => {
                return Err("order, default, smds, a matching identifier (A-Z, 0-9 and -) or an activation \
                            code (LPA:1$...) is expected"
                    .to_owned());
            }
        };
        Ok(Self { eid, what })
    }
}

/// An `eimId` has 1 to 128 bytes.
fn eim_id(text: &str) -> Result<String, String> {
    match text.len() {
        1..=128 => Ok(text.to_owned()),
        found => Err(format!("it has 1 to 128 bytes, not {found}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read() {
        let eid = "89049032123451234512345678901235";
        let read = |text: &str| text.parse::<OrderArg>();
        let order = |matching_id: Option<&str>, eid: Option<&str>| OrderArg {
            profile: "a.toml".into(),
            matching_id: matching_id.map(str::to_owned),
            eid: eid.map(|eid| eid.parse().unwrap()),
            confirmation_code: None,
            rules: PolicyRules::default(),
            class: None,
            owner: None,
        };
        let options =
            read(&format!("a,b.toml:T-1:{eid},cc=4711,ppr1,ppr2,class=test,owner=310-410")).unwrap();
        assert_eq!(
            (options.profile.to_str(), options.confirmation_code.as_deref()),
            (Some("a,b.toml"), Some("4711"))
        );
        assert!(options.rules.contains(PolicyRules::PPR1) && options.rules.contains(PolicyRules::PPR2));
        assert_eq!((options.class, options.owner), (Some(ProfileClass::Test), "310-410".parse().ok()));
        for wrong in ["a.toml,cc=", "a.toml,class=none", "a.toml,owner=1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read("a.toml"), Ok(order(None, None)));
        assert_eq!(read("a.toml:T-1"), Ok(order(Some("T-1"), None)));
        assert_eq!(read(&format!("a.toml:{eid}")), Ok(order(None, Some(eid))));
        assert_eq!(read(&format!("a.toml::{eid}")), Ok(order(None, Some(eid))));
        assert_eq!(read(&format!("a.toml:T-1:{eid}")), Ok(order(Some("T-1"), Some(eid))));
        for wrong in ["", ":T-1", "a:b:c", "a:b:c:d", "a.toml:T-1:89049032123451234512345678901236"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn stock_is_read() {
        let read = |text: &str| text.parse::<StockArg>();
        let stock = |number| Ok(StockArg { profile: "a.toml".into(), number });
        assert_eq!(read("a.toml"), stock(1));
        assert_eq!(read("a.toml:20"), stock(20));
        for wrong in ["", ":1", "a.toml:", "a.toml:x", "a.toml:0", "a.toml:10001"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_the_eim_does_is_read() {
        let eid = "89049032123451234512345678901235";
        let read = |text: &str| text.parse::<EimDownloadArg>();
        let all = |what| Ok(EimDownloadArg { eid: None, what });
        let code = "LPA:1$smdp.example:8443$T-1";
        assert_eq!(read("order"), all(Download::Order));
        assert_eq!(read("default"), all(Download::Default));
        assert_eq!(read("smds"), all(Download::Smds));
        assert_eq!(read("TOKEN-1"), all(Download::MatchingId("TOKEN-1".to_owned())));
        assert_eq!(read(code), all(Download::Code(code.to_owned())));
        let one = EimDownloadArg { eid: eid.parse().ok(), what: Download::Code(code.to_owned()) };
        assert_eq!(read(&format!("{eid}={code}")), Ok(one));
        for wrong in ["", "token", "LPA:1$", "8904=order", "=order", &format!("{eid}=")] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(eim_id("").is_err() && eim_id(&"x".repeat(129)).is_err() && eim_id("a").is_ok());
    }
}
