// Writes dev/answers.json for the development server: what a busy host would answer. `node dev/answers.mjs`.
import { readFileSync, writeFileSync } from "node:fs";

const now = Date.now();
const ago = (seconds) => new Date(now - seconds * 1000).toISOString();
const ahead = (seconds) => new Date(now + seconds * 1000).toISOString();
const pick = (list, n) => list[n % list.length];
const REASONS = ["trap tcp/23", "watch sshd: 5 failures in 10 min", "anomaly port_scan", "by hand", "trap tcp/3389"];
const holds = (measure, count) =>
  Array.from({ length: count }, (_, n) => ({
    subject: n % 7 === 3 ? `2001:db8:${(n * 7919) % 9999}::/64` : `203.0.${n % 114}.${(n * 37) % 255}`,
    measure, ports: n % 9 === 4 ? ["tcp/22"] : [], since: ago(300 + n * 777), until: n % 11 === 5 ? null : ahead(600 + n * 1234),
    seconds_left: n % 11 === 5 ? null : 600 + n * 1234, nth_ban: measure === "ban" ? (n % 4) + 1 : 0,
    author: n % 5 === 3 ? "web:admin" : "guard", reason: pick(REASONS, n), enforced: n !== 2,
  }));
const table = (items, total) => ({ items, found: total, total });
const entries = Array.from({ length: 60 }, (_, n) => {
  const subject = `203.0.${n % 114}.${(n * 37) % 255}`;
  const kinds = [
    ["decision", "info", `banned ${subject} for 1 h (ban 1 in a row): trap tcp/23`],
    ["offence", "info", `${subject} touched the trap tcp/23`],
    ["anomaly", "warning", `${subject} tried 14 ports in 5 min: port_scan, severity high`],
    ["release", "info", `the ban of ${subject} ended`],
    ["health", "error", "source packet-log is degraded: the kernel dropped 120 messages"],
  ];
  const [kind, level, text] = pick(kinds, n);
  return { id: 1000 - n, at: ago(20 + n * 341), level, kind, subject: kind === "health" ? null : subject, text, author: kind === "decision" ? "guard" : undefined, evidence: kind === "offence" ? [["port", "tcp/23"], ["grade", "handshake"]] : [] };
}).reverse();
const source = (name, health = "good", detail) => ({ name, health, detail, since: ago(90_000) });
const status = {
  ready: true, version: "0.1.0", pid: 4711, since: ago(90_000), posture: "closed", pending: null, listeners: 14, listeners_pending: 2, doors: 2, observe: false, paused_until: null,
  enforcement: { wanted: 100_421, installed: 100_421, pending: 0 },
  held: { banned: 100_000, banned_for_ports: 412, allowed: 5, throttled_soft: 31, throttled_hard: 8, protected: 9 },
  offenders: 128_331, turned_away: { banned_packets: 1.2e6, banned_bytes: 7.1e7, throttled_packets: 4200, throttled_bytes: 3e5, blocked_packets: 1_843_211, blocked_bytes: 98_765_432, allowed_connections: 51_244 },
  record: { taken: 2e6, kept: 1e6, overwritten: 1e6, lost: 120, unreadable: 0, over_limit: 9100 },
  ledger: source("ledger"), sources: [source("traps"), source("packet-log", "degraded", "the kernel dropped 120 messages"), source("watch sshd"), source("table-monitor"), source("listeners"), source("reports")],
  knock: { port: "udp/62201", host_key: "pgk1co7e72xk6icmp7jtld6jyadsdca5c5bhqeuce7wgotzx677jpnwq63jfkm", keys: [{ name: "anna", services: ["ssh", "vpn"], taken: 12 }, { name: "phone", services: ["ssh"], taken: 0 }], open_for: 30, taken: 12, refused: { "over-budget": 3 }, lost: 0, last: [{ at: ago(90), key: "anna", service: "ssh", sender: "198.51.100.7", address: "198.51.100.7", refused: null }] },
  traps_set: 5, traps_missing: 1, unwritten_offences: 0, dropped_events: 0,
};
const steps = Array.from({ length: 96 }, (_, n) => ({ at: Math.floor(now / 1000) - (96 - n) * 900, offences: Math.round(20 + 15 * Math.sin(n / 6) + (n * 7919) % 13), bans: Math.round(8 + 6 * Math.sin(n / 6) + (n * 31) % 5), let_in: n < 20 ? null : Math.round(300 + 200 * Math.sin(n / 10)), turned_away: n < 20 ? null : Math.round(900 + 700 * Math.sin(n / 7) + (n * 97) % 300) }));
const port = (port, address, reach, rule, why, process, more = {}) => ({ port, address, reach, rule, why, open_for: [], service: null, rate: null, process, exe: process && `/usr/sbin/${process}`, unit: process && `${process}.service`, user: "root", container: null, ...more });
const packets = Array.from({ length: 100 }, (_, n) => ({ number: 999 - n, at: ago(n * 3), verdict: n % 4 === 1 ? "allowed" : "blocked", rule: pick(["ban", "follow", "closed", "trap"], n), matched: pick(["ban4", null], n), interface: "eth0", protocol: pick(["tcp", "tcp", "udp", "icmp"], n), source: n % 9 === 2 ? "2001:db8:17::9" : `203.0.113.${(n * 37) % 255}`, source_port: 40_000 + n, destination: "192.0.2.10", destination_port: n % 4 === 3 ? null : pick([23, 22, 443, 53], n), icmp: n % 4 === 3 ? "8/0" : null, flags: n % 4 < 2 ? "SYN" : null, length: 60, ttl: 52 }));
const configuration = '# What Portguard does on this host.\n[guard]\nposture = "closed"\n\n[ports]\nalways = ["tcp/22"]   # the way in\nfollow = "approved"\n\n[[ports.approve]]\nunit = "nginx.service"\nports = ["tcp/80", "tcp/443"]\n\n[[traps]]\nports = ["23", "3389"]\n\n[[watch]]\nname = "sshd"\nrule = "sshd"\nfiles = ["/var/log/auth.log"]\nhowmany = 5\nwithin = "10m"\n';
const values = { guard: { posture: "closed" }, ports: { always: ["tcp/22"], follow: "approved", approve: [{ unit: "nginx.service", ports: ["tcp/80", "tcp/443"] }] }, traps: [{ ports: ["23", "3389"] }], watch: [{ name: "sshd", rule: "sshd", files: ["/var/log/auth.log"], howmany: 5, within: "10m" }] };
const qr = Array.from({ length: 33 }, (_, y) => Array.from({ length: 33 }, (_, x) => (x > 3 && y > 3 && x < 29 && y < 29 && (x * y + x * 3 + y * 5) % 3 === 0 ? "#" : " ")).join(""));
const story = entries.filter((entry) => entry.subject).slice(0, 12);
const answers = {
  "GET /auth/me": { user: "admin", role: "operator", expires: ahead(40_000), must_set_password: false },
  "GET /auth/users": [{ user: "admin", role: "operator", has_password: true, sessions: 1 }, { user: "noc", role: "viewer", has_password: true, sessions: 3 }],
  "GET /auth/tokens": [{ name: "grafana", role: "viewer", created: ago(900_000) }],
  "GET /service": { unit: "portguard.service", active: "active", sub: "running", since: ago(90_000), enabled: true, paused_until: null },
  "GET /api/v1/status": status,
  "GET /api/v1/history": { step: 900, steps },
  "GET /api/v1/top": { sources: packets.slice(0, 8).map((one, n) => ({ name: one.source, count: 5000 - n * 600 })), ports_blocked: [["tcp/23", 90_000], ["tcp/22", 41_000], ["tcp/3389", 12_000], ["udp/5060", 900]].map(([name, count]) => ({ name, count })), ports_allowed: [["tcp/443", 42_000], ["tcp/80", 8_100], ["tcp/22", 44]].map(([name, count]) => ({ name, count })) },
  "GET /api/v1/events": entries,
  "GET /api/v1/events?limit=8": entries.slice(-8),
  "GET /api/v1/ports": [port("tcp/22", "0.0.0.0", "open", "always", "always open", "sshd", { service: "ssh", rate: "10/minute" }), port("tcp/443", "0.0.0.0", "open", "follow", "unit nginx.service is approved", "nginx", { service: "https" }), port("tcp/8080", "0.0.0.0", "pending", "approval", "nobody approved it", "python3", { unit: "user@1000.service", user: "kim" }), port("tcp/5432", "0.0.0.0", "closed", "never", "never open", "postgres", { user: "postgres", open_for: ["192.0.2.0/24"] }), port("udp/60000-61000", null, "open", "grant", "opened by order", null), port("tcp/8443", "0.0.0.0", "forwarded", "forward", "forwarded to 172.17.0.2:443 by docker", null)],
  "GET /api/v1/doors": [{ act: "open", port: "udp/60000-61000", from: "198.51.100.7", service: null, since: ago(600), until: ahead(3000), seconds_left: 3000, author: "web:admin", enforced: true }, { act: "shut", port: "tcp/25", from: null, service: null, since: ago(60_000), until: null, seconds_left: null, author: "uid 0", enforced: true }],
  "GET /api/v1/rulings": [{ what: "unit:nginx.service", approved: true, since: ago(800_000), author: "uid 0" }, { what: "tcp/631", approved: false, since: ago(80_000), author: "web:admin" }],
  "GET /api/v1/lockdown": { closed: false, unreachable: [port("tcp/8080", "0.0.0.0", "open", "posture", "posture open", "python3")], kept: [{ local: "192.0.2.10:22", peer: "198.51.100.7:50122", process: "sshd", user: "root" }], kept_more: 0, confirm_within: 60 },
  "GET /api/v1/table/holds": table(holds("ban", 50), 100_412),
  "GET /api/v1/table/offenders": table(Array.from({ length: 50 }, (_, n) => ({ subject: `203.0.${n % 114}.${(n * 37) % 255}`, offences: 1 + ((n * 7) % 30), bans: n % 5, first: ago(900_000 + n * 999), last: ago(n * 444), banned: n % 3 === 0 })), 128_331),
  "GET /api/v1/why": { subject: "203.0.5.185", check: { address: "203.0.5.185", verdict: "banned", elements: [{ list: "ban4", subject: "203.0.5.185", seconds_left: 2412, packets: 9120, bytes: 547_200 }] }, holds: holds("ban", 6).slice(5), offender: { subject: "203.0.5.185", offences: 12, bans: 3, first: ago(900_000), last: ago(1200), banned: true }, story, undo: ["portguard unban 203.0.5.185"] },
  "GET /api/v1/check": { address: "203.0.113.9", verdict: "none", elements: [] },
  "GET /api/v1/log": { items: packets.slice().reverse(), record: status.record },
  "GET /api/v1/connections": { items: Array.from({ length: 40 }, (_, n) => ({ direction: n % 3 ? "in" : "out", local: `192.0.2.10:${pick([443, 22, 50_000 + n], n)}`, peer: `198.51.100.${n}:${50_000 + n}`, state: "established", pid: 800 + n, process: pick(["nginx", "sshd", "curl"], n), exe: "/usr/sbin/nginx", unit: "nginx.service", user: "www-data", received: n * 123_456, sent: n * 7_654_321, since: ago(n * 61), seconds: n * 61 })), more: 0 },
  "GET /api/v1/interfaces": [{ name: "eth0", received: { bytes: 9.1e10, packets: 8e7, errors: 0, dropped: 12 }, sent: { bytes: 4.4e11, packets: 9e7, errors: 0, dropped: 0 } }],
  "GET /api/v1/proposals": [{ id: 7, subject: "203.0.113.77", measure: "ban", ports: [], for: 21_600, rule: "anomaly port_scan", severity: "high", confidence: 92, evidence: { ports: "14", within: "5 min", examples: "tcp/21, tcp/25, tcp/110" }, since: ago(500), until: ahead(80_000), times: 3 }, { id: 8, subject: "2001:db8:99::/64", measure: "throttle-hard", ports: ["tcp/22"], for: 7200, rule: "anomaly guessing", severity: "medium", confidence: 71, evidence: { connections: "19" }, since: ago(1500), until: ahead(8000), times: 1 }],
  "GET /api/v1/traps": ["23", "83", "223", "3389", "5050"].map((one, n) => ({ port: `tcp/${one}`, address: "0.0.0.0", set: n !== 4, missing: n === 4 ? "python3 listens there" : undefined, touched: n * 412, last_peer: n ? "203.0.113.9" : null, last_at: n ? ago(n * 300) : null })),
  "GET /api/v1/watches": [{ name: "sshd", rule: "sshd", sources: ["/var/log/auth.log", "journal _SYSTEMD_UNIT=ssh.service"], howmany: 5, within: 600, health: "good", lines: 912_331, failures: 41_222, offences: 8123, failures_last_hour: 412, last_line: "Nov 21 03:55:01 host sshd[4711]: Failed password for invalid user admin from 203.0.113.9 port 50122 ssh2", last_at: ago(12) }],
  "GET /api/v1/scans": [{ rule: "blocked", type: "tcp", howmany: 500, within: 1800, set: "throttle-hard", remove_after: 3600, found: 12, last_subject: "203.0.113.9", last_at: ago(5000) }],
  "POST /api/v1/rule-test": { lines: 2, matched: 1, missed: 1, ignored: 0, judgements: [{ verdict: "failure", at: ago(12), subject: "203.0.113.9", user: "admin" }, { verdict: "nothing" }] },
  "GET /api/v1/config/file": { path: "/etc/portguard/portguard.toml", text: configuration, version: "1", drop_ins: [], pending: null },
  "GET /api/v1/config/schema": JSON.parse(readFileSync(process.argv[2] ?? "/dev/stdin", "utf8")),
  "POST /api/v1/config/check": { mistakes: [], warnings: [], values },
  "POST /api/v1/config/edit": { text: configuration.replace("approved", "all") },
  "GET /api/v1/remote": { url: "https://files.example.net/ports.txt", summary: { state: "good", last_error: null, unsigned: false, serial: 1_795_892_400, signer: "anna@laptop", left_out: 1 }, every: 300, last_fetch: ago(42), last_good: ago(42), next_fetch: ahead(258), signed_at: ago(4000), services: [{ name: "ssh", state: "open", until: ahead(5400), author: "control file, serial 1795892400", open_for: ["198.51.100.7"] }, { name: "vpn", state: "closed", until: null, author: null, open_for: [] }], left_out: [{ line: 5, order: "open mail", why: "names `mail`, which is not in remote.services" }], more_left_out: 0 },
  "GET /api/v1/shares": [{ port: 8080, provider: "localhost.run", state: "up", url: "https://a1b2c3d4e5.lhr.life", qr, host_key: "SHA256:FV8IMJ4IYjYUTnd6on7PqbRjaZf4c1EhhEBgeUdE94I", since: ago(900), until: ahead(6300), seconds_left: 6300, connections: 12, author: "web:admin" }],
};
writeFileSync(new URL("answers.json", import.meta.url), JSON.stringify(answers));
