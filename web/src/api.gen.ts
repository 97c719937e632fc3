// Written by `cargo xtask api-types` from the API's description; do not edit.
/* eslint-disable */

/** What the kernel says of an address. */
export interface Check {
  /** The address asked about. */
  address: string;
  /** Every element of the kernel that matches. */
  elements: KernelElement[];
  /** The strongest verdict: `banned`, `throttled`, `allowed`, `protected` or `none`. */
  verdict: string;
}

/** Close ports. */
export interface CloseOrder {
  /** End what was opened for this address or network; absent: close for everybody. */
  from?: string | null;
  /** A service of the configuration, or ports. */
  what: string;
}

/** What is wrong with a text. */
export interface ConfigCheck {
  /** Every mistake; with none the text can be applied. */
  mistakes: ConfigMistake[];
  /** Its values, as the file's structure with defaults left out; null if it is no TOML. */
  values: Record<string, unknown> | null;
  /** What is set in vain. */
  warnings: string[];
}

/** A value to be set in a text, with comments and order kept. */
export interface ConfigEdit {
  /** The key (`web.listen`, `watch.0.howmany`). */
  key: string;
  /** The whole text of the file. */
  text: string;
  /** The value; null takes the key out. */
  value: Record<string, unknown> | null;
}

/** The configuration file as it is. */
export interface ConfigFile {
  /** Files that are read after it and may overrule it. */
  drop_ins: string[];
  /** Where it lies. */
  path: string;
  pending?: Pending | null;
  /** Its text; empty if there is no file. */
  text: string;
  /** Names this very text; an order to change it must name what it changes. */
  version: string;
}

/** A mistake in a configuration. */
export interface ConfigMistake {
  /** What is wrong, in one line. */
  error: string;
  /** What to do about it. */
  hint?: string | null;
  /** The key (`web.listen`). */
  key?: string | null;
  /** The line, from 1 on. */
  line?: number | null;
}

/** The new text of the configuration file. */
export interface ConfigOrder {
  /** The whole new text. */
  text: string;
  /** The version that it was made from; if the file is another by now, nothing is changed. */
  version: string;
}

/** A text to check. */
export interface ConfigText {
  /** The whole text of the file. */
  text: string;
}

/** A connection. */
export interface Connection {
  /** `peer` or `local`: which end asked for it. */
  asked_by: string;
  /** The container. */
  container?: string | null;
  /** `in`: the peer asked for it; `out`: this host did; `forwarded`: it goes through this host. */
  direction: string;
  /** The program's file. */
  exe?: string | null;
  /** Address and port of this host, of a forwarded one those of the machine behind it. Without a port where the protocol has none. */
  local: string;
  /** What the peer sees in place of `local`, where this host translates addresses. */
  outside?: string | null;
  /** Address and port of the peer. */
  peer: string;
  /** The process id, if a process of this host has it; of a forwarded one that of the container's first process. */
  pid?: number | null;
  /** The command name; empty if unknown. */
  process: string;
  /** `tcp`, `udp`, ..., or the protocol's number. */
  protocol: string;
  /** Who the peer really is, where this host translates its address. */
  real_peer?: string | null;
  /** Bytes that came: of a TCP connection of this host what was said, otherwise whole packets; left out where they are not counted. */
  received?: number | null;
  /** For how long, in seconds. */
  seconds: number;
  /** Bytes that went, and that the peer has taken if it is a TCP connection of this host. */
  sent?: number | null;
  /** Since when it is known, or when it began if the kernel keeps that. */
  since: string;
  /** How far it is (`established`, `syn-sent`); of a protocol without states `unreplied`, `replied` or `assured` (there is a stream of packets both ways). */
  state: string;
  /** The systemd unit. */
  unit?: string | null;
  /** The user; empty if unknown. */
  user: string;
}

/** The connections of this host, and those that it forwards. */
export interface Connections {
  /** Those that began last first. */
  items: Connection[];
  /** How many more there are. */
  more: number;
  /** What the kernel tracks: forwarded connections, and those of other protocols than TCP, are known from there alone. */
  tracking: Tracking;
}

/** One direction of an interface. */
export interface Counts {
  /** Bytes. */
  bytes: number;
  /** Packets that were dropped for want of room. */
  dropped: number;
  /** Packets with errors. */
  errors: number;
  /** Packets. */
  packets: number;
}

