//! What is inside a knock: who, when, for whom, which service, and the signature over it. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{LENGTH, SEALED, TAG};

/// Longest name of a service, in bytes.
pub const LONGEST_SERVICE: usize = 64;

/// Length of the signed part: who, when, for whom, which service, zeros.
pub(super) const BODY: usize = 127;

/// Length of an Ed25519 signature (RFC 8032).
const SIGNATURE: usize = 64;

/// Length of the message: the body and its signature.
pub(super) const MESSAGE: usize = BODY + SIGNATURE;

const _: () = assert!(MESSAGE + TAG == SEALED.end - SEALED.start && SEALED.end < LENGTH);

/// Where the parts of the body lie.
const KEY: std::ops::Range<usize> = 0..32;
const TIME: std::ops::Range<usize> = 32..40;
const FAMILY: usize = 40;
const ADDRESS: std::ops::Range<usize> = 41..57;
const SERVICE_LENGTH: usize = 57;
const SERVICE: std::ops::Range<usize> = 58..58 + LONGEST_SERVICE;
const ZEROS: std::ops::Range<usize> = SERVICE.end..BODY;

/// What the byte before the address says of it.
const NO_ADDRESS: u8 = 0;
const IPV4: u8 = 4;
const IPV6: u8 = 6;

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knock {
    /// When it was made, in milliseconds since the Unix epoch.
    pub at: u64,
    /// For whom the service is to be opened; `None`: for the sender.
    pub address: Option<IpAddr>,
    /// The service, 1 to [`LONGEST_SERVICE`] bytes.
    pub service: String,
}

/// A service that no knock can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a knock names a service of 1 to {LONGEST_SERVICE} bytes")]
pub struct ServiceError;

/// Returns the body that a knock of this key signs.
pub(super) fn write(knock: &Knock, key: &[u8; 32]) -> Result<[u8; BODY], ServiceError> {
    let service = knock.service.as_bytes();
    let length = u8::try_from(service.len()).map_err(|_| ServiceError)?;
    if service.is_empty() || service.len() > LONGEST_SERVICE {
        return Err(ServiceError);
    }
    let mut body = [0; BODY];
    body[KEY].copy_from_slice(key);
    body[TIME].copy_from_slice(&knock.at.to_be_bytes());
    match knock.address.map(|address| address.to_canonical()) {
        None => body[FAMILY] = NO_ADDRESS,
        Some(IpAddr::V4(address)) => {
            body[FAMILY] = IPV4;
            body[ADDRESS][..4].copy_from_slice(&address.octets());
        }
        Some(IpAddr::V6(address)) => {
            body[FAMILY] = IPV6;
            body[ADDRESS].copy_from_slice(&address.octets());
        }
    }
    body[SERVICE_LENGTH] = length;
    body[SERVICE][..service.len()].copy_from_slice(service);
    Ok(body)
}

/// Returns the key that a body says it is signed with.
pub(super) fn key_of(body: &[u8; BODY]) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(&body[KEY]);
    key
}

/// Reads a body; `None` if it was not written as [`write()`] does.
pub(super) fn read(body: &[u8; BODY]) -> Option<Knock> {
    let at = u64::from_be_bytes(*body[TIME].first_chunk()?);
    let address = read_address(body[FAMILY], *body[ADDRESS].first_chunk()?).ok()?;
    let length = usize::from(body[SERVICE_LENGTH]);
    let (name, rest) = body[SERVICE].split_at_checked(length)?;
    let is_clean = rest.iter().chain(&body[ZEROS]).all(|byte| *byte == 0);
    let service = std::str::from_utf8(name).ok().filter(|name| !name.is_empty() && is_clean)?;
    Some(Knock { at, address, service: service.to_owned() })
}

/// Reads an address, of which each has one form.
fn read_address(family: u8, octets: [u8; 16]) -> Result<Option<IpAddr>, ()> {
    let [a, b, c, d, rest @ ..] = octets;
    let address = match family {
        NO_ADDRESS if octets == [0; 16] => return Ok(None),
        IPV4 if rest == [0; 12] => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        IPV6 => IpAddr::V6(Ipv6Addr::from(octets)),
        _ => return Err(()),
    };
    if address.to_canonical() == address { Ok(Some(address)) } else { Err(()) }
}

/// Returns a message cut into its body and its signature.
pub(super) fn cut(message: &[u8]) -> Option<(&[u8; BODY], &[u8; SIGNATURE])> {
    let (body, signature) = message.split_first_chunk()?;
    Some((body, signature.try_into().ok()?))
}
