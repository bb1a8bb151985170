//! Scripts (ETSI TS 102 226 clauses 5, 7 and 8): what the commands of a packet do. Each packet has a context of its own:
//! it selects for itself, has the rights of its application, and sees nothing of what the terminal has selected or
//! begun.

use super::super::Reply;
use super::super::commands::{INSTRUCTIONS, Run};
use super::super::fs::Position;
use super::super::gsm::{self, Sim};
use super::super::installed::{InstalledProfile, ProfileApplication};
use super::super::pin::AccessDomain;
use super::super::toolkit::Toolkit;
use super::super::uicc::{Application, Selection};
use super::domains::{Purpose, Target};
use super::registry;
use crate::wire::ota::{
    Answered, Compact, CompactAnswer, Expanded, ExpandedAnswer, Item, ScriptError, Trouble, is_expanded,
};
use crate::wire::tlv::TlvError;
use crate::wire::{Command, StatusWord};

/// The instructions of remote file management, of files with class `0x` or `8x` and of a SIM with A0: SELECT, STATUS,
/// READ, UPDATE, SEARCH, INCREASE. Codes are not a server's to give: what they open it has by right, or not at all.
const OF_FILES: [u8; 8] = [0xa4, 0xf2, 0xb0, 0xb2, 0xd6, 0xdc, 0xa2, 0x32];
const GET_RESPONSE: u8 = 0xc0;

/// Does the commands of `script` for `target`, and gives the data of the answer: at most `room` octets.
pub(super) fn run(profile: &mut InstalledProfile, target: &Target, script: &[u8], room: usize) -> Vec<u8> {
    let before = profile.applet.as_ref().map_or(0, |instance| instance.applet.changes());
    let mut context = Context::new(profile, target);
    let answer = match is_expanded(script) {
        true => context.expanded(script, room).encode(),
        false => context.compact(script, room).encode(),
    };
    profile.pins.set_remote(None);
    if target.purpose == Purpose::IotSafe
        && let Some(instance) = &mut profile.applet
    {
        instance.applet.end_remote_session(before);
    }
    answer
}

struct Context<'a> {
    profile: &'a mut InstalledProfile,
    target: &'a Target,
    selection: Selection,
    sim: Sim,
    /// Response data that waits for GET RESPONSE.
    waiting: Vec<u8>,
    /// How much of the registry GET STATUS has told.
    told: usize,
}

impl<'a> Context<'a> {
    fn new(profile: &'a mut InstalledProfile, target: &'a Target) -> Self {
        // A script for the files of an application begins in that.
        let selection = match target.purpose {
            Purpose::Files { adf: Some((adf, _)), .. } => Selection {
                application: Some(Application::OfProfile(ProfileApplication::Adf(adf))),
                position: Position::in_application(adf),
            },
            _ => Selection::default(),
        };
        Self { profile, target, selection, sim: Sim::default(), waiting: Vec::new(), told: 0 }
    }

    /// A script of compact format: it ends with the first command that fails, and the data of the last one counts.
    fn compact(&mut self, script: &[u8], room: usize) -> CompactAnswer {
        let Ok(script) = Compact::parse(script) else {
            return CompactAnswer { executed: 0, status: StatusWord::WRONG_LENGTH, data: Vec::new() };
        };
        let mut answer = CompactAnswer { executed: 0, status: StatusWord::OK, data: Vec::new() };
        for command in script.0 {
            let Answered { data, status } = self.command(command);
            answer = CompactAnswer { executed: answer.executed.saturating_add(1), status, data };
            if !goes_on(status) {
                break;
            }
        }
        let excess = answer.encode().len().saturating_sub(room);
        if excess > 0 {
            answer.data.truncate(answer.data.len().saturating_sub(excess));
            answer.status = StatusWord::DATA_CUT;
        }
        answer
    }

    /// A script of expanded format: each command answers, until one fails or there is no more room.
    fn expanded(&mut self, script: &[u8], room: usize) -> ExpandedAnswer {
        let script = match Expanded::parse(script) {
            Ok(script) => script,
            Err(error) => {
                return ExpandedAnswer { trouble: Some(bad_format(&error)), ..ExpandedAnswer::default() };
            }
        };
        let mut answer = ExpandedAnswer { open: script.open, ..ExpandedAnswer::default() };
        for item in script.items {
            let command = match item {
                Item::Command(command) => command,
                // There is no session that could be suspended, and what to do on an error has nobody to be told to.
                Item::ErrorAction(_) => continue,
                Item::ImmediateAction(_) => {
                    answer.trouble = Some(Trouble::ImmediateAction(1));
                    break;
                }
                Item::Chaining(_) => {
                    answer.trouble = Some(Trouble::Chaining(2));
                    break;
                }
            };
            let answered = self.command(command);
            let ends = !goes_on(answered.status);
            answer.executed = answer.executed.saturating_add(1);
            answer.answers.push(answered);
            if cut(&mut answer, room) || ends {
                break;
            }
        }
        answer
    }

    fn command(&mut self, bytes: &[u8]) -> Answered {
        let waiting = std::mem::take(&mut self.waiting);
        let Ok(mut c) = Command::parse(bytes) else { return refused(StatusWord::WRONG_LENGTH) };
        let answered = self.run(&c, &waiting);
        // A length that is wrong is corrected here: there is no terminal that would send the command again.
        match answered.status.0.to_be_bytes() {
            [0x6c, right] if c.data.is_empty() => {
                c.expected = Some(if right == 0 { 256 } else { u16::from(right) });
                self.run(&c, &waiting)
            }
            _ => answered,
        }
    }