/** A port that somebody opened or shut. */
export interface Door {
  /** `open` or `shut`. */
  act: string;
  /** Who did it. */
  author: string;
  /** Whether the kernel has taken it over. */
  enforced: boolean;
  /** For whom; null: for everybody. */
  from?: string | null;
  /** The port. */
  port: string;
  /** Seconds left; null: no end. */
  seconds_left?: number | null;
  /** The service that was named. */
  service?: string | null;
  /** Since when. */
  since: string;
  /** Until when; null: forever. */
  until?: string | null;
}

/** What the kernel should hold and does hold. */
export interface Enforcement {
  /** Why the last change failed. */
  failure?: string | null;
  /** Elements that the kernel holds. */
  installed: number;
  /** Changes on their way to the kernel. */
  pending: number;
  /** Elements that the kernel should hold. */
  wanted: number;
}

/** A line of the journal. */
export interface Entry {
  /** When. */
  at: string;
  /** Who decided. */
  author?: string | null;
  /** What was seen, as named values. */
  evidence?: [string, string][];
  /** Its number; later lines have higher ones. */
  id: number;
  /** What kind of line (`offence`, `decision`, `release`, ...). */
  kind: string;
  /** `info`, `warning` or `error`. */
  level: string;
  /** The measure. */
  measure?: string | null;
  /** Which ban in a row. */
  nth_ban?: number | null;
  /** Whom it is about. */
  subject?: string | null;
  /** The line in words. */
  text: string;
  /** When the measure ends. */
  until?: string | null;
}

/** How many subjects each list holds. */
export interface Held {
  /** On the allow list. */
  allowed: number;
  /** Banned for all ports. */
  banned: number;
  /** Banned for certain ports. */
  banned_for_ports: number;
  /** Protected. */
  protected: number;
  /** Throttled hard. */
  throttled_hard: number;
  /** Throttled softly. */
  throttled_soft: number;
}

/** Counts for steps of time, the oldest step first, without gaps. */
export interface History {
  /** How long a step is, in seconds. */
  step: number;
  /** The steps. Those from before the daemon came up know no packets. */
  steps: Step[];
}

/** A measure in force. */
export interface Hold {
  /** Who decided it. */
  author: string;
  /** Whether the kernel has taken it over. */
  enforced: boolean;
  /** What is done; `protect` for a protected subject. */
  measure: string;
  /** Which ban in a row it is; 0 if no ladder gave it. */
  nth_ban: number;
  /** The ports it is limited to; empty for all. */
  ports: string[];
  /** Why. */
  reason: string;
  /** Seconds left; null: no end. */
  seconds_left?: number | null;
  /** When it began. */
  since: string;
  /** Whom it is about. */
  subject: string;
  /** When it ends; null: never. */
  until?: string | null;
}

/** Put a subject on a list. */
export interface HoldOrder {
  /** For how long, as on the command line; absent: forever. */
  for?: string | null;
  /** What to do. */
  measure: MeasureName;
  /** For which ports (`tcp/22`); empty for all. Bans only. */
  ports?: string[];
  /** Why. */
  reason?: string;
  /** An address or network. */
  subject: string;
}

/** What another program remembers. */
export interface ImportOrder {
  /** Measures in force. */
  holds: ImportedHold[];
  /** Past offenders. */
  offenders: ImportedOffender[];
  /** Where it comes from (`port-trap`). */
  source: string;
}

/** A measure in force in another program. */
export interface ImportedHold {
  /** What is done. */
  measure: MeasureName;
  /** Which ban in a row it is. */
  nth_ban: number;
  /** Why. */
  reason: string;
  /** Since when, in seconds since the Unix epoch. */
  since: number;
  /** To whom. */
  subject: string;
  /** Until when, in seconds since the Unix epoch; absent: forever. */
  until?: number | null;
}

/** An offender that another program remembers. */
export interface ImportedOffender {
  /** How many bans. */
  bans: number;
  /** The first offence, in seconds since the Unix epoch. */
  first: number;
  /** The last offence, in seconds since the Unix epoch. */
  last: number;
  /** How many offences. */
  offences: number;
  /** Whom it is about. */
  subject: string;
}

/** What came and went through an interface since it is there. */
export interface Interface {
  /** Its name. */
  name: string;
  /** What came. */
  received: Counts;
  /** What went. */
  sent: Counts;
}

/** What a rule makes of one line. */
export interface Judged {
  /** When, as the line says. */
  at?: string | null;
  /** Who. */
  subject?: string | null;
  /** By which user's name. */
  user?: string | null;
  /** `failure`, `success`, `ignored` or `nothing`. */
  verdict: string;
}

/** An element in the kernel. */
export interface KernelElement {
  /** Bytes that matched. */
  bytes: number;
  /** The list it stands in. */
  list: string;
  /** Packets that matched. */
  packets: number;
  /** The port it is limited to. */
  port?: string | null;
  /** Seconds left; null: no end. */
  seconds_left?: number | null;
  /** Whom it is about. */
  subject: string;
}

