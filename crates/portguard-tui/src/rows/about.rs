//! What a row is about: what orders can name, and what there is to say of it. Pure.

use portguard_api::{
    order::LiftedName,
    packet::Packet,
    port::{Door, PortRow},
    proposal::Proposal,
    traffic::Connection,
    view::{Entry, Hold, Source, Trap},
    watch::Watch,
};

use crate::{ask::List, data::Data, table::Row, text, view::View};

use super::{afar, packet, port, subject};

/// What a row is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// The address or network.
    pub(crate) subject: Option<String>,
    /// What can be ended.
    pub(crate) lift: Option<LiftedName>,
    /// The port, and for whom it was opened.
    pub(crate) port: Option<String>,
    pub(crate) from: Option<String>,
    /// The words that name a listener, or an approval.
    pub(crate) listener: Option<String>,
    /// The number of a proposed rule, and what it does.
    pub(crate) proposal: Option<(u64, String)>,
    /// All that is known of it, by name.
    pub(crate) facts: Vec<(&'static str, String)>,
}

impl About {
    /// Returns what a row of a view is about.
    pub(crate) fn row(view: View, data: &Data, row: &Row) -> Self {
        Self::item(view, data, row.at).unwrap_or_default()
    }

    fn item(view: View, data: &Data, at: usize) -> Option<Self> {
        Some(match view {
            View::Overview => return None,
            View::Sources => source(super::sources(data).get(at)?),
            View::Ports => listener(data.ports.get(at)?),
            View::Doors => door(data.doors.get(at)?),
            View::Rulings => {
                let ruling = data.rulings.get(at)?;
                let mut about = Self { listener: Some(ruling.what.clone()), ..Self::default() };
                about.say("what", Some(&ruling.what));
                about.say("since", Some(&ruling.since));
                about.say("by", Some(&ruling.author));
                about
            }
            View::Bans => hold(data.list(List::Bans).get(at)?, Some(LiftedName::Ban)),
            View::Throttled => hold(super::throttled(data).get(at)?, Some(LiftedName::Throttle)),
            View::Allowed => hold(data.list(List::Allowed).get(at)?, Some(LiftedName::Allow)),
            View::Protected => hold(data.list(List::Protected).get(at)?, None),
            View::Offenders => {
                let past = data.offenders().get(at)?;
                Self {
                    subject: Some(past.subject.clone()),
                    lift: past.banned.then_some(LiftedName::Ban),
                    ..Self::default()
                }
            }
            View::Packets => packet_decision(data.packets.get(at)?),
            View::Connections => connection(data.connections.as_ref()?.items.get(at)?),
            View::Proposals => proposal(data.proposals.get(at)?),
            View::Traps => trap(data.traps.get(at)?),
            View::Watches => watch(data.watches.get(at)?),
            View::Scans => {
                let scan = data.scans.get(at)?;
                let mut about = Self { subject: scan.last_subject.clone(), ..Self::default() };
                about.say("set", Some(&scan.set));
                about.say("last", scan.last_subject.as_ref());
                about.say("at", scan.last_at.as_ref());
                about
            }
            View::Journal => entry(data.entries.get(at)?),
            View::ControlFile => afar::about_service(data.control_file()?.services.get(at)?),
            View::LeftOut => afar::about_line(data.control_file()?.left_out.get(at)?),
            View::Knocks => afar::about_knock(data.knocks()?.last.get(at)?),
            View::Keys => afar::about_key(data.knocks()?.keys.get(at)?),
        })
    }

    pub(super) fn say(&mut self, name: &'static str, value: Option<&String>) {
        self.facts
            .extend(value.filter(|value| !value.is_empty()).map(|value| (name, value.clone())));
    }
}

fn source(source: &Source) -> About {
    let mut about = About::default();
    about.say("source", Some(&source.name));
    about.say("health", Some(&source.health));
    about.say("since", source.since.as_ref());
    about.say("detail", source.detail.as_ref());
    about
}

fn door(door: &Door) -> About {
    let mut about = About {
        subject: door.from.clone(),
        port: Some(door.port.clone()),
        from: door.from.clone(),
        ..About::default()
    };
    about.say("port", Some(&door.port));
    about.say("is", Some(&door.act));
    about.say("for", door.from.as_ref());
    about.say("since", Some(&door.since));
    about.say("until", door.until.as_ref());
    about.say("by", Some(&door.author));
    about
}

fn trap(trap: &Trap) -> About {
    let mut about = About { subject: trap.last_peer.clone(), ..About::default() };
    about.say("trap", Some(&trap.port));
    about.say("address", Some(&trap.address));
    about.say("missing", trap.missing.as_ref());
    about.say("last by", trap.last_peer.as_ref());
    about.say("last at", trap.last_at.as_ref());
    about
}

