//! Says what the machine that builds has of the libraries that features and members of `vendor/` bind, so that
//! `cellbed doctor` can tell what this build can do and why it cannot do the rest. Nothing is fetched or written.
#![allow(clippy::disallowed_methods, reason = "a build script asks the machine")]

use std::env;
use std::process::Command;

/// Libraries by the name that pkg-config knows them by, and the variable that tells the program of each.
const LIBRARIES: [(&str, &str); 1] = [("libpcsclite", "CELLBED_BUILD_LIBPCSCLITE")];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PKG_CONFIG_PATH");
    for (library, variable) in LIBRARIES {
        println!("cargo::rustc-env={variable}={}", version(library));
    }
}

/// The version of a library whose headers are there; empty where they are not, or nobody can say.
fn version(library: &str) -> String {
    let pkg_config = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let asked = Command::new(pkg_config).args(["--modversion", library]).output();
    match asked {
        Ok(answer) if answer.status.success() => String::from_utf8_lossy(&answer.stdout).trim().to_owned(),
        _ => String::new(),
    }
}
