//! Open and shut ports, rulings and the standing come back as they were recorded.

use portguard_core::{
    Author, Door, DoorAct, ListedDoor, Pending, Posture, Record, RiskyChange, Ruling, Standing,
    Until,
};
use portguard_store::Ledger;

use crate::sample::{KEEP_ALL, START, at, subject};

fn door(act: DoorAct, from: Option<&str>, port: &str, until: Until) -> ListedDoor {
    let (from, port) = (from.map(subject), port.parse().unwrap());
    ListedDoor {
        door: Door { act, from, port },
        since: START,
        until,
        author: Author::Operator(1000),
        service: "ssh".into(),
    }
}

fn ruling(of: &str, approved: bool) -> Ruling {
    Ruling { of: of.parse().unwrap(), approved, since: START, author: Author::Operator(0) }
}

pub(crate) fn with_ledger(check: impl FnOnce(&mut Ledger)) {
    let directory = tempfile::tempdir().unwrap();
    let (mut ledger, _) = Ledger::open(&directory.path().join("ledger.db"), KEEP_ALL, START);
    check(&mut ledger);
}

#[test]
fn doors_come_back_while_they_are_in_force() {
    with_ledger(|ledger| {
        let doors = [
            door(DoorAct::Open, None, "tcp/22", Until::FOREVER),
            door(DoorAct::Open, None, "udp/22", Until::at(at(60))),
            door(DoorAct::Open, Some("192.0.2.0/24"), "tcp/22", Until::at(at(60))),
            door(DoorAct::Shut, None, "tcp/22", Until::FOREVER),
        ];
        ledger.record(&doors.clone().map(Record::Door)).unwrap();
        assert_eq!(ledger.reader().doors(START).unwrap(), doors);
        let lasting = [doors[0].clone(), doors[3].clone()];
        assert_eq!(ledger.reader().doors(at(60)).unwrap(), lasting);

        let longer = ListedDoor { until: Until::FOREVER, ..doors[2].clone() };
        let ended = Record::DoorEnded(doors[3].door);
        ledger.record(&[Record::Door(longer.clone()), ended]).unwrap();
        assert_eq!(ledger.reader().doors(at(60)).unwrap(), [doors[0].clone(), longer]);
    });
}

#[test]
fn rulings_come_back_as_they_were_said() {
    with_ledger(|ledger| {
        let rulings =
            [ruling("tcp/8080", true), ruling("unit:nginx.service tcp/80 tcp/443", false)];
        ledger.record(&rulings.clone().map(Record::Ruling)).unwrap();
        assert_eq!(ledger.reader().rulings().unwrap(), rulings);
        ledger.record(&[Record::RulingEnded(rulings[0].of.clone())]).unwrap();
        assert_eq!(ledger.reader().rulings().unwrap(), rulings[1..]);
    });
}

#[test]
fn every_change_that_waits_comes_back() {
    let changes = [
        RiskyChange::Lockdown { before: None },
        RiskyChange::Lockdown { before: Some(Posture::Open) },
        RiskyChange::Shut { ports: vec!["tcp/22".parse().unwrap(), "udp/53".parse().unwrap()] },
        RiskyChange::Configuration { fingerprint: "what it says".into() },
    ];
    with_ledger(|ledger| {
        assert_eq!(ledger.reader().standing().unwrap(), Standing::default());
        for what in changes {
            let author = Author::Operator(0);
            let pending = Pending { what, since: START, deadline: at(60), author };
            let standing = Standing {
                posture: Some(Posture::Closed),
                pending: Some(pending),
                rejected: Some("what it said".into()),
                paused: Some(at(30)),
            };
            ledger.record(&[Record::Standing(standing.clone())]).unwrap();
            assert_eq!(ledger.reader().standing().unwrap(), standing);
        }
    });
}

#[test]
fn the_full_state_takes_the_place_of_all_doors_and_rulings() {
    with_ledger(|ledger| {
        let old = door(DoorAct::Shut, None, "tcp/80", Until::FOREVER);
        let new = door(DoorAct::Open, None, "tcp/80", Until::FOREVER);
        ledger.record(&[Record::Door(old), Record::Ruling(ruling("tcp/1", true))]).unwrap();
        ledger.replace_state(&[Record::Door(new.clone())]).unwrap();
        assert_eq!(ledger.reader().doors(START).unwrap(), [new]);
        assert_eq!(ledger.reader().rulings().unwrap(), []);
    });
}
