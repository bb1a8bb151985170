//! Runs the commands of a manifest (draft-ietf-suit-manifest-37 clause 6).
//!
//! A section is run from its beginning each time, behind the shared sequence. Where it wants something fetched that is not
//! there, it says what ([`Outcome::Fetch`]) and is run again when it is: a fetch whose result is there already does nothing
//! (clause 6.3.1). So nothing has to be remembered across a cut of the power.

use super::UpdateError;
use crate::wire::suit::{Command, Condition, Directive, Index, Manifest, Parameter, Section, Severable};

/// Commands that one section may take, those of its nested sequences included.
const COMMANDS_MAX: usize = 1000;

/// The device as a manifest sees it. Components are numbered as in the manifest.
pub trait Target {
    /// Who made a component.
    fn vendor(&self, component: usize) -> [u8; 16];
    /// Of which kind it is.
    fn class(&self, component: usize) -> [u8; 16];
    /// Which device it is, where it knows that of itself.
    fn device(&self) -> Option<[u8; 16]>;
    /// The slot that is about to be written, or started.
    fn slot(&self, component: usize) -> u64;
    /// Whether the component, as it is stored, has this digest, and this size where there is one.
    fn holds(&self, component: usize, digest: &[u8; 32], size: Option<u64>) -> bool;
}

/// Something to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// For which component.
    pub component: usize,
    /// Where it is.
    pub uri: String,
    /// Its SHA-256.
    pub digest: [u8; 32],
    /// Its size, in bytes.
    pub size: u64,
}

/// What came of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// Something has to be fetched before it can go on.
    Fetch(Fetch),
    /// The component is to be started.
    Invoke(usize),
}

/// Why a sequence does not go on.
enum Stop {
    /// A condition does not hold.
    Fails(UpdateError),
    /// Nothing can come of the manifest any more.
    Ends(UpdateError),
    /// It goes on elsewhere.
    Waits(Outcome),
}

/// The parameters of a component.
#[derive(Debug, Clone, Default)]
struct Parameters {
    vendor: Option<[u8; 16]>,
    class: Option<[u8; 16]>,
    device: Option<[u8; 16]>,
    digest: Option<[u8; 32]>,
    size: Option<u64>,
    slot: Option<u64>,
    uri: Option<String>,
}

struct Run<'a, T> {
    target: &'a T,
    place: &'static str,
    parameters: Vec<Parameters>,
    index: Index,
    /// Whether a condition that fails ends its own sequence alone; one for each sequence that is under way.
    soft: Vec<bool>,
    left: usize,
}

/// Runs the shared sequence and then `section`; a section that there is not is done.
///
/// # Errors
/// Where a condition does not hold, something is asked that the device cannot do, or a section was cut off.
pub fn run(manifest: &Manifest, section: Section, target: &impl Target) -> Result<Outcome, UpdateError> {
    let place = section.name();
    let commands = match manifest.section(section) {
        None => return Ok(Outcome::Done),
        Some(Severable::CutOff(_)) => return Err(UpdateError::CutOff { section: place }),
        Some(Severable::Inside(commands) | Severable::Beside(commands)) => commands,
    };
    let components = manifest.components.len();
    let mut run = Run {
        target,
        place: "shared",
        parameters: vec![Parameters::default(); components],
        index: Index::One(0),
        soft: vec![false],
        left: COMMANDS_MAX,
    };
    let result = run.sequence(&manifest.shared).and_then(|()| {
        (run.place, run.index) = (place, Index::One(0));
        run.sequence(commands)
    });
    match result {
        Ok(()) => Ok(Outcome::Done),
        Err(Stop::Fails(error) | Stop::Ends(error)) => Err(error),
        Err(Stop::Waits(outcome)) => Ok(outcome),
    }
}

/// Whether the shared sequence asks for vendor and class, as it must (clause 6.2): in any case, and not only where something
/// else was tried before.
///
/// # Errors
/// [`UpdateError::ForAnybody`] where it does not.
pub fn asks_for_whom(manifest: &Manifest) -> Result<(), UpdateError> {
    let asks = |wanted: Condition| {
        let is = |command: &Command| matches!(command, Command::Condition { what, .. } if *what == wanted);
        manifest.shared.iter().any(is)
    };
    match asks(Condition::VendorIdentifier) && asks(Condition::ClassIdentifier) {
        true => Ok(()),
        false => Err(UpdateError::ForAnybody),
    }
}

