//! Which settings are read, but take no effect, in this version or without a new start: nobody shall
//! rely on one of them.

use std::borrow::Cow;

use toml::{Table, Value};

use crate::config::{Config, key::Key, tree::Tree};

/// Sections that take effect.
const IN_EFFECT: [&str; 20] = [
    "guard", "protect", "allow", "firewall", "throttle", "ladders", "traps", "api", "store",
    "services", "ports", "packets", "watch", "rules", "scan", "anomaly", "remote", "knock",
    "share", "web",
];

/// Returns what is set to something else than its default, but takes no effect in this version.
pub(in crate::config) fn without_effect(config: &Config, tree: &Tree) -> Vec<String> {
    let (set, default) = (table_of(config), table_of(&Config::default()));
    let keys = set.iter().flat_map(|(name, section)| differing(name, section, default.get(name)));
    let idle = keys.filter(|key| !is_in_effect(key));
    let mut told: Vec<_> =
        idle.map(|key| tree.mistake(&key, "has no effect in this version")).collect();
    let remote = &config.remote;
    if remote.url.is_empty() && !remote.status_page.is_empty() {
        let key = Key::of("remote.status_page");
        told.push(tree.mistake(&key, "has no effect without remote.url"));
    }
    told.sort_by(|one, other| one.place.cmp(&other.place));
    told.iter().map(ToString::to_string).collect()
}

/// Returns the settings that a running daemon can not take over.
pub(crate) fn unchangeable<'a>(
    old: &'a Config,
    new: &'a Config,
) -> [(&'static str, Cow<'a, str>, Cow<'a, str>); 4] {
    [
        (
            "guard.state_dir",
            old.guard.state_dir.to_string_lossy(),
            new.guard.state_dir.to_string_lossy(),
        ),
        ("guard.run_dir", old.guard.run_dir.to_string_lossy(), new.guard.run_dir.to_string_lossy()),
        ("firewall.table", old.firewall.table.as_str().into(), new.firewall.table.as_str().into()),
        (
            "guard.observe",
            old.guard.observe.to_string().into(),
            new.guard.observe.to_string().into(),
        ),
    ]
}

fn table_of(config: &Config) -> Table {
    Table::try_from(config).expect("the configuration is a table")
}

/// Returns the keys of a section that differ from their default.
fn differing(name: &str, section: &Value, default: Option<&Value>) -> Vec<Key> {
    let here = Key::of(name);
    match (section, default) {
        (Value::Table(section), Some(Value::Table(default))) => {
            let differing =
                section.iter().filter(|(name, value)| default.get(*name) != Some(value));
            differing.map(|(name, _)| here.name(name)).collect()
        }
        (section, default) if default != Some(section) => vec![here],
        _ => Vec::new(),
    }
}

fn is_in_effect(key: &Key) -> bool {
    let written = key.to_string();
    let section = written.split('.').next().unwrap_or_default();
    IN_EFFECT.contains(&section)
}
