//! Which settings are read, but take no effect in this version: nobody shall rely on one of them.

use toml::{Table, Value};

use crate::config::{Config, key::Key, tree::Tree};

/// Sections that take effect.
const IN_EFFECT: [&str; 18] = [
    "guard", "protect", "allow", "firewall", "throttle", "ladders", "traps", "api", "store",
    "services", "ports", "packets", "watch", "rules", "scan", "anomaly", "share", "web",
];

/// Returns what is set to something else than its default, but takes no effect in this version.
pub(in crate::config) fn without_effect(config: &Config, tree: &Tree) -> Vec<String> {
    let (set, default) = (table_of(config), table_of(&Config::default()));
    let keys = set.iter().flat_map(|(name, section)| differing(name, section, default.get(name)));
    let idle = keys.filter(|key| !is_in_effect(key));
    let mut told: Vec<_> =
        idle.map(|key| tree.mistake(&key, "has no effect in this version")).collect();
    told.sort_by(|one, other| one.place.cmp(&other.place));
    told.iter().map(ToString::to_string).collect()
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
