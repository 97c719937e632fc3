//! The memory that the kernel puts frames into, and whose turn it is in each block.

use std::{
    ffi::c_void,
    io,
    os::fd::OwnedFd,
    ptr::{self, NonNull},
    sync::atomic::{AtomicU32, Ordering},
};

use libc::{TP_STATUS_KERNEL, TP_STATUS_USER, tpacket_req3};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::{block, option};

/// Blocks of the ring, and bytes of each: 2 MiB together.
///
/// A frame takes some 90 bytes and what is kept of it, so that there is room for 5,800 long ones or
/// 14,000 without content: what comes in 30 to 70 ms at 200,000 packets a second, and so long the reader
/// may be kept from its processor. Blocks are small, since one is used up after [`DELIVER_WITHIN`] however
/// little is in it: all of them outlast a stall of 2.5 s where little comes. When no block is left, the
/// kernel drops and counts ([`PacketSocket::lost`](super::PacketSocket::lost)).
pub(super) const BLOCKS: usize = 256;
const BLOCK: usize = 8 << 10;
const LENGTH: usize = BLOCKS * BLOCK;

/// The kernel wants to be told of frames of one size, and then does not keep to it.
const FRAME: usize = 2_048;

/// So long the kernel may keep a block back that is not full yet, in milliseconds: short against a scan
/// that is to be found before it is far.
const DELIVER_WITHIN: u32 = 10;

/// A ring that is mapped. It stays on one thread.
#[derive(Debug)]
pub(super) struct Ring {
    start: NonNull<c_void>,
    /// The block whose turn is next.
    next: usize,
}

impl Ring {
    /// Makes a ring for a packet socket that has none.
    pub(super) fn map(socket: &OwnedFd) -> io::Result<Self> {
        let number = |size: usize| u32::try_from(size).map_err(io::Error::other);
        let request = tpacket_req3 {
            tp_block_size: number(BLOCK)?,
            tp_block_nr: number(BLOCKS)?,
            tp_frame_size: number(FRAME)?,
            tp_frame_nr: number(LENGTH / FRAME)?,
            tp_retire_blk_tov: DELIVER_WITHIN,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        option::ask_for_ring(socket, request)?;
        // SAFETY: the kernel chooses a place where nothing is; what is mapped there is the socket's
        // ring, of exactly this length.
        #[expect(unsafe_code, reason = "a ring has to be mapped")]
        let start = unsafe {
            let access = ProtFlags::READ | ProtFlags::WRITE;
            mmap(ptr::null_mut(), LENGTH, access, MapFlags::SHARED, socket, 0)?
        };
        let start = NonNull::new(start).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { start, next: 0 })
    }

    /// Hands over the block whose turn it is and gives it back to the kernel; returns whether it was
    /// ready.
    pub(super) fn take(&mut self, read: impl FnOnce(&[u8])) -> bool {
        if self.status().load(Ordering::Acquire) & TP_STATUS_USER == 0 {
            return false;
        }
        // SAFETY: the block lies wholly within the mapping, which lives as long as `self`. It is ours:
        // the kernel writes nothing into it before the store below, and the slice is gone by then.
        // All of it was zeroed by the kernel or written since.
        #[expect(unsafe_code, reason = "the kernel's memory is read where it is")]
        let block = unsafe { std::slice::from_raw_parts(self.block().cast(), BLOCK) };
        read(block);
        self.status().store(TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % BLOCKS;
        true
    }

    /// Returns where the block begins whose turn is next.
    fn block(&self) -> *mut c_void {
        // Within the mapping: `next` is below `BLOCKS`.
        self.start.as_ptr().wrapping_byte_add(self.next * BLOCK)
    }

    /// Returns whose turn it is with the next block.
    fn status(&self) -> &AtomicU32 {
        let status = self.block().wrapping_byte_add(block::STATUS).cast::<u32>();
        // SAFETY: it lies within the mapping, which lives as long as `self`, and is aligned: blocks
        // begin with pages, and `STATUS` is a multiple of 4. The kernel takes it as one word, too.
        #[expect(unsafe_code, reason = "the kernel writes it meanwhile")]
        let status = unsafe { AtomicU32::from_ptr(status) };
        status
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this place and length, and no slice of it is left.
        #[expect(unsafe_code, reason = "what was mapped has to be given back")]
        let result = unsafe { munmap(self.start.as_ptr(), LENGTH) };
        debug_assert!(result.is_ok(), "{result:?}");
    }
}
