//! `config set`: changes one key of the configuration file and leaves the rest as it was written.

use std::{io, path::Path};

use portguard_api::port::Reloaded;
use toml_edit::{DocumentMut, Item, Value};

use crate::{
    config::{
        self, Loaded,
        edit::{self, EditError},
        file,
    },
    daemon,
    exit::{Failed, Turn},
};

use super::{Global, client::Client, ports::remind};

/// Sets a key, once the whole configuration as it would be holds, and tells the daemon.
pub(crate) fn set(global: &Global, key: &str, value: &str) -> Result<(), Failed> {
    let path = file::real(&global.config);
    let text = file::read(&path).map_err(|error| unwritable(&path, &error))?.unwrap_or_default();
    let keys = split(key)?;
    let (text, config) = changed(&global.config, &path, (&text, &keys, value))?;
    file::write(&path, &text).map_err(|error| unwritable(&path, &error))?;
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
        edit::put(&mut document, keys, Some(Item::Value(reading)))
            .map_err(|error| unfit(&error))?;
        let text = document.to_string();
        match config::load_with(main, &daemon::surroundings(), main, Some(&text)) {
            Ok(loaded) => return Ok((text, loaded)),
            // What is wrong with the value as it was written says more than with it as a string.
            Err(found) => mistakes = mistakes.or(Some(found)),
        }
    }
    Err(config::failed(&mistakes.unwrap_or_default()))
}

/// Returns the parts of a key below a section.
fn split(key: &str) -> Result<Vec<String>, Failed> {
    let parts = edit::split(key).ok().filter(|parts| parts.len() > 1);
    parts.ok_or_else(|| unfit(&EditError::Key(key.to_owned())))
}

fn unfit(error: &EditError) -> Failed {
    let failed = Failed::new(Turn::Usage, error.to_string());
    match error {
        EditError::Key(_) => failed.hint("portguard config show shows every key"),
        _ => failed,
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failed {
    let line = format!("cannot change {}: {error}", path.display());
    let turn = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Turn::NotPermitted,
        _ => Turn::Usage,
    };
    Failed::new(turn, line)
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

    #[test]
    fn what_is_no_key_is_refused() {
        for key in ["", "ports", "ports.", "ports..x", "[ports]"] {
            assert!(split(key).is_err(), "{key}");
        }
    }
}
