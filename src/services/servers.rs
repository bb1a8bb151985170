//! The TLS servers of the services.

use std::net::Ipv4Addr;
use std::sync::Arc;

use rustls::ServerConfig;

use super::ServiceError;
use crate::ca::Authority;
use crate::crypto::tls::{self, KeyLogSink, VirtualClock};
use crate::crypto::{SoftKey, Tally};
use crate::event::Actor;
use crate::kernel::RngTree;
use crate::net::ServiceAddress;
use crate::net::endpoint::{BROKER, EST, REGISTRAR};

/// The TLS servers of the services, each at its endpoint.
pub struct Servers(Vec<(ServiceAddress, Arc<ServerConfig>)>);

impl Servers {
    /// The servers with fresh keys and certificates of `authority`. Each draws from its own branch of `rng`.
    ///
    /// # Errors
    /// Where the authority or TLS refuses what it is given.
    pub fn new(
        authority: &mut Authority,
        rng: &RngTree,
        tally: &Tally,
        clock: &VirtualClock,
        key_log: Option<&KeyLogSink>,
    ) -> Result<Self, ServiceError> {
        let roots = [authority.root_der().to_vec()];
        let mut server = |endpoint: ServiceAddress, mutual: bool| {
            let rng = rng.branch(endpoint.actor);
            let key = SoftKey::from_stream(&mut rng.stream("tls-key")).counted(tally);
            let (names, addresses) = ([endpoint.name], [endpoint.actor.transport_address()]);
            let certificate = authority.issue_server(&names, &addresses, &key.public(), clock.unix_s())?;
            let signer = tls::signing_key(key.sign_fn(), key.public());
            let client_roots = mutual.then_some(&roots[..]);
            let provider = tls::provider(rng, tally);
            let (chain, key_log) = (vec![certificate], key_log.cloned());
            tls::server_config(provider, chain, signer, client_roots, clock.clone(), key_log)
                .map_err(ServiceError::from)
        };
        // The broker asks for a client certificate: mutual TLS.
        let servers = [(REGISTRAR, false), (EST, false), (BROKER, true)];
        let with_config = |(endpoint, mutual)| Ok((endpoint, server(endpoint, mutual)?));
        servers.into_iter().map(with_config).collect::<Result<_, ServiceError>>().map(Self)
    }

    /// Adds a server.
    pub fn add(&mut self, endpoint: ServiceAddress, config: Arc<ServerConfig>) {
        self.0.push((endpoint, config));
    }

    /// Where they are.
    pub fn endpoints(&self) -> impl Iterator<Item = ServiceAddress> {
        self.0.iter().map(|(endpoint, _)| *endpoint)
    }

    /// The server that listens on `local`.
    pub fn at(&self, local: (Ipv4Addr, u16)) -> Option<(Actor, &Arc<ServerConfig>)> {
        let (endpoint, config) = self.0.iter().find(|(endpoint, _)| endpoint.socket() == local)?;
        Some((endpoint.actor, config))
    }
}
