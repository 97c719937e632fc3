//! The guard's behaviour with ports as stories: what is told to it, and what it then does and says.

use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    Author, Door, Element, Follow, Listener, Owner, Posture, Process, Reach, Service, UnitDoor,
    UnitGroup,
};

const START: u64 = 1_000;

/// A guard with an SSH server on tcp/22, a policy, and what it did since.
struct Story {
    guard: Guard,
    now: Timestamp,
}

impl Story {
    fn new(ports: PortPolicy) -> Self {
        let now = Timestamp::from_secs(START);
        let mut guard = Guard::new(Caps { doors: 8, ..Caps::default() });
        guard.configure(Policy { ports, ..Policy::default() }, now);
        let mut story = Self { guard, now };
        story.listen(&["tcp/22 0.0.0.0 sshd"]);
        story.said();
        story
    }

    fn closed() -> Self {
        Self::new(PortPolicy { posture: Posture::Closed, ..policy() })
    }

    fn listen(&mut self, listeners: &[&str]) {
        let listeners = listeners.iter().zip(1..).map(|(words, socket)| listener(words, socket));
        self.event(Fact::Listeners(listeners.collect()));
    }

    fn event(&mut self, fact: Fact) {
        self.guard.handle_event(Event { at: self.now, fact }, self.now);
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.plus(Duration::from_secs(seconds));
        self.guard.handle_timeout(self.now);
    }

    fn order(&mut self, command: Command) -> String {
        match self.guard.handle_command(command, self.now) {
            Ok(done) => format!("done {}", done.subjects),
            Err(refusal) => refusal.why,
        }
    }

    fn open(&mut self, port: &str, from: Option<&str>, span: &str) -> String {
        let order = PortOrder { from: from.map(|from| from.parse().unwrap()), ..order(port) };
        self.order(Command::Open { order, span: span.parse().unwrap() })
    }

    fn close(&mut self, port: &str) -> String {
        self.order(Command::Close(order(port)))
    }

