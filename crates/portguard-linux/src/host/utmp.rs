//! The login records of utmp(5): who is logged in, and from where. Pure.

use std::{
    mem::offset_of,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use libc::utmpx;

/// Length of a record: 384 bytes on x86-64, 400 on aarch64, whose times are wider (bits/utmp.h).
const RECORD: usize = size_of::<utmpx>();

/// `USER_PROCESS`: a logged-in session.
const USER_PROCESS: i16 = 7;

/// Offsets into a record.
const TYPE: usize = offset_of!(utmpx, ut_type);
const PID: usize = offset_of!(utmpx, ut_pid);
const ADDRESS: usize = offset_of!(utmpx, ut_addr_v6);

/// A session and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Login {
    /// The session leader's process id.
    pub(super) pid: u32,
    /// The peer's address.
    pub(super) peer: IpAddr,
}

/// Returns the sessions from afar in the bytes of an utmp file; a part of a record is left out.
pub(super) fn logins(bytes: &[u8]) -> Vec<Login> {
    bytes.chunks_exact(RECORD).filter_map(login).collect()
}

fn login(record: &[u8]) -> Option<Login> {
    let kind = i16::from_ne_bytes(*record.get(TYPE..)?.first_chunk()?);
    let pid = u32::from_ne_bytes(*record.get(PID..)?.first_chunk()?);
    let address: [u8; 16] = *record.get(ADDRESS..)?.first_chunk()?;
    let peer = match address {
        address if address == [0; 16] => return None,
        // An IPv4 address stands in the first of the four words, the rest is zero.
        [a, b, c, d, rest @ ..] if rest == [0; 12] => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        address => IpAddr::V6(Ipv6Addr::from(address)).to_canonical(),
    };
    (kind == USER_PROCESS).then_some(Login { pid, peer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_from_afar_are_read() {
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
        let mut bytes = record(USER_PROCESS, 42, &[192, 0, 2, 7]);
        bytes.extend(record(USER_PROCESS, 43, &v6.octets()));
        bytes.extend(record(USER_PROCESS, 44, &[]));
        bytes.extend(record(8, 45, &[192, 0, 2, 8]));
        bytes.extend([0; 100]);
        let expect = [
            Login { pid: 42, peer: IpAddr::from([192, 0, 2, 7]) },
            Login { pid: 43, peer: IpAddr::V6(v6) },
        ];
        assert_eq!(logins(&bytes), expect);
    }

    fn record(kind: i16, pid: u32, address: &[u8]) -> Vec<u8> {
        let mut record = vec![0; RECORD];
        record[TYPE..TYPE + 2].copy_from_slice(&kind.to_ne_bytes());
        record[PID..PID + 4].copy_from_slice(&pid.to_ne_bytes());
        record[ADDRESS..ADDRESS + address.len()].copy_from_slice(address);
        record
    }
}
