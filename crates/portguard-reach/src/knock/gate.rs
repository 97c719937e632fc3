//! Making a knock, and opening one: sifted by a hash first, then by keys. Pure.

use std::{collections::BTreeMap, time::Duration};

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use ring::hmac;
use x25519_dalek::{PublicKey, StaticSecret};

use super::{
    CHECK, EPHEMERAL, FRESH_FOR, HostKey, HostSecret, Knock, Knocker, LENGTH, SEALED, ServiceError,
    VERSION,
    cipher::{self, Ephemeral},
    message::{self, BODY, MESSAGE},
};

/// Why a packet opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// It is of another length or version.
    #[error("it has another length or version")]
    Malformed,
    /// It was made without the host's key, or changed on its way.
    #[error("it was made without the host's key")]
    Foreign,
    /// It can not be decrypted with the host's key.
    #[error("it can not be decrypted")]
    Undecipherable,
    /// No key of the configuration signed it.
    #[error("its key is not among `knock.keys`")]
    UnknownKey,
    /// The signature is not the key's.
    #[error("its signature is wrong")]
    Forged,
    /// It was made too long ago.
    #[error("it is {} s old", .0.as_secs())]
    Stale(Duration),
    /// It says that it will be made later.
    #[error("its time is {} s in the future", .0.as_secs())]
    Early(Duration),
    /// It has been here before.
    #[error("it was here before")]
    Replayed,
    /// Too many of the same key came within a short time.
    #[error("too many of its key came within {} s", 2 * FRESH_FOR.as_secs())]
    TooMany,
    /// Its key may not open the service, or nobody may.
    #[error("its key may not open that service")]
    Forbidden,
}

impl Refusal {
    /// Returns the name of its kind, for counting.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Foreign => "foreign",
            Self::Undecipherable => "undecipherable",
            Self::UnknownKey => "unknown-key",
            Self::Forged => "forged",
            Self::Stale(_) => "stale",
            Self::Early(_) => "early",
            Self::Replayed => "replayed",
            Self::TooMany => "too-many",
            Self::Forbidden => "forbidden",
        }
    }
}

/// What stands at the port: the host's key, and the keys of those who may knock.
#[derive(Debug)]
pub struct Gate {
    secret: HostSecret,
    public: HostKey,
    check: hmac::Key,
    keys: BTreeMap<[u8; 32], (VerifyingKey, Knocker)>,
}

/// A packet that was made for this host by somebody who knows its key. Nothing else is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Addressed<'a>(&'a [u8; LENGTH]);

/// A packet that a key of the configuration signed.
#[derive(Clone, Debug)]
pub struct Knocked<'a> {
    /// Whose key it is.
    pub knocker: &'a Knocker,
    /// What is asked for.
    pub knock: Knock,
    /// The packet's ephemeral key, which no other knock has.
    pub ephemeral: Ephemeral,
}

impl Gate {
    /// Returns a gate for these keys.
    pub fn new(secret: HostSecret, knockers: impl IntoIterator<Item = Knocker>) -> Self {
        let public = secret.public();
        let keys = knockers.into_iter().filter_map(|knocker| {
            let key = VerifyingKey::from_bytes(&knocker.key).ok()?;
            Some((knocker.key, (key, knocker)))
        });
        Self { secret, public, check: cipher::check_key(public), keys: keys.collect() }
    }

    /// Returns the public key that clients need.
    pub fn public(&self) -> HostKey {
        self.public
    }

