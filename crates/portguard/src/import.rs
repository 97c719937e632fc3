//! Takes over what other programs have.
use crate::{cli::Global, exit::Failed};
pub(crate) fn port_trap(_: &Global, _: &std::path::Path, _: bool) -> Result<(), Failed> { Ok(()) }
