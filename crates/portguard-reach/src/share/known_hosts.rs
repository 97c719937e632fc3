//! The file of host keys: whoever is met for the first time is trusted, and from then on only with
//! that key.
//!
//! It is a file of our own, in the form of OpenSSH's (`host algorithm key`), without its patterns,
//! hashed names and markers: what this program would not understand is refused, never skipped. A
//! file that can not be read in full counts as no permission, not as an empty one.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::Login;

/// Largest file, in bytes; it grows by one line for each provider that an operator chooses.
const LARGEST_FILE: u64 = 1 << 20;

/// A file of host keys; clones share it, and write one after the other.
#[derive(Clone, Debug)]
pub struct KnownHosts {
    path: PathBuf,
    writing: Arc<Mutex<()>>,
}

/// One line of the file: hosts and the key that each of them has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    hosts: Vec<String>,
    key: PublicKey,
}

/// How a host stands whose key was just proven.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Meeting {
    /// It has the key that is on record.
    Known,
    /// It was never met; the key is on record from here on.
    Learned,
    /// It was met with other keys, whose fingerprints these are.
    Changed(Vec<String>),
}

/// Why a line of the file can not be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Something is missing.
    #[error("is not `host algorithm key`")]
    Form,
    /// A marker such as `@revoked`, a pattern or a hashed name.
    #[error("has `{0}`, which is no plain name of a host")]
    Name(String),
    /// No public key.
    #[error("has no public key of an algorithm that is known")]
    Key,
}

/// Why the file can not be used; nobody is trusted then.
#[derive(Debug, thiserror::Error)]
pub enum KnownHostsError {
    /// It can not be read.
    #[error("cannot read the known hosts in {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// It is far too large.
    #[error("the known hosts in {} are more than {LARGEST_FILE} bytes", .0.display())]
    Large(PathBuf),
    /// A line can not be taken.
    #[error("line {line} of the known hosts in {}", .path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The line's number, counted from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: RecordError,
    },
    /// A new host can not be written down, so that its next key would be trusted too.
    #[error("cannot write the known hosts in {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

impl Record {
    /// Reads a line; blank lines and comments are no record.
    ///
    /// # Errors
    /// When it says something that is not understood.
    pub fn read(line: &str) -> Result<Option<Self>, RecordError> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (Some(hosts), Some(algorithm), Some(key)) = (words.next(), words.next(), words.next())
        else {
            return Err(RecordError::Form);
        };
        let hosts = hosts.split(',').map(plain_name).collect::<Result<Vec<_>, _>>()?;
        let key = PublicKey::from_openssh(&format!("{algorithm} {key}"));
        let key = key.map_err(|_| RecordError::Key)?;
        if key.algorithm().as_str() != algorithm {
            return Err(RecordError::Key);
        }
        Ok(Some(Self { hosts, key }))
    }

    fn is_of(&self, host: &str) -> bool {
        self.hosts.iter().any(|name| name == host)
    }
}

/// Returns a name in lower case, unless it is anything else than a name.
fn plain_name(text: &str) -> Result<String, RecordError> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let inner = text.strip_prefix('[').map_or(text, |rest| rest);
    let is_plain = inner.chars().all(|c| is_of_name(c) || c == ']') && !inner.is_empty();
    if is_plain { Ok(text.to_ascii_lowercase()) } else { Err(RecordError::Name(text.to_owned())) }
}

/// Returns the fingerprint of a key, as `ssh-keygen -l` shows it.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

impl KnownHosts {
    /// Returns the file at this path, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), writing: Arc::default() }
    }

    /// Returns where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the algorithms of the keys on record for a host; `None` if it was never met.
    ///
    /// # Errors
    /// When the file can not be read in full.
    pub fn algorithms(&self, login: &Login) -> Result<Option<Vec<Algorithm>>, KnownHostsError> {
        let keys = self.keys_of(login)?;
        let algorithms: Vec<Algorithm> = keys.iter().map(PublicKey::algorithm).collect();
        Ok(Some(algorithms).filter(|algorithms| !algorithms.is_empty()))
    }

    /// Returns how a host stands that has just proven to have this key; a host that was never met
    /// is put on record first.
    ///
    /// # Errors
    /// When the file can not be read in full or not be written.
    pub fn meet(&self, login: &Login, key: &PublicKey) -> Result<Meeting, KnownHostsError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.keys_of(login)?;
        if known.is_empty() {
            self.learn(login, key)?;
            return Ok(Meeting::Learned);
        }
        if known.iter().any(|known| known.key_data() == key.key_data()) {
            return Ok(Meeting::Known);
        }
        Ok(Meeting::Changed(known.iter().map(fingerprint).collect()))
    }

    fn keys_of(&self, login: &Login) -> Result<Vec<PublicKey>, KnownHostsError> {
        let host = login.known_as();
        let records = self.records()?.into_iter();
        Ok(records.filter(|record| record.is_of(&host)).map(|record| record.key).collect())
    }

    fn records(&self) -> Result<Vec<Record>, KnownHostsError> {
        let text = self.text()?;
        let numbered = text.lines().zip(1..);
        let records = numbered.map(|(line, number)| {
            let (path, line, read) = (self.path.clone(), number, Record::read(line));
            read.map_err(|source| KnownHostsError::Record { path, line, source })
        });
        records.filter_map(Result::transpose).collect()
    }

    fn text(&self) -> Result<String, KnownHostsError> {
        let fail = |error| KnownHostsError::Read(self.path.clone(), error);
        let file = match fs::File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            Err(error) => return Err(fail(error)),
        };
        let mut text = String::new();
        file.take(LARGEST_FILE + 1).read_to_string(&mut text).map_err(fail)?;
        let fits = u64::try_from(text.len()).is_ok_and(|length| length <= LARGEST_FILE);
        if fits { Ok(text) } else { Err(KnownHostsError::Large(self.path.clone())) }
    }

    /// Writes the file anew with one more line: there is never half of one.
    fn learn(&self, login: &Login, key: &PublicKey) -> Result<(), KnownHostsError> {
        let mut text = self.text()?;
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let mut key = key.clone();
        key.set_comment("");
        let fail = |error| KnownHostsError::Write(self.path.clone(), error);
        let line = key.to_openssh().map_err(|error| fail(io::Error::other(error)))?;
        text.extend([login.known_as().as_str(), " ", line.trim(), "\n"]);
        self.replace(&text).map_err(fail)
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let fresh = folder.join(name);
        // Left over from a crash in the middle of this.
        let _ = fs::remove_file(&fresh);
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        fs::File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests;
