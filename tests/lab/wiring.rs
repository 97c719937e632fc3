//! The lab itself: which hosts there are, their addresses, and the cables between them.
//!
//! ```text
//!   scanner  10.77.0.2 .. .9, .254 ---- 10.77.0.1   guarded   10.78.0.1 ---- 10.78.0.2  inner
//!            fd77::2 .. ::9, ::fe       fd77::1               fd78::1        fd78::2
//!            fd77:1::2, fd77:2::2, fd77:3::2 (routed)
//!            |
//!   masked   10.80.0.2, fd80::2
//! ```
//!
//! The guarded host sends everything it has no closer route for to `10.77.0.254` and `fd77::fe`,
//! so forged packets from anywhere can be answered.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use crate::{
    deadline::{PATIENCE, eventually},
    host::Host,
    scan::Answer,
};

/// The guarded host's address.
pub const GUARDED_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
/// The guarded host's address.
pub const GUARDED_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1));
/// The address of the host behind the guarded one.
pub const INNER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 78, 0, 2));
/// The address of the host behind the guarded one.
pub const INNER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd78, 0, 0, 0, 0, 0, 0, 2));
/// The second of two hosts that reach each other through a bridge.
pub const BRIDGED_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 79, 0, 3));
/// The second of two hosts that reach each other through a bridge.
pub const BRIDGED_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd79, 0, 0, 0, 0, 0, 0, 3));

/// The last byte of the scanner's first and last ordinary address.
const SCANNER_HOSTS: std::ops::RangeInclusive<u8> = 2..=9;

/// The discard port, where nothing listens.
const DISCARD: u16 = 9;

/// A guarded host and a scanner, joined by a cable.
#[derive(Debug)]
pub struct Lab {
    guarded: Host,
    scanner: Host,
}

impl Lab {
    /// Returns a lab whose hosts reach each other over IPv4 and IPv6.
    ///
    /// # Panics
    /// When the machine gives no namespaces or lacks `ip`, `sysctl`, `mount`, `nsenter`.
    #[expect(clippy::new_without_default, reason = "a lab is started, not an empty value")]
    pub fn new() -> Self {
        let guarded = Host::alone();
        let scanner = guarded.neighbour();
        join(&guarded, "cable", &scanner, "cable");
        scanner.configure_network(&scanner_network());
        guarded.configure_network(
            "address add 10.77.0.1/24 dev cable
             address add fd77::1/64 dev cable nodad
             link set cable up
             route add default via 10.77.0.254
             route add ::/0 via fd77::fe\n",
        );
        meets(&scanner, GUARDED_V4);
        meets(&scanner, GUARDED_V6);
        Self { guarded, scanner }
    }

    /// Returns the host that Portguard guards.
    pub fn guarded(&self) -> &Host {
        &self.guarded
    }

    /// Returns the host that scans it.
    pub fn scanner(&self) -> &Host {
        &self.scanner
    }

    /// Adds a host behind the guarded one, which forwards for it from here on.
    ///
    /// # Panics
    /// When the kernel refuses it; a lab has room for one such host.
    pub fn join_inner(&self) -> Host {
        let inner = behind(&self.guarded, "inside", 78);
        let routes = "route add 10.78.0.0/24 via 10.77.0.1\nroute add fd78::/64 via fd77::1\n";
        self.scanner.configure_network(routes);
        meets(&self.scanner, INNER_V4);
        meets(&self.scanner, INNER_V6);
        inner
    }

    /// Adds a host behind the scanner, which forwards for it from here on and puts its own address,
    /// `10.77.0.2` or `fd77::2`, in place of that host's.
    ///
    /// # Panics
    /// When the kernel refuses it; a lab has room for one such host.
    pub fn join_masked(&self) -> Host {
        let masked = behind(&self.scanner, "behind", 80);
        self.scanner.nft(
            "table inet mask {
               chain out {
                 type nat hook postrouting priority srcnat;
                 oifname \"cable\" ip saddr 10.80.0.0/24 snat ip to 10.77.0.2
                 oifname \"cable\" ip6 saddr fd80::/64 snat ip6 to fd77::2
               }
             }",
        );
        meets(&masked, GUARDED_V4);
        meets(&masked, GUARDED_V6);
        masked
    }

    /// Adds two hosts, `10.79.0.2` and `10.79.0.3`, that reach each other through a bridge of the
    /// guarded one, which has no address there: its firewall sees nothing of what they say.
    ///
    /// # Panics
    /// When the kernel refuses it; a lab has room for one such bridge.
    pub fn join_bridged(&self) -> (Host, Host) {
        let (left, right) = (self.guarded.neighbour(), self.guarded.neighbour());
        self.guarded.configure_network("link add bridge type bridge\nlink set bridge up\n");
        for (host, port, number) in [(&left, "left", 2), (&right, "right", 3)] {
            join(&self.guarded, port, host, "cable");
            host.configure_network(&format!(
                "address add 10.79.0.{number}/24 dev cable
                 address add fd79::{number}/64 dev cable nodad
                 link set cable up\n"
            ));
            self.guarded
                .configure_network(&format!("link set {port} master bridge\nlink set {port} up\n"));
        }
        meets(&left, BRIDGED_V4);
        meets(&left, BRIDGED_V6);
        (left, right)
    }
}

/// Adds a host behind another, which forwards for it from here on: its own address ends in 2, the
/// other's on that cable in 1, in the networks `10.NETWORK.0.0/24` and `fdNETWORK::/64`.
fn behind(front: &Host, cable: &str, network: u8) -> Host {
    let host = front.neighbour();
    join(front, cable, &host, "cable");
    let addresses = |cable: &str, last: u8| {
        format!(
            "address add 10.{network}.0.{last}/24 dev {cable}
             address add fd{network}::{last}/64 dev {cable} nodad
             link set {cable} up\n"
        )
    };
    host.configure_network(&addresses("cable", 2));
    front.configure_network(&addresses(cable, 1));
    host.configure_network(&format!(
        "route add default via 10.{network}.0.1\nroute add ::/0 via fd{network}::1\n"
    ));
    front.set("net.ipv4.ip_forward", "1");
    front.set("net.ipv6.conf.all.forwarding", "1");
    host
}

/// Lays a cable; both ends are still down.
fn join(here: &Host, name: &str, there: &Host, far_name: &str) {
    let far = there.pid();
    let veth = format!("link add {name} type veth peer name {far_name} netns {far}\n");
    here.configure_network(&veth);
    for (host, device) in [(here, name), (there, far_name)] {
        // The first neighbour solicitation finds the other end not yet ready; a second to the next
        // one would be most of what a lab costs.
        host.set(&format!("net.ipv6.neigh.{device}.retrans_time_ms"), "20");
    }
}

fn scanner_network() -> String {
    let addresses = SCANNER_HOSTS.map(|host| {
        format!(
            "address add 10.77.0.{host}/24 dev cable\naddress add fd77::{host}/64 dev cable nodad\n"
        )
    });
    let routed = (1..=3).map(|net| format!("address add fd77:{net}::2/64 dev cable nodad\n"));
    let gateway = "address add 10.77.0.254/24 dev cable\naddress add fd77::fe/64 dev cable nodad\n";
    addresses.chain(routed).collect::<String>() + gateway + "link set cable up\n"
}

/// Waits until a closed port answers that it is closed.
fn meets(host: &Host, address: IpAddr) {
    let to = SocketAddr::new(address, DISCARD);
    let limit = Duration::from_millis(200);
    eventually(&format!("a way to {address}"), PATIENCE, || {
        (host.connect(None, to, limit) == Answer::Refused).then_some(())
    });
}
