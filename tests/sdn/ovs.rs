//! Our controller drives Open vSwitch, through which real packets of hosts in network namespaces go.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use cellbed::corenet::UE_PREFIXES;
use cellbed::io::openflow::{ControllerLink, SwitchAddress};
use cellbed::sdn::{ControllerConfig, Policy, Session};

use crate::support::{need, on_path};
use crate::switch::Running;

const WITHIN: Duration = Duration::from_secs(20);

pub fn config() -> ControllerConfig {
    let pool = (Ipv4Addr::new(10, 44, 0, 0), 14);
    ControllerConfig { devices: 1, services: 2, pool, pool_v6: UE_PREFIXES, echo_after: None }
}

/// Open vSwitch with a bridge in user space, devices 10.44.0.2 and 10.44.0.3 at port 1 and services 10.99.0.30 and .70 at
/// port 2, all in namespaces of the test's own.
const SET_UP: &str = r#"
exec 2>"$R/err"
set -e
export OVS_RUNDIR=$R OVS_LOGDIR=$R OVS_DBDIR=$R
ip link set lo up
ovsdb-tool create $R/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server $R/conf.db --remote=punix:$R/db.sock --pidfile=$R/db.pid --unixctl=$R/db.ctl --log-file=$R/db.log --no-chdir >/dev/null &
for i in $(seq 100); do [ -S $R/db.sock ] && break; sleep 0.1; done
V="ovs-vsctl --db=unix:$R/db.sock"
$V --no-wait init
ovs-vswitchd unix:$R/db.sock --pidfile=$R/vs.pid --unixctl=$R/vs.ctl --log-file=$R/vs.log --no-chdir >/dev/null &
$V -- add-br br0 -- set bridge br0 datapath_type=netdev protocols=OpenFlow13 fail_mode=secure other-config:datapath-id=00000000000000aa
unshare -n sleep 600 & H1=$!
unshare -n sleep 600 & H2=$!
sleep 0.3
for i in 1 2; do
  ip link add v$i type veth peer name h$i
  ip link set v$i up
  eval H=\$H$i
  ip link set h$i netns $H
  nsenter -t $H -n ip link set h$i address 02:00:00:00:00:0$i
  nsenter -t $H -n ip link set h$i up
  $V -- add-port br0 v$i -- set interface v$i ofport_request=$i
done
nsenter -t $H1 -n ip addr add 10.44.0.2/32 dev h1
nsenter -t $H1 -n ip addr add 10.44.0.3/32 dev h1
nsenter -t $H1 -n ip route add 10.99.0.0/16 dev h1
nsenter -t $H2 -n ip addr add 10.99.0.30/32 dev h2
nsenter -t $H2 -n ip addr add 10.99.0.70/32 dev h2
nsenter -t $H2 -n ip route add 10.44.0.0/14 dev h2
for a in 30 70; do nsenter -t $H1 -n ip neigh add 10.99.0.$a lladdr 02:00:00:00:00:02 dev h1; done
for a in 2 3; do nsenter -t $H2 -n ip neigh add 10.44.0.$a lladdr 02:00:00:00:00:01 dev h2; done
set +e
echo ready
while read -r line; do eval "$line"; done
kill $H1 $H2
kill $(cat $R/vs.pid) $(cat $R/db.pid)
wait
"#;

/// Namespaces with Open vSwitch in them, and a shell there.
struct Lab {
    folder: tempfile::TempDir,
    shell: Option<(ChildStdin, BufReader<ChildStdout>)>,
    _running: Running,
}

