//! The journal's lines as they are stored: flat, so that they can be searched and shown without
//! knowing every kind of note.

use portguard_core::{
    Author, Decision, Entry, Family, Health, KnockNews, Level, Measure, Note, Port, Process,
    Release, ReleaseCause, ShareStep, Subject, Timestamp, Until,
};
use rusqlite::Row;

use crate::column::{Column, Pairs};

/// One line of the journal, as stored and as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its number in the ledger, from 1; later lines have larger ones. 0 before it is recorded.
    /// A fresh ledger counts from 1 again.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// The stable name of the note's kind (`decision`).
    pub kind: String,
    /// How much it matters.
    pub level: Level,
    /// Whom it is about, if it is about somebody.
    pub subject: Option<Subject>,
    /// What was done, ended or refused.
    pub measure: Option<Measure>,
    /// The ports that the measure is limited to, lowest first; empty for all.
    pub ports: Vec<Port>,
    /// When the measure ends.
    pub until: Option<Until>,
    /// Which ban in a row it is; 0 if it is none that a ladder gave.
    pub nth_ban: u32,
    /// Who decided, asked for or lifted it.
    pub author: Option<Author>,
    /// The note's own words: the reason, the cause, what noticed it, what was lost.
    pub text: String,
    /// The note's remaining facts, by name, in the order they are shown.
    pub details: Vec<(String, String)>,
    /// What was seen, by name, in the order it is shown.
    pub evidence: Vec<(String, String)>,
}

/// The columns of a line, in the order in which [`StoredEntry::read`] wants them.
pub(crate) const ENTRY_COLUMNS: &str = "id, at, kind, level, subject, measure, ports, until, \
                                        nth_ban, author, text, details, evidence";

impl From<&Entry> for StoredEntry {
    fn from(entry: &Entry) -> Self {
        let blank = Self {
            id: 0,
            at: entry.at,
            kind: entry.note.kind().to_owned(),
            level: entry.note.level(),
            subject: entry.note.subject(),
            measure: None,
            ports: Vec::new(),
            until: None,
            nth_ban: 0,
            author: None,
            text: String::new(),
            details: Pairs::new(),
            evidence: Pairs::new(),
        };
        blank.telling(&entry.note)
    }
}

