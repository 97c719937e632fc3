//! The command line: what can be asked, and where each question goes.

pub(crate) mod ask;
pub(crate) mod backtest;
pub(crate) mod client;
pub(crate) mod key;
pub(crate) mod knock;
mod lines;
pub(crate) mod local;
pub(crate) mod log;
pub(crate) mod order;
pub(crate) mod ports;
pub(crate) mod proposals;
pub(crate) mod remote;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod rule;
pub(crate) mod scan;
pub(crate) mod set;
pub(crate) mod share;
pub(crate) mod show;
pub(crate) mod top;
pub(crate) mod traffic;
mod unseen;
pub(crate) mod web;
pub(crate) mod which;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use portguard_core::{Span, Subject, service::PortRange};

use key::KeyCommand;
use remote::RemoteCommand;
use web::WebCommand;

/// Guards a Linux host: bans whoever touches a trap, remembers it, and tells why.
#[derive(Debug, Parser)]
#[command(name = "portguard", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do; without a command: show the status, and at a terminal open the web face.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(crate) struct Global {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = crate::config::DEFAULT_PATH)]
    pub(crate) config: PathBuf,
    /// The daemon's control socket; by default the one in `guard.run_dir`.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show without colour (`top` alone has any); the variable `NO_COLOR` says the same.
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Say less.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the guard in the foreground.
    Daemon {
        /// Decide and report everything, change nothing in the kernel.
        #[arg(long)]
        observe: bool,
    },
    /// Put the last good state into the kernel and end (`portguard-load.service`, at boot).
    Load,
    /// Show posture, health of every source, counts and enforcement.
    Status,
    /// Run the web face in the foreground (`portguard-web.service`), or set up who may come in.
    Web {
        #[command(subcommand)]
        command: Option<WebCommand>,
    },
    /// Show the status, then open the web face in a browser, or print its address.
    OpenUi,
    /// Show how things are, live, and take orders from the keyboard (`?` tells the keys).
    Top,
    /// Ban an address or network.
    Ban {
        #[command(flatten)]
        whom: Whom,
        /// For these ports only (`tcp/22`, `udp/60000-61000`); may be repeated.
        #[arg(long, value_name = "P", value_delimiter = ',')]
        ports: Vec<PortRange>,
    },
    /// End a ban.
    Unban {
        /// An address or network.
        #[arg(value_name = "ADDR", required_unless_present = "all")]
        subject: Option<Subject>,
        /// End every ban.
        #[arg(long, conflicts_with = "subject")]
        all: bool,
    },
    /// Put an address or network on the allow list.
    Allow {
        #[command(flatten)]
        whom: Whom,
    },
    /// Take an address or network off the allow list.
    Disallow {
        /// An address or network.
        #[arg(value_name = "ADDR")]
        subject: Subject,
    },
    /// Hold an address or network to low rates.
    Throttle {
        /// An address or network.
        #[arg(value_name = "ADDR")]
        subject: Subject,
        /// How low.
        strength: StrengthName,
        /// For how long (`90s`, `10m`, `1d12h`, `forever`).
        #[arg(long = "for", value_name = "D")]
        span: Option<Span>,
        /// Why, for the journal.
        #[arg(long, value_name = "T", default_value = "")]
        reason: String,
    },
    /// End a throttle.
    Unthrottle {
        /// An address or network.
        #[arg(value_name = "ADDR")]
        subject: Subject,
    },
    /// List bans, the allow list, throttles, proposed rules, protected subjects or offenders.
    List {
        /// What to list.
        #[arg(value_enum, default_value = "bans")]
        what: Listed,
        /// Offenders with the most bans first.
        #[arg(long, value_enum)]
        sort: Option<SortKey>,
    },
    /// Put a rule in force that an anomaly led to (see `list proposals`).
    Accept {
        /// Its number.
        id: u64,
    },
    /// Take such a rule from the list; it is not proposed again for as long as it would have stood.
    Dismiss {
        /// Its number.
        id: u64,
    },
    /// Ask the kernel about an address. Exit 0: banned or throttled, 1: not.
    Check {
        /// An address or network.
        #[arg(value_name = "ADDR")]
        subject: Subject,
    },
    /// Tell the whole story of an address: evidence, decisions, kernel, and how to undo them.
    Why {
        /// An address or network.
        #[arg(value_name = "ADDR")]
        subject: Subject,
    },
    /// Show the traps and their catch.
    Traps,
    /// Show the journal.
    Events {
        /// Go on as new lines come.
        #[arg(short, long)]
        follow: bool,
        /// Only the last so much time.
        #[arg(long, value_name = "D")]
        since: Option<Span>,
        /// Only what is about this address or network, around it or inside it.
        #[arg(long, value_name = "ADDR")]
        subject: Option<Subject>,
    },
    /// Show decisions about packets: turned away, and new connections let in.
    Log(LogArgs),
    /// Show the connections with other hosts, and those that this host forwards: who has them, how
    /// much went through, since when. Translated addresses are in brackets.
    Connections(traffic::ConnectionsArgs),
    /// Show what came and went through each network interface, and what was dropped.
    Interfaces,
    /// Show who listens where and what can be reached from outside, and why.
    Ports {
        /// What only this host itself reaches too, and process ids.
        #[arg(long)]
        all: bool,
        #[command(subcommand)]
        command: Option<PortsCommand>,
    },
    /// Open a service or a port, for everybody or for one source.
    Open {
        /// A service of the configuration, or ports (`tcp/8080`, `udp/60000-61000`).
        what: String,
        /// For this address or network only.
        #[arg(long, value_name = "ADDR")]
        from: Option<Subject>,
        /// For how long (`90s`, `10m`, `1d12h`, `forever`); without it forever.
        #[arg(long = "for", value_name = "D")]
        span: Option<Span>,
    },
    /// Close a service or a port; one by which operators come in only until that is confirmed.
    Close {
        /// A service of the configuration, or ports.
        what: String,
        /// End what was opened for this address or network.
        #[arg(long, value_name = "ADDR")]
        from: Option<Subject>,
    },
    /// Let nothing in but what is open by a rule. Rolls back unless confirmed in time.
    Lockdown {
        /// Only tell what would be unreachable, and which connections are kept.
        #[arg(long)]
        dry_run: bool,
    },
    /// Let everything in but offenders.
    Relax,
    /// Turn nobody away for a while; everything else goes on. Ends by itself, whatever happens.
    Pause {
        /// For how long, at most a day (`90s`, `10m`, `2h`).
        #[arg(long = "for", value_name = "D", default_value = "10m")]
        span: Span,
    },
    /// End a pause.
    Resume,
    /// Keep the risky change that waits for confirmation.
    Confirm,
    /// Undo the risky change that waits for confirmation.
    Rollback,
    /// Make a port of this host reachable from elsewhere, through an SSH reverse tunnel.
    ///
    /// The provider prints the address, and sees what passes. The daemon keeps the tunnel up until
    /// its time is over, it is stopped, or the daemon ends.
    Share(share::ShareArgs),
    /// Sign or check a control file, or show what became of the one in effect.
    Remote {
        #[command(subcommand)]
        command: RemoteCommand,
    },
    /// Make a pair of keys for control files and knocks, or show the public one.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Knock at another host: ask it by one signed packet to open a service for this one.
    ///
    /// Nothing answers: whether it was heard is seen by connecting. The key has to be in `knock.keys`
    /// there.
    Knock(knock::KnockArgs),
    /// Scan a log of packets once and put whoever was logged too often on a list.
    Scan(scan::ScanArgs),
    /// Run logs and captures through the whole guard, offline, and tell what it would see and decide.
    Replay(replay::ReplayArgs),
    /// Run the recorded offences through the policy of a configuration (`--config FILE`): who would
    /// be held, and who of them came back.
    Backtest(backtest::BacktestArgs),
    /// Report what the peer of a connection did; the connection is standard input
    /// (`portguard report failed <&5`).
    Report(report::ReportArgs),
    /// Try a rule on a file of lines, find the rules that fit it, list the rules, or show one.
    Rule {
        #[command(subcommand)]
        command: RuleCommand,
    },
    /// Check or show the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Take over what another program has.
    Import {
        /// Which program.
        #[arg(value_enum)]
        source: ImportSource,
        /// Where it keeps its files, or its file.
        path: PathBuf,
        /// Only tell what would be taken over.
        #[arg(long)]
        dry_run: bool,
    },
    /// Print what the control socket can be asked, as OpenAPI.
    #[command(hide = true)]
    ApiDescription,
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder.
    Man {
        /// The folder.
        dir: PathBuf,
    },
}

