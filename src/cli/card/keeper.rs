//! Virtual cards that are served, and where they keep their state.

use std::path::Path;
use std::sync::Arc;

use super::super::args::ServedCards;
use super::super::terminal;
use super::serve::ServeError;
use crate::card::{EuiccEvent, EuiccIdentity, OnEuiccEvent, Personalisation, Uicc};
use crate::crypto::rsp_cert::pem;
use crate::esim::Pki;
use crate::esim::pki::{Deployment, lab};
use crate::io::card_state::{CardStateError, StateDir};
use crate::io::{entropy, pki_folder};
use crate::kernel::ServedRng;
use crate::lab::catalogue;
use crate::world::euicc::{EuiccIssue, EuiccServers};
use crate::world::served::ServedCard;
use crate::world::setup::trust_anchor;

/// Where one card keeps its state.
pub struct Keeper {
    states: Arc<StateDir>,
    number: u32,
    /// What tells the card from others.
    name: String,
}

impl Keeper {
    /// Keeps what `uicc` must not forget; it is durable when this returns.
    pub fn save(&self, uicc: &Uicc) -> Result<(), CardStateError> {
        self.states.save(self.number, &self.name, &uicc.save())
    }
}

/// Makes the cards of a profile, as they were when they were served last.
pub struct Maker {
    rng: ServedRng,
    trust_anchor: Vec<u8>,
    euicc: Option<Euiccs>,
    states: Option<Arc<StateDir>>,
}

/// What eUICCs are made with.
struct Euiccs {
    pki: Pki,
    /// Those that are certified already.
    certified: Vec<EuiccIdentity>,
    servers: EuiccServers,
    bootstrap: bool,
}

impl Maker {
    /// What `args` ask for.
    pub fn new(args: &ServedCards) -> Result<Self, ServeError> {
        let states = args.state.as_deref().map(StateDir::open).transpose()?.map(Arc::new);
        let rng = entropy::asked_for(args.seed)?;
        let trust_anchor = match &args.trust_anchor {
            Some(path) => certificate(path)?,
            // The root of the run that has the same seed, so that a run takes the card.
            None => trust_anchor(args.seed.unwrap_or(lab::LAB_SEED))?,
        };
        let euicc = args.euicc.then(|| Euiccs::new(args, &rng)).transpose()?;
        Ok(Self { rng, trust_anchor, euicc, states })
    }

    /// What the owner of the cards should know of their keys.
    pub fn warnings(&self, args: &ServedCards) -> Vec<String> {
        let seed = self.rng.public_seed().map(|seed| {
            format!(
                "the cards are drawn from seed {seed}: their private keys and random numbers are public; leave \
                 --seed out for cards of their own"
            )
        });
        let hierarchy = self.euicc.as_ref().filter(|euicc| euicc.pki.is_public()).map(|_| {
            "the eUICCs are certified in the lab's hierarchy, whose private keys are public: anybody can issue such \
             certificates; make one of your own with `cellbed pki new` and give it with --pki"
                .to_owned()
        });
        let root = args.trust_anchor.is_none().then(|| {
            "the applets trust the authority of the lab, whose private key is public; --trust-anchor takes another"
                .to_owned()
        });
        seed.into_iter().chain(hierarchy).chain(root).collect()
    }

    /// Card `number`, from 1.
    pub fn card(
        &self,
        card: &Personalisation,
        number: u32,
    ) -> Result<(ServedCard, Option<Keeper>), ServeError> {
        let (kind, identifier) = match &self.euicc {
            None => ("ICCID", card.iccid.to_string()),
            Some(_) => ("EID", card.eid.to_string()),
        };
        let seed = self.rng.public_seed().map(|seed| format!(", seed {seed}")).unwrap_or_default();
        let name = format!("{kind} {identifier}{seed}");
        let keeper = self.states.clone().map(|states| Keeper { states, number, name });
        let state = keeper.as_ref().map(|keeper| keeper.states.load(number, &keeper.name)).transpose()?;
        let state = state.flatten();
        let mut made = match &self.euicc {
            None => ServedCard::plain(card, number, &self.rng, &self.trust_anchor)?,
            Some(euicc) => {
                let issue = euicc.issue(card, state.as_deref())?;
                ServedCard::euicc(card, number, &self.rng, &self.trust_anchor, &issue)?
            }
        };
        match (state, &keeper) {
            (Some(state), _) => {
                made.restore(&state)?;
                for (iccid, cause) in made.unusable_profiles() {
                    terminal::warning(format_args!(
                        "card{number}: the profile {iccid} of its state cannot be used: {cause}; everything else is as \
                         it was. It is kept for the program that installed it; `cellbed euicc delete` removes it"
                    ));
                }
            }
            // From now on this directory is this card's, also if nothing about it ever changes.
            (None, Some(keeper)) => keeper.save(&made)?,
            (None, None) => {}
        }
        Ok((made, keeper))
    }
}

