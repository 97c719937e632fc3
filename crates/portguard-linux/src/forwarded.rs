//! Ports that are forwarded past the host's own input: destinations that others' rules rewrite, as
//! container engines do when they publish a port.
//!
//! Asked for only when somebody wants to see them, by the programs that know their own formats.

use std::{collections::BTreeSet, fs, net::IpAddr, process::Command};

use portguard_core::{Protocol, service::PortRange};
use serde_json::Value;

/// Most forwarded ports that are told of.
const MOST: usize = 4_096;

/// A port that is forwarded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Forwarded {
    /// The ports that others reach.
    pub ports: PortRange,
    /// The address of this host that they are forwarded from; `None` for every one.
    pub address: Option<IpAddr>,
    /// Where they lead to, as the rule says it (`172.17.0.2:80`).
    pub to: String,
    /// Whose rule it is (`iptables nat DOCKER`, `nft ip nat prerouting`).
    pub by: String,
}

/// Returns the ports that are forwarded by other tables, lowest first. A program that is not
/// installed has no rules.
pub fn forwarded() -> Vec<Forwarded> {
    let mut found = BTreeSet::new();
    // Without the elements of sets: there may be a million of them.
    if let Some(text) = output("nft", &["--json", "--terse", "list", "ruleset"]) {
        found.extend(in_nft(&text));
    }
    for program in ["iptables-nft-save", "ip6tables-nft-save"] {
        found.extend(output(program, &["-t", "nat"]).iter().flat_map(|text| in_iptables(text)));
    }
    for (program, names) in [
        ("iptables-legacy-save", "/proc/net/ip_tables_names"),
        ("ip6tables-legacy-save", "/proc/net/ip6_tables_names"),
    ] {
        // Asking for a table makes the kernel create it.
        let has_table = fs::read_to_string(names).unwrap_or_default().lines().any(|it| it == "nat");
        if has_table {
            found.extend(output(program, &["-t", "nat"]).iter().flat_map(|text| in_iptables(text)));
        }
    }
    found.into_iter().take(MOST).collect()
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns what the text of `iptables-save` forwards.
fn in_iptables(text: &str) -> Vec<Forwarded> {
    text.lines().filter_map(iptables_rule).collect()
}

fn iptables_rule(line: &str) -> Option<Forwarded> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let value = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        // `! --dport 80` is about all others.
        let is_negated = at > 0 && words[at - 1] == "!";
        words.get(at + 1).copied().filter(|_| !is_negated)
    };
    let chain = value("-A")?;
    let to = match value("-j")? {
        "DNAT" => value("--to-destination")?.to_owned(),
        "REDIRECT" => format!("port {}", value("--to-ports")?),
        _ => return None,
    };
    let protocol = protocol(value("-p")?)?;
    let (first, last) = ports(value("--dport").or_else(|| value("--dports"))?, ':')?;
    let address = value("-d").and_then(|text| text.split('/').next()?.parse().ok());
    let by = format!("iptables nat {chain}");
    Some(Forwarded { ports: PortRange { protocol, first, last }, address, to, by })
}

/// Returns what the JSON of `nft list ruleset` forwards (libnftables-json(5)).
fn in_nft(text: &str) -> Vec<Forwarded> {
    let Ok(ruleset) = serde_json::from_str::<Value>(text) else { return Vec::new() };
    let objects = ruleset["nftables"].as_array().cloned().unwrap_or_default();
    objects.iter().filter_map(|object| object.get("rule")).flat_map(nft_rule).collect()
}

