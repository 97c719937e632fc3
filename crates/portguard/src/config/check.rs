//! What the values mean together: do they contradict each other, or this host?

mod anomaly;
mod effect;
mod knock;
mod remote;
mod share;
mod trap;
mod web;

use std::{collections::BTreeMap, net::SocketAddr};

use portguard_core::{Growth, MOST_PORTS_OF_A_BAN, Span, Subject};
use portguard_linux::interface;

use super::{
    Config, Mistake,
    form::nearest,
    key::Key,
    ladder::{LadderKeys, Ladders},
    tree::Tree,
    value::Written,
};

pub(super) use effect::without_effect;

pub(crate) use effect::unchangeable;

/// What the configuration has to get along with on this host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// Ports that an SSH server listens on.
    pub(crate) ssh_ports: Vec<u16>,
}

/// Longest name of a service, in bytes: it stands in the log's prefix, which has room for 127.
const LONGEST_SERVICE_NAME: usize = 64;

/// Smallest file of log lines, in bytes: some hundred lines.
const LEAST_TEXT: u64 = 64 << 10;

/// Most interfaces that are tapped: the detectors of each may take some 100 MB in a flood.
const MOST_TAPS: usize = 8;

/// Longest name of the table, in bytes: well within what the kernel takes (256), and fits a line.
const LONGEST_TABLE_NAME: usize = 64;

/// Returns every mistake, in the order of their places.
pub(super) fn mistakes(config: &Config, around: &Surroundings, tree: &Tree) -> Vec<Mistake> {
    let mut found = Findings { tree, mistakes: Vec::new() };
    check_guard(config, &mut found);
    check_firewall(config, &mut found);
    check_packets(config, &mut found);
    anomaly::check(config, &mut found);
    check_lists(config, &mut found);
    check_ladders(&config.ladders, &mut found);
    check_ports(config, &mut found);
    trap::check(config, around, &mut found);
    check_services(config, &mut found);
    check_sources(config, &mut found);
    knock::check(config, &mut found);
    remote::check(config, &mut found);
    share::check(config, &mut found);
    web::check(config, &mut found);
    check_metrics(config, &mut found);
    found.mistakes.sort_by(|one, other| one.place.cmp(&other.place));
    found.mistakes
}

/// The mistakes that were found so far.
struct Findings<'a> {
    tree: &'a Tree,
    mistakes: Vec<Mistake>,
}

impl Findings<'_> {
    fn add(&mut self, key: &Key, what: impl Into<String>) {
        self.mistakes.push(self.tree.mistake(key, what));
    }

    /// Adds a mistake about a key, unless the value holds.
    fn check(&mut self, holds: bool, key: &Key, what: &str) {
        if !holds {
            self.add(key, what);
        }
    }
}

fn check_guard(config: &Config, found: &mut Findings<'_>) {
    let guard = Key::of("guard");
    let folders = [("state_dir", &config.guard.state_dir), ("run_dir", &config.guard.run_dir)];
    for (name, folder) in folders {
        found.check(folder.is_absolute(), &guard.name(name), "must be an absolute path");
    }
}

fn check_firewall(config: &Config, found: &mut Findings<'_>) {
    let table = &config.firewall.table;
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let is_name = table.starts_with(|first: char| first.is_ascii_alphabetic())
        && table.chars().all(is_inner)
        && table.len() <= LONGEST_TABLE_NAME;
    let what = format!(
        "`{table}` is no name of a table; write a letter, then letters, digits, `_` and `-`, at most \
         {LONGEST_TABLE_NAME}"
    );
    found.check(is_name, &Key::of("firewall.table"), &what);
    let is_near = (-300..=300).contains(&config.firewall.priority);
    found.check(is_near, &Key::of("firewall.priority"), "must lie between -300 and 300");
}

