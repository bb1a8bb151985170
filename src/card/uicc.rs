//! The virtual UICC: class bytes, logical channels, selection and the transport behaviour of protocol T=0
//! (ETSI TS 102 221 clauses 7.3.1, 8.5 to 8.8, 10.1 and 11.1). This is the platform; what belongs to a
//! subscriber is the [`InstalledProfile`].

use std::cell::Cell;
use std::collections::BTreeMap;

use super::atr;
use super::commands::{INSTRUCTIONS, Run, TERMINAL_RESPONSE};
use super::euicc::{ECASD_AID, Euicc, ISD_R_AID};
use super::fs::Position;
use super::gsm::{self, Sim};
use super::installed::{InstalledProfile, ProfileApplication};
use super::toolkit::{Refresh, Toolkit};
use super::{CardError, CardPort, OnOp, Personalisation, PortError, Reply};
use crate::kernel::{Origin, RngTree};
use crate::wire::ota::Reassembly;
use crate::wire::{Command, StatusWord};

/// Basic channel 0, standard channels to 3 and extended channels to 19.
const CHANNELS: usize = 20;

/// An application that can be selected by AID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Application {
    OfProfile(ProfileApplication),
    /// The issuer security domain root of an eUICC.
    IsdR,
    /// Its controlling authority security domain.
    Ecasd,
}

/// What is selected on a logical channel.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Selection {
    pub(super) application: Option<Application>,
    pub(super) position: Position,
}

/// A virtual UICC: the platform, and the profile that is enabled on it.
pub struct Uicc {
    atr: [u8; atr::BYTES],
    profile: Box<InstalledProfile>,
    pub(super) toolkit: Toolkit,
    /// Short messages for the card that belong together.
    pub(super) messages: Reassembly,
    channels: [Option<Selection>; CHANNELS],
    sim: Sim,
    /// Response data that waits for GET RESPONSE, by channel.
    pending: BTreeMap<usize, Vec<u8>>,
    pub(super) on_op: Option<OnOp>,
    /// `None` on a plain card.
    pub(super) euicc: Option<Box<Euicc>>,
    /// What the [generation](Uicc::generation) counts beside the changes of the profile.
    swaps: u64,
    /// The [generation](Uicc::generation) that was last saved or restored.
    pub(super) kept: Cell<u64>,
}

impl Uicc {
    /// Makes the card of `p`. Its keys and random numbers come from `rng`, which is this card's alone;
    /// `trust_anchor` is the DER certificate that the applet is delivered with.
    pub fn new(p: &Personalisation, rng: RngTree, trust_anchor: &[u8]) -> Result<Self, CardError> {
        let mut card = Self::without_profile(rng.origin());
        card.profile = Box::new(InstalledProfile::personalised(p, &rng, trust_anchor)?);
        Ok(card)
    }

    /// A card without a profile, whose keys will have this origin: it shows an MF that lists no application, and
    /// refuses the rest.
    pub fn without_profile(keys: Origin) -> Self {
        Self {
            atr: atr::of(keys),
            profile: Box::new(InstalledProfile::none()),
            toolkit: Toolkit::default(),
            messages: Reassembly::default(),
            sim: Sim::default(),
            channels: only_the_basic_channel(),
            pending: BTreeMap::new(),
            on_op: None,
            euicc: None,
            swaps: 0,
            kept: Cell::new(0),
        }
    }

    /// The same card, which tells `on_op` of each public key operation.
    pub fn with_tally(mut self, on_op: OnOp) -> Self {
        self.profile.set_tally(on_op.clone());
        self.on_op = Some(on_op);
        self
    }

    /// Enables `next`, or nothing, in the place of the profile that was enabled, and gives that back. What was
    /// selected in it is selected no longer: each open channel stands at the MF, unless an application of the
    /// platform is selected there. The terminal has to be told (see [`request_refresh`](Self::request_refresh)).
    pub fn swap_profile(&mut self, next: Option<Box<InstalledProfile>>) -> Option<Box<InstalledProfile>> {
        let mut next = next.unwrap_or_else(|| Box::new(InstalledProfile::none()));
        next.reset();
        if let Some(on_op) = &self.on_op {
            next.set_tally(on_op.clone());
        }
        let generation = self.generation().wrapping_add(1);
        let mut before = std::mem::replace(&mut self.profile, next);
        before.reset();
        self.swaps = generation.wrapping_sub(self.profile.changes());
        for selection in self.channels.iter_mut().flatten() {
            let application = selection.application.filter(|a| !matches!(a, Application::OfProfile(_)));
            *selection = Selection { application, position: Position::default() };
        }
        self.sim = Sim::default();
        self.messages = Reassembly::default();
        before.is_some().then_some(before)
    }

