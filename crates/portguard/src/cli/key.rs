//! `key`: pairs of keys for control files and knocks.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use portguard_reach::key::{
    self, Made, MakeError, PublicKey, SecretKey, SecretKeyError, ShowError,
};
use serde_json::json;

use crate::{
    daemon,
    exit::{Failed, Turn, with_causes},
};

use super::{Global, show, unseen};

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a pair of keys (OpenSSH, Ed25519, no passphrase) and print the public one.
    New {
        /// The file of the secret key; the public one lies beside it as FILE.pub.
        /// By default ~/.config/portguard/key.
        file: Option<PathBuf>,
        /// What stands behind the public key; by default user and host.
        #[arg(long, value_name = "T")]
        comment: Option<String>,
    },
    /// Print the public key, as it belongs into `remote.keys` and `knock.keys`.
    Show {
        /// A secret or a public key of OpenSSH or minisign; by default ~/.config/portguard/key.
        file: Option<PathBuf>,
        /// This host's own key, which those who knock at it need (`pgk1...`).
        #[arg(long, conflicts_with = "file")]
        host: bool,
    },
}

/// Carries out `key`.
pub(crate) fn key(global: &Global, command: KeyCommand) -> Result<(), Failed> {
    match command {
        KeyCommand::New { file, comment } => new(global, file, comment),
        KeyCommand::Show { host: true, .. } => show_host(global),
        KeyCommand::Show { file, host: false } => {
            let file = file.map_or_else(default_file, Ok)?;
            let key = key::show(&file).map_err(|error| {
                let failed = Failed::new(Turn::Usage, with_causes(&error));
                match error {
                    ShowError::Read(..) => failed
                        .hint("portguard key new makes a pair; --host shows this host's own key"),
                    ShowError::Hidden(_) => failed.hint("name its .pub file"),
                    ShowError::Form(_) | ShowError::Key(..) => failed,
                }
            })?;
            shown(global, &key)
        }
    }
}

fn new(global: &Global, file: Option<PathBuf>, comment: Option<String>) -> Result<(), Failed> {
    let file = file.map_or_else(default_file, Ok)?;
    let comment = comment.unwrap_or_else(owner);
    if comment.contains(char::is_control) {
        return Err(Failed::new(Turn::Usage, "a comment is one line of text"));
    }
    let Made { key, public } = key::make(&file, &comment).map_err(|error| {
        let failed = Failed::new(Turn::Usage, with_causes(&error));
        match error {
            MakeError::Exists(_) => {
                failed.hint("name another file, or see it with portguard key show")
            }
            MakeError::Write(..) => failed,
        }
    })?;
    if !global.quiet {
        eprintln!("the secret key is in {}; keep it to yourself", file.display());
        eprintln!("the public key is in {}, for remote.keys and knock.keys:", public.display());
    }
    shown(global, &key)
}

fn shown(global: &Global, key: &PublicKey) -> Result<(), Failed> {
    if global.json {
        return show::json(&json!({
            "key": key.line(),
            "fingerprint": key.fingerprint(),
            "comment": key.comment(),
        }));
    }
    show::print(&format!("{}\n", key.line()))
}

/// Returns the file of the user's own key.
pub(super) fn default_file() -> Result<PathBuf, Failed> {
    own_file("key")
}

/// Returns a file of the user's own, by its name.
pub(super) fn own_file(name: &str) -> Result<PathBuf, Failed> {
    let set = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
    let folder = set("XDG_CONFIG_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let home = || set("HOME").map(|home| Path::new(&home).join(".config"));
    let folder = folder.or_else(home).ok_or_else(|| {
        Failed::new(Turn::Usage, "there is no home directory to look for a key in")
            .hint("name the file of the key")
    })?;
    Ok(folder.join("portguard").join(name))
}

/// Prints the key of this host, which is made if there is none.
fn show_host(global: &Global) -> Result<(), Failed> {
    let state_dir = crate::configured(&global.config).guard.state_dir;
    let secret = daemon::host_secret(&state_dir).map_err(|error| {
        Failed::new(Turn::NotPermitted, with_causes(&error))
            .hint("root may; portguard status shows it while knocks are taken")
    })?;
    let key = secret.public().to_string();
    if global.json {
        show::json(&json!({ "host_key": key }))
    } else {
        show::print(&format!("{key}\n"))
    }
}

/// Returns who makes the key, as `ssh-keygen` names it.
fn owner() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let owner = format!("{}@{name}", user.as_deref().unwrap_or("root"));
    owner.chars().filter(|c| !c.is_control()).collect()
}

/// Returns the secret key of a file; asks for its passphrase if it has one.
pub(super) fn secret(file: &Path) -> Result<SecretKey, Failed> {
    let mut ask = |path: &Path| {
        let question = format!("passphrase of {}", path.display());
        let answer = unseen::ask(&[question])?.pop();
        answer.map(Into::into).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    };
    SecretKey::open(file, &mut ask).map_err(|error| {
        let failed = Failed::new(Turn::Usage, with_causes(&error));
        match error {
            SecretKeyError::Read(..) => {
                failed.hint("portguard key new makes one, or name another with --key")
            }
            SecretKeyError::Algorithm(..) => failed.hint(
                "sign with ssh-keygen -Y sign -n portguard, or make a key with portguard key new",
            ),
            SecretKeyError::Form(_) | SecretKeyError::Ask(..) | SecretKeyError::Passphrase(_) => {
                failed
            }
        }
    })
}
