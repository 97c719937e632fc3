//! Knocks as a whole: what opens, what does not, and the vectors of `docs/knock-protocol.md`.

use std::{fmt::Write as _, net::IpAddr};

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_764_360_000_000;
const SEED: [u8; 32] = [3; 32];
const EPHEMERAL_SECRET: [u8; 32] = [5; 32];

fn public(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

fn knocker(seed: &[u8; 32], name: &str) -> Knocker {
    Knocker { name: name.to_owned(), key: public(seed), services: None }
}

/// The gate of the host whose secret is all sevens, for anna, whose seed is all threes.
fn gate() -> Gate {
    Gate::new(HostSecret::from_bytes([7; 32]), [knocker(&SEED, "anna")])
}

fn knock() -> Knock {
    Knock { at: NOW, address: None, service: "ssh".to_owned() }
}

fn packet(knock: &Knock) -> [u8; LENGTH] {
    seal(gate().public(), &SEED, EPHEMERAL_SECRET, knock).unwrap()
}

fn open(gate: &Gate, packet: &[u8]) -> Result<(String, Knock), Refusal> {
    let knocked = gate.open(gate.sift(packet)?)?;
    Ok((knocked.knocker.name.clone(), knocked.knock))
}

#[test]
fn a_knock_opens_as_it_was_made() {
    for (address, service) in [
        (None, "ssh"),
        (Some("198.51.100.9"), "s"),
        (Some("2001:db8::9"), "a service with a name as long as one can be, 64 bytes, not more."),
        (Some("0.0.0.0"), "\u{e4}\u{f6}\u{fc}"),
    ] {
        let address = address.map(|address| address.parse::<IpAddr>().unwrap());
        let knock = Knock { at: NOW, address, service: service.to_owned() };
        assert_eq!(open(&gate(), &packet(&knock)), Ok(("anna".to_owned(), knock)));
    }
    let mapped = Knock { address: Some("::ffff:192.0.2.7".parse().unwrap()), ..knock() };
    let (_, opened) = open(&gate(), &packet(&mapped)).unwrap();
    assert_eq!(opened.address, Some("192.0.2.7".parse().unwrap()));
}

#[test]
fn a_service_that_has_no_room_is_refused() {
    for service in [String::new(), "x".repeat(LONGEST_SERVICE + 1), "x".repeat(300)] {
        let knock = Knock { service, ..knock() };
        assert_eq!(seal(gate().public(), &SEED, EPHEMERAL_SECRET, &knock), Err(ServiceError));
    }
}

#[test]
fn no_bit_may_be_changed() {
    let (gate, whole) = (gate(), packet(&knock()));
    for bit in 0..8 * LENGTH {
        let mut changed = whole;
        changed[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 8 { Refusal::Malformed } else { Refusal::Foreign };
        assert_eq!(open(&gate, &changed), Err(expected), "bit {bit}");
    }
}

#[test]
fn no_bit_may_be_changed_by_who_knows_the_host_key() {
    let (gate, whole) = (gate(), packet(&knock()));
    for bit in 8..8 * CHECK.start {
        let mut changed = whole;
        changed[bit / 8] ^= 1 << (bit % 8);
        let changed = checked(gate.public(), changed);
        assert!(gate.sift(&changed).is_ok());
        assert_eq!(open(&gate, &changed), Err(Refusal::Undecipherable), "bit {bit}");
    }
}

#[test]
fn no_other_length_is_a_knock() {
    let whole = packet(&knock());
    let longer = [whole.as_slice(), &[0; 64]].concat();
    for length in (0..=longer.len()).filter(|length| *length != LENGTH) {
        assert_eq!(open(&gate(), &longer[..length]), Err(Refusal::Malformed), "{length}");
    }
}

#[test]
fn a_knock_for_another_host_or_by_another_key_opens_nothing() {
    let other = Gate::new(HostSecret::from_bytes([8; 32]), [knocker(&SEED, "anna")]);
    assert_eq!(open(&other, &packet(&knock())), Err(Refusal::Foreign));
    let by_stranger = seal(gate().public(), &[4; 32], EPHEMERAL_SECRET, &knock()).unwrap();
    assert_eq!(open(&gate(), &by_stranger), Err(Refusal::UnknownKey));
}

/// Returns a packet whose message is what somebody with the host's key likes.
fn forged(ephemeral: [u8; 32], change: impl FnOnce(&mut [u8; message::MESSAGE])) -> [u8; LENGTH] {
    let (host, secret) = (gate().public(), x25519_dalek::StaticSecret::from(ephemeral));
    let ephemeral = x25519_dalek::PublicKey::from(&secret).to_bytes();
    let shared = secret.diffie_hellman(&x25519_dalek::PublicKey::from(*host.as_bytes()));
    let key = cipher::cipher(&shared, host, &ephemeral).unwrap();
    let mut packet = packet(&knock());
    let mut opened = [0; message::MESSAGE + TAG];
    opened.copy_from_slice(&packet[SEALED]);
    let message = cipher::decrypt(&key, &ephemeral, &mut opened).unwrap();
    let mut message: [u8; message::MESSAGE] = message.try_into().unwrap();
    change(&mut message);
    let tag = cipher::encrypt(&key, &ephemeral, &mut message);
    packet[SEALED].copy_from_slice(&[message.as_slice(), &tag].concat());
    checked(host, packet)
}

#[test]
fn no_byte_inside_may_be_changed_without_the_secret_of_a_client() {
    for at in 0..message::MESSAGE {
        let forged = forged(EPHEMERAL_SECRET, |message| message[at] ^= 0x40);
        let expected = if at < 32 { Refusal::UnknownKey } else { Refusal::Forged };
        assert_eq!(open(&gate(), &forged), Err(expected), "byte {at}");
    }
}

#[test]
fn a_signature_counts_for_its_host_and_its_packet_alone() {
    let signature = |host, ephemeral| {
        let sealed = seal(host, &SEED, ephemeral, &knock()).unwrap();
        let secret =
            HostSecret::from_bytes(if host == gate().public() { [7; 32] } else { [8; 32] });
        let public = x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(ephemeral));
        let shared = secret.agree(public.as_bytes());
        let key = cipher::cipher(&shared, host, public.as_bytes()).unwrap();
        let mut bytes = sealed[SEALED].to_vec();
        cipher::decrypt(&key, public.as_bytes(), &mut bytes).unwrap()[message::BODY..].to_vec()
    };
    let other_host = HostSecret::from_bytes([8; 32]).public();
    for (host, ephemeral, expected) in [
        (gate().public(), EPHEMERAL_SECRET, Ok(())),
        (other_host, EPHEMERAL_SECRET, Err(Refusal::Forged)),
        (gate().public(), [6; 32], Err(Refusal::Forged)),
    ] {
        let signature = signature(host, ephemeral);
        let packet = forged(EPHEMERAL_SECRET, |message| {
            message[message::BODY..].copy_from_slice(&signature);
        });
        assert_eq!(open(&gate(), &packet).map(drop), expected);
    }
}

#[test]
fn an_ephemeral_key_that_agrees_on_nothing_is_refused() {
    // The points of small order (RFC 7748 6.1, https://cr.yp.to/ecdh.html).
    let of_order_8 = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
    let of_order_4 = "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    let zero = "00".repeat(32);
    for weak in [of_order_8, of_order_4, &zero] {
        let mut packet = packet(&knock());
        packet[EPHEMERAL].copy_from_slice(&HEXLOWER.decode(weak.as_bytes()).unwrap());
        let packet = checked(gate().public(), packet);
        assert_eq!(open(&gate(), &packet), Err(Refusal::Undecipherable), "{weak}");
    }
}

#[test]
fn a_knock_counts_for_a_minute_before_and_behind() {
    let gate = gate();
    let at = |at| packet(&Knock { at, ..knock() });
    for (made, expected) in [
        (NOW, Ok(())),
        (NOW - 60_000, Ok(())),
        (NOW + 60_000, Ok(())),
        (NOW - 60_001, Err(Refusal::Stale(Duration::from_millis(60_001)))),
        (NOW + 60_001, Err(Refusal::Early(Duration::from_millis(60_001)))),
        (0, Err(Refusal::Stale(Duration::from_millis(NOW)))),
        (u64::MAX, Err(Refusal::Early(Duration::from_millis(u64::MAX - NOW)))),
    ] {
        let packet = at(made);
        let knocked = gate.open(gate.sift(&packet).unwrap()).unwrap();
        assert_eq!(knocked.is_fresh(NOW), expected, "{made}");
    }
}

#[test]
fn what_a_client_must_not_write_is_refused_though_it_is_signed() {
    for (at, value) in [(40, 1), (40, 6), (41, 1), (57, 0), (57, 65), (57, 2), (58, 0xff), (126, 1)]
    {
        let mut body = message::write(&knock(), &public(&SEED)).unwrap();
        body[at] = value;
        // Family 6 with an address that is none of IPv6's own.
        if at == 40 && value == 6 {
            body[51..57].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 7]);
        }
        assert_eq!(message::read(&body), None, "byte {at} = {value}");
    }
}

