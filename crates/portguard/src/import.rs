//! Takes over what other programs have: settings as a drop-in of the configuration, the past and
//! what is in force through the daemon, or straight into the ledger while no daemon runs.

mod fail2ban;
mod ipset;
mod port_guard;
mod port_trap;

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use portguard_api::order::{ImportOrder, ImportedHold, ImportedOffender, MeasureName, OrderDone};
use portguard_core::{List, ListedHold, Offender, Record, Subject, Timestamp};
use portguard_store::{Ledger, Opening};
use serde_json::json;

use crate::{
    cli::{Global, client::Client, set, show},
    clock,
    config::{self, Config},
    daemon,
    exit::{Failed, Turn, with_causes},
    replace::{Durability, replace},
};

use port_trap::{PortTrapImport, Present};

/// Name of the drop-in beside the configuration.
const DROP_IN: &str = "conf.d/50-port-trap.toml";

/// Name of the configuration of Dynamic Port Guard, and of the drop-in that it becomes.
const PORT_GUARD_FILE: &str = "dynamic-port-guard.conf";
const PORT_GUARD_DROP_IN: &str = "conf.d/50-dynamic-port-guard.toml";

/// Name of the drop-in that fail2ban's jails become.
const FAIL2BAN_DROP_IN: &str = "conf.d/50-fail2ban.toml";

/// How many rows go to the daemon at once: a few hundred kilobytes of JSON, within what its
/// socket takes in one request.
const SLICE: usize = 4_096;

/// Takes over a folder of Port Trap; a dry run only tells what that would be.
///
/// # Errors
/// When the folder does not read, the configuration would not hold, or nobody takes the past.
pub(crate) fn port_trap(global: &Global, folder: &Path, dry_run: bool) -> Result<(), Failed> {
    let around = daemon::surroundings();
    let drop_in = global.config.parent().unwrap_or(Path::new("")).join(DROP_IN);
    let load = |text: Option<&str>| {
        config::load_with(&global.config, &around, &drop_in, text)
            .map_err(|mistakes| config::failed(&mistakes))
    };
    let config = load(None)?.config;
    let present = Present { config: &config, ssh_ports: &around.ssh_ports };
    let mut import = port_trap::read(folder, &present, clock::now())
        .map_err(|error| Failed::new(Turn::Usage, with_causes(&error)))?;
    let lost = not_allowed(&load(Some(&import.drop_in))?.config, &import.spared);
    if !lost.is_empty() {
        let lost = lost.join(", ");
        import.report.push(format!("a later drop-in has an allow list of its own, without {lost}"));
    }
    if dry_run {
        return tell(global, &drop_in, &import, true);
    }
    let kept = write(&drop_in, &import.drop_in)?;
    if let Some(kept) = kept {
        let line = format!("the drop-in that was there is kept as {}", kept.display());
        import.report.push(line);
    }
    let past = Past { source: "port-trap", offenders: &import.offenders, holds: &import.holds };
    import.report.extend(hand_over_bans(global, &config, &past)?);
    tell(global, &drop_in, &import, false)
}

/// Returns those who are not on the configured allow list, though they should be.
fn not_allowed(config: &Config, spared: &[String]) -> Vec<String> {
    let addresses = config.allow.addresses.iter().map(|subject| subject.0.to_string());
    let patterns = config.allow.patterns.iter().map(|pattern| pattern.0.to_string());
    let allowed: BTreeSet<String> = addresses.chain(patterns).collect();
    spared.iter().filter(|text| !allowed.contains(*text)).cloned().collect()
}

/// Writes the drop-in whole, or not at all; returns where another one that was there is kept.
fn write(path: &Path, text: &str) -> Result<Option<PathBuf>, Failed> {
    keep_and_replace(path, text).map_err(|error| {
        Failed::new(Turn::NotPermitted, format!("cannot write {}: {error}", path.display()))
    })
}

fn keep_and_replace(path: &Path, text: &str) -> io::Result<Option<PathBuf>> {
    // The name does not end in `.toml`, so the file is never read as a drop-in.
    let former = path.with_extension("toml.old");
    let is_other = fs::read(path).is_ok_and(|known| known != text.as_bytes());
    if is_other {
        fs::copy(path, &former)?;
    }
    replace(path, text, Durability::OnDisk)?;
    Ok(is_other.then_some(former))
}

