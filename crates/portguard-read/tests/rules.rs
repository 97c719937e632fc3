//! Our own rules on lines that others annotated, where that data is at hand.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use jiff::tz::TimeZone;
use portguard_read::{
    Judgement,
    rule::{RuleReader, built_in},
};
use serde_json::Value;

/// 20 November 2026.
const NOW: i64 = 1_795_168_800;

/// Which rule reads what another program calls by such a name.
const RULES: [(&str, &str); 61] = [
    ("adguardhome-logs", "adguardhome"),
    ("apache2-logs", "apache"),
    ("asterisk-logs", "asterisk"),
    ("bind9-logs", "bind"),
    ("bitwarden-logs", "bitwarden"),
    ("caddy-logs", "caddy"),
    ("dovecot-logs", "dovecot"),
    ("dropbear-logs", "dropbear"),
    ("exim-logs", "exim"),
    ("gitea-logs", "gitea"),
    ("gitlab-logs", "gitlab"),
    ("grafana-logs", "grafana"),
    ("haproxy-logs", "haproxy"),
    ("home-assistant-logs", "home-assistant"),
    ("immich-logs", "immich"),
    ("jellyfin-logs", "jellyfin"),
    ("litespeed-logs", "access"),
    ("mariadb-logs", "mariadb"),
    ("modsecurity", "modsecurity"),
    ("mongodb-logs", "mongodb"),
    ("mssql-logs", "mssql"),
    ("mysql-logs", "mysql"),
    ("nextcloud-logs", "nextcloud"),
    ("nginx-logs", "nginx"),
    ("nginx-proxy-manager-logs", "nginx"),
    ("openvpn-logs", "openvpn"),
    ("pgsql-logs", "postgresql"),
    ("postfix-logs", "postfix"),
    ("postscreen-logs", "postfix"),
    ("proftpd-logs", "proftpd"),
    ("proxmox-backup-auth-logs", "proxmox"),
    ("proxmox-logs", "proxmox"),
    ("pureftpd-logs", "pure-ftpd"),
    ("roundcube-logs", "roundcube"),
    ("sshd-logs", "sshd"),
    ("traefik-logs", "traefik"),
    ("vaultwarden-logs", "vaultwarden"),
    ("vsftpd-logs", "vsftpd"),
    ("webmin-logs", "webmin"),
    // Services of another suite.
    ("bind", "bind"),
    ("clf_login_url", "web-login"),
    ("clf_probes", "access"),
    ("clf_unauth", "access"),
    ("cockpit", "cockpit"),
    ("courier", "courier"),
    ("cucipop", "uwimap"),
    ("cyrusimap", "cyrus"),
    ("dovecot", "dovecot"),
    ("dropbear", "dropbear"),
    ("exim", "exim"),
    ("gitea", "gitea"),
    ("mssql", "mssql"),
    ("mysql", "mysql"),
    ("postfix", "postfix"),
    ("proftpd", "proftpd"),
    ("proxmoxve", "proxmox"),
    ("pureftpd", "pure-ftpd"),
    ("sendmail", "sendmail"),
    ("ssh", "sshd"),
    ("sshguard", "recidive"),
    ("uwimap", "uwimap"),
];

/// Tests of others that ask for something else, and why.
const OTHERWISE: [(&str, &str); 3] = [
    (
        "http-dos-bypass-cache",
        "a flood of requests that are each in order is for limits of packets",
    ),
    ("base-upsun-generic-test", "a form of its own of one hoster"),
    ("zoneminder_cve-39285", "requests that only this service could tell from others"),
];

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora")
}

fn rule_for(names: &str) -> Option<&'static str> {
    let is_named = |name: &str| {
        names
            .split(|letter: char| !(letter.is_ascii_alphanumeric() || "-_".contains(letter)))
            .any(|word| word == name)
    };
    RULES.iter().find(|(name, _)| is_named(name)).map(|(_, rule)| *rule)
}

