//! Open and shut ports, rulings on listeners, and the posture: how they are written and read.

use std::sync::Arc;

use portguard_core::{
    Approval, Door, DoorAct, ListedDoor, Pending, Port, Posture, Protocol, Record, RiskyChange,
    Ruling, Standing, Subject, Timestamp,
};
use rusqlite::{
    CachedStatement, Connection, OptionalExtension as _, Row, params,
    types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef},
};

use crate::{
    column::{Column, SubjectKey},
    reader::rows::in_chunks,
};

/// The only row of its table.
const THE_ROW: i64 = 1;

/// The statements that write doors, rulings and the standing.
pub(crate) struct DoorWriter<'c> {
    door: CachedStatement<'c>,
    door_ended: CachedStatement<'c>,
    ruling: CachedStatement<'c>,
    ruling_ended: CachedStatement<'c>,
    standing: CachedStatement<'c>,
}

impl<'c> DoorWriter<'c> {
    pub(crate) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            door: connection.prepare_cached(
                "INSERT OR REPLACE INTO doors \
                 (act, source, protocol, port, since, until, author, service) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?,
            door_ended: connection.prepare_cached(
                "DELETE FROM doors WHERE act = ?1 AND source = ?2 AND protocol = ?3 AND port = ?4",
            )?,
            ruling: connection.prepare_cached(
                "INSERT OR REPLACE INTO rulings (of, approved, since, author) \
                 VALUES (?1, ?2, ?3, ?4)",
            )?,
            ruling_ended: connection.prepare_cached("DELETE FROM rulings WHERE of = ?1")?,
            standing: connection.prepare_cached(
                "INSERT OR REPLACE INTO standing (id, posture, rejected, pending, detail, ports, \
                 since, deadline, author, paused) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?,
        })
    }

    pub(crate) fn write_door(&mut self, listed: &ListedDoor) -> rusqlite::Result<()> {
        let ListedDoor { door, since, until, author, service } = listed;
        self.door
            .execute(params![
                Column(door.act),
                source(door.from),
                door.port.protocol.number(),
                door.port.number,
                Column(*since),
                Column(*until),
                Column(*author),
                &**service
            ])
            .map(drop)
    }

    pub(crate) fn end_door(&mut self, door: Door) -> rusqlite::Result<()> {
        let Port { protocol, number } = door.port;
        self.door_ended
            .execute(params![Column(door.act), source(door.from), protocol.number(), number])
            .map(drop)
    }

    pub(crate) fn write_ruling(&mut self, ruling: &Ruling) -> rusqlite::Result<()> {
        let Ruling { of, approved, since, author } = ruling;
        self.ruling
            .execute(params![of.to_string(), approved, Column(*since), Column(*author)])
            .map(drop)
    }

    pub(crate) fn end_ruling(&mut self, of: &Approval) -> rusqlite::Result<()> {
        self.ruling_ended.execute(params![of.to_string()]).map(drop)
    }

    pub(crate) fn write_standing(&mut self, standing: &Standing) -> rusqlite::Result<()> {
        let pending = standing.pending.as_ref();
        let (kind, detail, ports) = pending.map_or((None, None, &[][..]), |it| parts(&it.what));
        self.standing
            .execute(params![
                THE_ROW,
                standing.posture.map(Posture::name),
                standing.rejected.as_deref(),
                kind,
                detail,
                Column(ports),
                pending.map(|pending| Column(pending.since)),
                pending.map(|pending| Column(pending.deadline)),
                pending.map(|pending| Column(pending.author)),
                standing.paused.map(Column)
            ])
            .map(drop)
    }
}

/// Returns the source of a door as a key that is never null: no bytes stand for everybody.
fn source(from: Option<Subject>) -> rusqlite::types::Value {
    from.map_or(rusqlite::types::Value::Blob(Vec::new()), |subject| {
        SubjectKey::exactly(subject).value()
    })
}

/// Returns a risky change as its kind, its one word and its ports.
fn parts(what: &RiskyChange) -> (Option<&'static str>, Option<&str>, &[Port]) {
    match what {
        RiskyChange::Lockdown { before } => (Some(LOCKDOWN), before.map(Posture::name), &[]),
        RiskyChange::Shut { ports } => (Some(SHUT), None, ports),
        RiskyChange::Configuration { fingerprint } => (Some(CONFIGURATION), Some(fingerprint), &[]),
    }
}

const LOCKDOWN: &str = "lockdown";
const SHUT: &str = "shut";
const CONFIGURATION: &str = "configuration";

/// Returns the doors that are in force at `now`; rows that do not read back are left out.
pub(crate) fn doors(connection: &Connection, now: Timestamp) -> rusqlite::Result<Vec<ListedDoor>> {
    let sql = "SELECT act, source, protocol, port, since, until, author, service FROM doors \
               WHERE until > ?1 ORDER BY act, source, protocol, port";
    let mut found = Vec::new();
    in_chunks(connection, sql, [Column(now)], door, |chunk| found.extend(chunk))?;
    Ok(found)
}