    /// Looks at a packet without any public-key operation: by its form and its check.
    ///
    /// # Errors
    /// When it has another form, or was made without the host's key.
    pub fn sift<'a>(&self, packet: &'a [u8]) -> Result<Addressed<'a>, Refusal> {
        let packet: &[u8; LENGTH] = packet.try_into().map_err(|_| Refusal::Malformed)?;
        if packet[0] != VERSION {
            return Err(Refusal::Malformed);
        }
        let expected = cipher::check(&self.check, &packet[..CHECK.start]);
        // Without an early end, whatever may be learned from one where nobody answers.
        let pairs = expected.iter().zip(&packet[CHECK]);
        let is_right = pairs.fold(0, |differing, (one, other)| differing | (one ^ other)) == 0;
        if is_right { Ok(Addressed(packet)) } else { Err(Refusal::Foreign) }
    }

    /// Decrypts a packet and finds whose it is: one X25519 agreement and one Ed25519 check at most.
    ///
    /// # Errors
    /// When no key of the configuration signed it for this host.
    pub fn open(&self, packet: Addressed<'_>) -> Result<Knocked<'_>, Refusal> {
        let Addressed(packet) = packet;
        let ephemeral = packet_ephemeral(packet);
        let shared = self.secret.agree(&ephemeral);
        let key = cipher::cipher(&shared, self.public, &ephemeral);
        let key = key.ok_or(Refusal::Undecipherable)?;
        let mut sealed = [0; SEALED.end - SEALED.start];
        sealed.copy_from_slice(&packet[SEALED]);
        let message = cipher::decrypt(&key, &ephemeral, &mut sealed);
        let message = message.ok_or(Refusal::Undecipherable)?;
        let (body, signature) = message::cut(message).ok_or(Refusal::Undecipherable)?;
        let known = self.keys.get(&message::key_of(body));
        let (key, knocker) = known.ok_or(Refusal::UnknownKey)?;
        let signed = cipher::signed(self.public, &ephemeral, body);
        key.verify_strict(&signed, &Signature::from_bytes(signature))
            .map_err(|_| Refusal::Forged)?;
        let knock = message::read(body).ok_or(Refusal::Malformed)?;
        Ok(Knocked { knocker, knock, ephemeral })
    }
}

impl Addressed<'_> {
    /// Returns the packet's ephemeral key, which no other knock has.
    pub fn ephemeral(&self) -> [u8; 32] {
        packet_ephemeral(self.0)
    }
}

impl Knocked<'_> {
    /// Checks that the knock was made about now, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// When it is older than [`FRESH_FOR`], or from a later time than so far ahead.
    pub fn is_fresh(&self, now: u64) -> Result<(), Refusal> {
        let age = Duration::from_millis(now.saturating_sub(self.knock.at));
        let ahead = Duration::from_millis(self.knock.at.saturating_sub(now));
        if age > FRESH_FOR {
            Err(Refusal::Stale(age))
        } else if ahead > FRESH_FOR {
            Err(Refusal::Early(ahead))
        } else {
            Ok(())
        }
    }
}

/// Returns a knock for a host.
///
/// `seed` is the client's Ed25519 seed (RFC 8032 5.1.5), `ephemeral` 32 random bytes that are used
/// once.
///
/// # Errors
/// When the service can not be named.
pub fn seal(
    host: HostKey,
    seed: &[u8; 32],
    ephemeral: [u8; 32],
    knock: &Knock,
) -> Result<[u8; LENGTH], ServiceError> {
    let client = SigningKey::from_bytes(seed);
    let body: [u8; BODY] = message::write(knock, client.verifying_key().as_bytes())?;
    let secret = StaticSecret::from(ephemeral);
    let ephemeral = PublicKey::from(&secret).to_bytes();
    let signature = client.sign(&cipher::signed(host, &ephemeral, &body));

    let shared = secret.diffie_hellman(&PublicKey::from(*host.as_bytes()));
    let key = cipher::cipher(&shared, host, &ephemeral).expect("a host's key has no small order");
    let mut packet = [0; LENGTH];
    packet[0] = VERSION;
    packet[EPHEMERAL].copy_from_slice(&ephemeral);
    let (message, tag) = packet[SEALED].split_at_mut(MESSAGE);
    message[..BODY].copy_from_slice(&body);
    message[BODY..].copy_from_slice(&signature.to_bytes());
    tag.copy_from_slice(&cipher::encrypt(&key, &ephemeral, message));
    Ok(checked(host, packet))
}

/// Returns a packet with the check of who knows the host's public key.
pub fn checked(host: HostKey, mut packet: [u8; LENGTH]) -> [u8; LENGTH] {
    let check = cipher::check(&cipher::check_key(host), &packet[..CHECK.start]);
    packet[CHECK].copy_from_slice(&check);
    packet
}

fn packet_ephemeral(packet: &[u8; LENGTH]) -> Ephemeral {
    let mut ephemeral = [0; 32];
    ephemeral.copy_from_slice(&packet[EPHEMERAL]);
    ephemeral
}
