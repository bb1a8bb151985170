//! Who the servers of `cellbed esim serve` are: of the lab's hierarchy, or of one in a folder.

use std::path::Path;

use super::args::EsimServeArgs;
use super::serve::ServeError;
use crate::crypto::Tally;
use crate::crypto::rsp_cert::{Curve, Role};
use crate::esim::Pki;
use crate::esim::office::{Identities, Issue};
use crate::esim::pki::lab::{self, eim_identity};
use crate::io::pki_folder;
use crate::kernel::ServedRng;

/// The identities that `args` ask for. What is to be said of them goes to `tell`.
pub fn of(
    args: &EsimServeArgs,
    now_unix_s: u64,
    rng: &ServedRng,
    tell: impl Fn(&str),
) -> Result<Identities, ServeError> {
    match &args.pki {
        Some(dir) => of_folder(dir, now_unix_s, tell),
        None => of_lab(args, now_unix_s, rng, tell),
    }
}

/// Servers in the lab's hierarchy, with keys of their own.
fn of_lab(
    args: &EsimServeArgs,
    now_unix_s: u64,
    rng: &ServedRng,
    tell: impl Fn(&str),
) -> Result<Identities, ServeError> {
    let pki = Pki::lab()?;
    tell(
        "these servers are certified in the lab's hierarchy, whose private keys, that of the eIM among them, are \
         public: anybody can be them; make one of your own with `cellbed pki new` and give it with --pki",
    );
    let hosts = |names: &[&Option<String>], usual: &[&str]| -> Vec<String> {
        let own = names.iter().filter_map(|name| name.as_deref().map(host_of));
        own.chain(usual.iter().copied()).map(str::to_owned).collect()
    };
    let listen = args.listen.ip().to_string();
    let issue = Issue {
        pki: &pki,
        // The eIM's own certificate signs packages and is none for TLS: it is served with that of the SM-DP+.
        smdp_hosts: &hosts(&[&args.name, &args.eim_name], &["localhost", "127.0.0.1", "::1", &listen]),
        smds_hosts: &hosts(&[&args.smds_name], &["smds.localhost"]),
        // Made anew for each start: TLS clients take no certificate for years.
        from_unix_s: now_unix_s.saturating_sub(3_600),
        now_unix_s,
        rng: rng.tree(),
        tally: &Tally::new(),
    };
    // The eIM is the one that the lab's eUICCs are delivered with: its key is public as the hierarchy's are.
    let eim = eim_identity(&pki, &lab::randomness())?;
    Ok(Identities::issue(&issue, Some(eim))?)
}

fn of_folder(dir: &Path, now_unix_s: u64, tell: impl Fn(&str)) -> Result<Identities, ServeError> {
    let tally = Tally::new();
    let (deployment, notes) = pki_folder::load(dir, None)?;
    notes.iter().for_each(|note| tell(note));
    if deployment.pki.curve() == Curve::BrainpoolP256r1 {
        return Err(ServeError::Brainpool { dir: dir.to_owned() });
    }
    let missing = |what| ServeError::Missing { dir: dir.to_owned(), what };
    let anchor = deployment.pki.anchor(Some(now_unix_s), &tally)?;
    let smdp = deployment.smdp.into_iter().next().ok_or_else(|| missing("SM-DP+"))?;
    let (smds, eim) = (deployment.smds.into_iter().next(), deployment.eim.into_iter().next());
    smdp.check(&anchor, Some(now_unix_s), &tally)?;
    if let Some(smds) = &smds {
        smds.check(&anchor, Some(now_unix_s), &tally)?;
    }
    if let Some(eim) = &eim {
        anchor.verify_chain(&[&eim.certificate], Role::Eim, Some(now_unix_s), &tally)?;
    }
    Ok(Identities { anchor, smdp, smds, eim, further: Vec::new(), eim_anchors: Vec::new() })
}

fn host_of(name: &str) -> &str {
    let without_port = name.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    let host = without_port.map_or(name, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_name() {
        for (name, host) in [
            ("smdp.example", "smdp.example"),
            ("smdp.example:8443", "smdp.example"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("[::1]:8443", "::1"),
            ("::1", "::1"),
        ] {
            assert_eq!(host_of(name), host);
        }
    }
}
