//! The servers of the services, and what each of them shows of itself in TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;

use super::ServiceError;
use crate::ca::Authority;
use crate::crypto::tls::{self, ClientAuth, KeyLogSink, VirtualClock};
use crate::crypto::{SoftKey, Tally};
use crate::event::Actor;
use crate::kernel::RngTree;
use crate::net::ServiceAddress;
use crate::net::endpoint::{BROKER, EST, PKI, REGISTRAR, UPDATES};

/// The servers of the services, each at its endpoint; one without a configuration of TLS speaks plain HTTP.
pub struct Servers {
    at: Vec<(ServiceAddress, Option<Arc<ServerConfig>>)>,
    /// What they show of themselves, DER.
    certificates: Vec<(ServiceAddress, Vec<u8>)>,
}

impl Servers {
    /// The servers with fresh keys and certificates of `authority`, the update service among them where `updates`. Each draws
    /// from its own branch of `rng`.
    ///
    /// # Errors
    /// Where the authority or TLS refuses what it is given.
    pub fn new(
        authority: &mut Authority,
        rng: &RngTree,
        tally: &Tally,
        clock: &VirtualClock,
        key_log: Option<&KeyLogSink>,
        updates: bool,
    ) -> Result<Self, ServiceError> {
        let roots = [authority.root_der().to_vec()];
        let mut certificates = Vec::new();
        let mut server = |endpoint: ServiceAddress, clients: ClientAuth<'_>| {
            let rng = rng.branch(endpoint.actor);
            let key = SoftKey::from_stream(&mut rng.stream("tls-key")).counted(tally);
            let (names, addresses) = ([endpoint.name], [endpoint.actor.transport_address()]);
            let certificate = authority.issue_server(&names, &addresses, &key.public(), clock.unix_s())?;
            let signer = tls::signing_key(key.sign_fn(), key.public());
            let provider = tls::provider(rng, tally);
            certificates.push((endpoint, certificate.clone()));
            let (chain, key_log) = (vec![certificate], key_log.cloned());
            tls::server_config(provider, chain, signer, clients, clock.clone(), key_log)
                .map_err(ServiceError::from)
        };
        // Who enrols for the first time has no certificate to show, and who enrols again has.
        let servers = [
            (REGISTRAR, ClientAuth::Nobody),
            (EST, ClientAuth::Asked(&roots)),
            (BROKER, ClientAuth::Required(&roots)),
        ];
        let updates = updates.then_some((UPDATES, ClientAuth::Required(&roots)));
        let with_config = |(endpoint, clients)| Ok((endpoint, Some(server(endpoint, clients)?)));
        let mut at =
            servers.into_iter().chain(updates).map(with_config).collect::<Result<Vec<_>, ServiceError>>()?;
        at.push((PKI, None));
        Ok(Self { at, certificates })
    }

    /// The certificate that the server at `endpoint` shows, DER.
    pub fn certificate(&self, endpoint: ServiceAddress) -> Option<&[u8]> {
        let (_, certificate) = self.certificates.iter().find(|(other, _)| *other == endpoint)?;
        Some(certificate)
    }

    /// These servers, but the ones of `actor` as `others` have them.
    pub fn with(&self, others: &Self, actor: Actor) -> Self {
        let theirs = |endpoint: &ServiceAddress| others.at.iter().find(|(other, _)| other == endpoint);
        let one = |(endpoint, config): &(ServiceAddress, Option<Arc<ServerConfig>>)| match theirs(endpoint) {
            Some((_, other)) if endpoint.actor == actor => (*endpoint, other.clone()),
            _ => (*endpoint, config.clone()),
        };
        Self { at: self.at.iter().map(one).collect(), certificates: self.certificates.clone() }
    }

    /// Adds a server.
    pub fn add(&mut self, endpoint: ServiceAddress, config: Arc<ServerConfig>) {
        self.at.push((endpoint, Some(config)));
    }

    /// Where they are.
    pub fn endpoints(&self) -> impl Iterator<Item = ServiceAddress> {
        self.at.iter().map(|(endpoint, _)| *endpoint)
    }

    /// The server that listens on `local`, and its configuration where it speaks TLS.
    pub fn at(&self, local: SocketAddr) -> Option<(Actor, Option<&Arc<ServerConfig>>)> {
        let (endpoint, config) =
            self.at.iter().find(|(endpoint, _)| endpoint.socket_like(local.ip()) == local)?;
        Some((endpoint.actor, config.as_ref()))
    }
}
