//! The AT command front of a modem, as far as a client of the card needs it (3GPP TS 27.007 clauses 8.17 and 8.43 to
//! 8.46; ITU-T V.250): generic access to the card with +CSIM, logical channels with +CCHO, +CGLA and +CCHC, and what hosts
//! ask of a subscriber before anything else (`subscriber`).

use std::collections::BTreeSet;

use super::{CardPort, PortError};
use crate::wire::at::{
    AtCommand, EquipmentError, ErrorStyle, FinalResult, Form, LineBuffer, Parameter, Style, commands,
};
use crate::wire::{Command, StatusWord};

mod subscriber;

/// A modem without a radio: characters come in from its terminal, characters go out.
#[derive(Debug, Clone)]
pub struct Modem {
    line: LineBuffer,
    echo: bool,
    style: Style,
    /// The logical channels that +CCHO opened and +CCHC has not closed; their numbers are the session identifiers.
    sessions: BTreeSet<u8>,
}

impl Default for Modem {
    fn default() -> Self {
        Self { line: LineBuffer::default(), echo: true, style: Style::default(), sessions: BTreeSet::new() }
    }
}

/// What a command gives before its final result.
type Outcome = Result<Vec<String>, FinalResult>;

const OK: Outcome = Ok(Vec::new());

impl Modem {
    /// Takes characters of the terminal and gives those for it.
    pub fn receive(&mut self, characters: &[u8], card: &mut dyn CardPort) -> Vec<u8> {
        let mut out = Vec::new();
        for &character in characters {
            if self.echo {
                out.push(character);
            }
            let Some(line) = self.line.push(character) else { continue };
            match line {
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => self.obey(&line, card, &mut out),
                Err(_) => out.extend(self.style.result(FinalResult::Error).bytes()),
            }
        }
        out
    }

    /// Does the commands of a line up to the first that fails.
    fn obey(&mut self, line: &str, card: &mut dyn CardPort, out: &mut Vec<u8>) {
        let result = match commands(line) {
            Ok(commands) => commands.iter().try_for_each(|command| {
                let lines = self.run(command, card)?;
                out.extend(lines.iter().flat_map(|line| self.style.information(line).into_bytes()));
                Ok(())
            }),
            Err(_) => Err(FinalResult::Error),
        };
        let result = result.err().unwrap_or(FinalResult::Ok);
        out.extend(self.style.result(result).bytes());
    }

    fn run(&mut self, command: &AtCommand, card: &mut dyn CardPort) -> Outcome {
        match (command.name.as_str(), &command.form) {
            ("", Form::Do(_)) => OK,
            ("E", Form::Do(n)) => switch(&mut self.echo, *n),
            ("V", Form::Do(n)) => switch(&mut self.style.verbose, *n),
            ("Q", Form::Do(n)) => switch(&mut self.style.quiet, *n),
            ("Z" | "&F", Form::Do(0)) => {
                (self.echo, self.style) = (true, Style::default());
                OK
            }
            ("I", Form::Do(0)) => Ok(vec!["cellbed modem".to_owned()]),
            ("+CMEE", form) => self.error_style(form),
            ("+CSIM" | "+CCHO" | "+CCHC" | "+CGLA" | "+CPIN" | "+CIMI" | "+CCID" | "+CRSM", Form::Test) => OK,
            ("+CPIN", Form::Read) => Ok(vec![format!("+CPIN: {}", subscriber::pin_state(card)?)]),
            ("+CIMI", Form::Do(0)) => Ok(vec![subscriber::imsi(card)?]),
            // TS 27.007 has no such command; modems give the ICCID so.
            ("+CCID", Form::Do(0) | Form::Read) => Ok(vec![format!("+CCID: {}", subscriber::iccid(card)?)]),
            ("+CRSM", Form::Set(parameters)) => Ok(vec![subscriber::restricted(parameters, card)?]),
            ("+CSIM", Form::Set(parameters)) => {
                let [length, apdu] = exactly(parameters)?;
                let response = transmit(card, &apdu_of(length, apdu)?)?;
                Ok(vec![format!("+CSIM: {}", told(&response))])
            }
            ("+CCHO", Form::Set(parameters)) => {
                let [aid] = exactly(parameters)?;
                let session = self.open(&aid.bytes().ok_or(INCORRECT)?, card)?;
                // TS 27.007 has the number alone; modems put the name before it, and their clients look for it.
                Ok(vec![format!("+CCHO: {session}")])
            }
            ("+CCHC", Form::Set(parameters)) => {
                let [session] = exactly(parameters)?;
                let session = self.session(session)?;
                self.sessions.remove(&session);
                accepted(&transmit(card, &[0x00, 0x70, 0x80, session])?, EquipmentError::SimFailure)?;
                OK
            }
            ("+CGLA", Form::Set(parameters)) => {
                let [session, length, apdu] = exactly(parameters)?;
                let session = self.session(session)?;
                let mut apdu = apdu_of(length, apdu)?;
                apdu[0] = on_channel(apdu[0], session);
                let response = transmit(card, &apdu)?;
                Ok(vec![format!("+CGLA: {}", told(&response))])
            }
            _ => Err(FinalResult::Error),
        }
    }