    /// The enabled profile, or what stands for none, and the toolkit.
    pub(super) fn profile_and_toolkit(&mut self) -> (&mut InstalledProfile, &mut Toolkit) {
        (&mut self.profile, &mut self.toolkit)
    }

    /// The enabled profile.
    pub fn profile(&self) -> Option<&InstalledProfile> {
        self.profile.is_some().then_some(&self.profile)
    }

    /// Writes down what the card keeps without power: PIN codes with their counters, sequence numbers, files that
    /// were written, keys and files of the applet, and how far its random numbers were drawn. Private keys are in
    /// it.
    ///
    /// The card of a server that writes this down before each answer that made the card [dirty](Self::dirty)
    /// leaves its terminal survives a kill at any moment.
    pub fn save(&self) -> Vec<u8> {
        self.kept.set(self.generation());
        match &self.euicc {
            Some(euicc) => euicc.save(&self.profile),
            None => self.profile.save(),
        }
    }

    /// Makes this card, new and of the same personalisation, what another was when it was saved; then resets it.
    /// A state that is damaged or of another card is refused and changes nothing. Random numbers go on behind
    /// those that either card has drawn.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), CardError> {
        match self.with_its_euicc(|euicc, card| euicc.restore(card, state)) {
            Some(restored) => restored?,
            None => self.profile.restore(state)?,
        }
        self.kept.set(self.generation());
        self.power_up();
        Ok(())
    }

    /// Counts the changes of what [`save`](Self::save) writes down.
    pub fn generation(&self) -> u64 {
        let euicc = self.euicc.as_ref().map_or(0, |euicc| euicc.changes());
        self.swaps.wrapping_add(self.profile.changes()).wrapping_add(euicc)
    }

    /// Whether something has changed since the card was made, saved or restored.
    pub fn dirty(&self) -> bool {
        self.generation() != self.kept.get()
    }

    fn power_up(&mut self) {
        self.channels = only_the_basic_channel();
        self.sim = Sim::default();
        self.toolkit.reset();
        self.messages = Reassembly::default();
        self.pending.clear();
        self.profile.reset();
        self.power_up_euicc();
    }

    /// The private scalars that the applet holds and the keys for packets over the air, for tests that look for them in what the card says.
    #[cfg(any(test, fuzzing))]
    pub fn private_scalars(&self) -> Vec<Vec<u8>> {
        self.profile.private_scalars()
    }

    /// Answers one command APDU. Any bytes get an answer.
    fn answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Ok(command) = Command::parse(bytes) else {
            return StatusWord::WRONG_LENGTH.to_bytes().to_vec();
        };
        match self.run(&command) {
            Ok(response) => self.with_announcement(response),
            Err(refusal) => refusal.to_bytes().to_vec(),
        }
    }

    fn run(&mut self, c: &Command<'_>) -> Result<Vec<u8>, StatusWord> {
        if c.class == gsm::CLASS {
            return self.run_sim(c);
        }
        let (number, class) = channel_of(c.class)?;
        if number == 0 {
            self.sim.forget();
        }
        // Any command ends what waits on its channel, and on no other.
        let waiting = self.pending.remove(&number);
        match c.instruction {
            0xc0 => return self.get_response(number, c, waiting),
            0xa4 if class == 0x00 => {
                let data = self.select(number, c)?;
                return Ok(self.announce(number, data));
            }
            0x70 if class == 0x00 => {
                self.channel(number)?;
                let data = self.manage_channel(number, c)?;
                return self.deliver(number, c, data);
            }
            // SELECT and MANAGE CHANNEL are of class 00 alone, whatever is selected (TS 102 221 table 10.5).
            0xa4 | 0x70 => return Err(StatusWord::CLASS_NOT_SUPPORTED),
            _ => {}
        }
        let mut selection = self.channel(number)?;
        let known = || INSTRUCTIONS.iter().filter(|i| i.code == c.instruction);
        let instruction = known().find(|i| i.class == class);
        // The toolkit is the card's, whatever is selected.
        let of_card = matches!(instruction.map(|i| &i.run), Some(Run::Card(_)));
        match selection.application {
            Some(Application::OfProfile(ProfileApplication::IotSafe)) if !of_card => {
                let instance = self.profile.applet.as_mut().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
                let data = instance.applet.handle(number, c)?;
                let response = self.deliver_at_once(number, c, data);
                return Ok(self.with_remote_session(response));
            }
            Some(Application::IsdR) if (class, c.instruction) == (0x80, 0xe2) => {
                let data = self.with_its_euicc(|euicc, card| euicc.store_data(card, number, c));
                return Ok(self.announce(number, data.unwrap_or(Err(StatusWord::CONDITIONS_NOT_SATISFIED))?));
            }
            Some(Application::Ecasd) if c.instruction == 0xca => {
                let euicc = self.euicc.as_ref().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
                let data = euicc.get_data(c)?;
                return Ok(self.deliver_at_once(number, c, data));
            }
            Some(_) | None => {}
        }
        let data = match (instruction.map(|i| &i.run), known().next()) {
            (Some(Run::Profile(run)), _) => {
                let reply = run(&mut self.profile, &mut selection, c);
                self.channels[number] = Some(selection);
                reply?
            }
            (Some(Run::Card(run)), _) => run(self, c)?,
            (None, Some(_)) => return Err(StatusWord::CLASS_NOT_SUPPORTED),
            (None, None) => return Err(StatusWord::INSTRUCTION_NOT_SUPPORTED),
        };
        self.deliver(number, c, data)
    }

    /// A command of class A0. It goes over the basic channel, and ends what waits there.
    fn run_sim(&mut self, c: &Command<'_>) -> Result<Vec<u8>, StatusWord> {
        self.pending.remove(&0);
        if !self.profile.is_some() {
            return Err(StatusWord::CLASS_NOT_SUPPORTED);
        }
        let response = self.sim.handle(c, &mut self.profile, &mut self.toolkit)?;
        if c.instruction == TERMINAL_RESPONSE {
            self.refreshed();
        }
        Ok(response)
    }

    /// `91xx` in the place of `9000` where a proactive command waits for the terminal.
    fn with_announcement(&self, mut response: Vec<u8>) -> Vec<u8> {
        if let Some(bytes) = self.toolkit.announces()
            && response.ends_with(&StatusWord::OK.to_bytes())
        {
            response.truncate(response.len() - 2);
            response.extend_from_slice(&StatusWord::proactive(bytes).to_bytes());
        }
        response
    }

    /// `63CF` in the place of `9000`, once, where a script over the air has changed something in the applet.
    fn with_remote_session(&mut self, mut response: Vec<u8>) -> Vec<u8> {
        if response.ends_with(&StatusWord::OK.to_bytes())
            && self.profile.applet.as_mut().is_some_and(|instance| instance.applet.take_remote_change())
        {
            response.truncate(response.len() - 2);
            response.extend_from_slice(&StatusWord::REMOTE_SESSION.to_bytes());
        }
        response
    }

    /// Asks the terminal to read the card again, as soon as it has sent its profile and done a command.
    pub fn request_refresh(&mut self, refresh: Refresh) {
        self.toolkit.request(refresh);
    }

    fn channel(&self, number: usize) -> Result<Selection, StatusWord> {
        self.channels[number].ok_or(StatusWord::CHANNEL_NOT_SUPPORTED)
    }

    /// Keeps `data` for GET RESPONSE.
    fn announce(&mut self, channel: usize, data: Vec<u8>) -> Vec<u8> {
        if data.is_empty() {
            return StatusWord::OK.to_bytes().to_vec();
        }
        let announced = StatusWord::more(data.len());
        self.pending.insert(channel, data);
        announced.to_bytes().to_vec()
    }

    /// Answers as T=0 does: what came with command data is announced (`61xx`), what came without must have
    /// been asked for with its exact length (`6Cxx`).
    fn deliver(&mut self, channel: usize, c: &Command<'_>, data: Vec<u8>) -> Result<Vec<u8>, StatusWord> {
        match c.expected {
            Some(expected) if c.data.is_empty() && !data.is_empty() => {
                if usize::from(expected) != data.len() {
                    return Err(StatusWord::wrong_le(data.len()));
                }
                Ok(complete(data, StatusWord::OK))
            }
            _ => Ok(self.announce(channel, data)),
        }
    }

    /// Answers as applets do: a command with Le gets its data at once, as far as Le goes.
    fn deliver_at_once(&mut self, channel: usize, c: &Command<'_>, mut data: Vec<u8>) -> Vec<u8> {
        let Some(expected) = c.expected.map(usize::from) else { return self.announce(channel, data) };
        if data.len() <= expected {
            return complete(data, StatusWord::OK);
        }
        let rest = data.split_off(expected);
        let more = StatusWord::more(rest.len());
        self.pending.insert(channel, rest);
        complete(data, more)
    }

    fn get_response(
        &mut self,
        channel: usize,
        c: &Command<'_>,
        waiting: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, StatusWord> {
        let mut waiting = waiting.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        if (c.p1, c.p2) != (0, 0) {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        let expected = usize::from(c.expected.unwrap_or(256));
        if expected > waiting.len() {
            let right = StatusWord::wrong_le(waiting.len());
            self.pending.insert(channel, waiting);
            return Err(right);
        }
        let rest = waiting.split_off(expected);
        let status = if rest.is_empty() { StatusWord::OK } else { StatusWord::more(rest.len()) };
        if !rest.is_empty() {
            self.pending.insert(channel, rest);
        }
        Ok(complete(waiting, status))
    }

    /// SELECT. A channel other than the basic one may be opened by selecting an application on it: modems do
    /// that without MANAGE CHANNEL.
    fn select(&mut self, number: usize, c: &Command<'_>) -> Reply {
        let selected = if c.p1 == 0x04 {
            self.select_application(number, c)?
        } else {
            self.profile.find(&self.channel(number)?, c)?
        };
        let wants_data = match c.p2 & 0x0c {
            0x00 | 0x04 => true,
            0x0c => false,
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        self.end_sessions(number);
        self.channels[number] = Some(selected);
        match selected.application {
            Some(Application::OfProfile(ProfileApplication::IotSafe)) => Ok(Vec::new()),
            Some(Application::OfProfile(_)) | None if wants_data => Ok(self.profile.fcp(&selected)),
            Some(Application::IsdR) if wants_data => {
                Ok(self.euicc.as_ref().map(|euicc| euicc.isd_r_fci()).unwrap_or_default())
            }
            Some(Application::Ecasd) if wants_data => Ok(Euicc::ecasd_fci()),
            _ => Ok(Vec::new()),
        }
    }

    /// SELECT by AID, whole or its beginning (ISO/IEC 7816-4 clause 7.1.1): the first, last, next or previous
    /// application that matches.
    fn select_application(&self, number: usize, c: &Command<'_>) -> Result<Selection, StatusWord> {
        if c.data.is_empty() {
            return Err(StatusWord::NOT_FOUND);
        }
        // An application that answers to several AIDs is one occurrence.
        let mut matching = Vec::new();
        for (aid, application) in self.applications() {
            if aid.starts_with(c.data) && !matching.contains(&application) {
                matching.push(application);
            }
        }
        let current = self.channels[number].and_then(|selection| selection.application);
        let current = matching.iter().position(|application| Some(*application) == current);
        let found = match (c.p2 & 0x03, current) {
            (0x00, _) | (0x02, None) => matching.first(),
            (0x01, _) | (0x03, None) => matching.last(),
            (0x02, Some(at)) => matching.get(at + 1),
            (_, Some(at)) => at.checked_sub(1).and_then(|before| matching.get(before)),
            (_, None) => None,
        };
        let application = *found.ok_or(StatusWord::NOT_FOUND)?;
        let position = match application {
            Application::OfProfile(ProfileApplication::Adf(adf)) => Position::in_application(adf),
            Application::OfProfile(ProfileApplication::IotSafe) | Application::IsdR | Application::Ecasd => {
                Position::default()
            }
        };
        Ok(Selection { application: Some(application), position })
    }

    /// What can be selected, in the order in which partial AIDs find it.
    fn applications(&self) -> impl Iterator<Item = (&[u8], Application)> {
        let of_profile = self.profile.applications();
        let of_profile = of_profile.map(|(aid, of_profile)| (aid, Application::OfProfile(of_profile)));
        let of_euicc: &'static [(&'static [u8], Application)] = match self.euicc {
            Some(_) => &[(&ISD_R_AID, Application::IsdR), (&ECASD_AID, Application::Ecasd)],
            None => &[],
        };
        of_profile.chain(of_euicc.iter().copied())
    }

    /// MANAGE CHANNEL (TS 102 221 clause 11.1.17).
    fn manage_channel(&mut self, from: usize, c: &Command<'_>) -> Reply {
        match (c.p1, usize::from(c.p2)) {
            (0x00, 0) => {
                if c.expected.is_some_and(|expected| expected != 1) {
                    return Err(StatusWord::wrong_le(1));
                }
                let free = self.channels.iter().position(Option::is_none);
                let number = free.ok_or(StatusWord::FUNCTION_NOT_SUPPORTED)?;
                self.open(from, number);
                Ok(vec![number as u8])
            }
            (0x00, number @ 1..CHANNELS) => {
                if self.channels[number].is_some() {
                    return Err(StatusWord::CHANNEL_NOT_SUPPORTED);
                }
                self.open(from, number);
                Ok(Vec::new())
            }
            (0x80, number @ 1..CHANNELS) => {
                self.channel(number)?;
                self.close(number);
                Ok(Vec::new())
            }
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    /// Closes a channel and ends what was under way on it.
    fn close(&mut self, number: usize) {
        self.channels[number] = None;
        self.pending.remove(&number);
        self.end_sessions(number);
    }

    fn end_sessions(&mut self, number: usize) {
        self.profile.end_sessions(number);
        if let Some(euicc) = &mut self.euicc {
            euicc.end_chain(number);
        }
    }

    /// Closes the channels on which an application of the enabled profile is selected. The basic one stays open.
    pub(super) fn close_profile_channels(&mut self) {
        for number in 1..CHANNELS {
            let selected = self.channels[number].and_then(|selection| selection.application);
            if matches!(selected, Some(Application::OfProfile(_))) {
                self.close(number);
            }
        }
    }

    /// A channel opened from the basic one starts at the MF, from another where that one stands.
    fn open(&mut self, from: usize, number: usize) {
        let origin = self.channels[from].filter(|_| from != 0).unwrap_or_default();
        self.channels[number] = Some(origin);
    }
}

impl CardPort for Uicc {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
        Ok(self.answer(command))
    }

    fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        self.power_up();
        Ok(self.atr.to_vec())
    }
}