/// Returns every ruling; rows that do not read back are left out.
pub(crate) fn rulings(connection: &Connection) -> rusqlite::Result<Vec<Ruling>> {
    let sql = "SELECT of, approved, since, author FROM rulings ORDER BY of";
    let mut found = Vec::new();
    in_chunks(connection, sql, [], ruling, |chunk| found.extend(chunk))?;
    Ok(found)
}

/// Returns the standing; nothing was decided if there is none.
pub(crate) fn standing(connection: &Connection) -> rusqlite::Result<Standing> {
    let sql = "SELECT posture, rejected, pending, detail, ports, since, deadline, author, \
               paused FROM standing WHERE id = ?1";
    let row = connection.prepare_cached(sql)?.query_row([THE_ROW], read_standing).optional()?;
    Ok(row.unwrap_or_default())
}

/// Returns all three as records, for another ledger.
pub(crate) fn records(connection: &Connection) -> rusqlite::Result<Vec<Record>> {
    let doors = doors(connection, Timestamp::default())?.into_iter().map(Record::Door);
    let rulings = rulings(connection)?.into_iter().map(Record::Ruling);
    let standing = Some(standing(connection)?).filter(|standing| *standing != Standing::default());
    Ok(doors.chain(rulings).chain(standing.map(Record::Standing)).collect())
}

fn door(row: &Row<'_>) -> rusqlite::Result<ListedDoor> {
    let service: String = row.get(7)?;
    Ok(ListedDoor {
        door: Door {
            act: row.get::<_, Column<_>>(0)?.0,
            from: row.get::<_, Source>(1)?.0,
            port: Port { protocol: row.get::<_, Column<_>>(2)?.0, number: row.get(3)? },
        },
        since: row.get::<_, Column<_>>(4)?.0,
        until: row.get::<_, Column<_>>(5)?.0,
        author: row.get::<_, Column<_>>(6)?.0,
        service: service.into(),
    })
}

fn ruling(row: &Row<'_>) -> rusqlite::Result<Ruling> {
    Ok(Ruling {
        of: row.get::<_, Column<_>>(0)?.0,
        approved: row.get(1)?,
        since: row.get::<_, Column<_>>(2)?.0,
        author: row.get::<_, Column<_>>(3)?.0,
    })
}

fn read_standing(row: &Row<'_>) -> rusqlite::Result<Standing> {
    let rejected: Option<String> = row.get(1)?;
    let kind: Option<String> = row.get(2)?;
    let what = kind.map(|kind| risky_change(&kind, row)).transpose()?;
    let pending = what
        .map(|what| {
            Ok::<_, rusqlite::Error>(Pending {
                what,
                since: row.get::<_, Column<_>>(5)?.0,
                deadline: row.get::<_, Column<_>>(6)?.0,
                author: row.get::<_, Column<_>>(7)?.0,
            })
        })
        .transpose()?;
    let posture = row.get::<_, Option<Column<Posture>>>(0)?.map(|column| column.0);
    let paused = row.get::<_, Option<Column<Timestamp>>>(8)?.map(|column| column.0);
    Ok(Standing { posture, pending, rejected: rejected.map(Arc::from), paused })
}

fn risky_change(kind: &str, row: &Row<'_>) -> rusqlite::Result<RiskyChange> {
    match kind {
        LOCKDOWN => {
            let before = row.get::<_, Option<Column<Posture>>>(3)?.map(|column| column.0);
            Ok(RiskyChange::Lockdown { before })
        }
        SHUT => Ok(RiskyChange::Shut { ports: row.get::<_, Column<_>>(4)?.0 }),
        CONFIGURATION => {
            let fingerprint: String = row.get(3)?;
            Ok(RiskyChange::Configuration { fingerprint: fingerprint.into() })
        }
        _ => Err(FromSqlError::InvalidType.into()),
    }
}

/// The source of a door.
struct Source(Option<Subject>);

impl FromSql for Source {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        if value.as_blob()?.is_empty() {
            return Ok(Self(None));
        }
        Column::<Subject>::column_result(value).map(|subject| Self(Some(subject.0)))
    }
}

impl ToSql for Column<DoorAct> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(match self.0 {
            DoorAct::Open => "open",
            DoorAct::Shut => "shut",
        }))
    }
}

impl FromSql for Column<DoorAct> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "open" => Ok(Self(DoorAct::Open)),
            "shut" => Ok(Self(DoorAct::Shut)),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

impl FromSql for Column<Protocol> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        let known = [Protocol::Tcp, Protocol::Udp];
        let found = known.into_iter().find(|known| i64::from(known.number()) == number);
        found.map(Self).ok_or(FromSqlError::InvalidType)
    }
}

impl FromSql for Column<Posture> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = value.as_str()?;
        let found = [Posture::Open, Posture::Closed].into_iter().find(|one| one.name() == name);
        found.map(Self).ok_or(FromSqlError::InvalidType)
    }
}

impl FromSql for Column<Approval> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let approval = value.as_str()?.parse();
        approval.map(Self).map_err(|why| FromSqlError::Other(Box::new(why)))
    }
}
