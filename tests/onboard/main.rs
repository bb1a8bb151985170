//! Onboarding as its parties see it: what the offices decide, what their sessions bear, and whole runs.
#![allow(clippy::disallowed_methods, reason = "a test reads files")]

mod again;
mod attested;
mod certificates;
mod decisions;
mod followed;
mod lab;
mod operated;
mod outside;
mod runs;
mod sessions;
mod stations;
#[path = "../support/mod.rs"]
mod support;
mod traditional;
