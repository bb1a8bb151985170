//! `cellbed card`: cards in readers and virtual ones.

use std::process::ExitCode;

use super::args::CardVerb;
use super::{exit, terminal};

/// Does what was asked for.
pub fn main(verb: &CardVerb) -> ExitCode {
    match verb {
        CardVerb::List
        | CardVerb::Info(_)
        | CardVerb::Dump(_)
        | CardVerb::Auth(_)
        | CardVerb::IotSafe(_)
        | CardVerb::Program(_)
        | CardVerb::Serve(_) => {
            terminal::failure("this build cannot do that to a card yet");
            exit::SET_UP_ERROR.into()
        }
    }
}
