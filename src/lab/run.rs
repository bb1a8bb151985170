//! The run driver: a scenario on a bench, from its files to a verdict.
//!
//! [`Run::load`] reads and checks what is asked for, [`Run::simulate`] does it and feeds every event to views,
//! [`Run::into_folder`] does it with all views, into a run folder.

mod beside;
mod files;
#[cfg(test)]
mod many_tests;
mod setup;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::btree_map::{BTreeMap, Entry};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::audit::Auditor;
use super::audit::folder::{BOOKS, Bookkeeper, CERTIFICATES, LEDGER};
use super::bench::{CardVendor, DEVICES_RECORDED_MAX};
use super::held::{Held, Live, Scales};
use super::provenance;
use super::recorder::Recorder;
use super::redaction::Redaction;
use super::selection::Selection;
use super::{Bench, LabError, Scenario, catalogue};
use crate::ca::index::IndexStore;
use crate::card::{CardPort, SimProfile};
use crate::crypto::Tally;
use crate::crypto::tls::KeyLogSink;
use crate::event::{Actor, Body, Event, Outcome};
use crate::io::ca_folder::LineIndex;
use crate::io::clock::{Stopwatch, thread_cpu_time};
use crate::io::drive::{DriveError, Driving, drive};
use crate::io::entropy;
use crate::io::ledger_store::FileStore;
use crate::io::pcsc;
use crate::io::run_folder::RunFolder;
use crate::io::signer_state::FileSignerState;
use crate::kernel::text::shell_word;
use crate::kernel::{Origin, RngTree};
use crate::ledger::{LedgerStanding, Place};
use crate::report::{
    AuditSummary, EventLog, FileDigest, Html, Junit, LedgerKeyKind, LedgerRow, Metrics, Pcapng, Provenance,
    RunFacts, RunSummary, Style, Terminal, Transcript, View,
};
use crate::services::RegistrationPolicy;
use crate::wire::saip::Package;
use crate::world::books::Fact;
use crate::world::setup::Setup;
use crate::world::{Ended, World};
use files::{KeyLogFile, NamedFile};

/// Where nodes of other processes join, unless somebody says another place.
pub const JOIN_SOCKET: &str = "runs/join.sock";
/// Where operators speak to a run that goes on in real time, in its folder.
pub const CONTROL_SOCKET: &str = "control.sock";
/// How long they may take.
const JOIN_WITHIN: Duration = Duration::from_secs(60);

/// What a run has from outside, and where it keeps what it is to keep.
struct Places {
    /// The card of the first device, where it is in a reader.
    card: Option<Box<dyn CardPort>>,
    /// The ledger's.
    ledger: Place,
    /// The authority's index, where it is kept.
    certificates: Option<Box<dyn IndexStore>>,
}

/// What is asked for, checked.
pub struct Run {
    /// What happens, and what is expected.
    pub scenario: Scenario,
    /// Who plays.
    pub bench: Bench,
    profiles: BTreeMap<String, Arc<SimProfile>>,
    /// What operational profiles are made of, where cellbed does not make them.
    package: Option<Package>,
    /// Where nodes of other processes join.
    join_socket: PathBuf,
    /// Whether it goes on in real time, so that operators can speak to it.
    live: bool,
    /// Raised where the run is to come to its end.
    stop: Arc<AtomicBool>,
    /// The command that does the same again.
    rerun: String,
    /// Is told what a run waits for.
    tell: fn(&str),
    /// Scenario and bench as they were read.
    read: Vec<FileDigest>,
}

/// Where the live view of a run goes.
pub struct Screen {
    /// Where it is written to.
    pub out: Box<dyn Write>,
    /// With which colours and how wide.
    pub style: Style,
}

/// What stands beside the views of a run.
#[derive(Default)]
struct Aside<'a> {
    /// Sees every event.
    screen: Option<Box<dyn View + 'a>>,
    /// Where the books of the run are kept.
    books: Option<Box<dyn Write>>,
    /// Weighs what each part of the run held.
    scales: Option<&'a mut Scales>,
    /// Where and when the run is.
    provenance: Option<Provenance>,
    /// Where operators speak to it.
    control: Option<PathBuf>,
}

