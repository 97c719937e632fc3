//! What the daemon told as rows of the views, and what can be said of each row. Pure.

mod about;
mod afar;
mod packet;
mod port;
pub(crate) mod subject;

pub(crate) use about::About;
pub(crate) use afar::{file_words, knock_words};

use crate::{
    ask::List,
    data::Data,
    look::Tone,
    table::{Cell, Row},
    text,
    view::View,
};

/// Returns the rows of a view in their own order.
pub(crate) fn rows(view: View, data: &Data) -> Vec<Row> {
    fn numbered<T>(items: &[T], row: impl Fn(&T) -> (String, Vec<Cell>)) -> Vec<Row> {
        let rows = items.iter().enumerate().map(|(at, item)| {
            let (key, cells) = row(item);
            Row { key, cells, at }
        });
        rows.collect()
    }
    match view {
        View::Overview => Vec::new(),
        View::Sources => numbered(&sources(data), |source| subject::source(source)),
        View::Ports => numbered(&data.ports, port::port),
        View::Doors => numbered(&data.doors, port::door),
        View::Rulings => numbered(&data.rulings, port::ruling),
        View::Bans => numbered(data.list(List::Bans), subject::hold),
        View::Throttled => numbered(&throttled(data), |hold| subject::hold(hold)),
        View::Allowed => numbered(data.list(List::Allowed), subject::hold),
        View::Protected => numbered(data.list(List::Protected), subject::hold),
        View::Offenders => numbered(data.offenders(), subject::offender),
        View::Packets => live(numbered(&Vec::from_iter(&data.packets), |one| packet::packet(one))),
        View::Connections => {
            let items = data.connections.as_ref().map_or(&[][..], |all| &all.items);
            numbered(items, packet::connection)
        }
        View::Proposals => numbered(&data.proposals, subject::proposal),
        View::Traps => numbered(&data.traps, port::trap),
        View::Watches => numbered(&data.watches, subject::watch),
        View::Scans => numbered(&data.scans, subject::scan),
        View::ControlFile => {
            numbered(data.control_file().map_or(&[], |file| &file.services), afar::service)
        }
        View::LeftOut => {
            numbered(data.control_file().map_or(&[], |file| &file.left_out), afar::line)
        }
        View::Knocks => numbered(data.knocks().map_or(&[], |knocks| &knocks.last), afar::knock),
        View::Keys => numbered(data.knocks().map_or(&[], |knocks| &knocks.keys), afar::key),
        View::Journal => live(numbered(&Vec::from_iter(&data.entries), |one| subject::entry(one))),
    }
}

/// Returns the hard and the soft throttles.
fn throttled(data: &Data) -> Vec<&portguard_api::view::Hold> {
    let lists = [List::ThrottledHard, List::ThrottledSoft];
    lists.into_iter().flat_map(|list| data.list(list)).collect()
}

/// Returns the ledger and every source of events.
pub(crate) fn sources(data: &Data) -> Vec<&portguard_api::view::Source> {
    let all = data.status.iter();
    all.flat_map(|status| std::iter::once(&status.ledger).chain(&status.sources)).collect()
}

/// The newest comes first.
fn live(mut rows: Vec<Row>) -> Vec<Row> {
    rows.reverse();
    rows
}

/// Returns how a health looks.
pub(crate) fn health(health: &str) -> Tone {
    match health {
        "good" => Tone::Good,
        "degraded" => Tone::Warning,
        _ => Tone::Bad,
    }
}

/// Returns a moment that may be none.
fn moment(at: Option<&str>) -> Cell {
    at.map_or_else(
        || Cell::text("-"),
        |at| Cell::ranked(text::day_and_time(at), text::second(at).unwrap_or(0)),
    )
}