/// Readers, made once.
#[derive(Default)]
struct Readers(BTreeMap<&'static str, RuleReader>);

impl Readers {
    /// Returns whom a line names, and as what.
    fn read(&mut self, rule: &'static str, line: &str) -> Option<(IpAddr, bool)> {
        let make = || RuleReader::new(built_in(rule).unwrap().unwrap(), TimeZone::UTC);
        match self.0.entry(rule).or_insert_with(make).take(line.as_bytes(), None, NOW) {
            Judgement::Failure(sighting) => Some((sighting.who.address()?, true)),
            Judgement::Success(sighting) => Some((sighting.who.address()?, false)),
            _ => None,
        }
    }
}

fn records(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(corpora().join(path)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn is_excepted(test: &Value) -> bool {
    OTHERWISE.iter().any(|(name, _)| test == name)
}

fn verdict(what: &str, cases: usize, failed: &[String]) {
    if cases == 0 {
        return println!("conformance: NOT RUN: no {what} are at hand");
    }
    println!("conformance: {} of {cases} {what}", cases - failed.len());
    assert!(
        failed.is_empty(),
        "{} of {cases} {what} are wrong:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn attacks_are_found_and_harmless_lines_are_not() {
    let mut readers = Readers::default();
    let mut failed = Vec::new();
    let records = records("lines/sshguard.jsonl");
    for record in &records {
        let line = record["line"].as_str().unwrap();
        let found: Vec<_> = match record["attack"]["service"].as_str() {
            Some(service) => {
                let Some(rule) = rule_for(service) else {
                    failed.push(format!("no rule for {service}: {line}"));
                    continue;
                };
                readers.read(rule, line).into_iter().collect()
            }
            // Whatever the service: no rule may take it for an attack.
            None => ["sshd", "access", "wordpress", "dovecot", "postfix", "exim"]
                .into_iter()
                .filter_map(|rule| readers.read(rule, line))
                .collect(),
        };
        let expected =
            record["attack"]["ip"].as_str().map(|ip| (ip.parse::<IpAddr>().unwrap(), true));
        if found != expected.into_iter().collect::<Vec<_>>() {
            failed.push(format!("{line}\n  found {found:?}, expected {expected:?}"));
        }
    }
    verdict("lines of many services", records.len(), &failed);
}

#[test]
fn lines_name_the_address_that_another_parser_finds() {
    let mut readers = Readers::default();
    let (mut cases, mut failed) = (0, Vec::new());
    for record in records("crowdsec/parsers.jsonl") {
        let list = |name: &str| record[name].as_array().cloned().unwrap_or_default();
        let lines = list("log");
        for parsed in list("lines_parsed") {
            let Some(rule) = rule_for(parsed["parser"].as_str().unwrap_or_default()) else {
                continue;
            };
            let Some(expected) = parsed["source_ip"].as_str() else { continue };
            let Ok(expected) = expected.parse::<IpAddr>() else { continue };
            let Some(index) = parsed["line"].as_u64() else { continue };
            let index = usize::try_from(index).unwrap();
            let line = lines[index].as_str().unwrap();
            cases += 1;
            let found = readers.read(rule, line);
            let must = is_attack(parsed["log_type"].as_str().unwrap_or_default());
            let is_right = match found {
                Some((address, _)) => address == expected.to_canonical(),
                None => !must,
            };
            if !is_right {
                failed.push(format!("{rule}: {line}\n  found {found:?}, expected {expected}"));
            }
        }
    }
    verdict("lines that name an address", cases, &failed);
}

/// Returns whether lines of a kind tell of somebody who failed.
fn is_attack(kind: &str) -> bool {
    ["fail", "bad", "invalid", "denied", "enum"].iter().any(|part| kind.contains(part))
}

#[test]
fn whoever_another_program_alerts_of_is_found() {
    let mut readers = Readers::default();
    let (mut cases, mut failed) = (0, Vec::new());
    let mut excepted = BTreeSet::new();
    for record in records("crowdsec/scenarios.jsonl") {
        let Some(mut rule) = rule_for(&record["parsers"].to_string()) else { continue };
        if is_excepted(&record["test"]) {
            excepted.insert(record["test"].to_string());
            continue;
        }
        // Their access logs and what is asked of them are two things.
        let asks_for = |part: &str| record["scenarios"].to_string().contains(part);
        if asks_for("wordpress") || asks_for("apiscp") {
            rule = "web-login";
        }
        let alerts: Vec<IpAddr> = addresses(&record["alert_ips"]);
        let lines = record["log"].as_array().unwrap();
        let found: Vec<IpAddr> = lines
            .iter()
            .filter_map(|line| readers.read(rule, line.as_str().unwrap()))
            .filter(|(_, failed)| *failed)
            .map(|(address, _)| address)
            .collect();
        for address in alerts {
            cases += 1;
            if !found.contains(&address) {
                failed.push(format!("{}: {address} by {rule}", record["test"]));
            }
        }
    }
    for (name, why) in OTHERWISE.iter().filter(|(name, _)| excepted.contains(&format!("{name:?}")))
    {
        println!("left out: {name}: {why}");
    }
    verdict("addresses that others alert of", cases, &failed);
}

fn addresses(list: &Value) -> Vec<IpAddr> {
    let texts = list.as_array().unwrap().iter().filter_map(Value::as_str);
    texts.filter_map(|text| Some(text.parse::<IpAddr>().ok()?.to_canonical())).collect()
}
