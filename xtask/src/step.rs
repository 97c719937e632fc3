//! Steps of a chore: programs that are run in the workspace's root and have to succeed.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Instant,
};

use thiserror::Error;

/// Where administration programs lie that an ordinary user's `PATH` often lacks.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Why a chore did not come to its end.
#[derive(Debug, Error)]
pub(crate) enum StepError {
    /// The program is missing or cannot be started.
    #[error("cannot start `{command}`")]
    Start {
        command: String,
        #[source]
        source: io::Error,
    },
    /// The program ended with a failure.
    #[error("`{command}` failed ({status})")]
    Failed { command: String, status: ExitStatus },
    /// Programs are missing that this chore cannot get by itself.
    #[error("missing: {0}")]
    Missing(String),
    /// The sources break rules of `tidy`.
    #[error("{0} untidy places")]
    Untidy(usize),
    /// A file or folder of the workspace cannot be read.
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file of the workspace cannot be written.
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file that a chore writes is not as that chore would write it.
    #[error("{path} is stale: run `cargo xtask {chore}` and commit it")]
    Stale { path: PathBuf, chore: &'static str },
    /// Something has a shape that no chore knows what to do with.
    #[error("{0}")]
    Shape(String),
    /// The pages became too large.
    #[error("the pages have {total} bytes with brotli; {most} are the limit")]
    Large { total: usize, most: usize },
    /// Some of several steps failed; each has been told already.
    #[error("failed: {0}")]
    Several(String),
}

/// Runs a program, showing what it prints.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<(), StepError> {
    run_with(&[], program, arguments)
}

/// Runs a program with additions to its environment, showing what it prints.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn run_with(
    environment: &[(&str, &str)],
    program: &str,
    arguments: &[&str],
) -> Result<(), StepError> {
    let line = [&[program], arguments].concat().join(" ");
    eprintln!("xtask: {line}");
    let begin = Instant::now();
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.iter().copied());
    command.env("PATH", search_path()).current_dir(root());
    let status =
        command.status().map_err(|source| StepError::Start { command: line.clone(), source })?;
    eprintln!("xtask: {line}: {:.1} s", begin.elapsed().as_secs_f32());
    if status.success() { Ok(()) } else { Err(StepError::Failed { command: line, status }) }
}

/// Runs a program and returns what it prints, showing its complaints.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Result<String, StepError> {
    let line = [&[program], arguments].concat().join(" ");
    eprintln!("xtask: {line}");
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", search_path()).current_dir(root());
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let ran = command.output();
    let ran = ran.map_err(|source| StepError::Start { command: line.clone(), source })?;
    if !ran.status.success() {
        return Err(StepError::Failed { command: line, status: ran.status });
    }
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}

/// Returns whether a program can be started and succeeds, showing nothing.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", search_path()).current_dir(root());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Returns whether a program of this name can be found.
pub(crate) fn is_there(program: &str) -> bool {
    env::split_paths(&search_path()).any(|folder| folder.join(program).is_file())
}

/// Tells the user of an error, with its causes.
pub(crate) fn tell(error: &StepError) {
    eprint!("error: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        eprint!(": {error}");
        cause = error.source();
    }
    eprintln!();
}

/// Returns the workspace's root folder.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask/ lies in the workspace")
}

/// Returns `PATH` with the folders of administration programs at its end.
fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(SYSTEM_FOLDERS.map(PathBuf::from));
    env::join_paths(folders).unwrap_or_else(|_| OsStr::new("").to_owned())
}