/** Somebody who may knock. */
export interface KnockKey {
  /** The name behind the key. */
  name: string;
  /** What it may open. */
  services: string[];
  /** Knocks of it that opened something. */
  taken: number;
}

/** A knock that a key signed. */
export interface KnockSeen {
  /** For whom the service was to be opened. */
  address: string;
  /** When. */
  at: string;
  /** Whose key it is. */
  key: string;
  /** Why nothing followed. */
  refused?: string | null;
  /** Where the packet said it came from. */
  sender: string;
  /** The service that was asked for; empty: the packet was here before, and was not opened again. */
  service: string;
}

/** How the knocks do. */
export interface KnockState {
  /** This host's public key, which clients need (`pgk1...`); null: there is none. */
  host_key?: string | null;
  /** Those who may knock. */
  keys: KnockKey[];
  /** The last knocks that a key signed, newest first. */
  last: KnockSeen[];
  /** Packets that nobody looked at, because there were too many. */
  lost: number;
  /** For how long a service is opened, in seconds. */
  open_for: number;
  /** The port that is knocked at (`udp/62201`). */
  port: string;
  /** Packets that opened nothing, by the kind of their refusal. */
  refused: Record<string, number>;
  /** Knocks that opened something. */
  taken: number;
}

/** What a slow reader missed. */
export interface Lagged {
  /** How many events. */
  missed: number;
}

/** Take a subject off a list. */
export interface LiftOrder {
  /** Which kind of measure to end; of the throttles, either. */
  measure: LiftedName;
  /** An address or network; absent: all of them (bans only). */
  subject?: string | null;
}

/** A kind of measure that can be ended. */
export type LiftedName = "allow" | "throttle" | "ban";

/** What a lockdown takes away and what it keeps. */
export interface Lockdown {
  /** Whether the posture is closed already. */
  closed: boolean;
  /** How long the lockdown waits for its confirmation, in seconds; null: forever. */
  confirm_within?: number | null;
  /** Live connections from outside; they are kept. */
  kept: Session[];
  /** How many more connections there are. */
  kept_more: number;
  /** What can be reached now and could not any more. */
  unreachable: PortRow[];
}

/** Many subjects at once, in one go to the kernel. */
export interface ManyOrder {
  /** The single orders. */
  holds: HoldOrder[];
}

/** A measure, as named everywhere. */
export type MeasureName = "allow" | "throttle-soft" | "throttle-hard" | "ban";

/** Somebody who misbehaved before. */
export interface Offender {
  /** Whether the subject is banned at the moment. */
  banned: boolean;
  /** Bans that followed from them. */
  bans: number;
  /** The first of them. */
  first: string;
  /** The last of them. */
  last: string;
  /** Offences since the subject was last forgotten. */
  offences: number;
  /** Whom it is about. */
  subject: string;
}

/** Open ports. */
export interface OpenOrder {
  /** For how long, as on the command line; absent: forever. */
  for?: string | null;
  /** For this address or network only; absent: for everybody. */
  from?: string | null;
  /** A service of the configuration, or ports (`tcp/22`, `udp/60000-61000`). */
  what: string;
}

/** What an order led to. It is in the kernel and in the ledger when this is answered. */
export interface OrderDone {
  /** Set when nothing was changed in the kernel because the daemon only observes. */
  observed_only?: boolean;
  /** The orders among many that were refused, in their order. */
  refused?: RefusedOrder[];
  /** How many subjects it was about. */
  subjects: number;
  /** Set when the decision is not on disk yet, with the reason. */
  unwritten?: string | null;
}

/** A decision about a packet. */
export interface Packet {
  /** When. */
  at: string;
  /** The destination address. */
  destination: string;
  /** The destination port. */
  destination_port?: number | null;
  /** The TCP flags that are set (`SYN`). */
  flags?: string | null;
  /** The type and code of ICMP (`8/0`). */
  icmp?: string | null;
  /** The interface it came in by. */
  interface?: string | null;
  /** Length of the packet in bytes. */
  length: number;
  /** The set or the service that matched. */
  matched?: string | null;
  /** Its number; later ones have higher ones. */
  number: number;
  /** `tcp`, `udp`, `icmp`, `icmpv6` or the protocol's number. */
  protocol: string;
  /** The rule that decided (`ban`, `closed`, `always`, ...). */
  rule: string;
  /** The source address. */
  source: string;
  /** The source port. */
  source_port?: number | null;
  /** Time to live, or hop limit. */
  ttl: number;
  /** `blocked` or `allowed`. */
  verdict: string;
}

