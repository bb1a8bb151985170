//! The fuzzer: libFuzzer around the target that `CELLBED_FUZZ` names. `lab/fuzz` starts it.

#![no_main]

mod targets;

use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use targets::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("CELLBED_FUZZ").unwrap_or_default();
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("CELLBED_FUZZ={name:?} is no target; there are {}", names.join(", "));
        std::process::exit(96);
    })
});

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if bytes.len() > TARGET.longest {
        return Corpus::Reject;
    }
    (TARGET.run)(bytes);
    Corpus::Keep
});
