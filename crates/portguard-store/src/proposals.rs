//! Proposed rules: how they are written and read.

use portguard_core::{Proposal, Record, Severity, Timestamp};
use rusqlite::{
    CachedStatement, Connection, Row, params,
    types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef},
};

use crate::{
    column::{Column, SubjectKey},
    reader::rows::in_chunks,
};

/// The statements that write proposed rules.
pub(crate) struct ProposalWriter<'c> {
    proposal: CachedStatement<'c>,
    ended: CachedStatement<'c>,
}

impl<'c> ProposalWriter<'c> {
    pub(crate) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            proposal: connection.prepare_cached(
                "INSERT OR REPLACE INTO proposals (id, subject, measure, ports, span, origin, \
                 severity, confidence, evidence, since, until, times, dismissed) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?,
            ended: connection.prepare_cached("DELETE FROM proposals WHERE id = ?1")?,
        })
    }

    pub(crate) fn write(&mut self, one: &Proposal) -> rusqlite::Result<()> {
        self.proposal
            .execute(params![
                number(one.id),
                SubjectKey::exactly(one.subject),
                Column(one.measure),
                Column(one.ports.as_slice()),
                one.span.to_string(),
                &*one.origin,
                Column(one.severity),
                one.confidence,
                Column(&one.evidence),
                Column(one.since),
                Column(one.until),
                one.times,
                one.dismissed
            ])
            .map(drop)
    }

    pub(crate) fn end(&mut self, id: u64) -> rusqlite::Result<()> {
        self.ended.execute([number(id)]).map(drop)
    }
}

/// Returns the proposed rules that are not over at `now`; rows that do not read back are left out.
pub(crate) fn proposals(
    connection: &Connection,
    now: Timestamp,
) -> rusqlite::Result<Vec<Proposal>> {
    let sql = "SELECT id, subject, measure, ports, span, origin, severity, confidence, evidence, \
               since, until, times, dismissed FROM proposals WHERE until > ?1 ORDER BY id";
    let mut found = Vec::new();
    in_chunks(connection, sql, [Column(now)], read, |chunk| found.extend(chunk))?;
    Ok(found)
}

/// Returns all of them as records, for another ledger.
pub(crate) fn records(connection: &Connection) -> rusqlite::Result<Vec<Record>> {
    let all = proposals(connection, Timestamp::default())?;
    Ok(all.into_iter().map(Record::Proposal).collect())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Proposal> {
    let id: i64 = row.get(0)?;
    let span: String = row.get(4)?;
    let origin: String = row.get(5)?;
    Ok(Proposal {
        id: u64::try_from(id).map_err(|_| FromSqlError::OutOfRange(id))?,
        subject: row.get::<_, Column<_>>(1)?.0,
        measure: row.get::<_, Column<_>>(2)?.0,
        ports: row.get::<_, Column<_>>(3)?.0,
        span: span.parse().map_err(|why| FromSqlError::Other(Box::new(why)))?,
        origin: origin.into(),
        severity: row.get::<_, Column<_>>(6)?.0,
        confidence: row.get(7)?,
        evidence: row.get::<_, Column<_>>(8)?.0,
        since: row.get::<_, Column<_>>(9)?.0,
        until: row.get::<_, Column<_>>(10)?.0,
        times: row.get(11)?,
        dismissed: row.get(12)?,
    })
}

fn number(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

impl ToSql for Column<Severity> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.word()))
    }
}

impl FromSql for Column<Severity> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = value.as_str()?;
        let found = Severity::ALL.into_iter().find(|one| one.word() == word);
        found.map(Self).ok_or(FromSqlError::InvalidType)
    }
}