/** The decisions that were asked for, and what is missing in the record. */
export interface PacketLog {
  /** The decisions, oldest first. */
  items: Packet[];
  /** What became of all that the kernel told of. */
  record: RecordState;
}

/** Some of the decisions about packets since the last such event. */
export interface Packets {
  /** The newest of them, at most 50, oldest first. */
  items: Packet[];
  /** How many more there were. */
  more: number;
}

/** One page of a list. */
export interface Page_Hold {
  /** The rows. */
  items: ({
    /** Who decided it. */
    author: string;
    /** Whether the kernel has taken it over. */
    enforced: boolean;
    /** What is done; `protect` for a protected subject. */
    measure: string;
    /** Which ban in a row it is; 0 if no ladder gave it. */
    nth_ban: number;
    /** The ports it is limited to; empty for all. */
    ports: string[];
    /** Why. */
    reason: string;
    /** Seconds left; null: no end. */
    seconds_left?: number | null;
    /** When it began. */
    since: string;
    /** Whom it is about. */
    subject: string;
    /** When it ends; null: never. */
    until?: string | null;
  })[];
  /** What to pass as `after` for the next page; absent on the last one. */
  next?: string | null;
}

/** One page of a list. */
export interface Page_Offender {
  /** The rows. */
  items: {
    /** Whether the subject is banned at the moment. */
    banned: boolean;
    /** Bans that followed from them. */
    bans: number;
    /** The first of them. */
    first: string;
    /** The last of them. */
    last: string;
    /** Offences since the subject was last forgotten. */
    offences: number;
    /** Whom it is about. */
    subject: string;
  }[];
  /** What to pass as `after` for the next page; absent on the last one. */
  next?: string | null;
}

/** Pause: for a while nobody is turned away, and what is decided meanwhile waits. */
export interface PauseOrder {
  /** For how long (`10m`), at most a day; absent: go on at once. */
  for?: string | null;
}

/** A risky change that rolls back unless it is confirmed. */
export interface Pending {
  /** Who made it. */
  author: string;
  /** Seconds left; null: no end. */
  seconds_left?: number | null;
  /** When it rolls back; null: never by itself. */
  until?: string | null;
  /** What was changed. */
  what: string;
}

/** A port, and whether it can be reached from outside.  Without process ids, and in an order of its own, so that two listings can be compared. */
export interface PortRow {
  /** The address that is listened on; null: nothing listens. */
  address?: string | null;
  /** The container. */
  container?: string | null;
  /** The program's file. */
  exe?: string | null;
  /** Sources that it is open for whatever the rule says. */
  open_for: string[];
  /** Its process id; only if asked for, as it changes from start to start. */
  pid?: number | null;
  /** The port, or a run of ports that nothing listens on (`tcp/22`, `udp/60000-61000`). */
  port: string;
  /** The command that listens; null if nothing does, or the kernel itself. */
  process?: string | null;
  /** New connections that one source may make. */
  rate?: string | null;
  /** `open`, `closed`, `pending`, `local` or `forwarded`. */
  reach: string;
  /** The rule that decides (`always`, `grant`, `follow`, `never`, `shut`, `posture`, `approval`, `denied`, `loopback`, `trap`, `forward`). */
  rule: string;
  /** The service of that name, if the configuration has one with this port. */
  service?: string | null;
  /** The systemd unit. */
  unit?: string | null;
  /** The user. */
  user?: string | null;
  /** The rule in words. */
  why: string;
}

/** What can be done with the posture. */
export type PostureName = "lockdown" | "relax" | "confirm" | "rollback";

/** What to do with the posture, or with a change that waits for confirmation. */
export interface PostureOrder {
  /** What to do. */
  order: PostureName;
}

/** What every refused or failed request answers with. */
export interface Problem {
  /** What went wrong: one line, lower case, naming the thing. */
  error: string;
  /** What to do about it. */
  hint?: string | null;
  /** Whose turn it is. */
  kind: ProblemKind;
}

/** Whose turn it is after a problem. */
export type ProblemKind = "usage" | "refused" | "not-permitted" | "not-enforced" | "unavailable";

