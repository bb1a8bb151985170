//! argv in, exit code out; everything else is in the library.

use std::process::ExitCode;

/// Of the binary alone: a library leaves the choice to its user.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cellbed::cli::main()
}