/// What a run has left behind.
pub struct Finished {
    /// The folder of the run.
    pub folder: PathBuf,
    /// How it went.
    pub summary: RunSummary,
    /// What stands where the link to the newest run belongs, where something else does.
    pub in_the_way: Option<PathBuf>,
}

impl Run {
    /// Reads and checks a scenario, a bench and the SIM profiles that the scenario names.
    ///
    /// # Errors
    /// [`LabError`] with everything that is wrong.
    pub fn load(scenario: &Path, bench: &Path) -> Result<Self, LabError> {
        let folder = catalogue::folder_of(scenario);
        let word = |path: &Path| shell_word(&path.to_string_lossy()).into_owned();
        let rerun = format!("cellbed run {} --bench {}", word(scenario), word(bench));
        let read = [scenario, bench].map(provenance::digest).into_iter().collect::<Result<_, _>>()?;
        let (scenario, bench) = (Scenario::load(scenario)?, Bench::load(bench)?);
        let outside = bench
            .stations()
            .iter()
            .any(|station| station.outside)
            .then_some("a base station of another process");
        let reader = matches!(bench.roles.card, CardVendor::Pcsc(_)).then_some("a card in a reader");
        if let (true, Some(what)) = (scenario.is_hostile(), outside.or(reader)) {
            return Err(LabError::Hostile { bench: bench.name, scenario: scenario.name, what });
        }
        let mut profiles = BTreeMap::new();
        let named = scenario.devices().into_iter().map(|device| device.profile.to_string());
        for name in named.chain(scenario.esim.iter().map(|plan| plan.profile.clone())) {
            if let Entry::Vacant(place) = profiles.entry(name) {
                let profile = catalogue::profile(&folder.join(format!("{}.toml", place.key())))?;
                place.insert(Arc::new(profile));
            }
        }
        let package = scenario.esim.as_ref().and_then(|plan| plan.package.as_ref());
        let package = package.map(|name| catalogue::package(&folder.join(name))).transpose()?;
        let join_socket = PathBuf::from(JOIN_SOCKET);
        let (stop, live) = (Arc::default(), false);
        Ok(Self { scenario, bench, profiles, package, join_socket, live, stop, rerun, tell: |_| (), read })
    }

    /// The same with another number of devices.
    ///
    /// # Errors
    /// Where the scenario's devices are not all alike.
    pub fn with_devices(mut self, count: u32) -> Result<Self, LabError> {
        self.scenario = self.scenario.with_devices(count)?;
        self.rerun.push_str(&format!(" --devices {count}"));
        Ok(self)
    }