/** A rule that waits for an operator. */
export interface Proposal {
  /** How sure it is, in percent. */
  confidence: number;
  /** What was seen the last time. */
  evidence: Record<string, string>;
  /** For how long, in seconds; absent: forever. */
  for?: number | null;
  /** Its number. */
  id: number;
  /** What it would do. */
  measure: string;
  /** For which ports; empty for all. */
  ports: string[];
  /** What found the anomaly (`anomaly port_scan`). */
  rule: string;
  /** How bad it is: `low`, `medium`, `high`, `critical`. */
  severity: string;
  /** When it was proposed first. */
  since: string;
  /** Whom it is about. */
  subject: string;
  /** How often it was found. */
  times: number;
  /** When it is forgotten. */
  until: string;
}

/** Say whether a proposed rule is wanted. */
export interface ProposalOrder {
  /** Its number. */
  id: number;
  /** What is said. */
  verdict: ProposalVerdict;
}

/** What is said of a proposed rule. */
export type ProposalVerdict = "accept" | "dismiss";

/** A name with its count. */
export interface Ranked {
  /** How often. */
  count: number;
  /** The address or the port. */
  name: string;
}

/** What became of the packets that the kernel decided about. */
export interface RecordState {
  /** Kept at the moment. */
  kept: number;
  /** Lost on the way from the kernel, at least. */
  lost: number;
  /** Counted but not told of by the kernel, being above `firewall.log_limit`. */
  over_limit: number;
  /** Gone to make room for newer ones. */
  overwritten: number;
  /** Taken into the record since the daemon came up. */
  taken: number;
  /** Without a whole IP header. */
  unreadable: number;
}

/** One refused order among many. */
export interface RefusedOrder {
  /** Whom it was about. */
  subject: string;
  /** Why not. */
  why: string;
}

/** What reading the configuration again led to. */
export interface Reloaded {
  /** Every mistake; with one of them nothing was taken over. */
  mistakes: string[];
  pending?: Pending | null;
  /** What is set in vain. */
  warnings: string[];
}

/** The control file. */
export interface Remote {
  /** Seconds between two fetches. */
  every: number;
  /** When it was last asked for; null: not yet. */
  last_fetch?: string | null;
  /** When it last came and counted. */
  last_good?: string | null;
  /** Lines that are not carried out, and why. */
  left_out: RemoteLine[];
  /** How many more lines there are of those. */
  more_left_out: number;
  /** When it is asked for again. */
  next_fetch?: string | null;
  /** Why the status page is not written. */
  page_error?: string | null;
  /** The services that it may drive. */
  services: RemoteService[];
  /** When the file in effect was signed. */
  signed_at?: string | null;
  /** How it stands. */
  summary: RemoteSummary;
  /** Where it is fetched; null: nowhere. */
  url?: string | null;
}

/** A line that is not carried out. */
export interface RemoteLine {
  /** Its number. */
  line: number;
  /** The line in words; null if it can not be read. */
  order?: string | null;
  /** Why not. */
  why: string;
}

/** A service that a control file may drive. */
export interface RemoteService {
  /** Who opened or closed it, if somebody did. */
  author?: string | null;
  /** Its name. */
  name: string;
  /** Sources that it is open for whatever else is so. */
  open_for: string[];
  /** `open`, `closed`, `partly open` or `unknown`. */
  state: string;
  /** When that ends by itself. */
  until?: string | null;
}

/** How the control file stands. */
export interface RemoteSummary {
  /** Why it does not come, or does not count. */
  last_error?: string | null;
  /** How many of its lines are not carried out. */
  left_out: number;
  /** The serial of the file in effect; null: none was signed. */
  serial?: number | null;
  /** Who signed the file in effect. */
  signer?: string | null;
  /** `off`, `waiting` (for the first fetch), `good`, `failing` (it does not come) or `rejected`. */
  state: string;
  /** Whether files are taken that nobody signed. */
  unsigned: boolean;
}

/** What an operator said of listening sockets. */
export interface Ruling {
  /** Whether they may open their ports. */
  approved: boolean;
  /** Who said so. */
  author: string;
  /** Since when. */
  since: string;
  /** Which. */
  what: string;
}

/** What is said of listening sockets. */
export type RulingName = "approve" | "deny" | "forget";

/** Say whether sockets may open their ports by listening. */
export interface RulingOrder {
  /** What is said of them. */
  verdict: RulingName;
  /** Which: words such as `tcp/8080`, `unit:NAME`, `exe:PATH`, `user:NAME`, all of which must match; absent: all that wait for approval. */
  what?: string | null;
}

/** A standing scan of packet decisions. */
export interface Scan {
  /** How many subjects it found since the daemon came up. */
  found: number;
  /** So many of one source ... */
  howmany: number;
  /** When that was. */
  last_at?: string | null;
  /** The last of them. */
  last_subject?: string | null;
  /** For so many seconds; null: forever. */
  remove_after?: number | null;
  /** Which decisions (`blocked`, `allowed`). */
  rule: string;
  /** The set. */
  set: string;
  /** Which protocol (`tcp`, `udp`, `icmp`, `any`). */
  type: string;
  /** ... within so many seconds put it into the set. */
  within: number;
}

