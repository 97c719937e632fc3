//! The configuration: shown, checked, edited and changed.

use std::{path::Path, sync::PoisonError};

use axum::{Json, extract::State};
use portguard_api::{
    Problem,
    config::{ConfigCheck, ConfigEdit, ConfigFile, ConfigMistake, ConfigOrder, ConfigText},
    port::Reloaded,
};

use crate::{
    config::{self, Loaded, Mistake, edit, file},
    daemon::{
        reload::{FileOrder, FileRefusal, overruled},
        system::{self, Signal},
    },
};

use super::{
    Desk,
    answer::Failure,
    ask::with_guard,
    ports::{pending, take_over},
    role::{MayOrder, MayRead},
};

/// Largest text of a configuration, in bytes; a thousand watches are a fifth of it.
const LARGEST_TEXT: usize = 1 << 20;

/// The configuration in effect, as TOML.
#[utoipa::path(get, path = "/v1/config", responses((status = 200, body = String)))]
pub(super) async fn config(_: MayRead, State(desk): State<Desk>) -> String {
    desk.about.configuration.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The configuration file as it is.
#[utoipa::path(get, path = "/v1/config/file", responses((status = 200, body = ConfigFile), (status = 403, body = Problem)))]
pub(super) async fn read_file(
    _: MayRead,
    State(desk): State<Desk>,
) -> Result<Json<ConfigFile>, Failure> {
    let waits = with_guard(&desk, |guard, now| guard.pending().map(|one| pending(one, now)));
    let waits = waits.await?;
    let path = desk.about.path.clone();
    let (text, drop_ins) = beside(move || {
        let text = file::read(&path).map_err(|error| {
            Failure::unavailable(&format!("cannot read {}: {error}", path.display()))
        })?;
        let drop_ins = config::drop_ins(&path).unwrap_or_default();
        Ok((text.unwrap_or_default(), drop_ins))
    })
    .await?;
    let shown = |path: &Path| path.display().to_string();
    Ok(Json(ConfigFile {
        path: shown(&desk.about.path),
        version: file::version(&text),
        text,
        drop_ins: drop_ins.iter().map(|path| shown(path)).collect(),
        pending: waits,
    }))
}

/// The JSON Schema of the configuration.
#[utoipa::path(get, path = "/v1/config/schema", responses((status = 200, body = serde_json::Value), (status = 403, body = Problem)))]
pub(super) async fn schema(_: MayRead) -> Json<serde_json::Value> {
    Json(config::schema())
}

/// Names every mistake of a text as the configuration file, with the drop-ins that are there.
#[utoipa::path(post, path = "/v1/config/check", request_body = ConfigText,
    responses((status = 200, body = ConfigCheck), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn check(
    _: MayRead,
    State(desk): State<Desk>,
    Json(ConfigText { text }): Json<ConfigText>,
) -> Result<Json<ConfigCheck>, Failure> {
    refuse_too_large(&text)?;
    let path = desk.about.path.clone();
    Ok(Json(beside(move || Ok(checked(&path, &text))).await?))
}

/// Sets or takes out one value of a text; comments and order stay.
#[utoipa::path(post, path = "/v1/config/edit", request_body = ConfigEdit,
    responses((status = 200, body = ConfigText), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn edit(
    _: MayRead,
    Json(ConfigEdit { text, key, value }): Json<ConfigEdit>,
) -> Result<Json<ConfigText>, Failure> {
    refuse_too_large(&text)?;
    let edited = beside(move || {
        edit::edited(&text, &key, value.as_ref()).map_err(|error| Failure::usage(&error))
    });
    Ok(Json(ConfigText { text: edited.await? }))
}

/// Replaces the configuration file and takes it over. With mistakes nothing is changed; a change that
/// takes a way in away goes back unless it is confirmed, and so does the file.
#[utoipa::path(put, path = "/v1/config/file", request_body = ConfigOrder,
    responses((status = 200, body = Reloaded), (status = 400, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn write_file(
    MayOrder(author): MayOrder,
    State(desk): State<Desk>,
    Json(ConfigOrder { text, version }): Json<ConfigOrder>,
) -> Result<Json<Reloaded>, Failure> {
    refuse_too_large(&text)?;
    let order = |asker| Signal::File(Box::new(FileOrder { text, version, author, asker }));
    let (mistakes, warnings) = take_over(&desk, order).await?.map_err(|why| {
        let hint = match &why {
            FileRefusal::Changed(_) => "load it again and make the change anew",
            FileRefusal::Unwritable(..) => "see who may write it",
        };
        Failure::refused_with(&why, hint)
    })?;
    let waits = with_guard(&desk, |guard, now| guard.pending().map(|one| pending(one, now)));
    Ok(Json(Reloaded { mistakes, warnings, pending: waits.await? }))
}

fn refuse_too_large(text: &str) -> Result<(), Failure> {
    if text.len() <= LARGEST_TEXT {
        return Ok(());
    }
    Err(Failure::usage(&format!("a configuration has at most {LARGEST_TEXT} bytes")))
}

/// Does what may take a while on a blocking thread.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::unavailable(&error))?
}

fn checked(path: &Path, text: &str) -> ConfigCheck {
    let values = text.parse::<toml::Table>().ok().map(toml::Value::Table);
    let values = values.as_ref().map(edit::json);
    match config::load_with(path, &system::surroundings(), path, Some(text)) {
        Ok(Loaded { mut warnings, .. }) => {
            warnings.extend(overruled(path, text));
            ConfigCheck { mistakes: Vec::new(), warnings, values }
        }
        Err(mistakes) => {
            let mistakes = mistakes.into_iter().map(|one| mistake(path, one)).collect();
            ConfigCheck { mistakes, warnings: Vec::new(), values }
        }
    }
}

/// Returns a mistake as views show it; one of a drop-in names its own place.
fn mistake(path: &Path, mistake: Mistake) -> ConfigMistake {
    let Mistake { place, key, what } = mistake;
    let of_file = place.as_ref().is_none_or(|place| *place.file == *path.display().to_string());
    let error = match &place {
        Some(place) if !of_file => format!("{place}: {what}"),
        _ => what,
    };
    let key = key.dotted();
    ConfigMistake {
        line: place.filter(|_| of_file).map(|place| place.line),
        key: (!key.is_empty()).then_some(key),
        error,
        hint: None,
    }
}
