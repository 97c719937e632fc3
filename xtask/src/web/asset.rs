//! How large the built pages may be: a slow line has to carry them before an operator sees anything.

use std::{fs, path::Path};

use crate::step::StepError;

/// All assets together, compressed, in bytes.
const MOST: u64 = 80_000;

/// Tells the size of every asset and of all.
///
/// # Errors
/// When they are too large together, or one lacks its compressed sibling.
pub(super) fn check(dist: &Path) -> Result<(), StepError> {
    let mut sizes = Vec::new();
    measure(dist, dist, &mut sizes)?;
    sizes.sort();
    for (name, raw, small) in &sizes {
        eprintln!("xtask: {name}: {raw} bytes, {small} with brotli");
    }
    let total: u64 = sizes.iter().map(|(.., small)| small).sum();
    eprintln!("xtask: all assets: {total} bytes with brotli, {MOST} at most");
    if total <= MOST { Ok(()) } else { Err(StepError::Large { total, most: MOST }) }
}

/// Adds name, size and compressed size of each asset in a folder and below.
fn measure(
    folder: &Path,
    dist: &Path,
    sizes: &mut Vec<(String, u64, u64)>,
) -> Result<(), StepError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source| StepError::Read { path, source }
    };
    for entry in fs::read_dir(folder).map_err(fail(folder))? {
        let path = entry.map_err(fail(folder))?.path();
        if path.is_dir() {
            measure(&path, dist, sizes)?;
        } else if path.extension().is_none_or(|ending| ending != "br") {
            let size =
                |path: &Path| fs::metadata(path).map(|found| found.len()).map_err(fail(path));
            let mut compressed = path.clone().into_os_string();
            compressed.push(".br");
            let name = path.strip_prefix(dist).unwrap_or(&path).display().to_string();
            sizes.push((name, size(&path)?, size(Path::new(&compressed))?));
        }
    }
    Ok(())
}
