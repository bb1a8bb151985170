//! `cellbed euicc`: an LPA, and an IPA, for eUICCs in readers and for virtual ones.
//!
//! A card that cannot be reached is a wrong set-up (exit code 96); what card or server refuse is a finding (100).

pub mod args;
mod online;
mod show;
mod virtual_card;

use std::process::ExitCode;

use self::args::{AddEimArgs, Aid, EuiccArgs, EuiccVerb, LocalArgs, ProfileChoice};
use self::show::Printed;
use super::card::serve::ServeError;
use super::card::{CardToolError, Inserted, insert_port};
use super::exit::Exit;
use super::terminal;
use crate::card::{CardPort, CardSlot};
use crate::esim::lpa::{Es10, LpaError, ResetOptions};
use crate::io::files::{self, FileError};
use crate::io::https_client::HttpsClientError;
use crate::io::pcsc;
use crate::wire::bcd;
use crate::wire::rsp::iot::{AddInitialEim, EimConfigurationData};
use crate::wire::rsp::{IccidBytes, ProfileFilter, ProfileId, ProfileInfo, Switch, SwitchKind};

/// Why a command could not be done.
#[derive(Debug, thiserror::Error)]
enum EuiccToolError {
    #[error(transparent)]
    Card(#[from] CardToolError),
    #[error(transparent)]
    Reader(#[from] pcsc::PcscError),
    #[error("the virtual eUICC cannot be made: {0}")]
    Virtual(#[from] ServeError),
    #[error(transparent)]
    Lpa(#[from] LpaError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path}: {problem}; give certificates in PEM or DER")]
    Root { path: String, problem: String },
    #[error(transparent)]
    Https(#[from] HttpsClientError),
    #[error(
        "{asked:?} is neither an ICCID, nor the AID of an ISD-P, nor the number of one of the {profiles} profiles"
    )]
    NoProfile { asked: String, profiles: usize },
    #[error("{path} holds no eIM configuration: {problem}; `cellbed esim serve` writes one")]
    Configuration { path: String, problem: String },
}

impl EuiccToolError {
    /// What was reached and refuses is a finding; what was not reached is a wrong set-up.
    fn exit(&self) -> Exit {
        match self {
            Self::Lpa(
                LpaError::Port { .. }
                | LpaError::NoEuicc { .. }
                | LpaError::NoChannel { .. }
                | LpaError::Network { .. }
                | LpaError::NoSmdp
                | LpaError::CodeNeeded
                | LpaError::ActivationCode(_),
            ) => Exit::SetUp,
            Self::Lpa(_) => Exit::Failed,
            Self::Card(error) => error.exit(),
            _ => Exit::SetUp,
        }
    }
}

type Done = Result<Exit, EuiccToolError>;

/// Does what was asked for.
pub fn main(args: &EuiccArgs) -> ExitCode {
    let how = show::How { json: args.json, show_identifiers: args.show_identifiers };
    let done = match &args.verb {
        EuiccVerb::Info(local) => with_euicc(local, |es10| Ok(show::info(&show::Info::read(es10)?, how))),
        EuiccVerb::List(local) => with_euicc(local, |es10| Ok(show::profiles(&listed(es10)?, how))),
        EuiccVerb::Enable(args) => switch(&args.choice, SwitchKind::Enable, !args.no_refresh, how),
        EuiccVerb::Disable(args) => switch(&args.choice, SwitchKind::Disable, !args.no_refresh, how),
        EuiccVerb::Delete(choice) => switch(choice, SwitchKind::Delete, false, how),
        EuiccVerb::Nickname(nickname) => with_euicc(&nickname.local, |es10| {
            let iccid = with_iccid(es10, &nickname.profile)?;
            es10.set_nickname(&iccid, &nickname.name)?;
            Ok(show::done("the nickname is set", how))
        }),
        EuiccVerb::AddEim(add) => add_eim(add, how),
        EuiccVerb::Notifications(notifications) => online::notifications(notifications, how),
        EuiccVerb::Reset(reset) => with_euicc(&reset.local, |es10| {
            let all = ResetOptions::OPERATIONAL_PROFILES | ResetOptions::FIELD_LOADED_TEST_PROFILES;
            es10.memory_reset(ResetOptions(all))?;
            Ok(show::done("the profiles are deleted", how))
        }),
        EuiccVerb::Download(download) => online::download(download, how),
        EuiccVerb::Discover(discover) => online::discover(discover, how),
        EuiccVerb::Poll(poll) => online::poll(poll, how),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(EuiccToolError::Card(cause)) => super::card::failed(&cause),
        Err(EuiccToolError::Virtual(ServeError::Lab(cause))) => terminal::lab_error(&cause),
        Err(cause) => {
            terminal::failure(&cause);
            cause.exit().into()
        }
    }
}

/// The card that is meant, reset.
fn insert(local: &LocalArgs) -> Result<Inserted, EuiccToolError> {
    let port: Box<dyn CardPort> = match &local.card.profile {
        Some(path) => virtual_card::open(local, path)?,
        None => Box::new(pcsc::open(&local.card.reader)?),
    };
    Ok(insert_port(port, &local.card)?)
}

/// The ISD-R of the card in `slot`.
fn open<'a>(slot: &'a mut CardSlot, local: &LocalArgs) -> Result<Es10<'a>, EuiccToolError> {
    let es10 = match &local.isd_r {
        Some(aid) => Es10::open_at(slot, &aid.0)?,
        None => Es10::open(slot)?,
    };
    Ok(es10.with_block(local.block))
}

/// Does something with the eUICC, and prints what it gives.
fn with_euicc(local: &LocalArgs, act: impl FnOnce(&mut Es10<'_>) -> Result<Printed, EuiccToolError>) -> Done {
    with_outcome(local, |es10| Ok((act(es10)?, Exit::Pass)))
}

/// The same where what it gives may be a finding.
fn with_outcome(
    local: &LocalArgs,
    act: impl FnOnce(&mut Es10<'_>) -> Result<(Printed, Exit), EuiccToolError>,
) -> Done {
    let Inserted { mut slot, .. } = insert(local)?;
    let mut es10 = open(&mut slot, local)?;
    let (printed, exit) = act(&mut es10)?;
    printed.show();
    es10.close()?;
    Ok(exit)
}

fn listed(es10: &mut Es10<'_>) -> Result<Vec<ProfileInfo>, EuiccToolError> {
    Ok(es10.profiles(&ProfileFilter::default())?)
}

/// The profile that is meant.
fn chosen(es10: &mut Es10<'_>, asked: &str) -> Result<ProfileId, EuiccToolError> {
    // An AID has a registered application provider in front, which no ICCID has.
    if let Some(Aid(aid)) = asked.parse().ok().filter(|Aid(aid)| aid[0] == 0xa0 && aid.len() == 16) {
        return Ok(ProfileId::Aid(aid));
    }
    let profiles = listed(es10)?;
    let by_number = asked.parse::<usize>().ok().filter(|number| (1..=profiles.len()).contains(number));
    if let Some(profile) = by_number.and_then(|number| profiles.get(number - 1)) {
        let by_aid = || profile.aid.clone().map(ProfileId::Aid);
        if let Some(id) = profile.iccid.map(ProfileId::Iccid).or_else(by_aid) {
            return Ok(id);
        }
    }
    asked
        .parse()
        .map(|iccid| ProfileId::Iccid(bcd::iccid(&iccid)))
        .map_err(|_| EuiccToolError::NoProfile { asked: asked.to_owned(), profiles: profiles.len() })
}

/// The ICCID of the profile that is meant: a nickname is given by it alone (SGP.22 clause 5.7.21).
fn with_iccid(es10: &mut Es10<'_>, asked: &str) -> Result<IccidBytes, EuiccToolError> {
    match chosen(es10, asked)? {
        ProfileId::Iccid(iccid) => Ok(iccid),
        ProfileId::Aid(aid) => {
            let profiles = listed(es10)?;
            let of_aid = profiles.iter().find(|profile| profile.aid.as_ref() == Some(&aid));
            of_aid.and_then(|profile| profile.iccid).ok_or_else(|| EuiccToolError::NoProfile {
                asked: asked.to_owned(),
                profiles: profiles.len(),
            })
        }
    }
}

fn switch(choice: &ProfileChoice, kind: SwitchKind, refresh: bool, how: show::How) -> Done {
    with_euicc(&choice.local, |es10| {
        let profile = chosen(es10, &choice.profile)?;
        es10.switch(&Switch { kind, profile, refresh })?;
        let done = match kind {
            SwitchKind::Enable => "the profile is enabled; it is seen after a refresh or reset of the card",
            SwitchKind::Disable => "the profile is disabled; it is seen after a refresh or reset of the card",
            SwitchKind::Delete => "the profile is deleted",
        };
        Ok(show::done(done, how))
    })
}

/// Tells the eUICC of its first eIM.
fn add_eim(args: &AddEimArgs, how: show::How) -> Done {
    let bytes = files::read_bytes(&args.configuration)?;
    let eims = eim_configuration(&bytes).map_err(|problem| EuiccToolError::Configuration {
        path: args.configuration.display().to_string(),
        problem,
    })?;
    with_euicc(&args.local, |es10| {
        let added = es10.add_initial_eim(&eims)?;
        Ok(show::eims_added(&eims.0, &added, how))
    })
}

/// One EimConfigurationData, or an AddInitialEimRequest with several: in DER, or in hex.
fn eim_configuration(bytes: &[u8]) -> Result<AddInitialEim, String> {
    let digits: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let der = hex::decode(&digits).unwrap_or_else(|_| bytes.to_vec());
    let eims = match der.first() {
        Some(0x30) => EimConfigurationData::parse(&der).map(|eim| AddInitialEim(vec![eim])),
        _ => AddInitialEim::parse(&der),
    };
    eims.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rsp::iot::EimKey;

    #[test]
    fn configurations_are_read_in_each_form() {
        let eim = EimConfigurationData {
            eim_id: "a".to_owned(),
            key: Some(EimKey::PublicKey(vec![0x30, 0])),
            ..Default::default()
        };
        let list = AddInitialEim(vec![eim.clone()]);
        let single = eim.to_bytes(0x30);
        let hex = format!("{}\n", hex::encode(&single)).into_bytes();
        for bytes in [single.clone(), hex, list.to_bytes()] {
            assert_eq!(eim_configuration(&bytes), Ok(list.clone()));
        }
        for wrong in [&b""[..], b"hello", &single[..single.len() - 1], &[&single[..], &[0]].concat()] {
            assert!(eim_configuration(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_file_is_read_or_refused(bytes: Vec<u8>) {
            if let Ok(eims) = eim_configuration(&bytes) {
                proptest::prop_assert!(AddInitialEim::parse(&eims.to_bytes()).is_ok());
            }
        }
    }
}