/** A live connection from outside. */
export interface Session {
  /** Address and port of this host. */
  local: string;
  /** Address and port of the peer. */
  peer: string;
  /** The command that serves it. */
  process?: string | null;
  /** The user that it runs as. */
  user?: string | null;
}

/** A port made reachable from elsewhere. */
export interface Share {
  /** Who asked for it. */
  author: string;
  /** Connections that came through it so far. */
  connections: number;
  /** Why it is not up, or why it has no URL. */
  detail?: string | null;
  /** What to do about it. */
  hint?: string | null;
  /** The fingerprint of the provider's host key (`SHA256:...`). */
  host_key?: string | null;
  /** The local TCP port. */
  port: number;
  /** The provider, as it is configured or `user@host[:port]`. */
  provider: string;
  /** The same as a QR code: rows of `#` and spaces, with its margin. */
  qr?: string[];
  /** Seconds left; null: no end. */
  seconds_left?: number | null;
  /** Since when. */
  since: string;
  /** `connecting`, `up`, `waiting` (to try again) or `refused` (for good). */
  state: string;
  /** When it ends; null: never by itself. */
  until?: string | null;
  /** Where it can be reached; null: not known yet. */
  url?: string | null;
}

/** Share a port. */
export interface ShareOrder {
  /** For how long (`2h`, `forever`); absent: `share.for`. */
  for?: string | null;
  /** The local TCP port. */
  port: number;
  /** The provider; absent: `share.provider`. */
  via?: string | null;
}

/** A source of events, or the ledger, and how it does. */
export interface Source {
  /** What is missing or why it does not work. */
  detail?: string | null;
  /** `good`, `degraded` or `broken`. */
  health: string;
  /** Its name. */
  name: string;
  /** Since when. */
  since?: string | null;
}

/** The state of the guard. */
export interface Status {
  /** Ports that operators opened or shut. */
  doors?: number;
  /** Events dropped because the guard's queue was full. */
  dropped_events: number;
  /** What the kernel should hold and does hold. */
  enforcement: Enforcement;
  /** How many subjects each list holds. */
  held: Held;
  knock?: KnockState | null;
  /** The ledger's state. */
  ledger: Source;
  /** Sockets that listen. */
  listeners?: number;
  /** Sockets that wait for approval. */
  listeners_pending?: number;
  /** Whether the daemon only observes and changes nothing in the kernel. */
  observe: boolean;
  /** How many offenders are remembered. */
  offenders: number;
  /** Until when nobody is turned away because an operator paused it; null: it is not paused. */
  paused_until?: string | null;
  pending?: Pending | null;
  /** The daemon's process id. */
  pid: number;
  /** `open` or `closed`. */
  posture: string;
  /** Whether everything that is due at the start is in the kernel. */
  ready: boolean;
  /** The record of packet decisions. */
  record?: RecordState;
  remote?: RemoteSummary | null;
  /** When the daemon came up. */
  since: string;
  /** Every other source of events. */
  sources: Source[];
  /** The interfaces whose packets are looked at. */
  taps?: TapState[];
  /** How many traps can not be set. */
  traps_missing: number;
  /** How many traps stand. */
  traps_set: number;
  /** What the kernel turned away since the table was made. */
  turned_away: TurnedAway;
  /** Offences by forgeable packets that were enforced but not written down, being too many. */
  unwritten_offences: number;
  /** The program's version. */
  version: string;
}

/** What was counted within one step. */
export interface Step {
  /** When the step began, in seconds of Unix time. */
  at: number;
  /** Bans that began. */
  bans: number;
  /** New connections that were let in; null: not counted then. */
  let_in?: number | null;
  /** Offences. */
  offences: number;
  /** Packets that were turned away; null: not counted then. */
  turned_away?: number | null;
}

/** A part of a table. */
export interface Table_Hold {
  /** How many rows match what was looked for. */
  found: number;
  /** The rows. */
  items: ({
    /** Who decided it. */
    author: string;
    /** Whether the kernel has taken it over. */
    enforced: boolean;
    /** What is done; `protect` for a protected subject. */
    measure: string;
    /** Which ban in a row it is; 0 if no ladder gave it. */
    nth_ban: number;
    /** The ports it is limited to; empty for all. */
    ports: string[];
    /** Why. */
    reason: string;
    /** Seconds left; null: no end. */
    seconds_left?: number | null;
    /** When it began. */
    since: string;
    /** Whom it is about. */
    subject: string;
    /** When it ends; null: never. */
    until?: string | null;
  })[];
  /** How many rows there are. */
  total: number;
}