impl Euiccs {
    fn new(args: &ServedCards, rng: &ServedRng) -> Result<Self, ServeError> {
        let bootstrap = !args.no_profile;
        let Some(dir) = &args.pki else {
            let pki = Pki::lab()?;
            // Of a run with a seed, its own eIM; otherwise that of `esim serve`.
            let run = if rng.public_seed().is_some() { rng.tree().clone() } else { lab::randomness() };
            let servers = EuiccServers::lab(&pki, &run, false)?;
            return Ok(Self { pki, certified: Vec::new(), servers, bootstrap });
        };
        let (deployment, notes) = pki_folder::load(dir, None)?;
        notes.iter().for_each(terminal::warning);
        let Deployment { pki, euicc, .. } = deployment;
        let eum = pki.eum.as_ref().map(|eum| &eum.certificate);
        let identity = |(known, eum): (crate::esim::pki::Identity, _)| EuiccIdentity {
            key: known.key,
            chain: [known.certificate, eum],
        };
        let certified = euicc.into_iter().filter_map(|known| Some((known, eum?.clone()))).map(identity);
        Ok(Self { certified: certified.collect(), pki, servers: EuiccServers::default(), bootstrap })
    }

    /// Who the eUICC with the EID of `card` is: whom the folder of its hierarchy has certified, or who it was when
    /// `state` was kept; a fresh key otherwise.
    fn issue(&self, card: &Personalisation, state: Option<&[u8]>) -> Result<EuiccIssue<'_>, ServeError> {
        let of_folder = || {
            let of_card = |known: &&EuiccIdentity| known.chain[0].eid() == Some(card.eid.as_str());
            self.certified.iter().find(of_card).cloned()
        };
        let of_state = state.map(EuiccIdentity::of_state).transpose()?.flatten();
        let identity = of_folder().or(of_state);
        let Self { pki, servers, bootstrap, .. } = self;
        Ok(EuiccIssue { pki, servers, bootstrap: *bootstrap, svn: None, identity })
    }
}

/// The certificate in a file, PEM or DER.
fn certificate(path: &Path) -> Result<Vec<u8>, ServeError> {
    let wrong = |cause| ServeError::TrustAnchor { path: path.to_owned(), cause };
    let mut found = pem::certificates(&pki_folder::read_file(path)?).map_err(wrong)?;
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        several => Err(wrong(format!("it holds {several} certificates, and an applet trusts one"))),
    }
}

/// The first `count` cards of a profile.
pub fn cards(args: &ServedCards, count: u32) -> Result<Vec<(ServedCard, Option<Keeper>)>, ServeError> {
    let profile = catalogue::profile(&args.profile)?;
    let maker = Maker::new(args)?;
    maker.warnings(args).iter().for_each(terminal::warning);
    (1..=count)
        .map(|number| {
            let (mut card, keeper) = maker.card(&profile.personalise(number - 1)?, number)?;
            if args.no_iot_info {
                card.leave_out_iot_info();
            }
            if args.trace && args.euicc {
                card.set_euicc_listener(tell(number));
            }
            Ok((card, keeper))
        })
        .collect()
}

/// Says what an eUICC does and why it refuses.
fn tell(number: u32) -> OnEuiccEvent {
    Arc::new(move |event: &EuiccEvent| {
        let code = event.code.map(|code| format!(" ({code})")).unwrap_or_default();
        terminal::line(format_args!("card{number} {}: {}{code}: {}", event.function, event.name, event.text));
    })
}
