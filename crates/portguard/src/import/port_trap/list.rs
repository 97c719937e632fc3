//! The three text files of Port Trap, line by line.

use std::net::IpAddr;

use portguard_core::{Family, Pattern, Port, Protocol, Subject, service::port_number};

use super::{PERMANENT, PORTS, Present, WHITELIST};

/// One line of the list of ports: a TCP trap in one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trap {
    pub(super) family: Family,
    /// The address it is bound to; `None` for all.
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
    /// Length of the first ban in seconds.
    pub(super) base: u64,
    /// Where it was written.
    pub(super) line: usize,
}

/// Whom Port Trap spares.
#[derive(Debug, Default)]
pub(super) struct Spared {
    pub(super) addresses: Vec<Subject>,
    pub(super) patterns: Vec<Pattern>,
}

impl Spared {
    /// Returns whether an address is among them.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.addresses.contains(&Subject::address(address))
            || self.patterns.iter().any(|pattern| pattern.matches(address))
    }

    /// Returns all of them as they are written.
    pub(super) fn texts(&self) -> Vec<String> {
        let addresses = self.addresses.iter().map(ToString::to_string);
        addresses.chain(self.patterns.iter().map(ToString::to_string)).collect()
    }
}

/// Reads the list of ports; a line that is no trap is named and skipped.
pub(super) fn read_traps(text: &str, report: &mut Vec<String>) -> Vec<Trap> {
    let mut traps: Vec<Trap> = Vec::new();
    for (line, written) in lines(text) {
        let skip = |why: String| format!("{PORTS}:{line}: `{written}` is skipped: {why}");
        let trap = match read_trap(written, line) {
            Ok(trap) => trap,
            Err(why) => {
                report.push(skip(why));
                continue;
            }
        };
        let same_place = |other: &&Trap| {
            other.family == trap.family
                && other.port == trap.port
                && (other.address == trap.address
                    || other.address.is_none()
                    || trap.address.is_none())
        };
        match traps.iter().find(same_place) {
            Some(first) => report.push(skip(format!("line {} has this trap already", first.line))),
            None => traps.push(trap),
        }
    }
    traps
}

/// Returns the traps that can stand beside what is there; each other one is named.
pub(super) fn settable(
    traps: Vec<Trap>,
    present: &Present<'_>,
    report: &mut Vec<String>,
) -> Vec<Trap> {
    let plans = present.config.trap_plans();
    let hindrance = |trap: &Trap| {
        let port = Port { protocol: Protocol::Tcp, number: trap.port };
        if present.config.ports.always.iter().any(|always| always.0.contains(port)) {
            return Some("`ports.always` opens this port");
        }
        if present.ssh_ports.contains(&trap.port) {
            return Some("ssh listens on this port");
        }
        let stands = plans.iter().any(|plan| {
            plan.port == port
                && plan.family == trap.family
                && (plan.address == trap.address
                    || plan.address.is_none()
                    || trap.address.is_none())
        });
        stands.then_some("the configuration has a trap there already, which stays as it is")
    };
    let mut left = Vec::new();
    for trap in traps {
        match hindrance(&trap) {
            Some(why) => {
                let Trap { line, port, family, .. } = trap;
                report.push(format!("{PORTS}:{line}: port {port} for {family} is skipped: {why}"));
            }
            None => left.push(trap),
        }
    }
    left
}

/// Reads the allow list: addresses, and patterns for whole written addresses.
pub(super) fn read_spared(text: &str, report: &mut Vec<String>) -> Spared {
    let mut spared = Spared::default();
    for (line, written) in lines(text) {
        if let Ok(address) = written.parse::<IpAddr>() {
            let subject = Subject::address(address);
            if !spared.addresses.contains(&subject) {
                spared.addresses.push(subject);
            }
            continue;
        }
        match written.parse::<Pattern>() {
            Ok(pattern) => spared.patterns.push(pattern),
            Err(why) => report.push(format!("{WHITELIST}:{line}: skipped: {why}")),
        }
    }
    let (addresses, patterns) = (spared.addresses.len(), spared.patterns.len());
    report.push(format!(
        "{WHITELIST}: {addresses} addresses and {patterns} patterns go to the allow list"
    ));
    spared
}

/// Reads the number of the ban that is forever.
pub(super) fn read_permanent(text: &str, report: &mut Vec<String>) -> Option<u32> {
    let written = text.lines().next().unwrap_or_default().trim();
    let Ok(number) = written.parse::<u32>() else {
        report.push(format!("{PERMANENT}:1: `{written}` is no number; the ladder keeps its own"));
        return None;
    };
    // Port Trap bans forever from this many bans on, so its 0 and 1 mean the same; here 0 would
    // mean never.
    let number = number.max(1);
    report.push(format!("{PERMANENT}: ban {number} is forever"));
    Some(number)
}

/// Returns the lines that say something, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn read_trap(written: &str, line: usize) -> Result<Trap, String> {
    let mut fields = written.split('#').map(str::trim);
    let place = fields.next().unwrap_or_default();
    let base = fields.next().ok_or("it has no timeout, write `PORT#SECONDS`")?;
    let is_v6 = match (fields.next(), fields.next()) {
        (None | Some(""), None) => false,
        (Some("6"), None) => true,
        _ => return Err("only `#6` may follow the timeout".to_owned()),
    };
    let (address, port) = read_place(place)?;
    let base = base
        .parse::<u64>()
        .ok()
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| format!("`{base}` is no number of seconds above zero"))?;
    let family = match address {
        Some(IpAddr::V4(_)) if is_v6 => return Err("an IPv4 address with `#6`".to_owned()),
        // An IPv6 address says by itself what the `#6` would say.
        Some(IpAddr::V6(_)) => Family::V6,
        _ if is_v6 => Family::V6,
        _ => Family::V4,
    };
    let address = address.filter(|address| !address.is_unspecified());
    Ok(Trap { family, address, port, base, line })
}

/// Reads `PORT` or `ADDRESS:PORT`; the last colon is the one before the port.
fn read_place(place: &str) -> Result<(Option<IpAddr>, u16), String> {
    let (address, port) = match place.rsplit_once(':') {
        Some((address, port)) => (Some(address), port),
        None => (None, place),
    };
    let port = port_number(port).map_err(|error| error.to_string())?;
    let Some(address) = address else { return Ok((None, port)) };
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let read = bare.unwrap_or(address).parse::<IpAddr>();
    let address = read.map_err(|_| format!("`{address}` is no address"))?;
    Ok((Some(address), port))
}
