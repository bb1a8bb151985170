//! `cellbed bench strangers`: how long who is known waits while many come whom nobody knows.
//!
//! The servers that `esim serve` and `ca serve` are get connections of every kind that costs its sender little, as fast
//! as this machine makes them, and beside them a client that asks them for something. The strangers have the address of
//! that client, so that nothing but what they do tells them apart. Beside the devices of a run, whose network is the
//! embedded one, come ATTACH REQUESTs that lead to nothing. All of it stays on this computer and is bounded in number and
//! time.

mod client;
mod crowd;
mod figures;
mod network;
mod server;

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use self::client::Client;
use self::crowd::Crowd;
use self::figures::Waits;
use self::network::Network;
use self::server::{Kind, Server, ServerError};
use super::args::StrangersArgs;
use super::exit::Exit;
use super::limits::judge;
use super::terminal;
use crate::lab::LabError;

/// How long a phase may last, whatever the machine does.
const PHASE_MAX: Duration = Duration::from_secs(300);

/// What one server has shown.
#[derive(Debug, Serialize)]
struct Row {
    server: &'static str,
    quiet: Waits,
    crowded: Waits,
    /// The worst wait beside strangers, in times of the median without them.
    worst_ratio: f64,
    median_ratio: f64,
    strangers: crowd::Tally,
    /// What the server says of it: connections that gave way to others, and that were turned away.
    gave_way: Option<u64>,
    turned_away: Option<u64>,
    /// The most memory that the server has had before the strangers and after them, in KiB.
    memory_kib: [Option<u64>; 2],
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
struct Figures {
    servers: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<Network>,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
enum StrangersError {
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Lab(#[from] LabError),
}

/// Measures, and prints what comes of it.
pub fn main(args: &StrangersArgs) -> ExitCode {
    let figures = || -> Result<Figures, StrangersError> {
        let servers = if args.connections > 0 { measure(args)? } else { Vec::new() };
        let network = match args.attaches {
            0 => None,
            attaches => Some(network::measure(args.devices, attaches)?),
        };
        Ok(Figures { servers, network })
    };
    match figures() {
        Ok(figures) => report(args, &figures).into(),
        Err(StrangersError::Lab(error)) => terminal::lab_error(&error),
        Err(error) => {
            terminal::failure(error);
            Exit::SetUp.into()
        }
    }
}

fn measure(args: &StrangersArgs) -> Result<Vec<Row>, ServerError> {
    let open_max = crowd::open_max(args.connections);
    if open_max < args.connections as usize && !args.json {
        terminal::line(format_args!(
            "this machine lets a program have {open_max} connections open: the oldest of the strangers' make room for the next"
        ));
    }
    Kind::ALL.into_iter().map(|kind| row(kind, args, open_max)).collect()
}

fn row(kind: Kind, args: &StrangersArgs, open_max: usize) -> Result<Row, ServerError> {
    let server = Server::start(kind)?;
    let mut client = Client::new(&server)?;
    let quiet = client.ask(args.requests, &|| false, PHASE_MAX);
    let before = server.peak_memory_kib();
    let crowd = Crowd::new(server.address(), server.hello(), args.connections, open_max);
    let (crowded, strangers) = thread::scope(|scope| {
        let coming = scope.spawn(|| crowd.come(PHASE_MAX));
        let crowded = client.ask(args.requests, &|| !crowd.is_through(), PHASE_MAX);
        crowd.leave();
        (crowded, coming.join().unwrap_or_default())
    });
    let after = server.peak_memory_kib();
    let end = server.end();
    Ok(Row {
        server: kind.name(),
        worst_ratio: crowded.ratio_of_worst(&quiet),
        median_ratio: crowded.ratio_of_medians(&quiet),
        quiet,
        crowded,
        strangers,
        gave_way: end.gave_way,
        turned_away: end.turned_away,
        memory_kib: [before, after],
    })
}

fn report(args: &StrangersArgs, figures: &Figures) -> Exit {
    let Figures { servers, network } = figures;
    if args.json {
        terminal::json(figures);
    } else {
        servers.iter().for_each(print);
        network.iter().for_each(print_network);
        if cfg!(debug_assertions) {
            terminal::line("built with debug assertions: a release build is faster");
        }
    }
    let behind = network.as_ref().map_or(0.0, |network| network.behind_ms[1]);
    let worst = servers.iter().map(|row| row.crowded.max_ms).fold(behind, f64::max);
    let of_servers = servers.iter().flat_map(|row| [&row.quiet, &row.crowded]);
    let of_network = network.iter().flat_map(|network| [&network.quiet, &network.crowded]);
    let unserved: u64 = of_servers.chain(of_network).map(|waits| waits.unserved).sum();
    judge(&[
        ("ms of the longest wait", worst, args.max_wait_ms.is_some_and(|limit| worst > limit)),
        ("requests and devices that were not served", unserved as f64, unserved > 0),
    ])
}

fn print_network(network: &Network) {
    terminal::line(format_args!("network, {} devices", network.devices));
    for (what, waits, behind) in [
        ("alone", &network.quiet, network.behind_ms[0]),
        ("beside strangers", &network.crowded, network.behind_ms[1]),
    ] {
        terminal::line(format_args!(
            "  {what:17} {:6} steps     p50 {:8.2} ms  p99 {:8.2} ms  longest {:8.2} ms  of it {behind:.2} ms waiting at most  not through {}",
            waits.requests, waits.p50_ms, waits.p99_ms, waits.max_ms, waits.unserved
        ));
    }
    terminal::line(format_args!(
        "  {:17} median {:.2}, longest of a step {:.2} times its median alone",
        "ratio", network.median_ratio, network.worst_ratio
    ));
    let answers: Vec<_> = network.answers.iter().map(|(name, count)| format!("{count} {name}")).collect();
    terminal::line(format_args!("  {:17} {} ATTACH REQUESTs", "strangers", network.attach_requests));
    terminal::line(format_args!("  {:17} {}", "were sent", answers.join(", ")));
    terminal::line(format_args!("  {:17} {}", "contexts at the end", network.contexts));
    if let [Some(before), Some(after)] = network.memory_kib {
        terminal::line(format_args!("  {:17} {before} KiB before, {after} KiB after at most", "memory"));
    }
}

fn print(row: &Row) {
    let Row { server, quiet, crowded, strangers, .. } = row;
    terminal::line(format_args!("{server}"));
    for (what, waits) in [("alone", quiet), ("beside strangers", crowded)] {
        terminal::line(format_args!(
            "  {what:17} {:6} requests  p50 {:8.2} ms  p99 {:8.2} ms  longest {:8.2} ms  tried again {}  unserved {}",
            waits.requests, waits.p50_ms, waits.p99_ms, waits.max_ms, waits.again, waits.unserved
        ));
    }
    terminal::line(format_args!(
        "  {:17} median {:.2}, longest {:.2} times the median alone",
        "ratio", row.median_ratio, row.worst_ratio
    ));
    terminal::line(format_args!(
        "  {:17} {} connections in {:.2} s, {} of them at most open at once; {} did not get through, {} were closed on them",
        "strangers",
        strangers.connections,
        strangers.seconds,
        strangers.open_max,
        strangers.failed,
        strangers.closed
    ));
    let told = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    terminal::line(format_args!(
        "  {:17} {} gave way to others, {} were turned away",
        "at the server",
        told(row.gave_way),
        told(row.turned_away)
    ));
    if let [Some(before), Some(after)] = row.memory_kib {
        terminal::line(format_args!("  {:17} {before} KiB before, {after} KiB after at most", "its memory"));
    }
}
