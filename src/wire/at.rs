//! AT command lines and their answers (ITU-T V.250 clauses 5 and 6; 3GPP TS 27.007 clause 4).

use std::fmt;

/// The longest line that is kept. AT+CGLA with a command APDU of 261 bytes has less than 550 characters.
const LINE_MAX: usize = 2048;

const CARRIAGE_RETURN: u8 = b'\r';
const BACKSPACE: u8 = 0x08;

/// Why a line is no list of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AtError {
    /// The line does not begin with AT (V.250 clause 5.2.1).
    #[error("a command line begins with AT")]
    Prefix,
    /// The line is longer than the buffer.
    #[error("a command line has at most {LINE_MAX} characters")]
    TooLong,
    /// A control character, or one that is not ASCII.
    #[error("a command line has printable ASCII characters only")]
    Character,
    /// A string constant that does not end (V.250 clause 5.4.2.2).
    #[error("a quotation mark is missing")]
    Quotation,
    /// Neither a basic nor an extended command.
    #[error("this is no command")]
    Syntax,
}

/// Collects the characters of a line.
#[derive(Debug, Clone, Default)]
pub struct LineBuffer {
    characters: Vec<u8>,
    too_long: bool,
}

impl LineBuffer {
    /// Takes one character. A carriage return ends the line and gives it: empty where there was nothing but line
    /// feeds.
    pub fn push(&mut self, character: u8) -> Option<Result<String, AtError>> {
        match character {
            CARRIAGE_RETURN => return Some(self.finish()),
            b'\n' if self.characters.is_empty() => {}
            BACKSPACE => drop(self.characters.pop()),
            _ if self.characters.len() == LINE_MAX => self.too_long = true,
            _ => self.characters.push(character),
        }
        None
    }

    fn finish(&mut self) -> Result<String, AtError> {
        let characters = std::mem::take(&mut self.characters);
        if std::mem::take(&mut self.too_long) {
            return Err(AtError::TooLong);
        }
        let printable = characters.iter().all(|c| c.is_ascii_graphic() || *c == b' ');
        let line = String::from_utf8(characters).ok().filter(|_| printable);
        line.ok_or(AtError::Character)
    }
}

/// One command of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtCommand {
    /// In capitals: `E`, `&F`, `+CSIM`. Empty for AT alone.
    pub name: String,
    /// What is asked of it, with the parameters.
    pub form: Form,
}

/// What is asked of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// To be done; a basic command has a number, 0 where none is written.
    Do(u32),
    /// `?`: what is set.
    Read,
    /// `=?`: what can be set.
    Test,
    /// `=`: these parameters.
    Set(Vec<Parameter>),
}

/// A parameter, without its quotation marks. One that is left out is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter(pub String);

impl Parameter {
    /// The parameter as a decimal number.
    pub fn number(&self) -> Option<u32> {
        self.0.parse().ok()
    }

    /// The parameter as bytes in hexadecimal digits.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        hex::decode(&self.0).ok()
    }
}

/// Reads the commands of a line (V.250 clauses 5.2 to 5.4): basic commands follow one another, extended ones
/// are parted by semicolons.
pub fn commands(line: &str) -> Result<Vec<AtCommand>, AtError> {
    let line = line.trim_start();
    let rest = line.strip_prefix("AT").or_else(|| line.strip_prefix("at")).ok_or(AtError::Prefix)?;
    let mut rest = rest.trim();
    if rest.is_empty() {
        return Ok(vec![AtCommand { name: String::new(), form: Form::Do(0) }]);
    }
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (command, behind) =
            if rest.starts_with(['+', '^', '%', '#', '$']) { extended(rest)? } else { basic(rest)? };
        out.push(command);
        rest = behind.trim_start_matches([';', ' ']);
    }
    Ok(out)
}

/// A letter, with `&` before it or not, and a number or nothing.
fn basic(text: &str) -> Result<(AtCommand, &str), AtError> {
    let letter = text.strip_prefix('&').unwrap_or(text);
    if !letter.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(AtError::Syntax);
    }
    let (name, rest) = text.split_at(text.len() - letter.len() + 1);
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = rest.split_at(digits);
    let number = if number.is_empty() { Ok(0) } else { number.parse() };
    let form = Form::Do(number.map_err(|_| AtError::Syntax)?);
    Ok((AtCommand { name: name.to_ascii_uppercase(), form }, rest))
}

