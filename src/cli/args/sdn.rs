//! What can be asked of switch and controller.

use std::net::SocketAddr;

use clap::{Args, Subcommand};

use crate::io::openflow::DatagramPort;

#[derive(Debug, Args)]
pub struct SdnArgs {
    #[command(subcommand)]
    pub verb: SdnVerb,
}

#[derive(Debug, Subcommand)]
pub enum SdnVerb {
    /// Serve a switch that speaks OpenFlow 1.3, until SIGINT or SIGTERM
    Switch(SwitchArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  cellbed sdn switch --listen 127.0.0.1:6653 &
  ovs-ofctl -O OpenFlow13 show tcp:127.0.0.1:6653")]
pub struct SwitchArgs {
    /// Where controllers connect to, as in 127.0.0.1:6653; port 0 takes any that is free, and is told
    #[arg(long, value_name = "ADDRESS", required_unless_present = "controller")]
    pub listen: Option<SocketAddr>,

    /// A controller to connect to, again whenever it is lost
    #[arg(long, value_name = "ADDRESS")]
    pub controller: Vec<SocketAddr>,

    /// A port of the switch, in the order of their numbers from 1: frames come in as UDP datagrams at the first address and
    /// leave for the second, as in 127.0.0.1:7001=127.0.0.1:7002
    #[arg(long, value_name = "OWN=PEER", value_parser = datagram_port)]
    pub port: Vec<DatagramPort>,
}

fn datagram_port(text: &str) -> Result<DatagramPort, String> {
    let form =
        || format!("{text:?} is no port; a port is two addresses, as in 127.0.0.1:7001=127.0.0.1:7002");
    let (own, peer) = text.split_once('=').ok_or_else(form)?;
    Ok(DatagramPort { own: own.parse().map_err(|_| form())?, peer: peer.parse().map_err(|_| form())? })
}
