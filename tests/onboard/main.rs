//! Onboarding as its parties see it: what the offices decide, what their sessions bear, and whole runs.

mod decisions;
mod lab;
mod runs;
mod sessions;
