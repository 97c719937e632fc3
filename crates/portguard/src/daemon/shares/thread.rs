//! The thread of one share: a runtime that lives as long as the share does.

use std::{io, sync::Arc, thread::JoinHandle, time::Duration};

use portguard_core::{ShareEnd, ShareStep};
use portguard_reach::share::{Plan, Refusal, keep};
use tokio::sync::oneshot;

use crate::daemon::{inbox::Inbox, source};

use super::row::Row;

/// Longest single wait for the end: the runtime's clock stands still while the host sleeps, so that
/// the end is looked for anew.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How a share ended.
enum Outcome {
    Ended(ShareEnd),
    Refused(Refusal),
}

/// Starts the thread of a share.
pub(super) fn start(
    row: Arc<Row>,
    plan: Plan,
    stopped: oneshot::Receiver<ShareEnd>,
    inbox: Inbox,
) -> io::Result<JoinHandle<()>> {
    // One thread beside it, for the time that a name is looked up.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()?;
    source::start("share", move || {
        let outcome = runtime.block_on(live(&row, &plan, stopped, &inbox));
        // What is still open is hung up on; a name that is still looked up keeps nobody waiting.
        runtime.shutdown_background();
        match outcome {
            Outcome::Ended(cause) => row.note(&inbox, ShareStep::Ended { cause }),
            Outcome::Refused(refusal) => row.refuse(refusal, &inbox),
        }
    })
}

async fn live(
    row: &Row,
    plan: &Plan,
    stopped: oneshot::Receiver<ShareEnd>,
    inbox: &Inbox,
) -> Outcome {
    let mut tell = |news| row.hear(news, inbox);
    tokio::select! {
        biased;
        cause = stopped => Outcome::Ended(cause.unwrap_or(ShareEnd::Daemon)),
        () = time_is_over(row) => Outcome::Ended(ShareEnd::Expired),
        refusal = keep(plan, &mut tell) => Outcome::Refused(refusal),
    }
}

async fn time_is_over(row: &Row) {
    loop {
        match row.left() {
            Some(Duration::ZERO) => return,
            Some(left) => tokio::time::sleep(left.min(LOOK_EVERY)).await,
            None => std::future::pending().await,
        }
    }
}