fn listener(row: &PortRow) -> About {
    // The words are read by spaces: a name with one in it can not be written as one word.
    let word = |kind: &str, name: &Option<String>| {
        let name = name.as_ref().filter(|name| !name.contains(char::is_whitespace))?;
        Some(format!("{kind}:{name}"))
    };
    let words = [
        Some(row.port.clone()),
        word("unit", &row.unit),
        word("exe", &row.exe).filter(|_| row.unit.is_none()),
        word("user", &row.user),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    let mut about =
        About { port: Some(row.port.clone()), listener: Some(words.join(" ")), ..About::default() };
    about.say("port", Some(&row.port));
    about.say("address", Some(&port::address(row)));
    about.say("reach", Some(&row.reach));
    about.say("why", Some(&port::why(row)));
    about.say("process", row.process.as_ref());
    about.say("pid", row.pid.map(|pid| pid.to_string()).as_ref());
    about.say("program", row.exe.as_ref());
    about.say("unit", row.unit.as_ref());
    about.say("user", row.user.as_ref());
    about.say("container", row.container.as_ref());
    about
}

fn hold(hold: &Hold, lift: Option<LiftedName>) -> About {
    About { subject: Some(hold.subject.clone()), lift, ..About::default() }
}

fn packet_decision(one: &Packet) -> About {
    let mut about = About { subject: Some(one.source.clone()), ..About::default() };
    let port = one.destination_port.filter(|_| matches!(one.protocol.as_str(), "tcp" | "udp"));
    about.port = port.map(|port| format!("{}/{port}", one.protocol));
    about.say("at", Some(&one.at));
    about.say("verdict", Some(&one.verdict));
    about.say("rule", Some(&packet::rule(one)));
    about.say("source", Some(&text::end_point(&one.source, one.source_port)));
    about.say("destination", Some(&text::end_point(&one.destination, one.destination_port)));
    about.say("protocol", Some(&one.protocol));
    about.say("flags", one.flags.as_ref());
    about.say("icmp", one.icmp.as_ref());
    about.say("interface", one.interface.as_ref());
    about
}

fn connection(one: &Connection) -> About {
    let peer = one.real_peer.as_ref().unwrap_or(&one.peer);
    let address = text::address_of(peer).map(|address| address.to_string());
    let mut about = About { subject: address, ..About::default() };
    about.say("peer", Some(&one.peer));
    about.say("real peer", one.real_peer.as_ref());
    about.say("local", Some(&one.local));
    about.say("outside", one.outside.as_ref());
    about.say("direction", Some(&one.direction));
    about.say("asked by", Some(&one.asked_by));
    about.say("protocol", Some(&one.protocol));
    about.say("state", Some(&one.state));
    about.say("process", Some(&one.process));
    about.say("pid", one.pid.map(|pid| pid.to_string()).as_ref());
    about.say("program", one.exe.as_ref());
    about.say("unit", one.unit.as_ref());
    about.say("container", one.container.as_ref());
    about.say("user", Some(&one.user));
    about.say("since", Some(&one.since));
    about
}

fn proposal(one: &Proposal) -> About {
    let span = match one.seconds {
        Some(_) => format!("for {}", text::span(one.seconds)),
        None => "forever".to_owned(),
    };
    let what = format!("{} {} {span}", subject::measure(one), one.subject);
    let mut about = About {
        subject: Some(one.subject.clone()),
        proposal: Some((one.id, what.clone())),
        ..About::default()
    };
    about.say("rule", Some(&what));
    about.say("anomaly", Some(&subject::anomaly(one).to_owned()));
    about.say("severity", Some(&one.severity));
    about.say("sure", Some(&format!("{}%", one.confidence)));
    about.say("since", Some(&one.since));
    about.say("until", Some(&one.until));
    for (name, value) in &one.evidence {
        about.facts.push(("evidence", format!("{name}={value}")));
    }
    about
}

fn watch(watch: &Watch) -> About {
    let mut about = About::default();
    about.say("watch", Some(&watch.name));
    about.say("rule", Some(&watch.rule));
    about.say("reads", Some(&watch.sources.join(", ")));
    about.say("limit", Some(&format!("{} in {}", watch.howmany, text::span(Some(watch.within)))));
    about.say("health", Some(&watch.health));
    about.say("detail", watch.detail.as_ref());
    about.say("last at", watch.last_at.as_ref());
    about.say("last line", watch.last_line.as_ref());
    about
}

fn entry(entry: &Entry) -> About {
    let mut about = About { subject: entry.subject.clone(), ..About::default() };
    about.say("at", Some(&entry.at));
    about.say("kind", Some(&entry.kind));
    about.say("subject", entry.subject.as_ref());
    about.say("what", Some(&subject::words(entry)));
    about
}
