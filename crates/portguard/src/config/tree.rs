//! One tree of keys out of several files; each key knows where it was written.

use std::{collections::BTreeMap, fmt, ops::Range, path::Path, sync::Arc};

use serde_path_to_error::Segment;
use toml::Value;
use toml_edit::{Document, Item, TableLike};

use super::{
    Mistake,
    key::{Key, Step},
};

/// Where a key was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The file, as it was named.
    pub(crate) file: Arc<str>,
    /// The line, counted from 1.
    pub(crate) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// All keys.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) top: BTreeMap<String, Node>,
}

/// One key's value and place.
#[derive(Debug)]
pub(super) struct Node {
    /// Absent for what is built in.
    place: Option<Place>,
    pub(super) shape: Shape,
    /// A mistake was found here; what reads the tree passes it over.
    is_struck: bool,
}

#[derive(Debug)]
pub(super) enum Shape {
    Leaf(Value),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

impl Tree {
    /// Adds a file's text: tables merge, lists of tables append, all else replaces what was there.
    ///
    /// # Errors
    /// The place at which the text is no TOML.
    pub(super) fn add(&mut self, file: &Path, text: &str) -> Result<(), Mistake> {
        let file = Text { file: Some(file.display().to_string().into()), text };
        let document = Document::parse(text).map_err(|error| Mistake {
            place: file.place(Some(error.span().unwrap_or_default())),
            key: Key::default(),
            what: error.message().trim().replace('\n', ", "),
        })?;
        merge(&mut self.top, file.table(document.as_table()));
        Ok(())
    }

    /// Returns a tree of what is there before any file is read.
    pub(super) fn built_in(text: &str) -> Self {
        let document = Document::parse(text).expect("what is built in is well written");
        Self { top: Text { file: None, text }.table(document.as_table()) }
    }

    /// Returns all that is not struck.
    pub(super) fn value(&self) -> Value {
        table_value(&self.top)
    }

    /// Returns where the key was written, or the nearest one around it.
    pub(super) fn place(&self, key: &Key) -> Option<&Place> {
        self.nodes_on(key).filter_map(|node| node.place.as_ref()).last()
    }

    /// Returns whether there is a key with a mistake of its own.
    pub(super) fn is_struck(&self, key: &Key) -> bool {
        let nodes: Vec<_> = self.nodes_on(key).collect();
        nodes.len() == key.steps().len() && nodes.last().is_some_and(|node| node.is_struck)
    }

    /// Passes the key over from here on; returns whether it was there.
    pub(super) fn strike(&mut self, key: &Key) -> bool {
        let Some((Step::Name(first), rest)) = key.steps().split_first() else { return false };
        let mut node = self.top.get_mut(first);
        for step in rest {
            node = node.and_then(|node| node.inner_mut(step));
        }
        node.is_some_and(|node| !std::mem::replace(&mut node.is_struck, true))
    }

    /// Returns the key that a reader of [`Self::value`] found at this path: rows that were struck
    /// count again.
    pub(super) fn key_at(&self, path: &serde_path_to_error::Path) -> Key {
        let mut key = Key::default();
        for segment in path {
            key = match segment {
                Segment::Map { key: name } => key.name(name),
                Segment::Seq { index } => key.row(self.row_behind_struck(&key, *index)),
                Segment::Enum { .. } | Segment::Unknown => break,
            };
        }
        key
    }

    fn row_behind_struck(&self, list: &Key, index: usize) -> usize {
        let Some(Node { shape: Shape::List(rows), .. }) = self.nodes_on(list).last() else {
            return index;
        };
        let left = rows.iter().enumerate().filter(|(_, row)| !row.is_struck);
        left.map(|(row, _)| row).nth(index).unwrap_or(index)
    }

