//! Keys of those who may order something from afar: public ones as the configuration lists them,
//! secret ones as their owners keep them, and new pairs.
//!
//! OpenSSH's keys serve control files and knocks, minisign's serve control files. Files are read
//! and written here; no thread of the daemon reads a secret key of these.

mod file;
mod public;
mod secret;

pub use file::{LARGEST_KEY_FILE, Made, MakeError, ShowError, make, show};
pub use public::{PublicKey, PublicKeyError};
pub use secret::{Passphrase, SecretKey, SecretKeyError};

pub(crate) use file::write_pair_half;
