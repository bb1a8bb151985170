//! `cellbed node`: one node of a run that another process drives.

use std::process::ExitCode;
use std::time::Duration;

use super::args::NodeArgs;
use super::exit::Exit;
use super::terminal;
use crate::event::Role;
use crate::io::drive::{JoinError, join};
use crate::io::entropy;
use crate::ran::{Enb, EnbConfig};
use crate::world::nodes::EnbNode;
use crate::world::setup::TAC;

/// How long the run is waited for.
const WITHIN: Duration = Duration::from_secs(60);

/// Plays the node until the run is over.
pub fn main(args: &NodeArgs) -> ExitCode {
    let actor = args.node;
    if actor.role != Role::Enb || actor.number == 0 {
        terminal::failure(format!("{actor} cannot be played from outside; base stations can, as in enb1"));
        return Exit::SetUp.into();
    }
    let rng = match entropy::fresh() {
        Ok(rng) => rng,
        Err(error) => {
            terminal::failure(error);
            return Exit::SetUp.into();
        }
    };
    let enb = Enb::new(EnbConfig::new(actor.number, args.plmn, TAC), rng.tree());
    match join(actor, &mut EnbNode::new(actor.number, enb), &args.join, WITHIN) {
        Ok(()) => Exit::Pass.into(),
        Err(error) => {
            let exit = match error {
                JoinError::Connect { .. } | JoinError::Refused { .. } | JoinError::Runtime(_) => Exit::SetUp,
                JoinError::Line(_) | JoinError::Broken(_) | JoinError::World(_) => Exit::Bench,
            };
            terminal::failure(error);
            exit.into()
        }
    }
}