/// Returns the vectors as the document has them.
fn vectors() -> String {
    let (host, hex) = (HostSecret::from_bytes([7; 32]), |bytes: &[u8]| HEXLOWER.encode(bytes));
    let mut text = String::new();
    let mut add = |name: &str, value: String| writeln!(text, "{name} = {value}").unwrap();
    add("host secret", hex(&[7; 32]));
    add("host public", hex(host.public().as_bytes()));
    add("host key", host.public().to_string());
    add("client seed", hex(&SEED));
    add("client public", hex(&public(&SEED)));
    for (number, address) in [(1, None), (2, Some("198.51.100.9")), (3, Some("2001:db8::9"))] {
        let secret = [0x10 + number; 32];
        let ephemeral = x25519_dalek::StaticSecret::from(secret);
        let ephemeral = x25519_dalek::PublicKey::from(&ephemeral).to_bytes();
        let address = address.map(|address| address.parse().unwrap());
        let knock = Knock { at: NOW, address, service: "ssh".to_owned() };
        let body = message::write(&knock, &public(&SEED)).unwrap();
        let signed = cipher::signed(host.public(), &ephemeral, &body);
        let signature = ed25519_dalek::Signer::sign(&SigningKey::from_bytes(&SEED), &signed);
        let packet = seal(host.public(), &SEED, secret, &knock).unwrap();
        assert_eq!(open(&gate(), &packet), Ok(("anna".to_owned(), knock)));
        add(&format!("ephemeral secret {number}"), hex(&secret));
        add(&format!("ephemeral public {number}"), hex(&ephemeral));
        add(&format!("shared secret {number}"), hex(host.agree(&ephemeral).as_bytes()));
        add(&format!("body {number}"), hex(&body));
        add(&format!("signature {number}"), hex(&signature.to_bytes()));
        add(&format!("knock {number}"), hex(&packet));
    }
    text
}