impl StoredEntry {
    /// Returns the line that a row of [`ENTRY_COLUMNS`] holds.
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            at: row.get::<_, Column<_>>(1)?.0,
            kind: row.get(2)?,
            level: row.get::<_, Column<_>>(3)?.0,
            subject: row.get::<_, Option<Column<_>>>(4)?.map(inner),
            measure: row.get::<_, Option<Column<_>>>(5)?.map(inner),
            ports: row.get::<_, Column<_>>(6)?.0,
            until: row.get::<_, Option<Column<_>>>(7)?.map(inner),
            nth_ban: row.get(8)?,
            author: row.get::<_, Option<Column<_>>>(9)?.map(inner),
            text: row.get(10)?,
            details: row.get::<_, Column<_>>(11)?.0,
            evidence: row.get::<_, Column<_>>(12)?.0,
        })
    }

    /// Returns the line with all that the note says and its common columns do not.
    fn telling(self, note: &Note) -> Self {
        match note {
            Note::Started { version } => self.detail("version", version),
            Note::Stopped { table } => self.text(table),
            Note::TrapSet { family, address, port } => self.trap(*family, address, *port),
            Note::TrapMissing { family, address, port, why } => {
                self.trap(*family, address, *port).text(why)
            }
            Note::Offence { peer: _, subject, origin, grade, evidence, excused } => Self {
                evidence: evidence.0.iter().map(|(name, value)| pair(name, value)).collect(),
                ..self
                    .text(origin)
                    .detail("counted-for", subject)
                    .detail("grade", grade)
                    .detail_if_any("excused", excused.as_ref())
            },
            Note::Decision(decision) => self.decision(decision),
            Note::Release(release) => self.release(release),
            Note::Refused { subject: _, measure, refusal, author } => Self {
                measure: Some(*measure),
                author: Some(*author),
                ..self.text(&refusal.why).detail_if_any("hint", refusal.hint.as_ref())
            },
            Note::Proposed(one) => Self {
                measure: Some(one.measure),
                ports: one.ports.clone(),
                until: Some(Until::at(one.until)),
                ..self
                    .text(&note.words().unwrap_or_default())
                    .detail("proposal", &one.id)
                    .detail("severity", &one.severity)
                    .detail("confidence", &format!("{}%", one.confidence))
            },
            Note::Anomaly { origin, severity, evidence } => Self {
                evidence: evidence.0.iter().map(|(name, value)| pair(name, value)).collect(),
                ..self.text(origin).detail("severity", severity)
            },
            Note::Share { port, provider, step } => {
                let hint = match step {
                    ShareStep::Refused { hint, .. } => hint.as_ref(),
                    _ => None,
                };
                let text = note.words().unwrap_or_default();
                let line = self.text(&text).detail("port", port).detail("provider", provider);
                Self { author: step.author(), ..line.detail_if_any("hint", hint) }
            }
            Note::Remote { step, grade } => Self {
                author: step.author(),
                ..self
                    .text(&note.words().unwrap_or_default())
                    .detail("grade", grade)
                    .detail_if_any("hint", step.hint())
            },
            Note::Knock(news) => self.knock(news, note),
            Note::Paused { until, author } => Self {
                until: Some(Until::at(*until)),
                author: Some(*author),
                ..self.text(&note.words().unwrap_or_default())
            },
            Note::Repaired { what, by } => self.text(what).process(by),
            Note::Health { source, health } => self.detail("source", source).health(health),
            Note::NotEnforced { why } => self.text(why),
            Note::Full { table, dropped: _ } => self.detail("table", table),
            note => self.text(&note.words().unwrap_or_default()),
        }
    }

    fn knock(self, news: &KnockNews, note: &Note) -> Self {
        let line = self
            .text(&note.words().unwrap_or_default())
            .detail("key", &news.key)
            .detail("service", &news.service)
            .detail("sender", &news.sender)
            .detail("grade", &KnockNews::GRADE)
            .detail_if_any("refused", news.refused.as_ref());
        Self { author: Some(Author::Knock(news.key)), ..line }
    }

    fn trap(self, family: Family, address: &impl ToString, port: Port) -> Self {
        self.detail("family", &family).detail("address", address).detail("port", &port)
    }

    fn decision(self, decision: &Decision) -> Self {
        let mut ports = decision.ports.clone();
        ports.sort_unstable();
        ports.dedup();
        Self {
            measure: Some(decision.measure),
            ports,
            until: Some(decision.until),
            nth_ban: decision.nth_ban,
            author: Some(decision.author),
            ..self.text(&decision.reason)
        }
    }

    fn release(self, release: &Release) -> Self {
        let line = Self { measure: Some(release.measure), ..self.text(&release.cause) };
        match &release.cause {
            ReleaseCause::Expired => line.detail("cause", &"expired"),
            ReleaseCause::Lifted(author) => {
                Self { author: Some(*author), ..line.detail("cause", &"lifted") }
            }
            ReleaseCause::Allowed => line.detail("cause", &"allowed"),
            ReleaseCause::Protected(why) => {
                line.detail("cause", &"protected").detail("protection", why)
            }
            ReleaseCause::Replaced => line.detail("cause", &"replaced"),
            ReleaseCause::Evicted => line.detail("cause", &"evicted"),
            ReleaseCause::Unconfirmed => line.detail("cause", &"unconfirmed"),
        }
    }

    fn health(self, health: &Health) -> Self {
        match health {
            Health::Good => self.detail("health", &"good"),
            Health::Degraded(why) => self.detail("health", &"degraded").text(why),
            Health::Broken(why) => self.detail("health", &"broken").text(why),
        }
    }

    fn process(self, process: &Process) -> Self {
        let name = Some(&process.name).filter(|name| !name.is_empty());
        self.detail_if_any("process", name).detail_if_any("pid", process.pid.as_ref())
    }

    fn text(self, text: &(impl ToString + ?Sized)) -> Self {
        Self { text: text.to_string(), ..self }
    }

    fn detail(mut self, name: &str, value: &(impl ToString + ?Sized)) -> Self {
        self.details.push((name.to_owned(), value.to_string()));
        self
    }

    fn detail_if_any(self, name: &str, value: Option<&impl ToString>) -> Self {
        match value {
            Some(value) => self.detail(name, value),
            None => self,
        }
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn inner<T>(column: Column<T>) -> T {
    column.0
}