/// Up to a semicolon outside quotation marks.
fn extended(text: &str) -> Result<(AtCommand, &str), AtError> {
    let mut quoted = false;
    let end = text.find(|c| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    let (text, rest) = text.split_at(end.unwrap_or(text.len()));
    if text.bytes().filter(|b| *b == b'"').count() % 2 != 0 {
        return Err(AtError::Quotation);
    }
    let length = text[1..].find(|c: char| !c.is_ascii_alphanumeric()).map_or(text.len(), |at| at + 1);
    let (name, suffix) = text.split_at(length);
    let form = match suffix.trim_end() {
        "" => Form::Do(0),
        "?" => Form::Read,
        "=?" => Form::Test,
        set => Form::Set(parameters(set.strip_prefix('=').ok_or(AtError::Syntax)?)),
    };
    if name.len() < 2 {
        return Err(AtError::Syntax);
    }
    Ok((AtCommand { name: name.to_ascii_uppercase(), form }, rest))
}

fn parameters(text: &str) -> Vec<Parameter> {
    let mut quoted = false;
    let parts = text.split(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    parts.map(|part| Parameter(part.trim().trim_matches('"').to_owned())).collect()
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinalResult {
    /// OK, or 0.
    Ok,
    /// ERROR, or 4.
    Error,
    /// +CME ERROR.
    Equipment(EquipmentError),
}

/// An error of the mobile equipment (TS 27.007 clause 9.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum EquipmentError {
    /// Operation not allowed: the command makes no sense now.
    NotAllowed = 3,
    /// SIM not inserted: the card has no power or is not there.
    SimNotInserted = 10,
    /// SIM PIN required: PIN1 is to be verified first.
    SimPinRequired = 11,
    /// SIM PUK required: PIN1 is blocked.
    SimPukRequired = 12,
    /// SIM failure: the card does not answer as it should.
    SimFailure = 13,
    /// Invalid index: there is no such record, session or channel.
    InvalidIndex = 21,
    /// Not found.
    NotFound = 22,
    /// Incorrect parameters.
    IncorrectParameters = 50,
}

impl fmt::Display for EquipmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAllowed => "operation not allowed",
            Self::SimNotInserted => "SIM not inserted",
            Self::SimPinRequired => "SIM PIN required",
            Self::SimPukRequired => "SIM PUK required",
            Self::SimFailure => "SIM failure",
            Self::InvalidIndex => "invalid index",
            Self::NotFound => "not found",
            Self::IncorrectParameters => "incorrect parameters",
        })
    }
}

/// How +CME ERROR is told (TS 27.007 clause 9.1, +CMEE).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorStyle {
    /// As `ERROR`.
    #[default]
    Bare,
    /// `+CME ERROR:` and the number.
    Numeric,
    /// `+CME ERROR:` and the words.
    Verbose,
}

/// How answers are written (V.250 clauses 6.2.5 and 6.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// ATV1: words between line ends, ATV0: numbers.
    pub verbose: bool,
    /// ATQ1 leaves final results out.
    pub quiet: bool,
    /// How errors of the mobile equipment are told.
    pub errors: ErrorStyle,
}

impl Default for Style {
    fn default() -> Self {
        Self { verbose: true, quiet: false, errors: ErrorStyle::Bare }
    }
}

impl Style {
    /// A line of information.
    pub fn information(self, text: &str) -> String {
        if self.verbose { format!("\r\n{text}\r\n") } else { format!("{text}\r\n") }
    }