fn check_packets(config: &Config, found: &mut Findings<'_>) {
    let packets = Key::of("packets");
    let text_file = &config.packets.text_file;
    let is_path = text_file.is_empty() || text_file.starts_with('/');
    found.check(is_path, &packets.name("text_file"), "must be an absolute path, or empty");
    let is_some = config.packets.text_max.0.0 >= LEAST_TEXT;
    found.check(is_some, &packets.name("text_max"), "must be at least 64KiB");
    let key = packets.name("interfaces");
    let names = &config.packets.interfaces;
    for (index, name) in names.iter().enumerate() {
        let here = key.row(index);
        if !interface::is_name(name) {
            found.add(&here, format!("`{name}` is no name that an interface can have"));
        }
        found.check(!names[..index].contains(name), &here, "is there twice");
    }
    let what = format!("are too many; {MOST_TAPS} at most");
    found.check(names.len() <= MOST_TAPS, &key, &what);
}

fn check_lists(config: &Config, found: &mut Findings<'_>) {
    let everybody = "stands for everybody; nobody would ever be banned";
    let is_some = |subject: &Written<Subject>| subject.0.prefix_len() > 0;
    for (list, subjects) in
        [("protect", &config.protect.addresses), ("allow", &config.allow.addresses)]
    {
        for (index, subject) in subjects.iter().enumerate() {
            let key = Key::of(list).name("addresses").row(index);
            found.check(is_some(subject), &key, everybody);
        }
    }
    for (index, host) in config.allow.hosts.iter().enumerate() {
        let key = Key::of("allow.hosts").row(index);
        if host.parse::<Subject>().is_ok() {
            found.add(&key, format!("`{host}` is no name; it goes into `allow.addresses`"));
        } else if host.is_empty() || !host.chars().all(is_of_host_name) {
            found.add(&key, format!("`{host}` is no name of a host"));
        }
    }
}

fn is_of_host_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
}

fn check_ladders(ladders: &Ladders, found: &mut Findings<'_>) {
    for (name, keys) in ladders {
        check_ladder(keys, &Key::of("ladders").name(name), found);
    }
}

fn check_ladder(keys: &LadderKeys, here: &Key, found: &mut Findings<'_>) {
    let base = keys.base.map_or(Span::Forever, |base| base.0);
    found.check(is_a_while(base), &here.name("base"), NO_BASE);
    if let Some(Growth::List(spans)) = keys.growth.as_ref().map(|growth| &growth.0) {
        let key = here.name("growth");
        found.check(!spans.is_empty(), &key, "an empty list says nothing of the first ban");
        for (index, span) in spans.iter().enumerate() {
            found.check(!is_no_time(*span), &key.row(index), "must be above zero");
        }
    }
    for (name, span) in [("max", keys.max), ("forget_after", keys.forget_after)] {
        let is_no_time = span.is_some_and(|span| is_no_time(span.0));
        found.check(!is_no_time, &here.name(name), "must be above zero");
    }
    let lies_in =
        |width: Option<u8>, least, most| width.is_none_or(|width| (least..=most).contains(&width));
    let v4 = lies_in(keys.prefix_v4, 8, 32);
    found.check(v4, &here.name("prefix_v4"), "must lie between 8 and 32");
    let v6 = lies_in(keys.prefix_v6, 16, 128);
    found.check(v6, &here.name("prefix_v6"), "must lie between 16 and 128");
}

/// What is said of a base that is no time to begin with.
const NO_BASE: &str =
    "must be a time above zero and not `forever`; for that, write `permanent_after = 1`";

fn is_a_while(span: Span) -> bool {
    span != Span::Forever && !is_no_time(span)
}

fn is_no_time(span: Span) -> bool {
    matches!(span, Span::For(length) if length.is_zero())
}