    /// Returns the nodes on the way to a key, as far as there are any.
    fn nodes_on(&self, key: &Key) -> impl Iterator<Item = &Node> {
        let mut steps = key.steps().iter();
        let first = match steps.next() {
            Some(Step::Name(first)) => self.top.get(first),
            _ => None,
        };
        std::iter::successors(first, move |node| node.inner(steps.next()?))
    }
}

impl Node {
    fn inner(&self, step: &Step) -> Option<&Self> {
        match (&self.shape, step) {
            (Shape::Table(table), Step::Name(name)) => table.get(name),
            (Shape::List(rows), Step::Row(index)) => rows.get(*index),
            _ => None,
        }
    }

    fn inner_mut(&mut self, step: &Step) -> Option<&mut Self> {
        match (&mut self.shape, step) {
            (Shape::Table(table), Step::Name(name)) => table.get_mut(name),
            (Shape::List(rows), Step::Row(index)) => rows.get_mut(*index),
            _ => None,
        }
    }

    fn value(&self) -> Value {
        match &self.shape {
            Shape::Leaf(value) => value.clone(),
            Shape::Table(table) => table_value(table),
            Shape::List(rows) => {
                Value::Array(rows.iter().filter(|row| !row.is_struck).map(Self::value).collect())
            }
        }
    }
}

fn table_value(table: &BTreeMap<String, Node>) -> Value {
    let left = table.iter().filter(|(_, node)| !node.is_struck);
    Value::Table(left.map(|(name, node)| (name.clone(), node.value())).collect())
}

fn merge(into: &mut BTreeMap<String, Node>, from: BTreeMap<String, Node>) {
    for (name, node) in from {
        let Some(known) = into.get_mut(&name) else {
            into.insert(name, node);
            continue;
        };
        known.place = node.place;
        match (&mut known.shape, node.shape) {
            (Shape::Table(known), Shape::Table(more)) => merge(known, more),
            (Shape::List(known), Shape::List(more)) if are_tables(known, &more) => {
                known.extend(more);
            }
            (known, shape) => *known = shape,
        }
    }
}

fn are_tables(known: &[Node], more: &[Node]) -> bool {
    !known.is_empty() && known.iter().chain(more).all(|row| matches!(row.shape, Shape::Table(_)))
}

/// A file's text on its way into the tree.
struct Text<'a> {
    file: Option<Arc<str>>,
    text: &'a str,
}

impl Text<'_> {
    fn table(&self, table: &dyn TableLike) -> BTreeMap<String, Node> {
        let keys = table.iter().map(|(name, item)| {
            let span = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
            (name.to_owned(), self.node(span, self.item(item)))
        });
        keys.collect()
    }

    fn item(&self, item: &Item) -> Shape {
        match item {
            Item::None => Shape::Table(BTreeMap::new()),
            Item::Value(value) => self.value(value),
            Item::Table(table) => Shape::Table(self.table(table)),
            Item::ArrayOfTables(rows) => {
                let row =
                    |row: &toml_edit::Table| self.node(row.span(), Shape::Table(self.table(row)));
                Shape::List(rows.iter().map(row).collect())
            }
        }
    }

    fn value(&self, value: &toml_edit::Value) -> Shape {
        use toml_edit::Value as Written;
        Shape::Leaf(match value {
            Written::String(text) => Value::String(text.value().clone()),
            Written::Integer(number) => Value::Integer(*number.value()),
            Written::Float(number) => Value::Float(*number.value()),
            Written::Boolean(truth) => Value::Boolean(*truth.value()),
            Written::Datetime(moment) => Value::Datetime(*moment.value()),
            Written::InlineTable(table) => return Shape::Table(self.table(table)),
            Written::Array(values) => {
                let row = |value: &Written| self.node(value.span(), self.value(value));
                return Shape::List(values.iter().map(row).collect());
            }
        })
    }

    fn node(&self, span: Option<Range<usize>>, shape: Shape) -> Node {
        Node { place: self.place(span), shape, is_struck: false }
    }

    fn place(&self, span: Option<Range<usize>>) -> Option<Place> {
        let line = self.text.get(..span?.start)?.matches('\n').count() + 1;
        Some(Place { file: self.file.clone()?, line })
    }
}
