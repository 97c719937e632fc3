//! Tables that are sorted, searched and paged here, so that no face needs all rows.
//!
//! The guard thread only hands out copies, slice by slice; everything else is done on a blocking
//! thread, one question at a time. A copy serves all faces for some seconds, and is then freed.

mod copies;
mod row;

use axum::{
    Json,
    extract::{Query, State},
};
use portguard_api::{
    Problem,
    table::{Table, TableQuery},
    view,
};
use portguard_core::Subject;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Desk, answer::Failure, ask::list_named, role::MayRead};

pub(crate) use copies::Tables;

use copies::{Copied, Slot};
use row::Row;

/// Most rows of an answer: some hundred kilobytes of JSON.
const MOST_ROWS: usize = 1_000;

/// Rows of an answer when the question does not say.
const ROWS: usize = 100;

/// Longest text to look for, in bytes; no row has a longer one.
const LONGEST_FIND: usize = 256;

/// Which list, and the words of [`TableQuery`]: a query string can not be read in parts.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct HoldsQuery {
    /// `bans`, `allowed`, `throttled-soft`, `throttled-hard` or `protected`.
    list: String,
    /// The column to sort by, by its name in the row; absent: by subject.
    sort: Option<String>,
    /// Whether the greatest come first.
    #[serde(default)]
    descending: bool,
    /// Only rows that contain this text, in whatever case; of an address or a network, the rows
    /// inside and around it too.
    find: Option<String>,
    /// How many rows to skip.
    #[serde(default)]
    offset: usize,
    /// How many rows, at most 1,000; absent: 100.
    limit: Option<usize>,
}

/// A part of a list, sorted and searched.
#[utoipa::path(get, path = "/v1/table/holds", params(HoldsQuery),
    responses((status = 200, body = Table<view::Hold>), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn holds(
    _: MayRead,
    State(desk): State<Desk>,
    Query(query): Query<HoldsQuery>,
) -> Result<Json<Table<view::Hold>>, Failure> {
    let HoldsQuery { list, sort, descending, find, offset, limit } = query;
    let list = list_named(&list)?;
    let wanted = Wanted::read(TableQuery { sort, descending, find, offset, limit })?;
    answered(&desk, desk.views.tables.holds(list), list, wanted).await
}

/// A part of the offenders, sorted and searched; without a column the newest offence comes first.
#[utoipa::path(get, path = "/v1/table/offenders", params(TableQuery),
    responses((status = 200, body = Table<view::Offender>), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn offenders(
    _: MayRead,
    State(desk): State<Desk>,
    Query(query): Query<TableQuery>,
) -> Result<Json<Table<view::Offender>>, Failure> {
    answered(&desk, &desk.views.tables.offenders, (), Wanted::read(query)?).await
}

/// What is wanted of a table of one kind of rows.
struct Wanted<R: Row> {
    view: ViewKey<R::Column>,
    offset: usize,
    limit: usize,
}

/// What decides the order and the choice of a table's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ViewKey<C> {
    sort: C,
    descending: bool,
    find: Option<Find>,
}

/// What rows are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Find {
    /// In lower case.
    text: String,
    subject: Option<Subject>,
}

impl<R: Row> Wanted<R> {
    fn read(query: TableQuery) -> Result<Self, Failure> {
        let TableQuery { sort, descending, find, offset, limit } = query;
        let sort = match sort {
            None => R::OWN_ORDER,
            Some(name) => R::column(&name).ok_or_else(|| {
                Failure::usage(&format!(
                    "can not sort by `{name}`; known are {}",
                    R::COLUMNS.join(", ")
                ))
            })?,
        };
        let find = find.filter(|find| !find.trim().is_empty()).map(|find| Find::of(&find));
        let find = find.transpose()?;
        let limit = limit.unwrap_or(ROWS).clamp(1, MOST_ROWS);
        Ok(Self { view: ViewKey { sort, descending, find }, offset, limit })
    }
}

impl Find {
    fn of(text: &str) -> Result<Self, Failure> {
        if text.len() > LONGEST_FIND {
            let what = format!("nothing longer than {LONGEST_FIND} bytes can be looked for");
            return Err(Failure::usage(&what));
        }
        let text = text.trim();
        Ok(Self { text: text.to_lowercase(), subject: text.parse().ok() })
    }

    fn finds(&self, row: &impl Row, words: &mut String) -> bool {
        if self
            .subject
            .is_some_and(|subject| subject.covers(&row.subject()) || row.subject().covers(&subject))
        {
            return true;
        }
        words.clear();
        row.write_words(words);
        words.make_ascii_lowercase();
        words.contains(&self.text)
    }
}

async fn answered<R: Row>(
    desk: &Desk,
    slot: &Slot<R>,
    from: R::From,
    wanted: Wanted<R>,
) -> Result<Json<Table<R::View>>, Failure> {
    let copied = slot.copied(desk, from).await?;
    // One at a time: many faces that ask for much wait for each other, and not the guard for them.
    let turn = desk.views.tables.turn().await?;
    let table = tokio::task::spawn_blocking(move || {
        let table = part(&copied, &wanted);
        drop(turn);
        table
    });
    Ok(Json(table.await.map_err(|error| Failure::unavailable(&error))?))
}

/// Returns the wanted part of a copied table.
fn part<R: Row>(copied: &Copied<R>, wanted: &Wanted<R>) -> Table<R::View> {
    let order = copied.order(&wanted.view);
    let chosen = order.iter().skip(wanted.offset).take(wanted.limit);
    let rows = chosen.filter_map(|index| copied.rows.get(*index as usize));
    Table {
        items: rows.map(|row| row.shown(copied.at)).collect(),
        found: order.len(),
        total: copied.rows.len(),
    }
}

/// Returns the indices of the rows of a view, in its order. Rows that are alike keep their order,
/// turned round with all the others if the greatest come first.
fn arranged<R: Row>(rows: &[R], view: &ViewKey<R::Column>) -> Vec<u32> {
    let mut words = String::new();
    let numbered = (0_u32..).zip(rows);
    let mut order: Vec<u32> = numbered
        .filter(|(_, row)| view.find.as_ref().is_none_or(|find| find.finds(*row, &mut words)))
        .map(|(index, _)| index)
        .collect();
    R::sort(&mut order, rows, view.sort);
    if view.descending {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests;