    fn error_style(&mut self, form: &Form) -> Outcome {
        let styles = [ErrorStyle::Bare, ErrorStyle::Numeric, ErrorStyle::Verbose];
        match form {
            Form::Test => Ok(vec!["+CMEE: (0-2)".to_owned()]),
            Form::Read => Ok(vec![format!("+CMEE: {}", self.style.errors as u8)]),
            Form::Do(_) => Err(FinalResult::Error),
            Form::Set(parameters) => {
                let [number] = exactly(parameters)?;
                let style = number.number().and_then(|n| styles.get(n as usize)).ok_or(INCORRECT)?;
                self.style.errors = *style;
                OK
            }
        }
    }

    /// Opens a channel and selects the application on it; the channel is closed again where that fails.
    fn open(&mut self, aid: &[u8], card: &mut dyn CardPort) -> Result<u8, FinalResult> {
        if !(1..=16).contains(&aid.len()) {
            return Err(INCORRECT);
        }
        let opened = transmit(card, &[0x00, 0x70, 0x00, 0x00, 0x01])?;
        let &[session, 0x90, 0x00] = &opened[..] else {
            return Err(FinalResult::Equipment(EquipmentError::NotAllowed));
        };
        let select = Command::new(on_channel(0x00, session), 0xa4, 0x04, 0x00).with_data(aid).encode();
        let selected = transmit(card, &select.map_err(|_| INCORRECT)?)?;
        if let Err(refusal) = accepted(&selected, EquipmentError::NotFound) {
            transmit(card, &[0x00, 0x70, 0x80, session])?;
            return Err(refusal);
        }
        self.sessions.insert(session);
        Ok(session)
    }

    fn session(&self, parameter: &Parameter) -> Result<u8, FinalResult> {
        let number = parameter.number().ok_or(INCORRECT)?;
        let number = u8::try_from(number).ok().filter(|n| self.sessions.contains(n));
        number.ok_or(FinalResult::Equipment(EquipmentError::InvalidIndex))
    }
}

const INCORRECT: FinalResult = FinalResult::Equipment(EquipmentError::IncorrectParameters);

fn switch(which: &mut bool, number: u32) -> Outcome {
    match number {
        0 | 1 => {
            *which = number == 1;
            OK
        }
        _ => Err(FinalResult::Error),
    }
}

fn exactly<const N: usize>(parameters: &[Parameter]) -> Result<&[Parameter; N], FinalResult> {
    parameters.try_into().map_err(|_| INCORRECT)
}

/// A command APDU; its length is told in characters.
fn apdu_of(length: &Parameter, apdu: &Parameter) -> Result<Vec<u8>, FinalResult> {
    let bytes = apdu.bytes().filter(|bytes| bytes.len() >= 4).ok_or(INCORRECT)?;
    if length.number() == Some(2 * bytes.len() as u32) { Ok(bytes) } else { Err(INCORRECT) }
}

/// Length in characters and the response in quotation marks.
fn told(response: &[u8]) -> String {
    format!("{},\"{}\"", 2 * response.len(), hex::encode_upper(response))
}

/// The class byte on the channel of a session, whatever channel it named.
fn on_channel(class: u8, session: u8) -> u8 {
    let bare = Command::channel(class).map_or(class, |(_, bare)| bare);
    Command::class_on(bare, session)
}

fn accepted(response: &[u8], otherwise: EquipmentError) -> Result<(), FinalResult> {
    match StatusWord::split(response) {
        Some((_, sw)) if sw == StatusWord::OK || matches!(sw.0 >> 8, 0x61 | 0x91) => Ok(()),
        _ => Err(FinalResult::Equipment(otherwise)),
    }
}

fn transmit(card: &mut dyn CardPort, apdu: &[u8]) -> Result<Vec<u8>, FinalResult> {
    card.transmit(apdu).map_err(|error| {
        FinalResult::Equipment(match error {
            PortError::Removed => EquipmentError::SimNotInserted,
            PortError::Mute { .. } | PortError::Reader(_) => EquipmentError::SimFailure,
        })
    })
}