/** A part of a table. */
export interface Table_Offender {
  /** How many rows match what was looked for. */
  found: number;
  /** The rows. */
  items: {
    /** Whether the subject is banned at the moment. */
    banned: boolean;
    /** Bans that followed from them. */
    bans: number;
    /** The first of them. */
    first: string;
    /** The last of them. */
    last: string;
    /** Offences since the subject was last forgotten. */
    offences: number;
    /** Whom it is about. */
    subject: string;
  }[];
  /** How many rows there are. */
  total: number;
}

/** What became of the packets of an interface that is tapped. */
export interface TapState {
  /** The interface's name. */
  interface: string;
  /** Whether it is there and is read. */
  is_open: boolean;
  /** Dropped by the kernel, since they came faster than they were looked at. */
  lost: number;
  /** Of other protocols than IP, or cut off. */
  passed_over: number;
  /** Looked at since the daemon came up. */
  taken: number;
}

/** Who and what stands out within a span of time. */
export interface Top {
  /** The ports with most new connections that were let in. */
  ports_allowed: Ranked[];
  /** The ports (`tcp/22`) at which most packets were turned away. */
  ports_blocked: Ranked[];
  /** Whose packets were turned away most often, the worst first. */
  sources: Ranked[];
}

/** What the kernel's connection tracking tells. */
export interface Tracking {
  /** Whether it counts bytes (`net.netfilter.nf_conntrack_acct`). */
  counts_bytes: boolean;
  /** Whether it keeps when connections began (`net.netfilter.nf_conntrack_timestamp`). */
  keeps_times: boolean;
  /** How many it can track; packets of further ones are lost. */
  most: number;
  /** How many connections it tracks, those of this host with itself among them. */
  tracked: number;
  /** Why nothing of it is among the connections. */
  trouble?: string | null;
}

/** A trap and its catch. */
export interface Trap {
  /** The address it is bound to. */
  address: string;
  /** When it was touched last. */
  last_at?: string | null;
  /** Who touched it last. */
  last_peer?: string | null;
  /** Why not. */
  missing?: string | null;
  /** The port (`tcp/23`). */
  port: string;
  /** Whether it stands. */
  set: boolean;
  /** How often it was touched since the daemon came up. */
  touched: number;
}

/** Lines to try a rule on. */
export interface Trial {
  /** The rule, as in `watch.rule`. */
  rule: string;
  /** The lines; at most 256 KiB. */
  text: string;
}

/** What a rule makes of lines. */
export interface TrialResult {
  /** How many the rule leaves out on purpose. */
  ignored: number;
  /** One for each line, in their order, at most 10,000. */
  judgements: Judged[];
  /** How many lines there were. */
  lines: number;
  /** How many told of a failure or a success. */
  matched: number;
  /** How many said nothing to the rule. */
  missed: number;
}

/** What the kernel turned away. */
export interface TurnedAway {
  /** New connections that were let in. */
  allowed_connections?: number;
  /** Their bytes. */
  banned_bytes: number;
  /** Packets of banned subjects. */
  banned_packets: number;
  /** Their bytes. */
  blocked_bytes?: number;
  /** All packets turned away, for whatever reason. */
  blocked_packets?: number;
  /** Their bytes. */
  throttled_bytes: number;
  /** Packets of throttled subjects above their rate. */
  throttled_packets: number;
}

/** Stop sharing a port. */
export interface UnshareOrder {
  /** The local TCP port. */
  port: number;
}

/** A watch: log sources and the rule that reads them. */
export interface Watch {
  /** What is missing or does not work. */
  detail?: string | null;
  /** Failures among them. */
  failures: number;
  /** Failures in the last hour. */
  failures_last_hour: number;
  /** `good`, `degraded` or `broken`. */
  health: string;
  /** So many failures ... */
  howmany: number;
  /** When it was read. */
  last_at?: string | null;
  /** The last line that told of a failure, at most 1,000 characters of it. */
  last_line?: string | null;
  /** Lines read since the daemon came up. */
  lines: number;
  /** Its name. */
  name: string;
  /** Offences that they led to. */
  offences: number;
  /** The rule as it is configured. */
  rule: string;
  /** The files and journal matches that it reads. */
  sources: string[];
  /** ... within so many seconds are an offence. */
  within: number;
}

