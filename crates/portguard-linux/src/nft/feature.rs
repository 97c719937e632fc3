//! What this kernel can do beside the plain matches, found out by asking it.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use super::frame::Features;

/// Asks the kernel, rule by rule, without changing anything: `nft --check` sends each rule and
/// takes it back. What cannot be asked counts as absent.
pub fn probe_features() -> Features {
    Features {
        socket: is_taken("socket wildcard <= 1 accept"),
        // The root group of the hierarchy is always there.
        cgroup: is_taken("socket cgroupv2 level 1 @groups accept"),
        log: is_taken("log prefix \"probe\" group 1 snaplen 128 queue-threshold 64"),
    }
}

/// Returns whether the kernel would take a rule.
fn is_taken(rule: &str) -> bool {
    let text = format!(
        "table inet portguard_probe {{
           set groups {{ type cgroupsv2; flags dynamic,timeout; size 2; }}
           chain input {{ type filter hook input priority 0; {rule}; }}
         }}\n"
    );
    let child = Command::new("nft")
        .args(["--check", "--file", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(text.as_bytes()));
    let is_written = matches!(written, Some(Ok(())));
    child.wait().is_ok_and(|status| status.success()) && is_written
}

impl Features {
    /// Returns what is missing and what follows from that, one line each.
    pub fn shortcomings(self) -> Vec<&'static str> {
        [
            (
                self.socket,
                "no `socket` expression: `ports.follow = \"all\"` opens nothing, approved ports \
                 close up to two seconds after their listener",
            ),
            (
                self.cgroup,
                "no control groups of sockets: units are followed by the watcher, within 100 ms",
            ),
            (self.log, "no NFLOG: packets are judged but not recorded, trap probes are unseen"),
        ]
        .into_iter()
        .filter_map(|(has, what)| (!has).then_some(what))
        .collect()
    }
}
