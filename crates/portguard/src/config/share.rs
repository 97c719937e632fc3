//! `[share]`: a local port made reachable through an SSH reverse tunnel, and through whose.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use portguard_core::Span;
use portguard_reach::share::{Login, LoginError, UrlPattern};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Config,
    built_in::built_in,
    guarding::{every_key_is_optional, section, written},
    later::entry,
    value::Written,
};

section! {
    /// A local port made reachable through an SSH reverse tunnel.
    Share {
        /// Name of a provider, or `user@host[:port]`.
        provider: String = "localhost.run".to_owned(),
        /// A share ends by itself after this time.
        r#for: Written<Span> = written("2h"),
        /// Where host keys are kept.
        known_hosts: String = "/var/lib/portguard/known_hosts".to_owned(),
        /// Providers by name.
        providers: BTreeMap<String, Provider> = built_in().share.providers.clone(),
    }
}

entry! {
    /// An SSH server that makes ports reachable.
    #[derive(PartialEq, Eq)]
    #[schemars(transform = every_key_is_optional)]
    Provider {
        /// user@host:port.
        login: String,
        /// The port asked for; 0: one that the server chooses.
        remote_port: u16,
        /// A pattern of the address that it prints (a regular expression, ASCII).
        url: String,
    }
}

/// What sharing needs of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct SharePlan {
    share: Share,
    /// Where this host keeps the key that it shows to providers that want one.
    pub(crate) identity: PathBuf,
}

/// How a provider is used.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// As it was named.
    pub(crate) name: String,
    pub(crate) login: Login,
    /// The address on its side that is asked for.
    pub(crate) bind: &'static str,
    pub(crate) remote_port: u16,
    pub(crate) pattern: UrlPattern,
}

/// Why nobody can share through a provider of this name.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    /// It is no provider of the configuration.
    #[error("`{0}` is no provider; known are {1}, or write `user@host`")]
    Unknown(String, String),
    /// Its login is none.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// Its pattern is none.
    #[error("the pattern of its address is none")]
    Pattern(#[from] PatternError),
}

/// A pattern that is none.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct PatternError(String);

impl Provider {
    pub(super) fn login(&self) -> Result<Login, LoginError> {
        self.login.parse()
    }

    pub(super) fn pattern(&self) -> Result<UrlPattern, PatternError> {
        UrlPattern::new(&self.url).map_err(|error| {
            // The last line of a long message says why, the others where.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            PatternError(last.trim_start_matches("error: ").trim_end_matches('.').to_owned())
        })
    }
}

impl SharePlan {
    /// Returns for how long a port is shared when the order does not say.
    pub(crate) fn span(&self) -> Span {
        self.share.r#for.0
    }

    /// Returns where host keys are kept.
    pub(crate) fn known_hosts(&self) -> &Path {
        Path::new(&self.share.known_hosts)
    }

    /// Returns how to share through a provider; without a name: through the usual one.
    ///
    /// # Errors
    /// When there is no such provider.
    pub(crate) fn route(&self, name: Option<&str>) -> Result<Route, RouteError> {
        let name = name.unwrap_or(&self.share.provider);
        let route = |login, bind, remote_port, pattern| Route {
            name: name.to_owned(),
            login,
            bind,
            remote_port,
            pattern,
        };
        if let Some(provider) = self.share.providers.get(name) {
            // What `ssh -R PORT:...` sends, as providers tell people to write.
            return Ok(route(
                provider.login()?,
                "localhost",
                provider.remote_port,
                provider.pattern()?,
            ));
        }
        if !name.contains('@') {
            let known: Vec<&str> = self.share.providers.keys().map(String::as_str).collect();
            return Err(RouteError::Unknown(name.to_owned(), known.join(", ")));
        }
        let login: Login = name.parse()?;
        let pattern = UrlPattern::of_host(&login.host);
        // Every address that it lets us have, and a port that is free.
        Ok(route(login, "", 0, pattern))
    }
}

impl Config {
    /// Returns what sharing needs.
    pub(crate) fn share_plan(&self) -> SharePlan {
        SharePlan { share: self.share.clone(), identity: self.guard.state_dir.join("share_key") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_that_of_a_provider_or_of_a_server() {
        let plan = Config::default().share_plan();
        let usual = plan.route(None).unwrap();
        assert_eq!(usual.login.to_string(), "nokey@localhost.run:22");
        assert_eq!((usual.bind, usual.remote_port), ("localhost", 80));
        let server = plan.route(Some("me@tunnel.example:2222")).unwrap();
        assert_eq!((server.bind, server.remote_port, server.login.port), ("", 0, 2222));
        for (name, expected) in [
            ("nobody", "`nobody` is no provider; known are localhost.run, or write `user@host`"),
            ("me@", "`me@` is no login; write it like `user@host` or `user@host:22`"),
        ] {
            assert_eq!(plan.route(Some(name)).unwrap_err().to_string(), expected);
        }
    }
}
