//! Device, eIM, SM-DP+ and SM-DS together: what is to work, and what is to be refused.

mod card;
mod ipa;
mod lab;
mod lpa;
mod refusals;
mod strangers;
mod unsettled;
mod wedge;
mod work;
