//! `cellbed euicc`: an LPA, and an IPA, for eUICCs in readers and for virtual ones.
//!
//! A card that cannot be reached is a wrong set-up (exit code 96); what card or server refuse is a finding (100).

pub mod args;
mod online;
mod show;
mod virtual_card;

use std::process::ExitCode;

use self::args::{AddEimArgs, EuiccArgs, EuiccVerb, LocalArgs};
use self::show::Printed;
use super::card::serve::ServeError;
use super::card::{CardToolError, Inserted, insert_port};
use super::exit::Exit;
use super::terminal;
use crate::card::CardPort;
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
    #[error("{path}: {problem}")]
    Root { path: String, problem: String },
    #[error(transparent)]
    Https(#[from] HttpsClientError),
    #[error("{asked:?} is neither an ICCID nor the number of one of the {profiles} profiles")]
    NoProfile { asked: String, profiles: usize },
    #[error("{path} holds no eIM configuration: {problem}")]
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
        EuiccVerb::Enable(choice) => switch(&choice.local, &choice.profile, SwitchKind::Enable, how),
        EuiccVerb::Disable(choice) => switch(&choice.local, &choice.profile, SwitchKind::Disable, how),
        EuiccVerb::Delete(choice) => switch(&choice.local, &choice.profile, SwitchKind::Delete, how),
        EuiccVerb::Nickname(nickname) => with_euicc(&nickname.local, |es10| {
            let iccid = chosen(es10, &nickname.profile)?;
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

/// Does something with the eUICC, and prints what it gives.
fn with_euicc(local: &LocalArgs, act: impl FnOnce(&mut Es10<'_>) -> Result<Printed, EuiccToolError>) -> Done {
    let Inserted { mut slot, .. } = insert(local)?;
    let mut es10 = Es10::open(&mut slot)?.with_block(local.block);
    act(&mut es10)?.show();
    es10.close()?;
    Ok(Exit::Pass)
}

fn listed(es10: &mut Es10<'_>) -> Result<Vec<ProfileInfo>, EuiccToolError> {
    Ok(es10.profiles(&ProfileFilter::default())?)
}

/// The profile that is meant.
fn chosen(es10: &mut Es10<'_>, asked: &str) -> Result<IccidBytes, EuiccToolError> {
    let profiles = listed(es10)?;
    let by_number = asked.parse::<usize>().ok().filter(|number| (1..=profiles.len()).contains(number));
    if let Some(iccid) = by_number.and_then(|number| profiles[number - 1].iccid) {
        return Ok(iccid);
    }
    asked
        .parse()
        .map(|iccid| bcd::iccid(&iccid))
        .map_err(|_| EuiccToolError::NoProfile { asked: asked.to_owned(), profiles: profiles.len() })
}

fn switch(local: &LocalArgs, asked: &str, kind: SwitchKind, how: show::How) -> Done {
    with_euicc(local, |es10| {
        let profile = ProfileId::Iccid(chosen(es10, asked)?);
        es10.switch(&Switch { kind, profile, refresh: kind != SwitchKind::Delete })?;
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
