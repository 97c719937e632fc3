//! Turns questions about the journal and about subjects into SQL that an index answers.

use portguard_core::{Subject, Timestamp};
use rusqlite::{Connection, params_from_iter, types::Value};

use crate::{
    StoredEntry, Story,
    column::SubjectKey,
    journal::ENTRY_COLUMNS,
    reader::rows::{self, HOLD_COLUMNS, OFFENDER_COLUMNS, Reasons},
};

/// Which journal lines are wanted, and in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryQuery {
    /// Only those at this moment or later.
    pub since: Option<Timestamp>,
    /// Only those about this subject, a network around it, or something inside it.
    pub subject: Option<Subject>,
    /// Only those of these kinds; empty for all.
    pub kinds: Vec<String>,
    /// Only those recorded after the one with this id.
    pub after_id: Option<i64>,
    /// At most so many, counted from the first in the order.
    pub limit: usize,
    /// The order.
    pub order: Order,
}

/// The order of journal lines: by time, or by id if only those after an id are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The newest comes first.
    NewestFirst,
    /// The oldest comes first.
    OldestFirst,
}

/// Returns the journal lines that `query` asks for.
pub(crate) fn entries(
    connection: &Connection,
    query: &EntryQuery,
) -> rusqlite::Result<Vec<StoredEntry>> {
    let question = Question::about_entries(query);
    let mut found = Vec::new();
    rows::in_chunks(
        connection,
        &question.sql,
        params_from_iter(question.values),
        StoredEntry::read,
        |chunk| found.extend(chunk),
    )?;
    Ok(found)
}

/// Returns all that is known of `subject`, of what covers it and of what lies within it.
pub(crate) fn story(connection: &Connection, subject: Subject) -> rusqlite::Result<Story> {
    let (mut holds, mut offenders) = (Vec::new(), Vec::new());
    let mut reasons = Reasons::default();
    let question = Question::about_state("holds", HOLD_COLUMNS, subject);
    rows::in_chunks(
        connection,
        &question.sql,
        params_from_iter(question.values),
        |row| rows::hold(row, &mut reasons),
        |chunk| holds.extend(chunk),
    )?;
    let question = Question::about_state("offenders", OFFENDER_COLUMNS, subject);
    rows::in_chunks(
        connection,
        &question.sql,
        params_from_iter(question.values),
        rows::offender,
        |chunk| offenders.extend(chunk),
    )?;
    let newest = EntryQuery {
        since: None,
        subject: Some(subject),
        kinds: Vec::new(),
        after_id: None,
        limit: Story::LIMIT,
        order: Order::NewestFirst,
    };
    let mut entries = entries(connection, &newest)?;
    entries.reverse();
    Ok(Story { holds, offenders, entries })
}

/// SQL text and what is bound to its question marks, in order.
#[derive(Debug)]
struct Question {
    sql: String,
    values: Vec<Value>,
}

impl Question {
    fn about_entries(query: &EntryQuery) -> Self {
        let mut question =
            Self { sql: format!("SELECT {ENTRY_COLUMNS} FROM entries WHERE true"), values: vec![] };
        // The plus keeps the planner from walking the index of times and testing every line where
        // the few lines about one subject can be found directly.
        let at = if query.subject.is_some() { "+at" } else { "at" };
        if let Some(since) = query.since {
            let since = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
            question.add(&format!(" AND {at} >= ?"), [Value::Integer(since)]);
        }
        if let Some(id) = query.after_id {
            question.add(" AND id > ?", [Value::Integer(id)]);
        }
        if !query.kinds.is_empty() {
            let marks = marks(query.kinds.len());
            let kinds = query.kinds.iter().cloned().map(Value::Text);
            question.add(&format!(" AND kind IN ({marks})"), kinds);
        }
        if let Some(subject) = query.subject {
            question.add(" AND id IN (", []);
            question.related("id", "entries", subject);
            question.add(")", []);
        }
        let direction = match query.order {
            Order::NewestFirst => "DESC",
            Order::OldestFirst => "ASC",
        };
        let order = match query.after_id {
            Some(_) => format!(" ORDER BY id {direction}"),
            None => format!(" ORDER BY {at} {direction}, id {direction}"),
        };
        question.add(&order, []);
        question.limit(query.limit);
        question
    }

    fn about_state(table: &str, columns: &str, subject: Subject) -> Self {
        let mut question = Self { sql: String::new(), values: vec![] };
        question.related(columns, table, subject);
        question.add(" ORDER BY subject", []);
        question.limit(Story::LIMIT);
        question
    }

    /// Selects rows about `subject`, what lies within it (one range of keys) and what covers it
    /// (one key for each shorter prefix).
    fn related(&mut self, columns: &str, table: &str, subject: Subject) {
        let within = SubjectKey::within(subject);
        self.add(
            &format!("SELECT {columns} FROM {table} WHERE subject BETWEEN ? AND ?"),
            [within.start().value(), within.end().value()],
        );
        let marks = marks(usize::from(subject.prefix_len()));
        self.add(
            &format!(" UNION ALL SELECT {columns} FROM {table} WHERE subject IN ({marks})"),
            SubjectKey::around(subject).map(SubjectKey::value),
        );
    }

    fn limit(&mut self, limit: usize) {
        self.add(" LIMIT ?", [Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX))]);
    }

    fn add(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(sql);
        self.values.extend(values);
    }
}

fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

#[cfg(test)]
mod tests;
