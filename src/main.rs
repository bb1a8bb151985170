//! argv in, exit code out; everything else is in the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Of the binary alone: a library leaves the choice to its user.
#[cfg(not(feature = "count-memory"))]
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The same, which says how much is allocated.
#[cfg(feature = "count-memory")]
#[global_allocator]
static ALLOCATOR: cap::Cap<MiMalloc> = cap::Cap::new(MiMalloc, usize::MAX);

#[cfg(not(feature = "count-memory"))]
fn main() -> ExitCode {
    cellbed::cli::main(None)
}

#[cfg(feature = "count-memory")]
fn main() -> ExitCode {
    cellbed::cli::main(Some(|| ALLOCATOR.allocated()))
}