    fn reach(&self, port: &str) -> String {
        let rows = self.guard.exposures().into_iter();
        let rows = rows.filter(|row| row.ports.to_string() == port);
        let words = rows.map(|row| {
            let grants = row.grants.iter().map(|(subject, _)| format!("+{subject}"));
            let words = [row.reach.to_string(), row.rule.to_owned()].into_iter().chain(grants);
            words.collect::<Vec<_>>().join(" ")
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// Returns what the kernel was told since the last look.
    fn did(&mut self) -> Vec<String> {
        let mut did = Vec::new();
        while let Some((_, demand)) = self.guard.poll_demand() {
            did.push(match demand {
                Demand::Element(Change::Install(element, until)) => match until.moment() {
                    Some(moment) => format!("+{element} for {}", moment.since(self.now).as_secs()),
                    None => format!("+{element}"),
                },
                Demand::Element(Change::Remove(element)) => format!("-{element}"),
                Demand::Units(units) => format!("units {units:?}"),
                Demand::Ports(_) => "ports".to_owned(),
            });
        }
        did
    }

    /// Returns what the journal got since the last look.
    fn said(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(record) = self.guard.poll_record() {
            if let Record::Entry(entry) = record {
                said.extend(entry.note.words());
            }
        }
        said
    }
}

fn policy() -> PortPolicy {
    let ssh = Service { ports: vec!["tcp/22".parse().unwrap()], rate: None };
    PortPolicy {
        always: vec!["tcp/22".parse().unwrap()],
        never: vec!["tcp/3306".parse().unwrap()],
        services: [("ssh".into(), ssh)].into(),
        ..PortPolicy::default()
    }
}

fn order(port: &str) -> PortOrder {
    let ports = vec![port.parse().unwrap()];
    PortOrder { ports, service: "".into(), from: None, author: Author::Operator(0) }
}

/// Reads `tcp/80 0.0.0.0 nginx nginx.service`.
fn listener(words: &str, socket: u64) -> Listener {
    let words: Vec<&str> = words.split(' ').collect();
    Listener {
        port: words[0].parse().unwrap(),
        address: words[1].parse().unwrap(),
        v6_only: false,
        socket: socket << 16 | u64::from(words[0].parse::<crate::Port>().unwrap().number),
        owner: Owner {
            pid: Some(7),
            name: words[2].into(),
            exe: Some(format!("/usr/sbin/{}", words[2]).into()),
            user: "www".into(),
            unit: words.get(3).map(|unit| (*unit).into()),
            container: None,
        },
    }
}

fn approve(words: &str) -> Command {
    let of = Some(words.parse().unwrap());
    Command::Rule { of, approved: true, author: Author::Operator(0) }
}

#[test]
fn nothing_is_told_to_the_kernel_that_follows_from_its_rules() {
    let mut story = Story::new(policy());
    assert_eq!(story.did(), ["ports"]);
    assert_eq!(story.reach("tcp/22"), "open always");
}

#[test]
fn a_closed_posture_is_an_element_for_each_family() {
    let mut story = Story::closed();
    assert_eq!(story.did(), ["ports", "+closed 0.0.0.0/0", "+closed ::/0"]);
}

#[test]
fn an_unapproved_listener_is_pending_and_told_once_it_stays() {
    let mut story = Story::closed();
    story.listen(&["tcp/22 0.0.0.0 sshd", "tcp/80 0.0.0.0 nginx"]);
    assert_eq!(story.reach("tcp/80"), "pending approval");
    assert_eq!(story.said(), [""; 0]);
    story.wait(1);
    assert_eq!(story.said(), ["tcp/80 on 0.0.0.0 waits for approval: nginx (process 7), user www"]);
    story.wait(10);
    assert_eq!(story.said(), [""; 0]);
}

#[test]
fn approval_opens_and_the_end_of_the_listener_closes() {
    let mut story = Story::closed();
    story.listen(&["tcp/22 0.0.0.0 sshd", "tcp/80 192.0.2.1 nginx", "tcp/81 :: nginx"]);
    story.did();
    assert_eq!(story.order(approve("exe:/usr/sbin/nginx")), "done 1");
    assert_eq!(
        story.did(),
        ["ports", "+follow 0.0.0.0/0 tcp/81", "+follow 192.0.2.1 tcp/80", "+follow ::/0 tcp/81"]
    );
    assert_eq!(story.reach("tcp/80"), "open follow");
    story.listen(&["tcp/22 0.0.0.0 sshd", "tcp/80 192.0.2.1 nginx"]);
    assert_eq!(story.did(), ["-follow 0.0.0.0/0 tcp/81", "-follow ::/0 tcp/81"]);
}

#[test]
fn a_loopback_listener_is_local_and_followed_by_nobody() {
    let mut story = Story::new(PortPolicy { follow: Follow::All, ..policy() });
    story.listen(&["tcp/631 127.0.0.1 cupsd", "tcp/632 ::1 cupsd"]);
    assert_eq!(story.reach("tcp/631"), "local loopback");
    assert_eq!(story.reach("tcp/632"), "local loopback");
    story.wait(5);
    assert_eq!(story.said(), [""; 0]);
}

#[test]
fn what_is_never_open_is_not_opened_and_not_followed() {
    let mut story = Story::new(PortPolicy { follow: Follow::All, ..policy() });
    story.listen(&["tcp/3306 0.0.0.0 mariadbd"]);
    assert_eq!(story.reach("tcp/3306"), "closed never");
    assert_eq!(story.open("tcp/3306", None, "10m"), "tcp/3306 is in ports.never");
    let from = Some("192.0.2.7");
    assert_eq!(story.open("tcp/3306", from, "10m"), "tcp/3306 is in ports.never");
    let may_share = |port: &str| story.guard.may_share(port.parse().unwrap());
    assert_eq!(
        may_share("tcp/3306").map_err(|refusal| refusal.why),
        Err("tcp/3306 is in ports.never".into())
    );
    assert_eq!(may_share("tcp/3307"), Ok(()));
}

#[test]
fn a_grant_opens_for_one_source_until_its_end() {
    let mut story = Story::closed();
    story.did();
    assert_eq!(story.open("tcp/8080", Some("192.0.2.7"), "10m"), "done 1");
    assert_eq!(story.did(), ["+grant 192.0.2.7 tcp/8080 for 600"]);
    assert_eq!(story.reach("tcp/8080"), "closed posture +192.0.2.7");
    story.wait(600);
    assert_eq!(story.did(), [""; 0], "the kernel ends it by itself");
    assert_eq!(
        story.said(),
        [
            "tcp/8080 opened for 192.0.2.7 by operator (uid 0)",
            "tcp/8080 no longer opened for 192.0.2.7: its time is over",
        ]
    );
}

#[test]
fn closing_ends_an_opening_and_shuts_only_what_would_be_open_all_the_same() {
    let mut story = Story::closed();
    story.open("tcp/8080", None, "forever");
    story.did();
    assert_eq!(story.close("tcp/8080"), "done 1");
    assert_eq!(story.did(), ["-grant 0.0.0.0/0 tcp/8080", "-grant ::/0 tcp/8080"]);

    let mut story = Story::new(policy());
    story.did();
    assert_eq!(story.close("tcp/8080"), "done 1");
    assert_eq!(story.did(), ["+shut 0.0.0.0/0 tcp/8080", "+shut ::/0 tcp/8080"]);
    assert_eq!(story.open("tcp/8080", None, "forever"), "done 1");
    assert_eq!(story.did()[..2], ["-shut 0.0.0.0/0 tcp/8080", "-shut ::/0 tcp/8080"]);
}

#[test]
fn a_way_in_is_shut_for_a_while_until_that_is_confirmed() {
    let mut story = Story::new(policy());
    story.did();
    assert_eq!(story.close("tcp/22"), "done 1");
    assert_eq!(story.did(), ["+shut 0.0.0.0/0 tcp/22 for 60", "+shut ::/0 tcp/22 for 60"]);
    assert_eq!(story.reach("tcp/22"), "closed shut");
    assert_eq!(
        story.order(Command::Lockdown(Author::Operator(0))),
        "close tcp/22 waits for confirmation"
    );
    story.wait(60);
    assert_eq!(story.reach("tcp/22"), "open always");
    let said = story.said();
    assert!(said.contains(&"close tcp/22 rolled back: nobody confirmed it".to_owned()), "{said:?}");

    story.close("tcp/22");
    assert_eq!(story.order(Command::Confirm(Author::Operator(0))), "done 1");
    story.did();
    story.wait(3_600);
    assert_eq!(story.reach("tcp/22"), "closed shut");
    assert_eq!(story.open("tcp/22", None, "forever"), "done 1");
    assert_eq!(story.reach("tcp/22"), "open grant");
}

#[test]
fn a_lockdown_rolls_back_by_itself_in_the_kernel_too() {
    let mut story = Story::new(policy());
    story.did();
    story.order(Command::Lockdown(Author::Operator(0)));
    assert_eq!(story.did(), ["ports", "+closed 0.0.0.0/0 for 60", "+closed ::/0 for 60"]);
    assert_eq!(story.guard.poll_timeout(), Some(Timestamp::from_secs(START + 60)));
    story.wait(60);
    assert_eq!(story.did(), ["ports", "-closed 0.0.0.0/0", "-closed ::/0"]);
    assert_eq!(story.guard.posture(), Posture::Open);
    let nothing = "nothing waits for confirmation";
    assert_eq!(story.order(Command::Confirm(Author::Operator(0))), nothing);
}

#[test]
fn a_confirmed_lockdown_stays_until_it_is_relaxed() {
    let mut story = Story::new(policy());
    story.order(Command::Lockdown(Author::Operator(0)));
    story.did();
    story.order(Command::Confirm(Author::Operator(0)));
    assert_eq!(story.did(), ["+closed 0.0.0.0/0", "+closed ::/0"]);
    story.wait(3_600);
    assert_eq!(story.guard.posture(), Posture::Closed);
    story.order(Command::Relax(Author::Operator(0)));
    assert_eq!(story.did(), ["ports", "-closed 0.0.0.0/0", "-closed ::/0"]);
}

#[test]
fn what_waits_goes_on_waiting_in_the_next_life() {
    let mut story = Story::new(policy());
    story.order(Command::Lockdown(Author::Operator(0)));
    let standing = story.guard.full_state().into_iter().find_map(|record| match record {
        Record::Standing(standing) => Some(standing),
        _ => None,
    });
    let mut next = Guard::new(Caps::default());
    next.restore_standing(standing.unwrap(), None);
    next.configure(Policy { ports: policy(), ..Policy::default() }, story.now);
    assert_eq!(next.posture(), Posture::Closed);
    next.handle_timeout(story.now.plus(Duration::from_secs(60)));
    assert_eq!(next.posture(), Posture::Open);
}

#[test]
fn a_configuration_that_takes_the_way_in_away_rolls_back() {
    let mut story = Story::closed();
    let worse = PortPolicy { always: Vec::new(), posture: Posture::Closed, ..policy() };
    let worse = Policy { ports: worse, ..Policy::default() };
    story.guard.configure(worse.clone(), story.now);
    assert_eq!(story.reach("tcp/22"), "pending approval");
    let standing = story.guard.standing.clone();
    assert_eq!(standing.pending.unwrap().what.to_string(), "new configuration");
    story.wait(60);
    assert_eq!(story.reach("tcp/22"), "open always");

    // The file still says so at the next start.
    let good = story.guard.policy.ports.clone();
    let mut next = Guard::new(Caps::default());
    next.restore_standing(story.guard.standing.clone(), Some(good.clone()));
    next.configure(worse, story.now);
    assert_eq!(next.policy.ports, good);
}

#[test]
fn a_configuration_that_keeps_the_way_in_needs_no_confirmation() {
    let mut story = Story::closed();
    let other = PortPolicy { posture: Posture::Closed, follow: Follow::All, ..policy() };
    story.guard.configure(Policy { ports: other, ..Policy::default() }, story.now);
    assert_eq!(story.guard.pending(), None);
}

#[test]
fn a_denial_is_stronger_than_approvals_and_names_the_rest_to_the_kernel() {
    let mut story =
        Story::new(PortPolicy { posture: Posture::Closed, follow: Follow::All, ..policy() });
    story.listen(&["tcp/22 0.0.0.0 sshd", "tcp/80 0.0.0.0 nginx", "udp/53 0.0.0.0 named"]);
    story.did();
    let of = Some("udp/53".parse().unwrap());
    story.order(Command::Rule { of, approved: false, author: Author::Operator(0) });
    assert_eq!(story.did(), ["ports", "+follow 0.0.0.0/0 tcp/22", "+follow 0.0.0.0/0 tcp/80"]);
    assert_eq!(story.reach("udp/53"), "closed denied");
}

#[test]
fn nobody_shuts_themselves_out_by_a_denial() {
    let ports = PortPolicy { posture: Posture::Closed, follow: Follow::All, ..policy() };
    let mut story = Story::new(PortPolicy { always: Vec::new(), ..ports });
    assert_eq!(story.reach("tcp/22"), "open follow");
    let of = Some("exe:/usr/sbin/sshd".parse().unwrap());
    assert_eq!(
        story.order(Command::Rule { of, approved: false, author: Author::Operator(0) }),
        "that would close tcp/22, by which operators come in"
    );
    assert_eq!(story.reach("tcp/22"), "open follow");
}

#[test]
fn all_that_wait_are_approved_each_for_its_port() {
    let mut story = Story::closed();
    let db = "tcp/5432 0.0.0.0 postgres postgresql.service";
    story.listen(&["tcp/22 0.0.0.0 sshd", "tcp/80 0.0.0.0 nginx", db]);
    let all = Command::Rule { of: None, approved: true, author: Author::Operator(0) };
    assert_eq!(story.order(all), "done 2");
    let rulings: Vec<String> = story.guard.rulings().map(|ruling| ruling.of.to_string()).collect();
    assert_eq!(rulings, ["exe:/usr/sbin/nginx tcp/80", "unit:postgresql.service tcp/5432"]);
}

#[test]
fn units_are_followed_by_their_control_groups() {
    let mut story = Story::closed();
    story.order(approve("unit:nginx.service tcp/80"));
    story.did();
    let wanted: Vec<Arc<str>> = story.guard.units_wanted().into_iter().collect();
    assert_eq!(wanted, ["nginx.service".into()]);
    let groups = [UnitGroup { group: 77, level: 2 }].into();
    story.event(Fact::Units([("nginx.service".into(), groups)].into()));
    let door = UnitDoor { approval: 0, group: 77, level: 2 };
    assert_eq!(
        story.did(),
        [format!("units {:?}", [door].into_iter().collect::<std::collections::BTreeSet<_>>())]
    );
}

#[test]
fn a_port_stays_open_for_its_grace() {
    let mut story =
        Story::new(PortPolicy { follow: Follow::All, grace: Duration::from_secs(30), ..policy() });
    story.listen(&["tcp/22 0.0.0.0 sshd", "tcp/80 192.0.2.1 nginx"]);
    story.did();
    story.listen(&["tcp/22 0.0.0.0 sshd"]);
    assert_eq!(story.did(), ["+grace 192.0.2.1 tcp/80 for 30"]);
    story.wait(30);
    assert_eq!(story.guard.poll_timeout(), None);
}

#[test]
fn an_administrators_hand_opens_and_ends_doors() {
    let mut story = Story::closed();
    story.did();
    let by = Process::default();
    let element = |list, words: &str| {
        let (subject, port) = words.split_once(' ').unwrap();
        let (subject, port) = (subject.parse().unwrap(), port.parse().ok());
        Element { list, subject, port }
    };
    let grant = element(List::Grant, "192.0.2.7 tcp/8080");
    story.event(Fact::ElementAdded { element: grant, until: Until::FOREVER, by: by.clone() });
    assert_eq!(story.reach("tcp/8080"), "closed posture +192.0.2.7");
    story.event(Fact::ElementRemoved { element: grant, by: by.clone() });
    assert!(story.guard.doors.get(Door::of(&grant).unwrap()).is_none());
    story.did();

    let stranger = element(List::Follow, "0.0.0.0/0 tcp/9");
    story.event(Fact::ElementAdded { element: stranger, until: Until::FOREVER, by: by.clone() });
    assert_eq!(story.did(), ["-follow 0.0.0.0/0 tcp/9"]);
    let closed = Element { port: None, ..element(List::Closed, "0.0.0.0/0 x") };
    story.event(Fact::ElementRemoved { element: closed, by });
    assert_eq!(story.did(), ["+closed 0.0.0.0/0"]);
}

#[test]
fn what_an_earlier_life_followed_is_followed_until_listeners_are_known() {
    let mut guard = Guard::new(Caps::default());
    let now = Timestamp::from_secs(START);
    guard.configure(Policy { ports: policy(), ..Policy::default() }, now);
    let subject = "0.0.0.0/0".parse().unwrap();
    let element = Element { list: List::Follow, subject, port: Some("tcp/80".parse().unwrap()) };
    let fact = Fact::KernelHolds(vec![(element, Until::FOREVER)]);
    guard.handle_event(Event { at: now, fact }, now);
    let mut story = Story { guard, now };
    assert_eq!(story.did(), ["ports"]);
    story.listen(&[]);
    assert_eq!(story.did(), ["-follow 0.0.0.0/0 tcp/80"]);
}

#[test]
fn caps_and_limits_are_refused_by_name() {
    let mut story = Story::closed();
    let ports: Vec<crate::Port> =
        "tcp/1-5000".parse::<crate::service::PortRange>().unwrap().ports().collect();
    let order = PortOrder { ports, ..order("tcp/1") };
    let span = Span::Forever;
    assert_eq!(
        story.order(Command::Open { order, span }),
        "5000 ports are too many for one order; at most 4096"
    );
    for port in 8000..8008 {
        story.open(&format!("tcp/{port}"), None, "1h");
    }
    assert_eq!(
        story.open("tcp/9000", None, "1h"),
        "8 ports are opened or shut by order, which is the most"
    );
}

#[test]
fn a_lockdown_tells_beforehand_what_it_takes_away() {
    let mut story = Story::new(policy());
    story.listen(&["tcp/22 0.0.0.0 sshd", "tcp/80 0.0.0.0 nginx", "tcp/631 127.0.0.1 cupsd"]);
    let lost = story.guard.lost_by_lockdown();
    let lost: Vec<String> = lost.iter().map(|row| row.ports.to_string()).collect();
    assert_eq!(lost, ["tcp/80"]);
    assert!(story.guard.exposures().iter().all(|row| row.reach != Reach::Pending));
}