    /// The same with another seed.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.scenario.seed = seed;
        self
    }

    /// The same with another time from one device of a group to the next.
    pub fn with_interval_ms(mut self, interval_ms: u32) -> Self {
        self.scenario.device.iter_mut().for_each(|group| group.interval_ms = interval_ms);
        self
    }

    /// The same with another place for nodes of other processes to join at.
    pub fn with_join_socket(mut self, socket: PathBuf) -> Self {
        self.join_socket = socket;
        self
    }

    /// The same in real time, with a socket in its folder at which operators speak to it: such a run is no function of its
    /// seed.
    pub fn live(mut self) -> Self {
        self.live = true;
        self.rerun.push_str(" --live");
        self
    }

    /// The same, to be interrupted by raising `stop`: the run ends between two events, and its views are finished.
    pub fn with_stop(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// The same, with somebody who is told what it waits for.
    pub fn with_tell(mut self, tell: fn(&str)) -> Self {
        self.tell = tell;
        self
    }

    /// Who is played by other processes.
    fn outside(&self) -> Vec<Actor> {
        let stations = self.bench.stations().into_iter().filter(|station| station.outside);
        stations.map(|station| Actor::enb(station.number)).collect()
    }

    /// The same with another time limit.
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.scenario.time_limit_s = u32::try_from(limit.as_secs()).unwrap_or(u32::MAX);
        self
    }

    /// What is known before the first event.
    pub fn facts(&self) -> RunFacts {
        RunFacts {
            scenario: self.scenario.name.clone(),
            summary: self.scenario.summary.clone(),
            bench: self.bench.name.clone(),
            card_via: match &self.bench.roles.card {
                CardVendor::Virtual => None,
                vendor @ CardVendor::Pcsc(_) => Some(vendor.clone().into()),
            },
            registration: match self.bench.registration {
                RegistrationPolicy::CardProof => None,
                RegistrationPolicy::Unproved => {
                    Some("unproved: a card without keys of the operator is believed unseen".to_owned())
                }
            },
            outside: {
                let operator = self.live.then(|| "operator".to_owned());
                self.outside().iter().map(Actor::to_string).chain(operator).collect()
            },
            seed: self.scenario.seed,
            rat: self.scenario.rat,
            devices: self.scenario.device_count(),
            plan: self.scenario.step_ids(),
            recorded: self.bench.capture.recorded(self.scenario.device_count()),
        }
    }

    /// Runs the scenario with its ledger in `place`, and feeds every event that the bench records to `views`.
    ///
    /// A fault of the bench while it runs is the verdict `error`, not an error here, and an interruption is the verdict
    /// `interrupted`.
    ///
    /// # Errors
    /// Where the bench cannot be set up, or a view cannot be written.
    pub fn simulate(
        &self,
        place: impl Into<Place>,
        key_log: Option<KeyLogSink>,
        views: &mut [Box<dyn View + '_>],
    ) -> Result<RunSummary, LabError> {
        self.simulate_with(self.places(place.into())?, key_log, views, Aside::default())
    }

    /// As [`simulate`](Self::simulate), and says what each part of the run held in memory when it was over. `live` is
    /// asked how many bytes are allocated.
    ///
    /// # Errors
    /// As there.
    pub fn simulate_measured(
        &self,
        place: impl Into<Place>,
        views: &mut [Box<dyn View + '_>],
        live: Live,
    ) -> Result<(RunSummary, Vec<Held>), LabError> {
        let mut scales = Scales::new(live);
        let aside = Aside { scales: Some(&mut scales), ..Aside::default() };
        let summary = self.simulate_with(self.places(place.into())?, None, views, aside)?;
        Ok((summary, scales.into_held()))
    }

    /// As [`simulate`](Self::simulate), where `view` sees every event of every device, whatever the bench records.
    ///
    /// # Errors
    /// As there.
    pub fn simulate_watched(
        &self,
        place: impl Into<Place>,
        view: Box<dyn View + '_>,
    ) -> Result<RunSummary, LabError> {
        let aside = Aside { screen: Some(view), ..Aside::default() };
        self.simulate_with(self.places(place.into())?, None, &mut [], aside)
    }

    /// The same with what `places` has, and what stands `aside`.
    fn simulate_with(
        &self,
        places: Places,
        key_log: Option<KeyLogSink>,
        views: &mut [Box<dyn View + '_>],
        aside: Aside<'_>,
    ) -> Result<RunSummary, LabError> {
        let Aside { mut screen, books, scales, provenance, control } = aside;
        let (watch, cpu) = (Stopwatch::start(), thread_cpu_time());
        let tally = Tally::new();
        let facts = self.facts();
        // What is logged is sorted before it is given out, where only some devices are recorded.
        let sorted = facts.recorded.and(key_log.clone()).map(|written| (KeyLogSink::new(), written));
        let logged = sorted.as_ref().map(|(logged, _)| logged.clone()).or(key_log);
        // Where nobody writes anything, nothing has to wait until it is known what is worth it.
        let written = !views.is_empty() || sorted.is_some();
        let recorded = facts.recorded.filter(|_| written);
        let mut selection = recorded.map(|first| Selection::new(&self.scenario, first, sorted));
        let Places { card, ledger, certificates } = places;
        let setup = Setup { card, certificates, ..self.setup(logged, tally.clone()) };
        // A card from outside belongs to somebody.
        let hiding = match setup.card.is_some() || !self.outside().is_empty() {
            true => Some(entropy::fresh()?.tree().clone()),
            false => None,
        };
        let salts = hiding.as_ref().map_or(Origin::Seed, RngTree::origin).into();
        let setup = Setup { hiding, ..setup };
        let auditor = Auditor::new(facts.devices, &facts.plan);
        let books = Rc::new(RefCell::new(Bookkeeper::new(auditor, books)));
        let take_down = |fact: &Fact| books.borrow_mut().take(fact);
        take_down(&Fact::Run {
            devices: facts.devices,
            plan: facts.plan.clone(),
            salts,
            way: self.scenario.way,
        });
        let mut world = World::set_up(setup, ledger)?;
        let witness = Rc::clone(&books);
        world.witnessed(Box::new(move |fact| witness.borrow_mut().take(&fact)));
        let gathers = facts.recorded.is_some() && facts.devices > DEVICES_RECORDED_MAX;
        let mut recorder = Recorder::new(&self.scenario, gathers);
        let mut failure: Option<std::io::Error> = None;
        let mut record = |event: &Event| {
            for view in views.iter_mut() {
                if let Err(error) = view.event(event) {
                    failure.get_or_insert(error);
                }
            }
        };
        let mut unseen: Option<std::io::Error> = None;
        let mut redaction = (!self.bench.writes_secrets()).then(Redaction::default);
        let mut sink = |event: Event| {
            let event = match &mut redaction {
                Some(redaction) => redaction.take(event),
                None => event,
            };
            recorder.observe(&event);
            if let Body::StepEnded { device, step, outcome: Outcome::Refused { reason, .. }, .. } =
                &event.body
            {
                take_down(&Fact::Refused { device: *device, step: *step, reason: reason.clone() });
            }
            if let Some(Err(error)) = screen.as_mut().map(|screen| screen.event(&event)) {
                unseen.get_or_insert(error);
            }
            match &mut selection {
                Some(selection) => selection.take(event, |device| recorder.standing(device), &mut record),
                None => record(&event),
            }
        };
        let limit = Duration::from_secs(self.scenario.time_limit_s.into());
        // What a time limit cuts short is not done, which is all that the judge has to know.
        let stop = || self.stop.load(Ordering::Relaxed);
        let ended = match self.outside() {
            outside if outside.is_empty() && !self.live => {
                world.run_unless(&stop, limit, &mut sink).map_err(DriveError::World)
            }
            outside => {
                let socket = self.join_socket.clone();
                let driving = Driving { limit, outside, socket, join_within: JOIN_WITHIN, control };
                drive(&mut world, &driving, &stop, &mut sink, &mut |line| (self.tell)(&line))
            }
        };
        match ended {
            Ok(Ended::Settled | Ended::TimeLimit) => {}
            Ok(Ended::Stopped) => recorder.interrupted(world.now()),
            Err(DriveError::World(error)) => recorder.bench_error(error.to_string()),
            // Nothing has begun.
            Err(error) => return Err(error.into()),
        }
        let left_out =
            selection.map(|selection| selection.finish(|device| recorder.standing(device), &mut record));
        world.books(&mut |fact| take_down(&fact));
        // What cannot be written is told at the end: the verdict is known all the same.
        let audit = books.borrow_mut().finish().unwrap_or_else(|error| {
            failure.get_or_insert(error);
            AuditSummary::default()
        });
        if let Some(finding) = audit.findings.first() {
            recorder.audit_failed(finding.to_string());
        }
        let (end, under_way_max) = (world.now(), world.under_way_max());
        let (ledger, counted) = (world.ledger().map(ledger_row), world.counters());
        if let Some(scales) = scales {
            scales.take_down(world);
        }
        let mut summary = recorder.finish(facts, end, &tally);
        summary.ledger = ledger;
        summary.left_out = left_out;
        summary.audit = Some(audit);
        summary.rerun = format!("{} --seed {}", self.rerun, self.scenario.seed);
        summary.counters.extend(counted);
        summary.counters.insert("devices.under-way-max".to_owned(), under_way_max as u64);
        summary.wall_time = Some(watch.elapsed());
        summary.cpu_time = thread_cpu_time().zip(cpu).map(|(after, before)| after.saturating_sub(before));
        summary.provenance = provenance;
        for view in views.iter_mut() {
            if let Err(error) = view.finish(&summary) {
                failure.get_or_insert(error);
            }
        }
        if let Some(screen) = &mut screen {
            screen.finish(&summary).map_err(LabError::Output)?;
        }
        match failure.or(unseen) {
            Some(error) => Err(LabError::Output(error)),
            None => Ok(summary),
        }
    }

    /// Runs the scenario into a new folder below `runs`, with every view, and points `runs/last` at it.
    ///
    /// # Errors
    /// Where the bench cannot be set up, or the folder cannot be written.
    pub fn into_folder(&self, runs: &Path, screen: Option<Screen>) -> Result<Finished, LabError> {
        // First, so that a reader without a card leaves no folder behind.
        let card = self.card()?;
        let folder = RunFolder::create(runs, &self.scenario.name)?;
        let facts = self.facts();
        let place = ledger_place(folder.path())?;
        let key_log = self.bench.writes_secrets().then(KeyLogSink::new);
        let file = |name: &str| -> Result<_, LabError> {
            Ok(NamedFile::open(folder.path().join(name), folder.file(name)?))
        };
        let provenance = self.provenance(key_log.is_some());
        self.begin(file("metrics.json")?, &facts, &provenance)?;
        let mut views: Vec<Box<dyn View>> = vec![
            Box::new(Transcript::new(file("transcript.txt")?, &facts).map_err(LabError::Output)?),
            Box::new(Pcapng::new(file("trace.pcapng")?, &facts).map_err(LabError::Output)?),
            Box::new(EventLog::new(file("events.jsonl")?)),
            Box::new(Junit::new(file("junit.xml")?)),
            Box::new(Metrics::new(NamedFile::later(folder.path().join("metrics.json")))),
            Box::new(Html::new(file("report.html")?, &facts)),
        ];
        if let Some(sink) = &key_log {
            views.push(Box::new(KeyLogFile { out: file("sslkeylog.txt")?, sink: sink.clone() }));
        }
        let screen = screen.map(|Screen { out, style }| Terminal::new(out, &facts, style)).transpose();
        let screen = screen.map_err(LabError::Output)?.map(|terminal| Box::new(terminal) as Box<dyn View>);
        let books: Box<dyn Write> = Box::new(file(BOOKS)?);
        let control = self.live.then(|| folder.path().join(CONTROL_SOCKET));
        if let Some(control) = &control {
            // From now on it is the newest run: `runs/last` is where it is spoken to.
            folder.publish()?;
            (self.tell)(&format!("operators speak to this run at {}", control.display()));
        }
        let aside = Aside { screen, books: Some(books), scales: None, provenance: Some(provenance), control };
        let certificates = Box::new(LineIndex(folder.file(CERTIFICATES)?));
        let places = Places { card, ledger: place, certificates: Some(certificates) };
        let summary = self.simulate_with(places, key_log, &mut views, aside);
        drop(views);
        let summary = match summary {
            // What was written is whole as far as it goes.
            Ok(_) | Err(LabError::Output(_)) => summary?,
            Err(error) => {
                // Nothing has begun, and nothing is left of it; where that cannot be removed the error matters more.
                let _ = folder.discard();
                return Err(error);
            }
        };
        let in_the_way = folder.publish()?;
        Ok(Finished { in_the_way, folder: folder.path().to_owned(), summary })
    }

    /// The card of the bench and a ledger, for a run that keeps nothing else.
    fn places(&self, ledger: Place) -> Result<Places, LabError> {
        Ok(Places { card: self.card()?, ledger, certificates: None })
    }

    /// The card in the reader that the bench names; `None` where each device gets a virtual one.
    fn card(&self) -> Result<Option<Box<dyn CardPort>>, LabError> {
        let CardVendor::Pcsc(reader) = &self.bench.roles.card else { return Ok(None) };
        let devices = self.scenario.device_count();
        if devices != 1 {
            return Err(LabError::OneCard {
                bench: self.bench.name.clone(),
                reader: reader.clone(),
                scenario: self.scenario.name.clone(),
                devices,
            });
        }
        Ok(Some(Box::new(pcsc::open(reader)?)))
    }
}

/// The place of the ledger of a run in `folder`: the blocks, and apart from them what was signed last.
///
/// # Errors
/// Where the folders cannot be written, or another process holds them.
pub fn ledger_place(folder: &Path) -> Result<Place, LabError> {
    let failed = |error: crate::ledger::StoreError| LabError::Ledger(error.into());
    let store = FileStore::open(&folder.join(LEDGER)).map_err(failed)?;
    let signer = FileSignerState::open(&folder.join("ledger-signer")).map_err(failed)?;
    Ok(Place { store: Box::new(store), signer: Box::new(signer) })
}

fn ledger_row(standing: LedgerStanding) -> LedgerRow {
    LedgerRow {
        name: standing.origin,
        verifier_key: standing.verifier_key,
        keys: if standing.lab { LedgerKeyKind::Lab } else { LedgerKeyKind::Own },
        block: standing.head.number,
        head: hex::encode(standing.head.hash),
    }
}