#[test]
fn the_vectors_of_the_document_are_those_of_the_code() {
    let document = include_str!("../../../../docs/knock-protocol.md");
    let vectors = vectors();
    assert!(document.contains(&vectors), "docs/knock-protocol.md should have\n{vectors}");
}

proptest! {
    #[test]
    fn whatever_can_be_written_comes_back(
        at: u64,
        address: Option<IpAddr>,
        service in "[a-z]{1,64}",
        ephemeral: [u8; 32],
    ) {
        let knock = Knock { at, address, service };
        let packet = seal(gate().public(), &SEED, ephemeral, &knock).unwrap();
        let (_, opened) = open(&gate(), &packet).unwrap();
        let address = knock.address.map(|address| address.to_canonical());
        prop_assert_eq!(opened, Knock { address, ..knock });
    }

    #[test]
    fn no_bytes_open_anything(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(open(&gate(), &bytes).is_err());
    }

    #[test]
    fn no_message_of_who_knows_the_host_key_opens_anything(
        bytes in prop::collection::vec(any::<u8>(), message::MESSAGE),
        with_key: bool,
    ) {
        let packet = forged(EPHEMERAL_SECRET, |message| {
            message.copy_from_slice(&bytes);
            if with_key {
                message[..32].copy_from_slice(&public(&SEED));
            }
        });
        prop_assert!(open(&gate(), &packet).is_err());
    }
}