fn check_ports(config: &Config, found: &mut Findings<'_>) {
    for (index, Written(never)) in config.ports.never.iter().enumerate() {
        let clash = config.ports.always.iter().find_map(|always| trap::overlap(always.0, *never));
        if let Some(clash) = clash {
            let what = format!("{clash} is in `ports.always` too; take it out of one of them");
            found.add(&Key::of("ports.never").row(index), what);
        }
    }
    for (index, approve) in config.ports.approve.iter().enumerate() {
        let names = [&approve.unit, &approve.exe, &approve.user];
        let what = "approves everybody; write `unit`, `exe`, `user` or `ports`";
        let key = Key::of("ports.approve").row(index);
        let says_something = names.iter().any(|name| name.is_some())
            || approve.ports.as_ref().is_some_and(|ports| !ports.is_empty());
        found.check(says_something, &key, what);
        let is_absolute = approve.exe.as_ref().is_none_or(|exe| exe.starts_with('/'));
        found.check(is_absolute, &key.name("exe"), "must be an absolute path");
    }
}

fn check_services(config: &Config, found: &mut Findings<'_>) {
    for (name, service) in &config.services {
        let key = Key::of("services").name(name).name("ports");
        found.check(!service.ports.is_empty(), &key, "a service needs at least one port");
        let is_plain = |c: char| !c.is_control() && !matches!(c, '"' | '\\' | '/');
        let is_name =
            name.len() <= LONGEST_SERVICE_NAME && !name.is_empty() && name.chars().all(is_plain);
        let what = format!(
            "`{name}` is no name of a service; write no quotes, slashes and control characters, and \
             at most {LONGEST_SERVICE_NAME} bytes"
        );
        found.check(is_name, &Key::of("services").name(name), &what);
    }
    for (list, names) in [("remote", &config.remote.services), ("knock", &config.knock.services)] {
        for (index, name) in names.iter().enumerate() {
            let key = Key::of(list).name("services").row(index);
            check_name("service", name, &config.services, &key, found);
        }
    }
}

fn check_sources(config: &Config, found: &mut Findings<'_>) {
    for (index, watch) in config.watch.iter().enumerate() {
        let here = Key::of("watch").row(index);
        let reads = watch.journal.is_some() || watch.files.is_some();
        found.check(reads, &here, "reads nothing; write `journal`, `files` or both");
        found.check(watch.howmany != Some(0), &here.name("howmany"), "must be above zero");
        let few = watch.ports().len() <= MOST_PORTS_OF_A_BAN;
        let what = format!("names more than {MOST_PORTS_OF_A_BAN} ports, the most of one ban");
        found.check(few, &here.name("ports"), &what);
        if let Some(bad) = watch.bad_match() {
            let what = format!(
                "`{bad}` is no match of the journal; write it like `_SYSTEMD_UNIT=ssh.service`"
            );
            found.add(&here.name("journal"), what);
        }
        if let Some(ladder) = &watch.ladder {
            check_name("ladder", ladder, &config.ladders, &here.name("ladder"), found);
        }
    }
    for (index, scan) in config.scan.iter().enumerate() {
        let key = Key::of("scan").row(index).name("howmany");
        found.check(scan.howmany > 0, &key, "must be above zero");
    }
    found.check(config.fleet.accept > 0, &Key::of("fleet.accept"), "must be above zero");
}

/// Checks that there is an entry of this name.
fn check_name<T>(
    kind: &str,
    name: &str,
    entries: &BTreeMap<String, T>,
    key: &Key,
    found: &mut Findings<'_>,
) {
    if !entries.contains_key(name) {
        let nearest = nearest(name, entries.keys().map(String::as_str));
        found.add(key, format!("unknown {kind} `{name}`; nearest is `{nearest}`"));
    }
}

fn check_metrics(config: &Config, found: &mut Findings<'_>) {
    let listen = &config.metrics.listen;
    let is_socket = listen.is_empty() || listen.parse::<SocketAddr>().is_ok();
    found.check(is_socket, &Key::of("metrics.listen"), &no_socket(listen));
}

fn no_socket(text: &str) -> String {
    format!("`{text}` is no address with a port; write it like `127.0.0.1:6060`")
}