/// Takes over the text of `ipset save`; a dry run only tells what that would be.
///
/// # Errors
/// When the text does not read, or nobody takes what it says.
pub(crate) fn ipset(global: &Global, path: &Path, dry_run: bool) -> Result<(), Failed> {
    let text = if path == Path::new("-") {
        io::read_to_string(io::stdin())
    } else {
        fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = text.map_err(|error| unreadable(path, &error))?;
    let mut import = ipset::read(&text, clock::now());
    if !dry_run {
        let loaded = config::load(&global.config, &daemon::surroundings());
        let config = loaded.map_err(|mistakes| config::failed(&mistakes))?.config;
        let past = Past { source: "ipset", offenders: &[], holds: &import.holds };
        let refused = hand_over(global, &config, &past)?;
        if refused > 0 {
            let line = format!("{refused} entries were not taken: protected, allowed or reserved");
            import.report.push(line);
        }
    }
    tell_report(global, dry_run, import.holds.len(), &import.report)
}

/// Takes over the configuration of Dynamic Port Guard; a dry run only tells what that would be.
///
/// # Errors
/// When the file does not read, or the configuration would not hold.
pub(crate) fn port_guard(global: &Global, path: &Path, dry_run: bool) -> Result<(), Failed> {
    let file = if path.is_dir() { path.join(PORT_GUARD_FILE) } else { path.to_owned() };
    let bytes = fs::read(&file).map_err(|error| unreadable(&file, &error))?;
    let mut import = port_guard::read(&String::from_utf8_lossy(&bytes));
    let drop_in = global.config.parent().unwrap_or(Path::new("")).join(PORT_GUARD_DROP_IN);
    let always: Vec<String> = import.always.iter().map(ToString::to_string).collect();
    let text = format!(
        "# Taken over from Dynamic Port Guard by `portguard import dynamic-port-guard`.\n\
         # The list takes the place of the one in portguard.toml.\n\n\
         [ports]\nalways = {}\nfollow = \"all\"\n",
        json!(always).to_string().replace(',', ", ")
    );
    let loaded = config::load_with(&global.config, &daemon::surroundings(), &drop_in, Some(&text));
    let config = loaded.map_err(|mistakes| config::failed(&mistakes))?.config;
    import.report.push(
        "whatever listens is followed; the posture stays, as the other program relied on rules of \
         somebody else to close the rest"
            .to_owned(),
    );
    if dry_run {
        tell_report(global, true, always.len(), &import.report)?;
        let shown = format!("\n{} would say:\n{text}", drop_in.display());
        return if global.json { Ok(()) } else { show::print(&shown) };
    }
    write(&drop_in, &text)?;
    tell_report(global, false, always.len(), &import.report)?;
    if !global.quiet && !global.json {
        println!("{} is written", drop_in.display());
        eprintln!(
            "hint: stop Dynamic Port Guard, then `portguard lockdown` closes what nobody opens"
        );
    }
    let socket = global.socket.clone().unwrap_or_else(|| config.socket());
    set::reload(global, &socket)
}

/// Takes over fail2ban's jails and bans; a dry run only tells what that would be.
///
/// # Errors
/// When there are no jails, the configuration would not hold, or nobody takes the bans.
pub(crate) fn fail2ban(global: &Global, path: &Path, dry_run: bool) -> Result<(), Failed> {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    let around = daemon::surroundings();
    let drop_in = global.config.parent().unwrap_or(Path::new("")).join(FAIL2BAN_DROP_IN);
    let load = |text: Option<&str>| {
        config::load_with(&global.config, &around, &drop_in, text)
            .map(|loaded| loaded.config)
            .map_err(|mistakes| config::failed(&mistakes))
    };
    let before = load(Some(""))?;
    let protected: Vec<String> =
        before.protect.addresses.iter().map(|subject| subject.0.to_string()).collect();
    let mut import = fail2ban::read(folder, &protected, clock::now()).ok_or_else(|| {
        let what = format!("no jail.conf and no jail.local in {}", folder.display());
        Failed::new(Turn::Usage, what).hint("fail2ban's folder is /etc/fail2ban")
    })?;
    let settings =
        toml::to_string(&import.settings).map_err(|why| Failed::bug(with_causes(&why)))?;
    let text = format!(
        "# Taken over from fail2ban by `portguard import fail2ban`.\n\
         # Its lists take the place of those in portguard.toml; its watches come on top.\n\n{settings}"
    );
    let config = load(Some(&text))?;
    let shown = format!("\n{} would say:\n{text}", drop_in.display());
    if dry_run {
        tell_report(global, true, import.watches, &import.report)?;
        return if global.json { Ok(()) } else { show::print(&shown) };
    }
    write(&drop_in, &text)?;
    let past = Past { source: "fail2ban", offenders: &import.offenders, holds: &import.holds };
    import.report.extend(hand_over_bans(global, &config, &past)?);
    tell_report(global, false, import.watches, &import.report)?;
    if !global.quiet && !global.json {
        println!("{} is written", drop_in.display());
        eprintln!("hint: stop fail2ban, or each offender is banned twice");
    }
    let socket = global.socket.clone().unwrap_or_else(|| config.socket());
    set::reload(global, &socket)
}

fn unreadable(path: &Path, error: &io::Error) -> Failed {
    Failed::new(Turn::Usage, format!("cannot read {}: {error}", path.display()))
}

fn tell_report(
    global: &Global,
    dry_run: bool,
    taken: usize,
    report: &[String],
) -> Result<(), Failed> {
    if global.json {
        return show::json(&json!({ "taken": taken, "written": !dry_run, "report": report }));
    }
    for line in report.iter().filter(|_| !global.quiet) {
        println!("{line}");
    }
    Ok(())
}

/// What another program remembers, on its way to the daemon or into the ledger.
struct Past<'a> {
    source: &'static str,
    offenders: &'a [(Subject, Offender)],
    holds: &'a [ListedHold],
}

