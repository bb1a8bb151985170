//! `cellbed card`: cards in readers and virtual ones.

pub mod bench;
mod serve;

use std::process::ExitCode;

use super::args::CardVerb;
use super::{exit, terminal};

/// Does what was asked for.
pub fn main(verb: &CardVerb) -> ExitCode {
    match verb {
        CardVerb::Serve(args) => serve::main(args),
        CardVerb::List
        | CardVerb::Info(_)
        | CardVerb::Dump(_)
        | CardVerb::Auth(_)
        | CardVerb::IotSafe(_)
        | CardVerb::Program(_) => {
            terminal::failure("this build cannot do that to a card yet");
            exit::SET_UP_ERROR.into()
        }
    }
}
