//! How tables are sorted, searched and paged.

use std::{net::Ipv4Addr, time::Duration};

use portguard_core::{Author, Hold, List, Offender, Timestamp, Until};

use super::{
    row::{HoldRow, OffenderRow},
    *,
};

fn hold(index: u32) -> HoldRow {
    let moment = |seconds: u32| Timestamp::from_secs(1_000_000 + u64::from(seconds));
    HoldRow {
        list: List::Ban,
        subject: Subject::address(Ipv4Addr::from_bits(0x0a00_0000 + index).into()),
        hold: Hold {
            since: moment(index % 7),
            until: if index.is_multiple_of(3) {
                Until::FOREVER
            } else {
                Until::at(moment(3_600 - index % 5))
            },
            nth_ban: index % 4,
            author: if index.is_multiple_of(2) { Author::Guard } else { Author::Operator(0) },
            reason: if index == 4 { "Trap TCP/23" } else { "other" }.into(),
            ports: None,
            generation: u64::from(index),
        },
        is_enforced: index < 5,
    }
}

fn asked(rows: Vec<HoldRow>, query: TableQuery) -> (Vec<String>, usize, usize) {
    let copied = Copied::new(rows, Timestamp::from_secs(1_000_000));
    let wanted = Wanted::read(query).unwrap();
    let Table { items, found, total } = part(&copied, &wanted);
    let again = part(&copied, &wanted);
    assert_eq!(items.len(), again.items.len());
    (items.into_iter().map(|row| row.subject).collect(), found, total)
}

fn check(query: &TableQuery, expect: &[&str], found: usize) {
    let (items, counted, total) = asked((0..9).map(hold).collect(), query.clone());
    assert_eq!(
        (items, counted, total),
        (expect.iter().map(|one| (*one).to_owned()).collect(), found, 9),
        "{query:?}"
    );
}

fn sorted_by(column: &str) -> TableQuery {
    TableQuery { sort: Some(column.to_owned()), limit: Some(3), ..TableQuery::default() }
}

fn finding(text: &str) -> TableQuery {
    TableQuery { find: Some(text.to_owned()), limit: Some(3), ..TableQuery::default() }
}

#[test]
fn rows_are_sorted_and_equals_keep_their_order() {
    let plain = TableQuery { limit: Some(2), ..TableQuery::default() };
    check(&plain, &["10.0.0.0", "10.0.0.1"], 9);
    check(&TableQuery { offset: 8, ..plain.clone() }, &["10.0.0.8"], 9);
    check(&TableQuery { offset: usize::MAX, ..plain.clone() }, &[], 9);
    check(&TableQuery { descending: true, ..plain }, &["10.0.0.8", "10.0.0.7"], 9);
    check(&sorted_by("since"), &["10.0.0.0", "10.0.0.7", "10.0.0.1"], 9);
    check(&sorted_by("until"), &["10.0.0.4", "10.0.0.8", "10.0.0.2"], 9);
    check(&sorted_by("author"), &["10.0.0.0", "10.0.0.2", "10.0.0.4"], 9);
    check(&sorted_by("reason"), &["10.0.0.4", "10.0.0.0", "10.0.0.1"], 9);
    check(&sorted_by("enforced"), &["10.0.0.5", "10.0.0.6", "10.0.0.7"], 9);
    let last = TableQuery { descending: true, ..sorted_by("seconds_left") };
    check(&last, &["10.0.0.6", "10.0.0.3", "10.0.0.0"], 9);
}

#[test]
fn rows_are_found_by_text_and_by_network() {
    check(&finding("tcp/23"), &["10.0.0.4"], 1);
    check(&finding("OPERATOR"), &["10.0.0.1", "10.0.0.3", "10.0.0.5"], 4);
    check(&finding("10.0.0.4/31"), &["10.0.0.4", "10.0.0.5"], 2);
    check(&finding("10.0.0.7"), &["10.0.0.7"], 1);
    check(&finding("nothing"), &[], 0);
    check(&finding(" "), &["10.0.0.0", "10.0.0.1", "10.0.0.2"], 9);
    let both = TableQuery { find: Some("10.0.0.0/30".to_owned()), ..sorted_by("nth_ban") };
    check(&TableQuery { descending: true, ..both }, &["10.0.0.3", "10.0.0.2", "10.0.0.1"], 4);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let nonsense = [sorted_by("colour"), sorted_by(""), finding(&"x".repeat(257))];
    for query in nonsense {
        assert!(Wanted::<HoldRow>::read(query.clone()).is_err(), "{query:?}");
    }
    assert!(Wanted::<OffenderRow>::read(sorted_by("until")).is_err());
}

#[test]
fn every_column_of_a_row_can_be_sorted_by() {
    for name in HoldRow::COLUMNS {
        assert!(HoldRow::column(name).is_some(), "{name}");
    }
    for name in OffenderRow::COLUMNS {
        assert!(OffenderRow::column(name).is_some(), "{name}");
    }
    let shown = serde_json::to_value(hold(1).shown(Timestamp::default())).unwrap();
    for name in shown.as_object().unwrap().keys() {
        assert!(HoldRow::COLUMNS.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn a_hundred_thousand_rows_are_sorted_within_a_second() {
    let rows: Vec<HoldRow> = (0..100_000).rev().map(hold).collect();
    let began = std::time::Instant::now();
    let (items, found, total) = asked(rows, finding("10.0.0.0/8"));
    assert_eq!((items.len(), found, total), (3, 100_000, 100_000));
    let copied = Copied::new((0..100_000).map(hold).collect(), Timestamp::default());
    for column in HoldRow::COLUMNS {
        part(&copied, &Wanted::read(sorted_by(column)).unwrap());
    }
    // Generous: built for debugging and beside other work it takes a tenth of that.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn the_newest_offence_comes_first() {
    let offender = |index: u64| OffenderRow {
        subject: Subject::address(Ipv4Addr::new(10, 0, 0, u8::try_from(index).unwrap()).into()),
        past: Offender {
            offences: 1,
            bans: 1,
            first: Timestamp::from_secs(1),
            last: Timestamp::from_secs(index * 7 % 5),
        },
        is_banned: false,
    };
    let mut rows: Vec<OffenderRow> = (0..5).map(offender).collect();
    OffenderRow::order_own(&mut rows);
    let copied = Copied::new(rows, Timestamp::default());
    let wanted = Wanted::read(TableQuery::default()).unwrap();
    let subjects = part(&copied, &wanted).items.into_iter().map(|row| row.subject);
    let expect = ["10.0.0.2", "10.0.0.4", "10.0.0.1", "10.0.0.3", "10.0.0.0"];
    assert_eq!(subjects.collect::<Vec<_>>(), expect);
}
