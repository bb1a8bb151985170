//! Scenarios, benches, runs and verdicts.
