//! fail2ban's jails as watches, and its bans that are still in force.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::IpAddr,
    path::Path,
};

use portguard_core::{
    Author, List, ListedHold, Offender, Span, Subject, Timestamp, Until, service::PortRange,
};
use portguard_read::fail2ban::{self as jails, Filter, Jail, Reference};
use portguard_store::fail2ban::{JailBan, bans};
use toml::{Table, Value};

use crate::{exit::with_causes, rule::Disk};

/// Name of the database.
const DATABASE: &str = "fail2ban.sqlite3";

/// Where services have their numbers.
const SERVICES: &str = "/etc/services";

/// What fail2ban gives.
#[derive(Debug, Default)]
pub(crate) struct Fail2banImport {
    /// The drop-in: watches, ladders, who is protected.
    pub(crate) settings: Table,
    pub(crate) watches: usize,
    pub(crate) holds: Vec<ListedHold>,
    pub(crate) offenders: Vec<(Subject, Offender)>,
    /// What was taken over, and what was not and why.
    pub(crate) report: Vec<String>,
}

/// Reads the folder of fail2ban (`/etc/fail2ban`); `protected` are those who are so already. `None`
/// if it has no jails.
pub(crate) fn read(folder: &Path, protected: &[String], now: Timestamp) -> Option<Fail2banImport> {
    let mut import = Fail2banImport::default();
    let mut ladders = Table::new();
    let mut watches = Vec::new();
    let mut ignored: BTreeSet<String> = protected.iter().cloned().collect();
    let filters = folder.join("filter.d");
    for jail in jails::load_jails(folder, &Disk)? {
        match jail {
            Ok(jail) => {
                ignored.extend(import.subjects(&jail));
                ladders.insert(ladder_name(&jail), Value::Table(ladder(&jail)));
                watches.push(Value::Table(import.watch(&jail, &filters)));
            }
            Err(why) => import.report.push(format!("{} is left out", with_causes(&why))),
        }
    }
    import.watches = watches.len();
    let lists = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
    let section =
        |name: &str, value: Value| Value::Table(Table::from_iter([(name.to_owned(), value)]));
    let folder_text = vec![filters.display().to_string()];
    import.settings.insert("rules".to_owned(), section("filter_dirs", lists(folder_text)));
    if ignored.len() > protected.len() {
        let addresses = lists(ignored.into_iter().collect());
        import.settings.insert("protect".to_owned(), section("addresses", addresses));
    }
    if !ladders.is_empty() {
        import.settings.insert("ladders".to_owned(), Value::Table(ladders));
        import.settings.insert("watch".to_owned(), Value::Array(watches));
    }
    import.take_bans(folder, now);
    Some(import)
}

impl Fail2banImport {
    /// Returns whom a jail never bans.
    fn subjects(&mut self, jail: &Jail) -> Vec<String> {
        let mut subjects = Vec::new();
        for text in &jail.ignored {
            match network(text) {
                Some(subject) => subjects.push(subject.to_string()),
                None => self.report.push(format!(
                    "jail {}: ignoreip `{text}` is no address; a name goes into allow.hosts",
                    jail.name
                )),
            }
        }
        subjects
    }

    fn watch(&mut self, jail: &Jail, filters: &Path) -> Table {
        let text = |text: &str| Value::String(text.to_owned());
        let list =
            |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
        let mut watch = Table::new();
        watch.insert("name".to_owned(), text(&jail.name));
        if jail.is_of_journal || jail.logs.is_empty() {
            watch.insert("journal".to_owned(), list(self.journal(jail, filters)));
        } else {
            let logs = jail.logs.iter().map(|path| path.display().to_string()).collect();
            watch.insert("files".to_owned(), list(logs));
        }
        watch.insert("rule".to_owned(), text(&format!("fail2ban:{}", jail.filter)));
        watch.insert("howmany".to_owned(), Value::Integer(jail.maxretry.max(1).into()));
        watch.insert("within".to_owned(), text(&written(jail.findtime)));
        watch.insert("ladder".to_owned(), text(&ladder_name(jail)));
        let ports = self.ports(jail);
        if !ports.is_empty() {
            watch.insert("ports".to_owned(), list(ports));
        }
        if jail.usedns == "yes" {
            let line = "usedns: host names are looked up where the rule says so, as in \
                        fail2ban:NAME[usedns=yes]; whoever owns a name can make it any address";
            if !self.report.iter().any(|known| known == line) {
                self.report.push(line.to_owned());
            }
        }
        self.report.push(format!("jail {} is the watch {0}", jail.name));
        watch
    }

    /// Returns the entries of the journal that a jail reads: its own, or those of its filter.
    fn journal(&mut self, jail: &Jail, filters: &Path) -> Vec<String> {
        let of_filter = || {
            let reference: Reference = jail.filter.parse().ok()?;
            let loaded = jails::load(&reference, &[filters.to_owned()], &Disk);
            loaded.ok().map(|Filter { journalmatch, .. }| journalmatch)
        };
        let lines = if jail.journal.is_empty() {
            of_filter().unwrap_or_default()
        } else {
            jail.journal.clone()
        };
        // Python's journal takes `+` between alternatives, as journalctl does.
        let alternatives = lines.iter().flat_map(|line| line.split(" + "));
        let found: Vec<String> = alternatives
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
            .collect();
        if found.is_empty() {
            self.report.push(format!(
                "jail {} reads the whole journal: neither it nor its filter says which part",
                jail.name
            ));
        }
        found
    }

