//! Makes a table of the built interface (`web/dist`, by `cargo xtask web`): path, content, brotli,
//! tag. Never starts npm: a build of the program needs no Node, and says so once where the
//! interface is missing.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed=PORTGUARD_WEB_DIST");
    println!("cargo::rerun-if-changed=build.rs");
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = here.ancestors().nth(2).unwrap_or(&here);
    let given = env::var_os("PORTGUARD_WEB_DIST").filter(|folder| !folder.is_empty());
    let folder = given.map_or_else(|| root.join("web/dist"), PathBuf::from);
    // A folder that is missing is noticed by its parent once it comes.
    if let Some(watched) = folder.ancestors().take(2).find(|folder| folder.is_dir()) {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
    let mut files = Vec::new();
    if folder.join("index.html").is_file() {
        collect(&folder, &mut files)?;
    } else {
        let level =
            if env::var_os("CARGO_FEATURE_EMBED_REQUIRED").is_some() { "error" } else { "warning" };
        let missing = folder.join("index.html");
        println!(
            "cargo::{level}=the web interface is not built in: there is no {}; `cargo xtask web` makes it",
            missing.display()
        );
    }
    files.sort();
    let rows: String = files.iter().map(|path| row(&folder, path)).collect::<io::Result<_>>()?;
    let table = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("table.rs");
    fs::write(table, format!("const TABLE: &[Asset] = &[\n{rows}];\n"))
}

/// Adds every file below the folder but the compressed ones.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_none_or(|ending| ending != "br") {
            files.push(path);
        }
    }
    Ok(())
}

#[expect(clippy::unnecessary_debug_formatting, reason = "a path becomes a literal of Rust")]
fn row(folder: &Path, path: &Path) -> io::Result<String> {
    let name = path.strip_prefix(folder).map_err(io::Error::other)?;
    let path = path.canonicalize()?;
    let compressed = PathBuf::from(format!("{}.br", path.display()));
    let brotli = if compressed.is_file() {
        format!("Some(include_bytes!({compressed:?}))")
    } else {
        "None".to_owned()
    };
    let tag = fnv(&fs::read(&path)?);
    Ok(format!(
        "    Asset {{ path: {name:?}, bytes: include_bytes!({path:?}), brotli: {brotli}, \
         tag: \"W/\\\"{tag:016x}\\\"\" }},\n"
    ))
}

/// FNV-1a with 64 bits: tells two versions of a file apart, and guards nothing.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