/** The whole story of a subject. */
export interface Why {
  /** What the kernel says. */
  check: Check;
  /** Every measure in force that reaches the subject. */
  holds: Hold[];
  offender?: Offender | null;
  /** The journal's lines about it, oldest first. */
  story: Entry[];
  /** Whom it is about. */
  subject: string;
  /** How to undo what is in force. */
  undo: string[];
}

/** Each route with what it takes and gives. */
export interface Routes {
  "GET /v1/check": {
    query: { subject: string; };
    answer: Check;
  };
  "POST /v1/close": {
    body: CloseOrder;
    answer: OrderDone;
  };
  "GET /v1/config": {
    answer: string;
  };
  "POST /v1/config/check": {
    body: ConfigText;
    answer: ConfigCheck;
  };
  "POST /v1/config/edit": {
    body: ConfigEdit;
    answer: ConfigText;
  };
  "GET /v1/config/file": {
    answer: ConfigFile;
  };
  "PUT /v1/config/file": {
    body: ConfigOrder;
    answer: Reloaded;
  };
  "GET /v1/config/schema": {
    answer: unknown;
  };
  "GET /v1/connections": {
    answer: Connections;
  };
  "GET /v1/doors": {
    answer: Door[];
  };
  "GET /v1/events": {
    query: { since?: number; subject?: string; after?: number; limit?: number; };
    answer: Entry[];
  };
  "GET /v1/history": {
    query: { span?: number; };
    answer: History;
  };
  "POST /v1/hold": {
    body: HoldOrder;
    answer: OrderDone;
  };
  "POST /v1/hold-many": {
    body: ManyOrder;
    answer: OrderDone;
  };
  "POST /v1/import": {
    body: ImportOrder;
    answer: OrderDone;
  };
  "GET /v1/interfaces": {
    answer: Interface[];
  };
  "POST /v1/lift": {
    body: LiftOrder;
    answer: OrderDone;
  };
  "GET /v1/lists/{list}": {
    path: { list: string; };
    query: { after?: string; limit?: number; };
    answer: Page_Hold;
  };
  "GET /v1/lockdown": {
    answer: Lockdown;
  };
  "GET /v1/log": {
    query: { rule?: string; type?: string; source?: string; port?: number; since?: number; after?: number; limit?: number; };
    answer: PacketLog;
  };
  "GET /v1/offenders": {
    query: { sort?: string; limit?: number; };
    answer: Page_Offender;
  };
  "POST /v1/open": {
    body: OpenOrder;
    answer: OrderDone;
  };
  "POST /v1/pause": {
    body: PauseOrder;
    answer: OrderDone;
  };
  "GET /v1/pending": {
    answer: Pending | null;
  };
  "GET /v1/ports": {
    query: { all?: boolean; };
    answer: PortRow[];
  };
  "POST /v1/posture": {
    body: PostureOrder;
    answer: OrderDone;
  };
  "GET /v1/proposals": {
    answer: Proposal[];
  };
  "POST /v1/proposals": {
    body: ProposalOrder;
    answer: OrderDone;
  };
  "POST /v1/reload": {
    answer: Reloaded;
  };
  "GET /v1/remote": {
    answer: Remote;
  };
  "POST /v1/remote/fetch": {
    answer: Remote;
  };
  "POST /v1/rule-test": {
    body: Trial;
    answer: TrialResult;
  };
  "GET /v1/rulings": {
    answer: Ruling[];
  };
  "POST /v1/rulings": {
    body: RulingOrder;
    answer: OrderDone;
  };
  "GET /v1/scans": {
    answer: Scan[];
  };
  "GET /v1/shares": {
    answer: Share[];
  };
  "POST /v1/shares": {
    body: ShareOrder;
    answer: Share;
  };
  "POST /v1/shares/stop": {
    body: UnshareOrder;
    answer: OrderDone;
  };
  "GET /v1/status": {
    answer: Status;
  };
  "GET /v1/stream": {
    answer: string;
  };
  "GET /v1/table/holds": {
    query: { list: string; sort?: string; descending?: boolean; find?: string; offset?: number; limit?: number; };
    answer: Table_Hold;
  };
  "GET /v1/table/offenders": {
    query: { sort?: string; descending?: boolean; find?: string; offset?: number; limit?: number; };
    answer: Table_Offender;
  };
  "GET /v1/top": {
    query: { span?: number; limit?: number; };
    answer: Top;
  };
  "GET /v1/traps": {
    answer: Trap[];
  };
  "GET /v1/watches": {
    answer: Watch[];
  };
  "GET /v1/why": {
    query: { subject: string; };
    answer: Why;
  };
}