/// Hands the past over and returns how many measures were not taken.
fn hand_over(global: &Global, config: &Config, import: &Past<'_>) -> Result<usize, Failed> {
    let socket = global.socket.clone().unwrap_or_else(|| config.socket());
    match UnixStream::connect(&socket) {
        Err(error) if is_absent(&error) => record(config, import).map(|()| 0),
        _ => order(&socket, import),
    }
}

/// Hands bans over, and returns what there is to tell of those that were not taken.
fn hand_over_bans(
    global: &Global,
    config: &Config,
    past: &Past<'_>,
) -> Result<Option<String>, Failed> {
    let refused = hand_over(global, config, past)?;
    let line = || format!("{refused} bans were not taken: protected, allowed or over by now");
    Ok((refused > 0).then(line))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// Hands the past to the running daemon and returns how many bans it did not take.
fn order(socket: &Path, import: &Past<'_>) -> Result<usize, Failed> {
    let client = Client::new(socket)?;
    let send = |holds, offenders| {
        let order = ImportOrder { source: import.source.to_owned(), holds, offenders };
        client.post::<OrderDone>("/v1/import", &order)
    };
    for slice in import.offenders.chunks(SLICE) {
        send(Vec::new(), slice.iter().map(imported_offender).collect())?;
    }
    let mut refused = import.holds.len();
    for slice in import.holds.chunks(SLICE) {
        let done = send(slice.iter().map(imported_hold).collect(), Vec::new())?;
        refused = refused.saturating_sub(done.subjects);
    }
    Ok(refused)
}

/// Puts the past into the ledger, for a daemon that comes up later.
fn record(config: &Config, import: &Past<'_>) -> Result<(), Failed> {
    let path: PathBuf = config.guard.state_dir.join("ledger.db");
    let (mut ledger, opening) = Ledger::open(&path, config.retention(), clock::now());
    if let Opening::InMemory { why, .. } = opening {
        let line = format!("cannot use {}: {}", path.display(), with_causes(&why));
        return Err(Failed::new(Turn::NotPermitted, line));
    }
    let offenders =
        import.offenders.iter().map(|(subject, past)| Record::Offender(*subject, *past));
    let holds = import.holds.iter().cloned().map(Record::Hold);
    let batch: Vec<Record> = offenders.chain(holds).collect();
    ledger.record(&batch).map_err(|error| Failed::environment(with_causes(&error)))
}

fn imported_offender((subject, past): &(Subject, Offender)) -> ImportedOffender {
    ImportedOffender {
        subject: subject.to_string(),
        offences: past.offences,
        bans: past.bans,
        first: seconds(past.first),
        last: seconds(past.last),
    }
}

fn imported_hold(hold: &ListedHold) -> ImportedHold {
    ImportedHold {
        measure: match hold.list {
            List::Allow => MeasureName::Allow,
            List::ThrottleHard => MeasureName::ThrottleHard,
            List::ThrottleSoft => MeasureName::ThrottleSoft,
            _ => MeasureName::Ban,
        },
        subject: hold.subject.to_string(),
        since: seconds(hold.since),
        until: hold.until.moment().map(seconds),
        nth_ban: hold.nth_ban,
        reason: hold.reason.to_string(),
    }
}

fn seconds(moment: Timestamp) -> u64 {
    moment.as_millis() / 1000
}

fn tell(
    global: &Global,
    drop_in: &Path,
    import: &PortTrapImport,
    dry_run: bool,
) -> Result<(), Failed> {
    if global.json {
        return show::json(&json!({
            "drop_in": { "path": drop_in, "text": import.drop_in, "written": !dry_run },
            "offenders": import.offenders.len(),
            "bans": import.holds.len(),
            "report": import.report,
        }));
    }
    for line in import.report.iter().filter(|_| !global.quiet) {
        println!("{line}");
    }
    let path = drop_in.display();
    if dry_run {
        return show::print(&format!("\n{path} would say:\n{}", import.drop_in));
    }
    if !global.quiet {
        println!("{path} is written");
        eprintln!(
            "hint: stop Port Trap, then `systemctl reload-or-restart portguard` sets the traps"
        );
    }
    Ok(())
}
