//! Tables that the daemon sorts, filters and pages, so that a face never holds a hundred thousand rows.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which rows of a table are wanted.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct TableQuery {
    /// The column to sort by, by its name in the row; absent: the table's own order.
    pub sort: Option<String>,
    /// Whether the greatest come first.
    pub descending: bool,
    /// Only rows that contain this text, in whatever case, or that lie in this network.
    pub find: Option<String>,
    /// How many rows to skip.
    pub offset: usize,
    /// How many rows, at most 1,000; absent: 100.
    pub limit: Option<usize>,
}

/// A part of a table.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Table<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many rows match what was looked for.
    pub found: usize,
    /// How many rows there are.
    pub total: usize,
}