impl Lab {
    fn new() -> Result<Self, String> {
        for program in ["ovs-vswitchd", "ovsdb-server", "ovs-vsctl", "unshare", "nsenter", "ip", "ping"] {
            on_path(program)?;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--net",
                "--pid",
                "--fork",
                "--mount-proc",
                "bash",
                "-c",
                SET_UP,
            ])
            .env("R", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let shell = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut lab = Self { folder, shell: Some(shell), _running: Running(child) };
        if lab.line() == "ready" {
            return Ok(lab);
        }
        let why = std::fs::read_to_string(lab.folder.path().join("err")).unwrap_or_default();
        Err(format!("network namespaces with Open vSwitch are not to be had: {why}"))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let _ = self.shell.as_mut().unwrap().1.read_line(&mut line);
        line.trim().to_owned()
    }

    /// What a command prints, in one line.
    fn ask(&mut self, command: &str) -> String {
        writeln!(self.shell.as_mut().unwrap().0, "echo $({command})").unwrap();
        self.line()
    }

    /// Whether a device has an answer of a service.
    fn pings(&mut self, device: &str, service: &str) -> bool {
        let said = self.ask(&format!(
            "nsenter -t $H1 -n ping -c 2 -i 0.2 -W 1 -I {device} {service} >/dev/null 2>&1 && echo yes || echo no"
        ));
        said == "yes"
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The shell ends with its input, and takes the namespaces with it.
        if let Some((input, mut output)) = self.shell.take() {
            drop(input);
            let mut rest = String::new();
            let _ = output.read_line(&mut rest);
        }
    }
}

fn session(number: u64, address: [u8; 4], policy: Policy) -> Session {
    let address = std::net::IpAddr::from(address);
    Session { number, address, prefix: None, holder: format!("holder-{number}").into(), policy }
}

#[test]
fn our_controller_cuts_a_device_off_behind_open_vswitch_and_releases_it() {
    let shown =
        "real packets through Open vSwitch stop when our controller isolates, and pass when it releases";
    let Some(mut lab) = need("openvswitch", shown, Lab::new()) else { return };
    let (bad, good) = ("10.44.0.2", "10.44.0.3");
    let (cloud, help) = ("10.99.0.30", "10.99.0.70");
    assert!(!lab.pings(good, cloud), "without a flow nothing passes");
    let at = SwitchAddress::Unix(lab.path().join("br0.mgmt"));
    let mut link = ControllerLink::connect(&at, config(), WITHIN).unwrap();
    link.up(session(1, [10, 44, 0, 2], Policy::Service)).unwrap();
    link.up(session(2, [10, 44, 0, 3], Policy::Service)).unwrap();
    assert!(lab.pings(bad, cloud) && lab.pings(good, cloud));

    let address = Ipv4Addr::new(10, 44, 0, 2);
    link.set(address, Policy::Isolated([Ipv4Addr::new(10, 99, 0, 70).into()].into())).unwrap();
    link.applied(address, WITHIN).unwrap();
    assert!(!lab.pings(bad, cloud), "it is isolated");
    assert!(lab.pings(bad, help), "what helps is there");
    assert!(lab.pings(good, cloud), "nobody else loses anything");

    // Open vSwitch loses its controller and goes on; another one writes everything anew, and knows of what was isolated
    // only what it is told.
    drop(link);
    assert!(!lab.pings(bad, cloud) && lab.pings(good, cloud));
    let mut link = ControllerLink::connect(&at, config(), WITHIN).unwrap();
    link.up(session(1, [10, 44, 0, 2], Policy::Service)).unwrap();
    link.up(session(2, [10, 44, 0, 3], Policy::Service)).unwrap();
    assert!(lab.pings(bad, cloud));
    link.set(address, Policy::Isolated([].into())).unwrap();
    link.applied(address, WITHIN).unwrap();
    assert!(!lab.pings(bad, cloud) && !lab.pings(bad, help));
    link.release(address).unwrap();
    link.applied(address, WITHIN).unwrap();
    assert!(lab.pings(bad, cloud), "it is released");
    assert_eq!(link.refusals(), 0);
    let flows = lab.ask("ovs-ofctl -O OpenFlow13 dump-flows unix:$R/br0.mgmt | grep -c cookie=0xce02");
    assert_eq!(flows, "4", "two flows for each session");
}