    fn ports(&mut self, jail: &Jail) -> Vec<String> {
        let services = fs::read_to_string(SERVICES).unwrap_or_default();
        let protocols: &[&str] = match jail.protocol.as_str() {
            "udp" => &["udp"],
            "all" => &["tcp", "udp"],
            protocols if protocols.contains("udp") => &["tcp", "udp"],
            _ => &["tcp"],
        };
        let mut ports = Vec::new();
        for word in &jail.ports {
            let numbers = word.replace(':', "-");
            let found = protocols.iter().filter_map(|protocol| {
                let plain = format!("{protocol}/{numbers}");
                let number = || number_of(&services, word, protocol);
                let is_range = plain.parse::<PortRange>().is_ok();
                if is_range {
                    Some(plain)
                } else {
                    number().map(|number| format!("{protocol}/{number}"))
                }
            });
            let found: Vec<String> = found.collect();
            if found.is_empty() {
                self.report.push(format!(
                    "jail {}: `{word}` is no port that {SERVICES} knows; its bans are for all ports",
                    jail.name
                ));
                return Vec::new();
            }
            ports.extend(found);
        }
        ports
    }

    /// Takes over the bans that are in force, one for each source.
    fn take_bans(&mut self, folder: &Path, now: Timestamp) {
        let beside = folder.join(DATABASE);
        let beside = Some(beside).filter(|path| path.exists());
        let Some(path) = beside.or_else(|| jails::database(folder, &Disk)) else {
            return self.report.push("fail2ban keeps no bans".to_owned());
        };
        let bans = match bans(&path) {
            Ok(bans) => bans,
            Err(why) => {
                let line = format!("{}: {}", path.display(), with_causes(&why));
                return self.report.push(line);
            }
        };
        let mut counts: BTreeMap<Subject, Offender> = BTreeMap::new();
        let mut holds: BTreeMap<Subject, ListedHold> = BTreeMap::new();
        for ban in &bans {
            match ban.subject.parse::<Subject>() {
                Ok(subject) => {
                    if let Some(hold) = hold(ban, subject, now) {
                        keep_longer(&mut holds, hold);
                    }
                    counts.entry(subject).and_modify(|past| merge(past, ban)).or_insert(past(ban));
                }
                Err(_) => self
                    .report
                    .push(format!("ban of `{}` in {}: no address", ban.subject, ban.jail)),
            }
        }
        self.holds = holds.into_values().collect();
        self.offenders = counts.into_iter().collect();
        self.report.push(format!(
            "{}: {} bans in force, {} offenders",
            path.display(),
            self.holds.len(),
            self.offenders.len()
        ));
    }
}

/// Returns a network, also if it is written with bits of a host (`127.0.0.1/8`).
fn network(text: &str) -> Option<Subject> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, length.parse().ok()?),
        None => (text, 128),
    };
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    Some(Subject::containing(address, longest.min(length)))
}

fn hold(ban: &JailBan, subject: Subject, now: Timestamp) -> Option<ListedHold> {
    let since = moment(ban.at);
    let until = match u64::try_from(ban.seconds) {
        Err(_) => Until::FOREVER,
        Ok(seconds) => {
            let end = since.plus(std::time::Duration::from_secs(seconds));
            if end <= now {
                return None;
            }
            Until::at(end)
        }
    };
    Some(ListedHold {
        list: List::Ban,
        subject,
        ports: Vec::new(),
        since,
        until,
        nth_ban: u32::try_from(ban.count).unwrap_or(1),
        author: Author::Import,
        reason: format!("fail2ban: jail {}", ban.jail).into(),
    })
}

/// Several jails may have banned the same source: the ban that ends last is the one that counts.
fn keep_longer(holds: &mut BTreeMap<Subject, ListedHold>, hold: ListedHold) {
    let is_longer = holds.get(&hold.subject).is_none_or(|known| known.until < hold.until);
    if is_longer {
        holds.insert(hold.subject, hold);
    }
}

fn past(ban: &JailBan) -> Offender {
    let count = u32::try_from(ban.count).unwrap_or(1).max(1);
    Offender { offences: count, bans: count, first: moment(ban.at), last: moment(ban.at) }
}

fn merge(known: &mut Offender, ban: &JailBan) {
    let more = past(ban);
    known.offences = known.offences.saturating_add(more.offences);
    known.bans = known.bans.saturating_add(more.bans);
    known.first = known.first.min(more.first);
    known.last = known.last.max(more.last);
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_secs(u64::try_from(seconds).unwrap_or(0))
}

fn ladder_name(jail: &Jail) -> String {
    format!("fail2ban-{}", jail.name)
}

/// Returns the ladder that bans for as long as a jail does.
fn ladder(jail: &Jail) -> Table {
    let mut ladder = Table::new();
    let mut text = |name: &str, value: String| ladder.insert(name.to_owned(), Value::String(value));
    let growth = if jail.increments { "double" } else { "fixed" };
    text("growth", growth.to_owned());
    if jail.bantime < 0.0 {
        ladder.insert("permanent_after".to_owned(), Value::Integer(1));
        return ladder;
    }
    text("base", written(jail.bantime));
    let longest = jail.maxtime.map_or_else(|| "forever".to_owned(), written);
    text("max", if jail.increments { longest } else { written(jail.bantime) });
    ladder
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is held to a range"
)]
fn written(seconds: f64) -> String {
    let seconds = seconds.clamp(1.0, 3e10) as u64;
    Span::For(std::time::Duration::from_secs(seconds)).to_string()
}

/// Returns the number of a service (`services(5)`).
fn number_of(services: &str, name: &str, protocol: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let line = line.split('#').next()?;
        let mut words = line.split_whitespace();
        let first = words.next()?;
        let (number, of) = words.next()?.split_once('/')?;
        let is_it = of == protocol && (first == name || words.any(|alias| alias == name));
        is_it.then(|| number.parse().ok())?
    })
}
