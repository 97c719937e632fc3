//! The configuration file, seen and changed from a face.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The configuration file as it is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConfigFile {
    /// Where it lies.
    pub path: String,
    /// Its text; empty if there is no file.
    pub text: String,
    /// Names this very text; an order to change it must name what it changes.
    pub version: String,
    /// Files that are read after it and may overrule it.
    pub drop_ins: Vec<String>,
    /// Set if a change waits for its confirmation.
    pub pending: Option<crate::port::Pending>,
}

/// A text to check.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigText {
    /// The whole text of the file.
    pub text: String,
}

/// What is wrong with a text.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ConfigCheck {
    /// Every mistake; with none the text can be applied.
    pub mistakes: Vec<ConfigMistake>,
    /// What is set in vain.
    pub warnings: Vec<String>,
    /// Its values, as the file's structure with defaults left out; null if it is no TOML.
    #[schema(value_type = Object, nullable)]
    pub values: Option<serde_json::Value>,
}

/// A mistake in a configuration.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConfigMistake {
    /// The line, from 1 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The key (`web.listen`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What is wrong, in one line.
    pub error: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A value to be set in a text, with comments and order kept.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigEdit {
    /// The whole text of the file.
    pub text: String,
    /// The key (`web.listen`, `watch.0.howmany`).
    pub key: String,
    /// The value; null takes the key out.
    #[schema(value_type = Object, nullable)]
    pub value: Option<serde_json::Value>,
}

/// The new text of the configuration file.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigOrder {
    /// The whole new text.
    pub text: String,
    /// The version that it was made from; if the file is another by now, nothing is changed.
    pub version: String,
}
