//! `cargo xtask api-types`: the types of the pages' client, written from the API's own description.

mod typescript;

use std::fs;

use crate::{
    Chore,
    step::{self, StepError},
};

pub(crate) const CHORE: Chore = Chore {
    name: "api-types",
    summary: "write web/src/api.gen.ts from the API's description",
    run: |_| write(),
};

/// The file that is written, and committed, so that a change of the API is seen in review.
const FILE: &str = "web/src/api.gen.ts";

fn write() -> Result<(), StepError> {
    let path = step::root().join(FILE);
    fs::write(&path, generate()?).map_err(|source| StepError::Write { path, source })
}

/// Compares the committed file with what the API says.
///
/// # Errors
/// When they differ.
pub(crate) fn check() -> Result<(), StepError> {
    let path = step::root().join(FILE);
    let there = fs::read_to_string(&path)
        .map_err(|source| StepError::Read { path: path.clone(), source })?;
    let is_same = there == generate()?;
    if is_same { Ok(()) } else { Err(StepError::Stale { path, chore: CHORE.name }) }
}

fn generate() -> Result<String, StepError> {
    let ask = ["run", "--quiet", "--locked", "-p", "portguard", "--", "api-description"];
    let description = step::output("cargo", &ask)?;
    let description = serde_json::from_str(&description).map_err(|source| {
        StepError::Shape(format!("the API's description is no JSON: {source}"))
    })?;
    typescript::types(&description).map_err(|unknown| StepError::Shape(unknown.to_string()))
}
