//! Proposed rules come back as they were.

use portguard_core::{Measure, Proposal, Record, Severity, Span, Strength, Timestamp};

use crate::{
    doors::with_ledger,
    sample::{START, at},
};

fn proposal(id: u64, until: Timestamp) -> Proposal {
    Proposal {
        id,
        subject: "203.0.113.0/24".parse().unwrap(),
        measure: Measure::Throttle(Strength::Hard),
        ports: vec!["tcp/22".parse().unwrap()],
        span: "6h".parse::<Span>().unwrap(),
        origin: "anomaly distributed_scan".into(),
        severity: Severity::High,
        confidence: 70,
        evidence: vec![("tried".to_owned(), "tcp/1 tcp/2".to_owned())],
        since: START,
        until,
        times: 3,
        dismissed: id.is_multiple_of(2),
    }
}

#[test]
fn proposals_come_back_until_they_end() {
    with_ledger(|ledger| {
        let all = [proposal(1, at(60)), proposal(2, at(60)), proposal(7, at(10))];
        let records: Vec<Record> = all.iter().cloned().map(Record::Proposal).collect();
        ledger.record(&records).unwrap();
        assert_eq!(ledger.reader().proposals(START).unwrap(), all);
        assert_eq!(ledger.reader().proposals(at(20)).unwrap(), all[..2]);
        let changed = Proposal { times: 4, ..all[0].clone() };
        ledger.record(&[Record::ProposalEnded(2), Record::Proposal(changed.clone())]).unwrap();
        assert_eq!(ledger.reader().proposals(at(20)).unwrap(), [changed]);
        ledger.replace_state(&[]).unwrap();
        assert_eq!(ledger.reader().proposals(START).unwrap(), []);
    });
}