    /// The end of a command line.
    pub fn result(self, result: FinalResult) -> String {
        let equipment = match (result, self.errors) {
            (FinalResult::Equipment(error), ErrorStyle::Numeric) => Some((error as u16).to_string()),
            (FinalResult::Equipment(error), ErrorStyle::Verbose) => Some(error.to_string()),
            _ => None,
        };
        match (equipment, self.verbose) {
            _ if self.quiet => String::new(),
            (Some(error), _) => self.information(&format!("+CME ERROR: {error}")),
            (None, true) if result == FinalResult::Ok => "\r\nOK\r\n".to_owned(),
            (None, true) => "\r\nERROR\r\n".to_owned(),
            (None, false) if result == FinalResult::Ok => "0\r".to_owned(),
            (None, false) => "4\r".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(text: &str) -> Vec<Result<String, AtError>> {
        let mut buffer = LineBuffer::default();
        text.bytes().filter_map(|b| buffer.push(b)).collect()
    }

    fn shown(line: &str) -> Vec<(String, Form)> {
        commands(line).unwrap().into_iter().map(|c| (c.name, c.form)).collect()
    }

    fn set(parameters: &[&str]) -> Form {
        Form::Set(parameters.iter().map(|p| Parameter((*p).to_owned())).collect())
    }

    #[test]
    fn lines_end_with_a_carriage_return() {
        assert_eq!(lines("AT\r\nATX\x08E0\r\n\r"), [Ok("AT".into()), Ok("ATE0".into()), Ok(String::new())]);
        assert_eq!(lines("AT\u{e9}\rAT\r"), [Err(AtError::Character), Ok("AT".into())]);
        assert_eq!(lines(&format!("{}\rAT\r", "A".repeat(3000))), [Err(AtError::TooLong), Ok("AT".into())]);
        assert_eq!(lines("AT"), []);
    }

    #[test]
    fn basic_and_extended_commands_share_a_line() {
        assert_eq!(shown("AT"), [(String::new(), Form::Do(0))]);
        assert_eq!(
            shown("atE0V1&F+cmee=2;+CSIM=4,\"00;,\";+CCHO?;+CGLA=?;I"),
            [
                ("E".into(), Form::Do(0)),
                ("V".into(), Form::Do(1)),
                ("&F".into(), Form::Do(0)),
                ("+CMEE".into(), set(&["2"])),
                ("+CSIM".into(), set(&["4", "00;,"])),
                ("+CCHO".into(), Form::Read),
                ("+CGLA".into(), Form::Test),
                ("I".into(), Form::Do(0)),
            ]
        );
        assert_eq!(shown("AT+CGLA=1, 14 ,\"00A4\",")[0].1, set(&["1", "14", "00A4", ""]));
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for (line, error) in [
            ("", AtError::Prefix),
            ("aT", AtError::Prefix),
            ("AT+CSIM=4,\"00", AtError::Quotation),
            ("AT+", AtError::Syntax),
            ("AT+=1", AtError::Syntax),
            ("AT+CSIM!", AtError::Syntax),
            ("AT5", AtError::Syntax),
            ("ATE99999999999", AtError::Syntax),
        ] {
            assert_eq!(commands(line), Err(error), "{line}");
        }
    }

    #[test]
    fn results_have_three_styles() {
        let words = Style::default();
        let error = FinalResult::Equipment(EquipmentError::NotFound);
        assert_eq!(words.result(FinalResult::Ok), "\r\nOK\r\n");
        assert_eq!(words.result(error), "\r\nERROR\r\n");
        assert_eq!(Style { errors: ErrorStyle::Numeric, ..words }.result(error), "\r\n+CME ERROR: 22\r\n");
        let verbose = Style { errors: ErrorStyle::Verbose, ..words };
        assert_eq!(verbose.result(error), "\r\n+CME ERROR: not found\r\n");
        let numbers = Style { verbose: false, ..words };
        assert_eq!([FinalResult::Ok, error].map(|r| numbers.result(r)), ["0\r", "4\r"]);
        assert_eq!(numbers.information("a"), "a\r\n");
        assert_eq!(Style { quiet: true, ..words }.result(error), "");
    }

    proptest! {
        /// A line is printable and bounded; its commands are the same in small letters, and stand in it in their order.
        #[test]
        fn any_characters_are_commands_or_refused(text in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..100),
            "(AT|at)[A-Za-z0-9+&=?,;\" ]{0,60}".prop_map(String::into_bytes),
            "(AT|at)(([+^][A-Z]{1,6}(=\\?|\\?|=[0-9\",A-F]{0,9})?;)|(&?[A-Z][0-9]{0,3})){0,6}".prop_map(String::into_bytes),
        ]) {
            let mut buffer = LineBuffer::default();
            for line in text.into_iter().chain([b'\r']).filter_map(|b| buffer.push(b)).flatten() {
                prop_assert!(line.len() <= LINE_MAX && line.bytes().all(|c| (b' '..0x7f).contains(&c)));
                let Ok(read) = commands(&line) else { continue };
                let mut rest = &line.to_ascii_uppercase()[..];
                for command in &read {
                    let at = rest.find(&command.name);
                    prop_assert!(at.is_some(), "{} is not in {rest:?}", command.name);
                    rest = &rest[at.unwrap() + command.name.len()..];
                }
                let small = |form: &Form| match form {
                    Form::Set(all) => Form::Set(all.iter().map(|one| Parameter(one.0.to_ascii_lowercase())).collect()),
                    other => other.clone(),
                };
                let in_small_letters = read.iter().map(|c| AtCommand { name: c.name.clone(), form: small(&c.form) });
                prop_assert_eq!(commands(&line.to_ascii_lowercase()), Ok(in_small_letters.collect()));
            }
        }

        #[test]
        fn an_apdu_arrives_as_it_was_sent(apdu in proptest::collection::vec(any::<u8>(), 0..262)) {
            let line = format!("AT+CSIM={},\"{}\"", 2 * apdu.len(), hex::encode_upper(&apdu));
            let read = commands(&line).unwrap();
            let Form::Set(parameters) = &read[0].form else { panic!("{line}") };
            prop_assert_eq!(parameters[0].number(), Some(2 * apdu.len() as u32));
            prop_assert_eq!(parameters[1].bytes(), Some(apdu));
        }
    }
}
