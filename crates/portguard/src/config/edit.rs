//! One value of a configuration's text, changed with everything around it left as it was written.

use serde_json::Value as Json;
use thiserror::Error;
use toml_edit::{
    Array, ArrayOfTables, DocumentMut, InlineTable, Item, Key, Table, TableLike, Value,
};

/// Why a value can not be put into a text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum EditError {
    /// The text is no TOML.
    #[error("the text is no TOML: {0}")]
    Text(String),
    /// The key is none.
    #[error("`{0}` is no key; write it like `ports.follow`")]
    Key(String),
    /// Something on the way to the key has no keys.
    #[error("`{0}` has no keys of its own in the file; change it with an editor")]
    NoTable(String),
    /// There is no such row.
    #[error("there is no row {0} in this list")]
    Row(String),
    /// TOML has no such value.
    #[error("{0} is no value that TOML has")]
    Value(&'static str),
}

/// Returns the parts of a key as TOML writes it: `services."my vpn".rate`, `watch.0.howmany`.
pub(crate) fn split(key: &str) -> Result<Vec<String>, EditError> {
    let parts = Key::parse(key).map_err(|_| EditError::Key(key.to_owned()))?;
    Ok(parts.iter().map(|part| part.get().to_owned()).collect())
}

/// Returns the text with a value in place of the one there; nothing takes the key out.
///
/// # Errors
/// When the text, the key or the value makes no sense.
pub(crate) fn edited(text: &str, key: &str, value: Option<&Json>) -> Result<String, EditError> {
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| EditError::Text(error.message().to_owned()))?;
    let keys = split(key)?;
    let item = value.filter(|value| !value.is_null()).map(item).transpose()?;
    put(&mut document, &keys, item)?;
    Ok(document.to_string())
}

/// Puts a value in, or takes one out; tables on the way to it are made. What stands around the old
/// value stays.
pub(crate) fn put(
    document: &mut DocumentMut,
    keys: &[String],
    item: Option<Item>,
) -> Result<(), EditError> {
    let (first, rest) = keys.split_first().ok_or_else(|| EditError::Key(String::new()))?;
    put_into(document.as_table_mut(), (first, rest), item)
}

fn put_into(
    table: &mut dyn TableLike,
    (name, rest): (&str, &[String]),
    item: Option<Item>,
) -> Result<(), EditError> {
    let Some((next, behind)) = rest.split_first() else {
        put_here(table, name, item);
        return Ok(());
    };
    if !table.contains_key(name) {
        if item.is_none() {
            return Ok(());
        }
        let mut new = Table::new();
        // A table that only holds others needs no line of its own.
        new.set_implicit(!behind.is_empty());
        table.insert(name, Item::Table(new));
    }
    match table.get_mut(name) {
        Some(Item::ArrayOfTables(rows)) => put_into_row(rows, (next, behind), item),
        Some(Item::Value(Value::Array(values))) => put_into_list(values, (next, behind), item),
        Some(inner) => {
            let inner =
                inner.as_table_like_mut().ok_or_else(|| EditError::NoTable(name.to_owned()))?;
            put_into(inner, (next, behind), item)
        }
        None => Err(EditError::NoTable(name.to_owned())),
    }
}

/// Puts a value into a row of a list of tables, a whole row in its place or behind the last one, or
/// takes it out.
fn put_into_row(
    rows: &mut ArrayOfTables,
    (row, rest): (&str, &[String]),
    item: Option<Item>,
) -> Result<(), EditError> {
    let no_row = || EditError::Row(row.to_owned());
    let index: usize = row.parse().map_err(|_| no_row())?;
    let Some((name, behind)) = rest.split_first() else {
        match item.map(Item::into_table) {
            None if index < rows.len() => drop(rows.remove(index)),
            Some(Ok(table)) if index == rows.len() => rows.push(table),
            Some(Ok(table)) => {
                let old = rows.get_mut(index).ok_or_else(no_row)?;
                let (decor, position) = (old.decor().clone(), old.position());
                *old = table;
                *old.decor_mut() = decor;
                old.set_position(position);
            }
            Some(Err(_)) => return Err(EditError::NoTable(row.to_owned())),
            None => return Err(no_row()),
        }
        return Ok(());
    };
    put_into(rows.get_mut(index).ok_or_else(no_row)?, (name, behind), item)
}

