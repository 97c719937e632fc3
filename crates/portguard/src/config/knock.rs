//! `[knock]`: one signed and encrypted packet opens a service for its sender; where, for whom, which.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use portguard_core::{Port, Protocol, Span};
use portguard_linux::nft::KnockRule;
use portguard_reach::knock::{self, Knocker};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Config,
    guarding::{section, written},
    value::Written,
};

/// The log group of knocks, beside those of the packet record.
pub(crate) const KNOCK_GROUP: u16 = 7_110;

section! {
    /// The knock: one signed packet opens a service for its sender.
    Knock {
        /// Where it is taken, like `udp/62201`; nothing listens there. Empty: nowhere.
        listen: String = String::new(),
        /// Those who may knock: OpenSSH's Ed25519 public keys, with a name behind them and perhaps
        /// `services="ssh,vpn"` in front.
        keys: Vec<String> = Vec::new(),
        /// Which services a knock may open, unless its key has some of its own.
        services: Vec<String> = vec!["ssh".to_owned()],
        /// For how long; a connection that was made meanwhile goes on.
        open_for: Written<Span> = written("30s"),
    }
}

/// What taking knocks needs of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnockPlan {
    /// The UDP port.
    pub(crate) port: u16,
    pub(crate) knockers: Vec<Knocker>,
    pub(crate) open_for: Span,
    /// Where the host's key and the memory of knocks are.
    pub(crate) state_dir: PathBuf,
    /// What a key may open that has no services of its own.
    usual: Vec<String>,
    services: BTreeMap<Arc<str>, Vec<Port>>,
}

impl Knock {
    /// Returns the port, if knocks are taken.
    pub(super) fn port(&self) -> Option<u16> {
        let port: Port = self.listen.parse().ok()?;
        (port.protocol == Protocol::Udp).then_some(port.number)
    }
}

impl KnockPlan {
    /// Returns what a key may open.
    pub(crate) fn services_of<'a>(&'a self, knocker: &'a Knocker) -> &'a [String] {
        knocker.services.as_deref().unwrap_or(&self.usual)
    }

    /// Returns the ports of a service, lowest first; `None` if the key may not open it.
    pub(crate) fn ports_for(
        &self,
        knocker: &Knocker,
        service: &str,
    ) -> Option<(Arc<str>, Vec<Port>)> {
        let may_open = self.services_of(knocker).iter().any(|name| name == service);
        let found = self.services.get_key_value(service).filter(|_| may_open)?;
        Some((found.0.clone(), found.1.clone()))
    }
}

impl Config {
    /// Returns what taking knocks needs; `None`: none are taken.
    pub(crate) fn knock_plan(&self) -> Option<KnockPlan> {
        let port = self.knock.port()?;
        let knockers: Vec<Knocker> =
            self.knock.keys.iter().filter_map(|line| line.parse().ok()).collect();
        let named = knockers.iter().filter_map(|knocker| knocker.services.as_ref()).flatten();
        let named = named.chain(&self.knock.services);
        let services = named.filter_map(|name| {
            let ports = self.services.get(name)?.ports.iter().flat_map(|range| range.0.ports());
            let mut ports: Vec<Port> = ports.collect();
            ports.sort_unstable();
            ports.dedup();
            Some((Arc::from(name.as_str()), ports))
        });
        Some(KnockPlan {
            port,
            services: services.collect(),
            knockers,
            open_for: self.knock.open_for.0,
            state_dir: self.guard.state_dir.clone(),
            usual: self.knock.services.clone(),
        })
    }

    /// Returns the kernel's rule for knocks, if they are taken.
    pub(super) fn knock_rule(&self) -> Option<KnockRule> {
        let (payload, version) = (u16::try_from(knock::LENGTH).ok()?, knock::VERSION);
        let rule = |port| KnockRule { port, payload, version, group: KNOCK_GROUP };
        self.knock.port().map(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO1JKMYo0cLG6ukDOJBZlWEpWSc6XGP5NjbBRhSshzfR";

    #[test]
    fn a_key_opens_its_own_services_or_the_usual_ones() {
        let mut config = Config::default();
        assert_eq!((config.knock_plan(), config.knock_rule()), (None, None));
        config.knock.listen = "udp/62201".to_owned();
        config.knock.keys = vec![format!("{KEY} anna"), format!("services=\"https\" {KEY} bert")];
        let plan = config.knock_plan().unwrap();
        assert_eq!(config.knock_rule().map(|rule| (rule.port, rule.payload)), Some((62_201, 256)));
        let [anna, bert] = plan.knockers.as_slice() else { panic!("{plan:?}") };
        let opens = |knocker, service| {
            let (name, ports) = plan.ports_for(knocker, service)?;
            let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
            Some(format!("{name}: {}", ports.join(" ")))
        };
        assert_eq!(opens(anna, "ssh").as_deref(), Some("ssh: tcp/22"));
        assert_eq!(opens(bert, "https").as_deref(), Some("https: tcp/443 udp/443"));
        for (knocker, service) in [(anna, "https"), (bert, "ssh"), (anna, "nothing"), (anna, "")] {
            assert_eq!(opens(knocker, service), None);
        }
    }
}