/// The channel of a class byte, and the class without it.
fn channel_of(class: u8) -> Result<(usize, u8), StatusWord> {
    // FF is no class (ISO/IEC 7816-4 clause 5.4.1).
    let (channel, class) = Command::channel(class).ok_or(StatusWord::CLASS_NOT_SUPPORTED)?;
    match class {
        0x00 | 0x80 => Ok((usize::from(channel), class)),
        0x10 | 0x90 => Err(StatusWord::CHAINING_NOT_SUPPORTED),
        0x04 | 0x08 | 0x0c | 0x84 | 0x88 | 0x8c => Err(StatusWord::SECURE_MESSAGING_NOT_SUPPORTED),
        _ => Err(StatusWord::CLASS_NOT_SUPPORTED),
    }
}

/// The channels as after a reset.
fn only_the_basic_channel() -> [Option<Selection>; CHANNELS] {
    let mut channels = [None; CHANNELS];
    channels[0] = Some(Selection::default());
    channels
}

fn complete(mut data: Vec<u8>, status: StatusWord) -> Vec<u8> {
    data.extend_from_slice(&status.to_bytes());
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_responses_come_in_parts_on_their_channel() {
        let mut card = Uicc::without_profile(Origin::Seed);
        assert_eq!(card.answer(&[0x00, 0x70, 0x00, 0x00, 0x01]), [0x01, 0x90, 0x00]);
        assert_eq!(card.announce(0, vec![7; 600]), [0x61, 0x00]);
        assert_eq!(card.announce(1, vec![8; 300]), [0x61, 0x00]);
        let mut part = |class, le| {
            let response = card.answer(&[class, 0xc0, 0x00, 0x00, le]);
            let (data, status) = response.split_last_chunk::<2>().unwrap();
            assert!(data.iter().all(|byte| *byte == 7 + class), "the data of channel {class}");
            (data.len(), *status)
        };
        assert_eq!(part(0x00, 0x00), (256, [0x61, 0x00]));
        assert_eq!(part(0x01, 0x00), (256, [0x61, 0x2c]));
        assert_eq!(part(0x00, 0x00), (256, [0x61, 0x58]));
        assert_eq!(part(0x01, 0x2c), (44, [0x90, 0x00]));
        assert_eq!(part(0x00, 0x00), (0, [0x6c, 0x58]));
        assert_eq!(part(0x00, 0x58), (88, [0x90, 0x00]));
    }
}
