//! Everything with an effect: files, clock, processes.
