//! What the eIM of `cellbed esim serve` is to do with eUICCs.

use super::args::{Download, EimDownloadArg};
use crate::esim::eim::{Rule, RuleStep};
use crate::id::Eid;

/// Where the servers are that devices are sent to.
pub struct Addresses<'a> {
    pub smdp: &'a str,
    pub smds: &'a str,
}

/// The rules that have eUICCs do what `downloads` say. With `indirect` devices are not told the activation code.
pub fn rules(
    downloads: &[EimDownloadArg],
    addresses: &Addresses<'_>,
    indirect: bool,
) -> impl Iterator<Item = Rule> {
    // The first rule that fits counts: what names an EID goes before what names none.
    let (named, all): (Vec<_>, Vec<_>) = downloads.iter().partition(|download| download.eid.is_some());
    named.into_iter().chain(all).map(move |download| {
        let prefix = download.eid.as_ref().map_or("", Eid::as_str);
        Rule::zero_touch(prefix, step(&download.what, addresses, indirect))
    })
}

fn step(download: &Download, addresses: &Addresses<'_>, indirect: bool) -> RuleStep {
    let here = |token: &str| format!("LPA:1${}${token}", addresses.smdp);
    let by_code = |code| RuleStep::DownloadByCode { code, hidden: indirect };
    match download {
        Download::Code(code) => by_code(code.clone()),
        Download::MatchingId(id) => by_code(here(id)),
        Download::Order => by_code(here("")),
        Download::Default => RuleStep::DownloadFromDefault,
        Download::Smds => RuleStep::DownloadBySmds { address: Some(addresses.smds.to_owned()) },
    }
}