impl<T: Target> Run<'_, T> {
    fn sequence(&mut self, commands: &[Command]) -> Result<(), Stop> {
        for command in commands {
            self.left = self.left.checked_sub(1).ok_or_else(|| self.unsupported("so many commands"))?;
            match command {
                Command::Condition { what, .. } => {
                    for component in self.chosen()? {
                        self.condition(*what, component)?;
                    }
                }
                Command::Directive(directive) => self.directive(directive)?,
            }
        }
        Ok(())
    }

    /// The components that a command is about.
    fn chosen(&self) -> Result<std::ops::Range<usize>, Stop> {
        match self.index {
            Index::All => Ok(0..self.parameters.len()),
            Index::One(index) => match usize::try_from(index) {
                Ok(index) if index < self.parameters.len() => Ok(index..index + 1),
                _ => Err(Stop::Ends(UpdateError::Component)),
            },
        }
    }

    fn condition(&self, what: Condition, component: usize) -> Result<(), Stop> {
        let (own, target) = (&self.parameters[component], self.target);
        let (holds, error) = match what {
            Condition::VendorIdentifier => {
                let wanted = own.vendor.ok_or_else(|| self.needs("a vendor identifier"))?;
                (wanted == target.vendor(component), UpdateError::Vendor)
            }
            Condition::ClassIdentifier => {
                let wanted = own.class.ok_or_else(|| self.needs("a class identifier"))?;
                (wanted == target.class(component), UpdateError::Class)
            }
            Condition::DeviceIdentifier => {
                let wanted = own.device.ok_or_else(|| self.needs("a device identifier"))?;
                (Some(wanted) == target.device(), UpdateError::Device)
            }
            Condition::ComponentSlot => {
                let wanted = own.slot.ok_or_else(|| self.needs("a slot"))?;
                (wanted == target.slot(component), self.fails("the slot"))
            }
            Condition::ImageMatch => {
                let digest = own.digest.ok_or_else(|| self.needs("an image digest"))?;
                (target.holds(component, &digest, own.size), UpdateError::Image)
            }
            Condition::Abort => (false, self.fails("abort")),
            Condition::CheckContent => return Err(self.unsupported("compare contents")),
        };
        match (holds, self.soft.last()) {
            (true, _) => Ok(()),
            (false, Some(true)) => Err(Stop::Fails(error)),
            (false, _) => Err(Stop::Ends(error)),
        }
    }

    fn directive(&mut self, directive: &Directive) -> Result<(), Stop> {
        match directive {
            Directive::SetComponentIndex(index) => {
                self.index = *index;
                self.chosen().map(drop)
            }
            Directive::OverrideParameters(parameters) => {
                for component in self.chosen()? {
                    parameters.iter().try_for_each(|one| self.set(component, one))?;
                }
                Ok(())
            }
            Directive::TryEach { sequences, may_fail } => self.each(|run| run.try_each(sequences, *may_fail)),
            Directive::RunSequence(sequence) => self.each(|run| run.nested(sequence, false)),
            Directive::Fetch(_) => {
                for component in self.chosen()? {
                    self.fetch(component)?;
                }
                Ok(())
            }
            Directive::Invoke(_) => match self.chosen()? {
                chosen if chosen.len() == 1 => Err(Stop::Waits(Outcome::Invoke(chosen.start))),
                _ => Err(self.unsupported("start several components")),
            },
            Directive::Write(_) => Err(self.unsupported("write contents")),
            Directive::Copy(_) => Err(self.unsupported("copy components")),
            Directive::Swap(_) => Err(self.unsupported("swap components")),
        }
    }

    /// Does `work` once for each component that is chosen (clause 6.4).
    fn each(&mut self, mut work: impl FnMut(&mut Self) -> Result<(), Stop>) -> Result<(), Stop> {
        let before = self.index;
        for component in self.chosen()? {
            self.index = Index::One(component as u64);
            work(self)?;
        }
        self.index = before;
        Ok(())
    }

    /// The first sequence that does not fail. In each of them a condition that fails ends it alone, unless it says otherwise.
    fn try_each(&mut self, sequences: &[Vec<Command>], may_fail: bool) -> Result<(), Stop> {
        let mut failure = None;
        let index = self.index;
        for sequence in sequences {
            match self.nested(sequence, true) {
                Err(Stop::Fails(error)) => failure = Some(error),
                other => return other,
            }
            self.index = index;
        }
        // A directive that fails is the end, whatever was said of conditions (clause 6.2).
        match failure {
            Some(error) if !may_fail => Err(Stop::Ends(error)),
            _ => Ok(()),
        }
    }

    fn nested(&mut self, sequence: &[Command], soft: bool) -> Result<(), Stop> {
        self.soft.push(soft);
        let result = self.sequence(sequence);
        self.soft.pop();
        match result {
            // A sequence that was run and not tried ends quietly where it said that a failure is soft.
            Err(Stop::Fails(_)) if !soft => Ok(()),
            other => other,
        }
    }

    fn fetch(&self, component: usize) -> Result<(), Stop> {
        let own = &self.parameters[component];
        let uri = own.uri.clone().ok_or_else(|| self.needs("a URI"))?;
        let digest = own.digest.ok_or_else(|| self.needs("an image digest"))?;
        let size = own.size.ok_or_else(|| self.needs("an image size"))?;
        match self.target.holds(component, &digest, Some(size)) {
            true => Ok(()),
            false => Err(Stop::Waits(Outcome::Fetch(Fetch { component, uri, digest, size }))),
        }
    }

    fn set(&mut self, component: usize, parameter: &Parameter) -> Result<(), Stop> {
        let own = &mut self.parameters[component];
        match parameter {
            Parameter::VendorIdentifier(id) => own.vendor = Some(*id),
            Parameter::ClassIdentifier(id) => own.class = Some(*id),
            Parameter::DeviceIdentifier(id) => own.device = Some(*id),
            Parameter::ImageDigest(digest) => own.digest = Some(*digest),
            Parameter::ImageSize(size) => own.size = Some(*size),
            Parameter::ComponentSlot(slot) => own.slot = Some(*slot),
            Parameter::Uri(uri) => own.uri = Some(uri.clone()),
            // Commands are done in their order in any case.
            Parameter::StrictOrder(_) => {}
            Parameter::SoftFailure(soft) => match self.soft.as_mut_slice() {
                [_, .., innermost] => *innermost = *soft,
                _ => return Err(self.unsupported("fail softly outside of a nested sequence")),
            },
            Parameter::Content(_)
            | Parameter::SourceComponent(_)
            | Parameter::InvokeArguments(_)
            | Parameter::FetchArguments(_) => return Err(self.unsupported("use this parameter")),
        }
        Ok(())
    }

    fn unsupported(&self, what: &'static str) -> Stop {
        Stop::Ends(UpdateError::Unsupported { section: self.place, what })
    }

    fn needs(&self, what: &'static str) -> Stop {
        Stop::Ends(UpdateError::Parameter { section: self.place, what })
    }

    fn fails(&self, what: &'static str) -> UpdateError {
        UpdateError::Condition { section: self.place, what }
    }
}
