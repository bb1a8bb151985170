//! Remote SIM provisioning (GSMA SGP.22 and SGP.32): the servers, and the device's side of it.
//!
//! Servers are plain state machines, request in and response out; clients hand out requests and take responses.
//! Neither sees a socket, TLS or a clock: the time comes in as Unix seconds.

mod http;

pub use http::{ASN1, HttpRequest, HttpResponse, JSON};
