//! `cellbed esim`: the servers of remote SIM provisioning for clients outside.

pub mod args;
pub mod bench;
mod eim;
mod identities;
mod orders;
mod serve;

use std::process::ExitCode;

use args::EsimVerb;

/// Does what is asked for.
pub fn main(verb: &EsimVerb) -> ExitCode {
    match verb {
        EsimVerb::Serve(args) => serve::main(args),
    }
}
