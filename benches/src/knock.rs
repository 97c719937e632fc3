//! Knocks: how fast a port opens, beside fwknop in the same run; what a flood of bad ones costs.

mod flood;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use lab::{Daemon, Host, Lab, running::Running, wiring::GUARDED_V4};
use portguard_reach::knock::{HostKey, Knock, LENGTH, random, seal};
use serde_json::json;

pub(crate) use flood::{Knocks, flood};

use crate::{
    api::Api,
    figure::{Report, ms, percentile},
    peers,
    worker::Worker,
};

/// The service behind the closed port.
const SERVICE: u16 = 8080;
/// Where knocks are taken, by both programs.
const KNOCK: u16 = 62_201;

/// Addresses that knocks are sent from: more together than the ration of all has.
const SOURCES: u8 = 250;

/// A source may knock so often without being made to wait.
const PACE: Duration = Duration::from_millis(500);

/// How long one try to connect may take: a handshake takes a tenth of it here.
const TRY: Duration = Duration::from_micros(400);

/// How long a port may take to open before the sample counts as this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// From the knock to the open port.
pub(crate) fn opening(report: &mut Report) {
    const SAMPLES: u32 = 500;
    const BESIDE: u32 = 20;
    let door = Door::new("open_for = \"1h\"\n");
    let mut api = door.api();
    let mut server = Worker::start(door.lab.guarded(), &[]);
    server.ask(&format!("accept {}", SocketAddr::new(GUARDED_V4, SERVICE)));
    let mut client = Worker::start(door.lab.scanner(), &[]);
    let mut times: Vec<Duration> = (0..SAMPLES)
        .map(|index| {
            let who = format!("{} {}", index % u32::from(SOURCES) + 1, door.host_key);
            let time = client.ask(&format!("knock {who} {}", hex(&door.seed)));
            api.post("/v1/close", &json!({ "what": "svc", "from": "10.77.0.2" }));
            Duration::from_secs_f64(time.parse::<f64>().expect("a number") / 1e3)
        })
        .collect();
    report.limit(
        "knock sent, until the port is open, p50",
        ms(percentile(&mut times, 0.5)),
        5.0,
        "ms",
    );
    report.limit(
        "knock sent, until the port is open, p99",
        ms(percentile(&mut times, 0.99)),
        5.0,
        "ms",
    );

    let mut ours: Vec<Duration> = (0..BESIDE)
        .map(|_| {
            thread::sleep(PACE);
            door.lab.scanner().run(door.line());
            let time = client.ask(&format!("opens-in {}", SocketAddr::new(GUARDED_V4, SERVICE)));
            api.post("/v1/close", &json!({ "what": "svc", "from": "10.77.0.2" }));
            Duration::from_secs_f64(time.parse::<f64>().expect("a number") / 1e3)
        })
        .collect();
    drop((api, server, client, door));
    if let Some(mut theirs) = fwknop(BESIDE) {
        for (name, part) in [("p50", 0.5), ("p95", 0.95)] {
            let (ours, theirs) = (percentile(&mut ours, part), percentile(&mut theirs, part));
            let what = format!("client has ended, until the port is open, {name}");
            report.peer(what, ms(ours), ("fwknop", ms(theirs)), "ms");
        }
    }
}

/// A guarded host that takes knocks.
struct Door {
    daemon: Daemon,
    lab: Lab,
    host_key: HostKey,
    seed: [u8; 32],
}

impl Door {
    fn new(knock: &str) -> Self {
        let lab = Lab::new();
        let sources =
            (1..=SOURCES).map(|last| format!("address add 10.66.0.{last}/32 dev cable\n"));
        lab.scanner().configure_network(&sources.collect::<String>());
        let mut daemon = Daemon::prepare(lab.guarded(), "");
        let key = daemon.home().join("key");
        let made = portguard_reach::key::make(&key, "bench").expect("a new key in a new folder");
        daemon.configure(&format!(
            "[guard]\nposture = \"closed\"\n[ports]\nalways = []\nfollow = \"none\"\n\
             [services.svc]\nports = [\"tcp/{SERVICE}\"]\n\
             [knock]\nlisten = \"udp/{KNOCK}\"\nkeys = ['{}']\nservices = [\"svc\"]\n{knock}",
            made.key.line()
        ));
        daemon.launch();
        daemon.wait_until_ready(PATIENCE);
        let mut api = Api::connect(&daemon.socket()).expect("the daemon listens");
        let host_key = loop {
            let status = api.get("/v1/status");
            if let Some(key) = status["knock"]["host_key"].as_str() {
                break key.parse().expect("a host's key");
            }
            thread::sleep(Duration::from_millis(5));
        };
        let mut ask = |_: &Path| Err(std::io::ErrorKind::Unsupported.into());
        let secret = portguard_reach::key::SecretKey::open(&key, &mut ask).expect("our own key");
        let seed = *secret.ed25519_seed().expect("it was made so");
        Self { daemon, lab, host_key, seed }
    }

    fn api(&self) -> Api {
        Api::connect(&self.daemon.socket()).expect("the daemon listens")
    }

    /// Returns the command line of the client.
    fn line(&self) -> Vec<String> {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let program = lab::program::guard().display().to_string();
        let key = self.daemon.home().join("key").display().to_string();
        let rest = words(&format!("knock 10.77.0.1 svc --host-key {} --key {key}", self.host_key));
        [vec![program], rest].concat()
    }
}

