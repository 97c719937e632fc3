//! The web face: can it be reached, and safely?

use std::net::{IpAddr, SocketAddr};

use crate::config::{Config, key::Key};

use super::{Findings, is_a_while, is_of_host_name, no_socket};

/// Looks for mistakes in `[web]`.
pub(super) fn check(config: &Config, found: &mut Findings<'_>) {
    let web = &config.web;
    let here = Key::of("web");
    let key = here.name("listen");
    match web.listen.parse::<SocketAddr>().map(|address| address.ip()) {
        Err(_) => found.add(&key, no_socket(&web.listen)),
        Ok(address) => {
            let is_safe = is_loopback(address) || web.tls || !web.tls_certificate.is_empty();
            let what = "beyond this host the web face needs TLS; write `tls = true`, or \
                        `tls_certificate` and `tls_key`";
            found.check(is_safe, &key, what);
        }
    }
    let (lone, other) = match (web.tls_certificate.is_empty(), web.tls_key.is_empty()) {
        (false, true) => ("tls_certificate", "tls_key"),
        (true, false) => ("tls_key", "tls_certificate"),
        _ => ("", ""),
    };
    let what = format!("is nothing without `{other}`");
    found.check(lone.is_empty(), &here.name(lone), &what);
    for (index, name) in web.names.iter().enumerate() {
        let is_name = name.parse::<IpAddr>().is_ok()
            || (!name.is_empty() && name.is_ascii() && name.chars().all(is_of_host_name));
        let what = format!("`{name}` is no name or address of a host");
        found.check(is_name, &here.name("names").row(index), &what);
    }
    for (name, span) in [("session", web.session), ("idle", web.idle)] {
        let what = "must be a time above zero and not `forever`";
        found.check(is_a_while(span.0), &here.name(name), what);
    }
    let what = "must be an absolute path";
    found.check(web.state_dir.is_absolute(), &here.name("state_dir"), what);
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}