fn nft_rule(rule: &Value) -> Vec<Forwarded> {
    let expressions = rule["expr"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(to) = expressions.iter().find_map(destination) else { return Vec::new() };
    let matches = expressions.iter().filter_map(|expression| expression.get("match"));
    let positive = matches.filter(|matching| matching["op"].as_str() == Some("=="));
    let mut found = Vec::new();
    let mut address = None;
    for matching in positive {
        let payload = &matching["left"]["payload"];
        match (payload["protocol"].as_str(), payload["field"].as_str()) {
            (Some(word), Some("dport")) => {
                let protocol = protocol(word);
                let ranges = port_values(&matching["right"]);
                found.extend(protocol.into_iter().flat_map(|protocol| {
                    ranges.iter().map(move |(first, last)| (protocol, *first, *last))
                }));
            }
            (Some("ip" | "ip6"), Some("daddr")) => {
                address = matching["right"].as_str().and_then(|text| text.parse().ok());
            }
            _ => {}
        }
    }
    let word = |name: &str| rule[name].as_str().unwrap_or_default();
    let by = format!("nft {} {} {}", word("family"), word("table"), word("chain"));
    let told = |(protocol, first, last)| Forwarded {
        ports: PortRange { protocol, first, last },
        address,
        to: to.clone(),
        by: by.clone(),
    };
    found.into_iter().map(told).collect()
}

/// Returns where an expression leads packets to, `None` if it does nothing of the kind.
fn destination(expression: &Value) -> Option<String> {
    if let Some(redirect) = expression.get("redirect") {
        return Some(format!("port {}", plain(&redirect["port"])));
    }
    let dnat = expression.get("dnat")?;
    let address = plain(&dnat["addr"]);
    Some(match &dnat["port"] {
        Value::Null => address,
        port if address.contains(':') => format!("[{address}]:{}", plain(port)),
        port => format!("{address}:{}", plain(port)),
    })
}

/// Returns the ports of a match: a number, a range, or a set of these.
fn port_values(value: &Value) -> Vec<(u16, u16)> {
    let number = |value: &Value| value.as_u64().and_then(|number| u16::try_from(number).ok());
    if let Some(port) = number(value) {
        return vec![(port, port)];
    }
    if let Some([first, last]) = value["range"].as_array().map(Vec::as_slice) {
        return number(first).zip(number(last)).into_iter().collect();
    }
    value["set"].as_array().into_iter().flatten().flat_map(port_values).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn protocol(word: &str) -> Option<Protocol> {
    match word {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        _ => None,
    }
}

/// Reads `80`, or `80:90` with its separator.
fn ports(text: &str, separator: char) -> Option<(u16, u16)> {
    let (first, last) = text.split_once(separator).unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(found: &[Forwarded]) -> Vec<String> {
        let told = found.iter().map(|one| {
            let address = one.address.map(|address| format!(" at {address}")).unwrap_or_default();
            format!("{}{address} to {} by {}", one.ports, one.to, one.by)
        });
        told.collect()
    }

    #[test]
    fn what_docker_publishes_is_read_from_iptables() {
        let text = "*nat\n:DOCKER - [0:0]\n\
            -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n\
            -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n\
            -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\n\
            -A DOCKER -d 192.0.2.1/32 -p udp -m udp --dport 5000:5010 -j DNAT --to-destination 172.17.0.3\n\
            -A PREROUTING -p tcp -m tcp --dport 81 -j REDIRECT --to-ports 8081\n\
            -A PREROUTING -p tcp -m tcp ! --dport 82 -j DNAT --to-destination 10.0.0.1\n\
            COMMIT\n";
        assert_eq!(
            told(&in_iptables(text)),
            [
                "tcp/8080 to 172.17.0.2:80 by iptables nat DOCKER",
                "udp/5000-5010 at 192.0.2.1 to 172.17.0.3 by iptables nat DOCKER",
                "tcp/81 to port 8081 by iptables nat PREROUTING",
            ]
        );
    }

    #[test]
    fn native_rules_are_read_from_json() {
        let rule = |expressions: &str| {
            format!(
                r#"{{"rule":{{"family":"ip","table":"nat","chain":"pre","expr":[{expressions}]}}}}"#
            )
        };
        let dport = |right: &str| {
            format!(
                r#"{{"match":{{"op":"==","left":{{"payload":{{"protocol":"tcp","field":"dport"}}}},"right":{right}}}}}"#
            )
        };
        let dnat = r#"{"dnat":{"addr":"10.0.0.2","port":80}}"#;
        let text = format!(
            r#"{{"nftables":[{{"metainfo":{{}}}},{},{},{},{}]}}"#,
            rule(&format!("{},{dnat}", dport("8080"))),
            rule(&format!("{},{dnat}", dport(r#"{"set":[90,{"range":[100,110]}]}"#))),
            rule(&format!(r#"{},{{"redirect":{{"port":8081}}}}"#, dport("81"))),
            rule(&format!(r#"{},{{"xt":null}}"#, dport("82"))),
        );
        assert_eq!(
            told(&in_nft(&text)),
            [
                "tcp/8080 to 10.0.0.2:80 by nft ip nat pre",
                "tcp/90 to 10.0.0.2:80 by nft ip nat pre",
                "tcp/100-110 to 10.0.0.2:80 by nft ip nat pre",
                "tcp/81 to port 8081 by nft ip nat pre",
            ]
        );
        assert_eq!(in_nft("no JSON"), []);
    }
}