/// Whom a measure is about, for how long and why.
#[derive(Debug, Args)]
pub(crate) struct Whom {
    /// An address or network.
    #[arg(value_name = "ADDR")]
    pub(crate) subject: Subject,
    /// For how long (`90s`, `10m`, `1d12h`, `forever`); without it forever.
    #[arg(long = "for", value_name = "D")]
    pub(crate) span: Option<Span>,
    /// Why, for the journal.
    #[arg(long, value_name = "T", default_value = "")]
    pub(crate) reason: String,
}

/// How low a throttle's rates are.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum StrengthName {
    /// The rates of [throttle.soft].
    Soft,
    /// The rates of [throttle.hard].
    Hard,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listed {
    /// Bans in force.
    Bans,
    /// The allow list.
    Allowed,
    /// Throttles in force.
    Throttled,
    /// Ports that were opened or shut by order.
    Open,
    /// Ports that were opened for certain sources.
    Grants,
    /// Rules that anomalies led to, and that wait for `accept` or `dismiss`.
    Proposals,
    /// Who is protected, and why.
    Protected,
    /// Who misbehaved before.
    Offenders,
}

/// What offenders can be sorted by.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SortKey {
    /// Bans and offences, most first.
    Count,
}

/// Which decisions about packets.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Go on as new ones come.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// `blocked`, `allowed`, or the word of a rule (`ban`, `closed`, `always`, ...).
    #[arg(long, value_name = "R")]
    pub(crate) rule: Option<String>,
    /// This kind of packet.
    #[arg(long, value_enum, value_name = "T")]
    pub(crate) r#type: Option<PacketType>,
    /// From this address or network.
    #[arg(long, value_name = "ADDR")]
    pub(crate) source: Option<Subject>,
    /// To this port.
    #[arg(long, value_name = "P")]
    pub(crate) port: Option<u16>,
    /// Only the last so much time.
    #[arg(long, value_name = "D")]
    pub(crate) since: Option<Span>,
}