/// fwknop on both hosts: from the end of its client to the open port.
fn fwknop(samples: u32) -> Option<Vec<Duration>> {
    let peer = Fwknop::unpacked()?;
    let lab = Lab::new();
    lab.guarded().run(["iptables", "-P", "INPUT", "DROP"]);
    let mut server = Worker::start(lab.guarded(), &[]);
    server.ask(&format!("accept {}", SocketAddr::new(GUARDED_V4, SERVICE)));
    let _daemon = peer.start(lab.guarded());
    let mut client = Worker::start(lab.scanner(), &[]);
    let at = SocketAddr::new(GUARDED_V4, SERVICE);
    let mut times = Vec::new();
    for _ in 0..samples {
        let closed = Instant::now();
        while client.ask(&format!("connect {at} 20")) == "true" {
            assert!(closed.elapsed() < 4 * PATIENCE, "fwknop closes nothing any more");
            thread::sleep(Duration::from_millis(100));
        }
        peer.knock(lab.scanner());
        let time = client.ask(&format!("opens-in {at}"));
        times.push(Duration::from_secs_f64(time.parse::<f64>().expect("a number") / 1e3));
    }
    Some(times)
}

/// fwknop from Debian's packages, unpacked, with a key of its own.
struct Fwknop {
    libraries: String,
    server: PathBuf,
    client: PathBuf,
    home: PathBuf,
}

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const HMAC_KEY: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

impl Fwknop {
    fn unpacked() -> Option<Self> {
        let server = peers::unpacked("fwknop-server")?.join("usr/sbin/fwknopd");
        let client = peers::unpacked("fwknop-client")?.join("usr/bin/fwknop");
        let libraries = ["libfko3", "libgpgme11", "libassuan0", "libpcap0.8"];
        let folders = libraries.map(peers::unpacked).into_iter().collect::<Option<Vec<_>>>()?;
        let triplet = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        let folders: Vec<String> =
            folders.iter().map(|root| root.join(&triplet).display().to_string()).collect();
        let home = peers::folder().join("fwknop-home");
        fs::create_dir_all(home.join("run")).ok()?;
        let access = format!(
            "SOURCE ANY\nOPEN_PORTS tcp/{SERVICE}\nKEY_BASE64 {KEY}\nHMAC_KEY_BASE64 {HMAC_KEY}\n\
             FW_ACCESS_TIMEOUT 1\n"
        );
        let settings = format!(
            "PCAP_INTF cable;\nENABLE_PCAP_PROMISC N;\nFWKNOP_RUN_DIR {}/run;\n",
            home.display()
        );
        for (name, text) in [("access.conf", access), ("fwknopd.conf", settings)] {
            fs::write(home.join(name), text).ok()?;
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(home.join(name), mode).ok()?;
        }
        Some(Self { libraries: folders.join(":"), server, client, home })
    }

    fn line(&self, program: &Path, words: &str) -> Vec<String> {
        let home = self.home.display();
        let before =
            format!("env LD_LIBRARY_PATH={} HOME={home} {}", self.libraries, program.display());
        format!("{before} {words}").split(' ').map(str::to_owned).collect()
    }

    fn start(&self, host: &Host) -> Running {
        let home = self.home.display();
        let words = format!("-f -c {home}/fwknopd.conf -a {home}/access.conf -r {home}/run");
        let line = self.line(&self.server, &words);
        let shell = ["sh", "-c", "exec \"$@\" 2>&1", "sh"].map(str::to_owned);
        let running = host.spawn([&shell[..], &line].concat());
        while let Some(said) = running.line(PATIENCE) {
            if said.contains("Starting fwknopd main event loop") {
                return running;
            }
        }
        panic!("fwknopd does not start");
    }

    fn knock(&self, host: &Host) {
        let words = format!(
            "-A tcp/{SERVICE} -a 10.77.0.2 -D 10.77.0.1 --key-base64-rijndael {KEY} \
             --key-base64-hmac {HMAC_KEY} --use-hmac --no-save-args --no-rc-file -p {KNOCK}"
        );
        host.run(self.line(&self.client, &words));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// What a worker does: knocks from one of many addresses, since each may do so now and then only, for
/// the one that it connects from, and says how many milliseconds it took until the port was open.
pub(crate) fn knock(source: &str, host_key: &str, seed: &str) -> String {
    let byte = |at: usize| u8::from_str_radix(&seed[2 * at..2 * at + 2], 16).expect("hexadecimal");
    let packet = sealed(host_key.parse().expect("a host's key"), &std::array::from_fn(byte));
    let socket = bound(source.parse().expect("a number"), KNOCK);
    let start = Instant::now();
    socket.send(&packet).expect("a way to the host");
    opened(SocketAddr::new(GUARDED_V4, SERVICE), start)
}

/// Says how many milliseconds it takes from here until a port is open.
pub(crate) fn opens_in(at: SocketAddr) -> String {
    opened(at, Instant::now())
}

fn opened(at: SocketAddr, start: Instant) -> String {
    while TcpStream::connect_timeout(&at, TRY).is_err() && start.elapsed() < PATIENCE {}
    format!("{}", ms(start.elapsed()))
}

fn sealed(host: HostKey, seed: &[u8; 32]) -> [u8; LENGTH] {
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970");
    let at = u64::try_from(now.as_millis()).expect("a clock of this age");
    let address = Some([10, 77, 0, 2].into());
    let knock = Knock { at, address, service: "svc".to_owned() };
    let ephemeral = random().expect("random bytes");
    seal(host, seed, *ephemeral, &knock).expect("a short name")
}

fn bound(last: u8, port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::new(10, 66, 0, last), 0)).expect("an address of ours");
    socket.connect((GUARDED_V4, port)).expect("a way to the host");
    socket
}
