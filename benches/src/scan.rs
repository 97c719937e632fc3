//! What a real scanner learns after its first trap.

use lab::{Daemon, Finding, Lab};

use crate::figure::Report;

/// Connect scan and half-open scan over all ports.
pub(crate) fn scans(report: &mut Report) {
    let learnt = after_first_trap(
        "[[traps]]\nports = [\"1000\"]\nfamily = \"ipv4\"\n",
        "-sT -r -p- --max-retries 0 --min-rate 4000 --host-timeout 60s 10.77.0.1",
    );
    report.limit("nmap -sT: ports learnt after the first trap", learnt, 0.0, "ports");
    let learnt = after_first_trap(
        "[[traps]]\nports = [\"1000\"]\nfamily = \"ipv4\"\nevidence = \"probe\"\n",
        "-sS -r -p- --min-rate 20000 --max-retries 0 10.77.0.1",
    );
    report.limit("nmap -sS -p-: ports answered after the first trap", learnt, 10.0, "ports");
}

/// Returns how many ports behind the trap the scanner could tell open or closed. The scan goes
/// from low to high, and the trap is port 1000.
fn after_first_trap(configuration: &str, scan: &str) -> f64 {
    let lab = Lab::new();
    let _daemon = Daemon::start(lab.guarded(), configuration);
    // All states are named only when nmap is told to list them; the kernel's own count is simpler.
    lab.guarded().nft(
        "table inet answers {
           counter told { }
           chain out {
             type filter hook output priority 0
             ip daddr 10.77.0.2 tcp sport 1001-65535 counter name told
           }
         }",
    );
    let words: Vec<&str> = scan.split(' ').collect();
    let _findings: Vec<Finding> = lab.scanner().nmap(&words);
    let listing = lab.guarded().run(["nft", "list", "counters", "table", "inet", "answers"]);
    let packets = listing.split_whitespace().skip_while(|word| *word != "packets").nth(1);
    packets.and_then(|count| count.parse().ok()).unwrap_or(f64::NAN)
}
