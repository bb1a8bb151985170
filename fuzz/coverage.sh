#!/usr/bin/env bash
# Stands before the compiler (RUSTC_WORKSPACE_WRAPPER) and has it count the edges of cellbed's own code for libFuzzer. The
# crates below it are those of every other build.
set -euo pipefail
case " $* " in
    *" --crate-name cellbed "* | *" --crate-name fuzz "*)
        # Without the checks, which an optimised build leaves out, a sum that overflows is no finding.
        exec "$@" --cfg fuzzing -C opt-level=1 -C debug-assertions=on -C overflow-checks=on -C codegen-units=16 \
            -C passes=sancov-module \
            -C llvm-args=-sanitizer-coverage-level=4 \
            -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
            -C llvm-args=-sanitizer-coverage-pc-table \
            -C llvm-args=-sanitizer-coverage-trace-compares
        ;;
esac
exec "$@"
