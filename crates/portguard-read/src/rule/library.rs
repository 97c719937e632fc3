//! The rules that come with the program.

use super::{Rule, RuleError};

macro_rules! rules {
    ($($name:literal),+ $(,)?) => {
        /// Their names.
        pub const NAMES: &[&str] = &[$($name),+];

        fn text(name: &str) -> Option<&'static str> {
            match name {
                $($name => Some(include_str!(concat!("../../rules/", $name, ".toml"))),)+
                _ => None,
            }
        }
    };
}

rules!(
    "access",
    "adguardhome",
    "apache",
    "asterisk",
    "bind",
    "bitwarden",
    "caddy",
    "cockpit",
    "courier",
    "cyrus",
    "dovecot",
    "dropbear",
    "exim",
    "forgejo",
    "gitea",
    "gitlab",
    "grafana",
    "haproxy",
    "home-assistant",
    "immich",
    "jellyfin",
    "mariadb",
    "modsecurity",
    "mongodb",
    "mssql",
    "mysql",
    "named",
    "nextcloud",
    "nginx",
    "nginx-error",
    "openvpn",
    "pam",
    "phpmyadmin",
    "postfix",
    "postgresql",
    "proftpd",
    "proxmox",
    "pure-ftpd",
    "recidive",
    "redis",
    "roundcube",
    "sendmail",
    "squid",
    "sshd",
    "sudo",
    "traefik",
    "uwimap",
    "vaultwarden",
    "vsftpd",
    "web-login",
    "webmin",
    "wordpress",
);

/// Returns a rule by its name, if there is one.
///
/// # Errors
/// When it is not written like one, which the tests rule out.
pub fn built_in(name: &str) -> Option<Result<Rule, RuleError>> {
    text(name).map(|text| Rule::parse(text, &built_in_text))
}

/// Returns the text of a rule by its name, if there is one.
pub fn built_in_text(name: &str) -> Option<String> {
    text(name).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_rule_finds_what_its_examples_say() {
        let check = |name: &&str| {
            let rule = built_in(name).unwrap().map_err(|why| vec![format!("{why:?}")])?;
            rule.check()
        };
        let faults = NAMES.iter().filter_map(|name| Some((*name, check(name).err()?)));
        let faults: Vec<_> = faults.collect();
        assert!(faults.is_empty(), "{faults:#?}");
    }

    #[test]
    fn every_rule_has_an_example_of_what_it_finds_and_of_what_it_must_not() {
        for name in NAMES {
            let rule = built_in(name).unwrap().unwrap();
            for is_found in [true, false] {
                let examples = &rule.examples;
                let has_one = examples.iter().any(|one| one.expected.is_some() == is_found);
                assert!(has_one, "{name}: found {is_found}");
            }
            assert!(!rule.about.is_empty(), "{name}");
        }
    }

    #[test]
    fn every_file_of_a_rule_is_one_of_them() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        assert_eq!(names, NAMES);
    }
}
