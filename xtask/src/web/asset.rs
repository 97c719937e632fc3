//! The built pages: how large they may be, since a slow line has to carry them before an operator
//! sees anything, and where the program takes them from.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use crate::step::StepError;

/// All assets together, compressed, in bytes.
const MOST: usize = 80_000;

/// Tells the size of every asset and of all.
///
/// # Errors
/// When they are too large together, or one lacks its compressed sibling.
pub(super) fn check(dist: &Path) -> Result<(), StepError> {
    let files = contents(dist)?;
    let mut total = 0;
    for (path, bytes) in &files {
        if path.extension().is_some_and(|ending| ending == "br") {
            continue;
        }
        let compressed = PathBuf::from(format!("{}.br", path.display()));
        let small = files.get(&compressed).map(Vec::len).ok_or_else(|| {
            StepError::Shape(format!("{} has no compressed sibling", path.display()))
        })?;
        eprintln!("xtask: {}: {} bytes, {small} with brotli", path.display(), bytes.len());
        total += small;
    }
    eprintln!("xtask: all assets: {total} bytes with brotli, {MOST} at most");
    if total <= MOST { Ok(()) } else { Err(StepError::Large { total, most: MOST }) }
}

/// Makes a folder the same as another; one that is already is not touched, so that the program that
/// carries the pages is not built again for nothing.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn lay_out(from: &Path, to: &Path) -> Result<(), StepError> {
    let fresh = contents(from)?;
    if to.is_dir() && contents(to)? == fresh {
        return Ok(());
    }
    if to.is_dir() {
        fs::remove_dir_all(to).map_err(unwritable(to))?;
    }
    for (name, bytes) in fresh {
        let path = to.join(name);
        let folder = path.parent().unwrap_or(to);
        fs::create_dir_all(folder).map_err(unwritable(folder))?;
        fs::write(&path, bytes).map_err(unwritable(&path))?;
    }
    Ok(())
}

/// Returns every file of a folder, by its path in it.
fn contents(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, StepError> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).map_err(unreadable(&at))? {
            let path = entry.map_err(unreadable(&at))?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).map_err(unreadable(&path))?;
                found.insert(path.strip_prefix(folder).unwrap_or(&path).to_owned(), bytes);
            }
        }
    }
    Ok(found)
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> StepError {
    let path = path.to_owned();
    move |source| StepError::Read { path, source }
}

fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> StepError {
    let path = path.to_owned();
    move |source| StepError::Write { path, source }
}
