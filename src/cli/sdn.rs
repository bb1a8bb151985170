//! `cellbed sdn switch`: the switch of the lab at real sockets.

use std::process::ExitCode;
use std::sync::atomic::Ordering;

use super::args::{SdnArgs, SdnVerb, SwitchArgs};
use super::exit::Exit;
use super::{interrupt, terminal};
use crate::io::openflow::{Serving, SocketError, serve};

/// Does what is asked for.
pub fn main(args: &SdnArgs) -> ExitCode {
    let SdnVerb::Switch(args) = &args.verb;
    switch(args).into()
}

/// Serves a switch until it is told to stop.
fn switch(args: &SwitchArgs) -> Exit {
    let stop = match interrupt::flag() {
        Ok(stop) => stop,
        Err(error) => {
            terminal::failure(error);
            return Exit::SetUp;
        }
    };
    let serving =
        Serving { listen: args.listen, controllers: args.controller.clone(), ports: args.port.clone() };
    let ready = &mut |listening: Option<std::net::SocketAddr>| match listening {
        Some(at) => terminal::line(format!("a switch listens on {at}")),
        None => terminal::line("a switch is there"),
    };
    match serve(&serving, &|| stop.load(Ordering::Relaxed), ready) {
        Ok(()) => Exit::Pass,
        Err(error) => {
            let exit = match error {
                SocketError::Sdn(_) => Exit::Bench,
                _ => Exit::SetUp,
            };
            terminal::failure(error);
            exit
        }
    }
}