/// The same for a list of values.
fn put_into_list(
    values: &mut Array,
    (row, rest): (&str, &[String]),
    item: Option<Item>,
) -> Result<(), EditError> {
    let no_row = || EditError::Row(row.to_owned());
    let index: usize = row.parse().map_err(|_| no_row())?;
    if let Some((name, behind)) = rest.split_first() {
        let inner = values.get_mut(index).ok_or_else(no_row)?;
        let inner = match inner {
            Value::InlineTable(table) => table,
            _ => return Err(EditError::NoTable(row.to_owned())),
        };
        return put_into(inner, (name, behind), item);
    }
    match item.map(Item::into_value) {
        None if index < values.len() => drop(values.remove(index)),
        Some(Ok(value)) if index == values.len() => values.push(value),
        Some(Ok(mut value)) => {
            let old = values.get_mut(index).ok_or_else(no_row)?;
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        _ => return Err(no_row()),
    }
    Ok(())
}

fn put_here(table: &mut dyn TableLike, name: &str, item: Option<Item>) {
    let Some(item) = item else {
        table.remove(name);
        return;
    };
    let is_inline = table.get(name).is_some_and(Item::is_value);
    match (table.get_mut(name).and_then(Item::as_value_mut), item) {
        (Some(old), item) if is_inline => {
            if let Ok(mut value) = item.into_value() {
                *value.decor_mut() = old.decor().clone();
                *old = value;
            }
        }
        (_, item) => drop(table.insert(name, item)),
    }
}

/// Returns a value as TOML writes it at its best: objects as tables, lists of objects as lists of
/// tables, all else as plain values.
fn item(json: &Json) -> Result<Item, EditError> {
    match json {
        Json::Object(_) => Ok(Item::Table(table(json)?)),
        Json::Array(rows) if !rows.is_empty() && rows.iter().all(Json::is_object) => {
            let mut tables = ArrayOfTables::new();
            for row in rows {
                tables.push(table(row)?);
            }
            Ok(Item::ArrayOfTables(tables))
        }
        other => value(other).map(Item::Value),
    }
}

fn table(json: &Json) -> Result<Table, EditError> {
    let mut table = Table::new();
    for (name, inner) in json.as_object().into_iter().flatten().filter(|(_, one)| !one.is_null()) {
        table.insert(name, item(inner)?);
    }
    Ok(table)
}

fn value(json: &Json) -> Result<Value, EditError> {
    Ok(match json {
        Json::Null => return Err(EditError::Value("null")),
        Json::Bool(truth) => Value::from(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::from(whole),
            (None, Some(broken)) if !number.is_u64() => Value::from(broken),
            _ => return Err(EditError::Value("a number beyond 64 bits with a sign")),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(values) => {
            Value::Array(values.iter().map(value).collect::<Result<Array, _>>()?)
        }
        Json::Object(names) => {
            let mut table = InlineTable::new();
            for (name, inner) in names.iter().filter(|(_, one)| !one.is_null()) {
                table.insert(name, value(inner)?);
            }
            Value::InlineTable(table)
        }
    })
}

/// Returns a value of TOML as JSON; moments become their text, and numbers that are none become null.
pub(crate) fn json(value: &toml::Value) -> Json {
    match value {
        toml::Value::String(text) => Json::from(text.as_str()),
        toml::Value::Integer(number) => Json::from(*number),
        toml::Value::Float(number) => Json::from(*number),
        toml::Value::Boolean(truth) => Json::from(*truth),
        toml::Value::Datetime(moment) => Json::from(moment.to_string()),
        toml::Value::Array(values) => values.iter().map(json).collect(),
        toml::Value::Table(table) => {
            table.iter().map(|(name, value)| (name.clone(), json(value))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &str, key: &str, value: &Json, expect: &str) {
        assert_eq!(edited(text, key, Some(value)).as_deref(), Ok(expect), "{key} {value}");
    }

    #[test]
    fn comments_and_order_survive() {
        check(
            "# mine\n[ports] # about ports\nfollow = \"all\"   # for now\nalways = []\n",
            "ports.follow",
            &json!("none"),
            "# mine\n[ports] # about ports\nfollow = \"none\"   # for now\nalways = []\n",
        );
        check(
            "[[watch]] # one\nname = \"a\"\n\n[[watch]] # two\nname = \"b\" # its name\n",
            "watch.1.name",
            &json!("c"),
            "[[watch]] # one\nname = \"a\"\n\n[[watch]] # two\nname = \"c\" # its name\n",
        );
    }

    #[test]
    fn tables_that_are_not_there_are_made() {
        check("", "ports.follow", &json!("all"), "[ports]\nfollow = \"all\"\n");
        check(
            "[guard]\nobserve = true\n",
            "services.\"my vpn\".rate",
            &json!("1/minute"),
            "[guard]\nobserve = true\n\n[services.\"my vpn\"]\nrate = \"1/minute\"\n",
        );
        check(
            "[services]\nssh = { ports = [\"tcp/22\"] }\n",
            "services.ssh.rate",
            &json!("1/minute"),
            "[services]\nssh = { ports = [\"tcp/22\"] , rate = \"1/minute\" }\n",
        );
    }

    #[test]
    fn rows_are_added_changed_and_taken_out() {
        let one = "[[watch]]\nname = \"a\" # it\n";
        let row = json!({ "name": "b", "files": ["/var/log/b"], "howmany": null });
        check(
            one,
            "watch.1",
            &row,
            "[[watch]]\nname = \"a\" # it\n\n[[watch]]\nfiles = [\"/var/log/b\"]\nname = \"b\"\n",
        );
        check("", "watch", &json!([{ "name": "a" }]), "[[watch]]\nname = \"a\"\n");
        check(
            "[ports]\nalways = [\"tcp/22\", \"tcp/80\"]\n",
            "ports.always.1",
            &json!("tcp/81"),
            "[ports]\nalways = [\"tcp/22\", \"tcp/81\"]\n",
        );
        assert_eq!(edited(one, "watch.0", None).as_deref(), Ok(""));
        assert_eq!(edited(one, "watch.0.name", None).as_deref(), Ok("[[watch]]\n"));
        assert_eq!(edited(one, "ports.follow", None).as_deref(), Ok(one));
        assert_eq!(edited(one, "watch", Some(&Json::Null)).as_deref(), Ok(""));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let text = "follow = 1\n[[watch]]\nname = \"a\"\n";
        let one = json!(1);
        for (key, value, expect) in [
            ("", &one, EditError::Key(String::new())),
            ("ports.", &one, EditError::Key("ports.".to_owned())),
            ("[ports]", &one, EditError::Key("[ports]".to_owned())),
            ("follow.x", &one, EditError::NoTable("follow".to_owned())),
            ("watch.2.name", &one, EditError::Row("2".to_owned())),
            ("watch.x.name", &one, EditError::Row("x".to_owned())),
            ("watch.7", &json!({}), EditError::Row("7".to_owned())),
            ("watch.0", &one, EditError::NoTable("0".to_owned())),
            ("a.b", &json!([null]), EditError::Value("null")),
            ("a.b", &json!(u64::MAX), EditError::Value("a number beyond 64 bits with a sign")),
        ] {
            assert_eq!(edited(text, key, Some(value)), Err(expect), "{key} {value}");
        }
        assert!(matches!(edited("[", "a.b", None), Err(EditError::Text(_))));
    }

    #[test]
    fn values_come_back_as_json() {
        let table: toml::Table = "a = 1\nb = [1.5, true]\nc = 2024-01-01\n".parse().unwrap();
        let expect = json!({ "a": 1, "b": [1.5, true], "c": "2024-01-01" });
        assert_eq!(super::json(&toml::Value::Table(table)), expect);
    }
}
