//! Passwords: argon2id, two at a time, and the same time for users that do not exist.

use std::sync::{Arc, OnceLock};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use tokio::sync::Semaphore;

/// How many passwords are looked at side by side: each takes 19 MiB (the default of argon2, as
/// OWASP's cheat sheet on password storage has it) and a core. Others wait in line.
const AT_ONCE: usize = 2;

/// How many may wait in line; a few seconds' worth. Further ones are told to come later.
const IN_LINE: usize = 64;

/// A password can not be hashed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the password cannot be hashed: {0}")]
pub struct HashError(String);

/// Returns what is kept of a password.
///
/// # Errors
/// When the kernel gives no random numbers.
pub(crate) fn hash(password: &str) -> Result<String, HashError> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| HashError(error.to_string()))
}

/// Returns whether a password is the one that was kept; takes as long where none was.
pub(crate) fn holds(password: &str, kept: Option<&str>) -> bool {
    let kept = kept.unwrap_or_else(|| nobodys());
    let parsed = PasswordHash::new(kept);
    parsed.is_ok_and(|kept| Argon2::default().verify_password(password.as_bytes(), &kept).is_ok())
}

/// Returns a hash that no password has, since its password is not known to anybody.
fn nobodys() -> &'static str {
    static NOBODYS: OnceLock<String> = OnceLock::new();
    NOBODYS.get_or_init(|| {
        let unknown = crate::secret::Secret::new("").map(|secret| secret.text().to_owned());
        unknown.ok().and_then(|text| hash(&text).ok()).unwrap_or_default()
    })
}

/// The line of those who wait for their password to be looked at.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    places: Arc<Semaphore>,
    desks: Arc<Semaphore>,
}

/// The line is too long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooLong;

impl Line {
    pub(crate) fn new() -> Self {
        // Once, before the first stranger could measure it.
        nobodys();
        let places = Arc::new(Semaphore::new(IN_LINE));
        Self { places, desks: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Waits for a desk and does the work there, on a thread that may block.
    ///
    /// # Errors
    /// When too many wait already.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TooLong> {
        let _place = self.places.clone().try_acquire_owned().map_err(|_| TooLong)?;
        let desk = self.desks.clone().acquire_owned().await.map_err(|_| TooLong)?;
        let done = tokio::task::spawn_blocking(move || {
            let _desk = desk;
            work()
        });
        done.await.map_err(|_| TooLong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_holds_against_its_own_hash_only() {
        let kept = hash("correct horse").unwrap();
        assert!(kept.starts_with("$argon2id$"));
        assert_ne!(kept, hash("correct horse").unwrap());
        assert!(holds("correct horse", Some(&kept)));
        assert!(!holds("wrong horse", Some(&kept)));
        assert!(!holds("correct horse", None));
        assert!(!holds("", Some("broken")));
    }
}
