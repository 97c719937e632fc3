//! Each question is answered from the index that was made for it.

use super::*;
use crate::opening;

#[test]
fn lines_about_a_subject_are_found_by_subject() {
    let query = EntryQuery { subject: Some("192.0.2.0/24".parse().unwrap()), ..recent() };
    for query in [
        query.clone(),
        EntryQuery { since: None, ..query.clone() },
        EntryQuery { after_id: Some(7), ..query },
    ] {
        let plan = plan(&Question::about_entries(&query));
        assert!(plan.contains("INDEX entries_by_subject"), "{plan}");
        assert!(!plan.contains("entries_by_time"), "{plan}");
        assert!(!plan.contains("SCAN entries"), "{plan}");
    }
}

#[test]
fn recent_lines_are_found_by_time_without_sorting() {
    let plan = plan(&Question::about_entries(&recent()));
    assert!(plan.contains("INDEX entries_by_time (at>?)"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}

#[test]
fn lines_after_an_id_are_found_by_id_without_sorting() {
    let plan = plan(&Question::about_entries(&EntryQuery { after_id: Some(7), ..recent() }));
    assert!(plan.contains("INTEGER PRIMARY KEY (rowid>?)"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}

#[test]
fn state_about_a_subject_is_found_by_key() {
    for (table, columns) in [("holds", HOLD_COLUMNS), ("offenders", OFFENDER_COLUMNS)] {
        let question = Question::about_state(table, columns, "2001:db8::1".parse().unwrap());
        let plan = plan(&question);
        assert!(plan.contains("PRIMARY KEY (subject=?)"), "{plan}");
        assert!(!plan.contains("SCAN"), "{plan}");
    }
}

fn recent() -> EntryQuery {
    EntryQuery {
        since: Some(Timestamp::from_secs(1_800_000_000)),
        subject: None,
        kinds: vec!["decision".to_owned()],
        after_id: None,
        limit: 10,
        order: Order::NewestFirst,
    }
}

/// Returns how SQLite would answer the question.
fn plan(question: &Question) -> String {
    let (connection, _) = opening::open_in_memory();
    let mut statement =
        connection.prepare(&format!("EXPLAIN QUERY PLAN {}", question.sql)).unwrap();
    let steps = statement
        .query_map(params_from_iter(question.values.clone()), |row| row.get::<_, String>(3))
        .unwrap();
    steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
}
