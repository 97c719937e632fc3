//! What the allocator keeps of memory that was freed.

/// Blocks from this size on come from the kernel one by one, and go back to it.
#[cfg(target_env = "gnu")]
const LARGE: i32 = 256 << 10;

/// Has large blocks go back to the kernel as soon as they are freed.
///
/// The allocator of glibc otherwise raises the size from which it does so with each such block that
/// is freed, up to 32 MiB, and keeps them (mallopt(3), `M_MMAP_THRESHOLD`): a process that seldom
/// needs 19 MiB for a password would have them for good, once for each thread.
pub fn give_large_blocks_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number of the allocator, which takes its own lock for it.
    #[expect(unsafe_code, reason = "no crate of ours has mallopt in a safe form")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}