/// A kind of packet.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PacketType {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP of either family.
    Icmp,
    /// Every kind.
    Any,
}

impl PacketType {
    /// Returns how the daemon is asked for it.
    pub(crate) fn word(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// What can be asked of rules.
#[derive(Debug, Subcommand)]
pub(crate) enum RuleCommand {
    /// Show which lines of a file a rule matches, misses and ignores. Exit 1: it matches none.
    Test {
        /// The rule, as in a watch of the configuration (`fail2ban:sshd[mode=aggressive]`).
        rule: String,
        /// The file; `-` for standard input.
        file: PathBuf,
        /// The totals alone.
        #[arg(long)]
        count: bool,
    },
    /// Try every rule on a file of lines, and show which find something. Exit 1: none does.
    Which {
        /// The file; `-` for standard input.
        file: PathBuf,
    },
    /// List the rules that are there.
    List,
    /// Show what a rule consists of, with everything included and replaced.
    Show {
        /// The rule.
        rule: String,
    },
}

/// What can be said of listening sockets.
#[derive(Debug, Subcommand)]
pub(crate) enum PortsCommand {
    /// Let sockets open their ports by listening.
    Approve {
        #[command(flatten)]
        which: Which,
    },
    /// Keep sockets from opening their ports, whatever else approves of them.
    Deny {
        #[command(flatten)]
        which: Which,
    },
    /// Take back what was said.
    Forget {
        /// As it was said.
        #[arg(required = true)]
        what: Vec<String>,
    },
    /// Show what was said.
    Rulings,
}

/// Which sockets.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// `tcp/8080`, `unit:NAME`, `exe:PATH`, `user:NAME`; several must all match.
    pub(crate) what: Vec<String>,
    /// All that wait for approval at the moment, each for its own port.
    #[arg(long)]
    pub(crate) current: bool,
}

/// What can be asked of the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a configuration and name every mistake.
    Check {
        /// The file; by default the one of --config.
        file: Option<PathBuf>,
    },
    /// Show the configuration in effect, defaults included.
    Show,
    /// Set one key in the configuration file, keep its comments, and tell the daemon.
    Set {
        /// The key, such as `ports.follow` or `services.ssh.rate`.
        key: String,
        /// The value as TOML; a plain word is taken as a string.
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Print the JSON Schema of the configuration.
    Schema,
}

/// Programs whose data can be taken over.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ImportSource {
    /// Port Trap: the folder that its `list_of_ports.txt` is in.
    PortTrap,
    /// Dynamic Port Guard: its `dynamic-port-guard.conf`, or the folder that it is in.
    DynamicPortGuard,
    /// fail2ban: its folder, `/etc/fail2ban`; the bans come from its database.
    Fail2ban,
    /// ipset: a file with the text of `ipset save`, or `-` for standard input.
    Ipset,
}
