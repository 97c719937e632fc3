//! `config set`: changes one key of the configuration file and leaves the rest as it was written.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use portguard_api::port::Reloaded;
use toml_edit::{DocumentMut, Item, Table, Value};

use crate::{
    config::{self, Loaded},
    daemon,
    exit::{Failed, Turn},
};

use super::{Global, client::Client, ports::remind};

/// Sets a key, once the whole configuration as it would be holds, and tells the daemon.
pub(crate) fn set(global: &Global, key: &str, value: &str) -> Result<(), Failed> {
    let path = fs::canonicalize(&global.config).unwrap_or_else(|_| global.config.clone());
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(unwritable(&path, &error)),
    };
    let keys = split(key)?;
    let (text, config) = changed(&global.config, &path, (&text, &keys, value))?;
    write(&path, &text).map_err(|error| unwritable(&path, &error))?;
    if !global.quiet {
        println!("{key} is set in {}", path.display());
    }
    if let Some(file) = config::set_elsewhere(&global.config, &keys) {
        eprintln!("warning: {} sets {key} as well, and wins", file.display());
    }
    let socket = global.socket.clone().unwrap_or_else(|| config.config.socket());
    reload(global, &socket)
}

/// Returns the text with the value in it, as TOML if the configuration then holds, else as a string.
fn changed(
    main: &Path,
    path: &Path,
    (text, keys, value): (&str, &[String], &str),
) -> Result<(String, Loaded), Failed> {
    let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        let line = format!("{}: {}", path.display(), error.message());
        Failed::new(Turn::Configuration, line)
    })?;
    let written: Option<Value> = value.parse().ok();
    let readings = written.into_iter().chain([Value::from(value)]);
    let mut mistakes = None;
    for reading in readings {
        let mut document = document.clone();
        put(&mut document, keys, reading)?;
        let text = document.to_string();
        match config::load_with(main, &daemon::surroundings(), main, Some(&text)) {
            Ok(loaded) => return Ok((text, loaded)),
            // What is wrong with the value as it was written says more than with it as a string.
            Err(found) => mistakes = mistakes.or(Some(found)),
        }
    }
    Err(config::failed(&mistakes.unwrap_or_default()))
}

/// Puts a value in; tables on the way to it are made. What stands around the old value stays.
fn put(document: &mut DocumentMut, keys: &[String], mut value: Value) -> Result<(), Failed> {
    let (name, tables) = keys.split_last().ok_or_else(|| no_key(""))?;
    let mut table: &mut dyn toml_edit::TableLike = document.as_table_mut();
    for step in tables {
        let new = || {
            let mut table = Table::new();
            table.set_implicit(tables.len() > 1);
            Item::Table(table)
        };
        let item = table.entry(step).or_insert_with(new);
        table = item.as_table_like_mut().ok_or_else(|| no_table(step))?;
    }
    match table.get_mut(name).and_then(Item::as_value_mut) {
        Some(old) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => {
            table.insert(name, Item::Value(value));
        }
    }
    Ok(())
}

/// Returns the parts of a key as TOML writes it: `services."my vpn".rate`.
fn split(key: &str) -> Result<Vec<String>, Failed> {
    let parts = toml_edit::Key::parse(key).map_err(|_| no_key(key))?;
    let parts: Vec<String> = parts.iter().map(|part| part.get().to_owned()).collect();
    if parts.len() < 2 { Err(no_key(key)) } else { Ok(parts) }
}

fn no_key(key: &str) -> Failed {
    Failed::new(Turn::Usage, format!("`{key}` is no key; write it like `ports.follow`"))
        .hint("portguard config show shows every key")
}

fn no_table(name: &str) -> Failed {
    let line = format!("`{name}` is a list or a value in the file; change it with an editor");
    Failed::new(Turn::Usage, line)
}

fn unwritable(path: &Path, error: &io::Error) -> Failed {
    let line = format!("cannot change {}: {error}", path.display());
    let turn = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Turn::NotPermitted,
        _ => Turn::Usage,
    };
    Failed::new(turn, line)
}

/// Writes the file whole or not at all, with the mode and the owner that it had.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let before = fs::metadata(path).ok();
    if before.as_ref().is_some_and(|before| before.permissions().readonly()) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // It does not end in `.toml`, so it is never read as a drop-in.
    let new: PathBuf = path.with_extension("toml.new");
    let mut file = fs::File::create(&new)?;
    file.write_all(text.as_bytes())?;
    if let Some(before) = before {
        fs::set_permissions(&new, fs::Permissions::from_mode(before.mode()))?;
        chown(&new, Some(before.uid()), Some(before.gid()))?;
    }
    file.sync_all()?;
    fs::rename(new, path)
}

/// Makes a running daemon take the configuration over.
pub(crate) fn reload(global: &Global, socket: &Path) -> Result<(), Failed> {
    if std::os::unix::net::UnixStream::connect(socket).is_err() {
        if !global.quiet {
            eprintln!("the daemon does not run; it takes this over when it starts");
        }
        return Ok(());
    }
    let client = Client::new(socket)?;
    let reloaded: Reloaded = client.post("/v1/reload", &serde_json::json!({}))?;
    if !reloaded.mistakes.is_empty() {
        return Err(Failed::lines(Turn::Configuration, reloaded.mistakes));
    }
    for warning in &reloaded.warnings {
        eprintln!("warning: {warning}");
    }
    reloaded.pending.iter().for_each(remind);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, key: &str, value: &str, expect: &str) {
        let mut document: DocumentMut = text.parse().unwrap();
        put(&mut document, &split(key).unwrap(), value.parse().unwrap()).unwrap();
        assert_eq!(document.to_string(), expect);
    }

    #[test]
    fn comments_and_order_survive() {
        check(
            "# mine\n[ports] # about ports\nfollow = \"all\"   # for now\nalways = [\"tcp/22\"]\n",
            "ports.follow",
            "\"none\"",
            "# mine\n[ports] # about ports\nfollow = \"none\"   # for now\nalways = [\"tcp/22\"]\n",
        );
    }

    #[test]
    fn tables_that_are_not_there_are_made() {
        check("", "ports.follow", "\"all\"", "[ports]\nfollow = \"all\"\n");
        check(
            "[guard]\nobserve = true\n",
            "services.\"my vpn\".rate",
            "\"1/minute\"",
            "[guard]\nobserve = true\n\n[services.\"my vpn\"]\nrate = \"1/minute\"\n",
        );
        check(
            "[services]\nssh = { ports = [\"tcp/22\"] }\n",
            "services.ssh.rate",
            "\"1/minute\"",
            "[services]\nssh = { ports = [\"tcp/22\"] , rate = \"1/minute\" }\n",
        );
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for key in ["", "ports", "ports.", "ports..x", "[ports]"] {
            assert!(split(key).is_err(), "{key}");
        }
    }
}