    fn run(&mut self, c: &Command<'_>, waiting: &[u8]) -> Answered {
        if c.class == gsm::CLASS && matches!(self.target.purpose, Purpose::Files { .. }) {
            return self.sim(c);
        }
        if c.class & 0x7f != 0 {
            return refused(StatusWord::CLASS_NOT_SUPPORTED);
        }
        let reply = match (c.instruction, &self.target.purpose) {
            (GET_RESPONSE, _) if waiting.is_empty() => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
            (GET_RESPONSE, _) => Ok(waiting.to_vec()),
            (_, Purpose::Files { .. }) => self.file(c),
            (_, Purpose::IotSafe) => match &mut self.profile.applet {
                Some(instance) => instance.applet.handle_remotely(c),
                None => Err(StatusWord::NOT_FOUND),
            },
            (_, Purpose::Applications) => {
                match registry::answer(&self.profile.administration, self.target, c, &mut self.told) {
                    Ok((data, status)) => return self.told_with(c, data, status),
                    Err(status) => Err(status),
                }
            }
        };
        match reply {
            Ok(data) => self.told_with(c, data, StatusWord::OK),
            Err(status) => refused(status),
        }
    }

    /// The answer with `data`: as much as Le says, and the rest for GET RESPONSE.
    fn told_with(&mut self, c: &Command<'_>, mut data: Vec<u8>, status: StatusWord) -> Answered {
        let rest = data.split_off(data.len().min(c.expected.map_or(0, usize::from)));
        if rest.is_empty() {
            return Answered { data, status };
        }
        let status = StatusWord::more(rest.len());
        self.waiting = rest;
        Answered { data, status }
    }

    /// A command to the file system.
    fn file(&mut self, c: &Command<'_>) -> Reply {
        if !OF_FILES.contains(&c.instruction) {
            return Err(StatusWord::INSTRUCTION_NOT_SUPPORTED);
        }
        self.assume_rights();
        if c.instruction == 0xa4 {
            return self.select(c);
        }
        let known = INSTRUCTIONS.iter().find(|i| (i.code, i.class) == (c.instruction, c.class));
        match known.map(|instruction| &instruction.run) {
            Some(Run::Profile(run)) => run(self.profile, &mut self.selection, c),
            _ => Err(StatusWord::CLASS_NOT_SUPPORTED),
        }
    }

    /// SELECT by identifier or path. Applications are not selected by name: the one that a script may enter is the one
    /// that it begins in.
    fn select(&mut self, c: &Command<'_>) -> Reply {
        if c.class != 0x00 {
            return Err(StatusWord::CLASS_NOT_SUPPORTED);
        }
        if c.p1 == 0x04 {
            return Err(StatusWord::FUNCTION_NOT_SUPPORTED);
        }
        let selected = self.profile.find(&self.selection, c)?;
        let wants_data = match c.p2 & 0x0c {
            0x00 | 0x04 => true,
            0x0c => false,
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        self.selection = selected;
        Ok(if wants_data { self.profile.fcp(&selected) } else { Vec::new() })
    }

    /// A command of class A0.
    fn sim(&mut self, c: &Command<'_>) -> Answered {
        if !OF_FILES.contains(&c.instruction) && c.instruction != GET_RESPONSE {
            return refused(StatusWord::INSTRUCTION_NOT_SUPPORTED);
        }
        self.profile.pins.set_remote(Some(self.access(false)));
        let reply = self.sim.handle(c, self.profile, &mut Toolkit::default());
        let response = reply.unwrap_or_else(|status| status.to_bytes().to_vec());
        match StatusWord::split(&response) {
            Some((data, status)) => Answered { data: data.to_vec(), status },
            None => refused(StatusWord::TECHNICAL_PROBLEM),
        }
    }

    /// The rights where the script stands: those of its application inside that, those of the UICC elsewhere.
    fn assume_rights(&mut self) {
        let inside = self.profile.files.is_in_application(&self.selection.position);
        self.profile.pins.set_remote(Some(self.access(inside)));
    }

    fn access(&self, in_application: bool) -> AccessDomain {
        match self.target.purpose {
            Purpose::Files { adf: Some((_, access)), .. } if in_application => access,
            Purpose::Files { access, .. } if !in_application => access,
            _ => AccessDomain::Nothing,
        }
    }
}

fn refused(status: StatusWord) -> Answered {
    Answered { data: Vec::new(), status }
}

/// Whether a script goes on behind a command with this status: normal endings and warnings.
fn goes_on(status: StatusWord) -> bool {
    status != StatusWord::DATA_CUT && matches!(status.0 >> 8, 0x90 | 0x91 | 0x61 | 0x62 | 0x63 | 0x9f)
}

/// Cuts the last answer where there is no room for all of it; says whether that was so.
fn cut(answer: &mut ExpandedAnswer, room: usize) -> bool {
    let excess = answer.encode().len().saturating_sub(room);
    if excess == 0 {
        return false;
    }
    if let Some(last) = answer.answers.last_mut() {
        last.data.truncate(last.data.len().saturating_sub(excess));
        last.status = StatusWord::DATA_CUT;
    }
    while answer.encode().len() > room && answer.answers.pop().is_some() {}
    true
}

fn bad_format(error: &ScriptError) -> Trouble {
    Trouble::BadFormat(match error {
        ScriptError::Tag { .. } | ScriptError::Object(TlvError::Tag | TlvError::LongTag) => 1,
        ScriptError::Object(TlvError::Length { .. }) => 3,
        _ => 2,
    })
}
