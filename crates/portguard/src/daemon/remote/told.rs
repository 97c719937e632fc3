//! What the journal was told of a control file: each thing once, however often it is fetched.

use std::{collections::BTreeMap, mem::Discriminant, sync::Arc};

use portguard_core::{Author, Fact, Grade, Note, Refusal, RemoteStep};
use portguard_reach::control::{Judged, Order, Rejection, digest};

use crate::{daemon::inbox::Inbox, exit::with_causes};

/// What was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Which rejection, of which file.
    rejected: Option<(Discriminant<Rejection>, String)>,
    /// Which lines are not carried out, and why.
    refused: BTreeMap<u32, String>,
}

impl Told {
    /// Tells that a file counts, and which of its lines can not be carried out.
    pub(super) fn accepted(&mut self, judged: &Judged, unknown: &[(u32, String)], inbox: &Inbox) {
        *self = Self::default();
        let step = RemoteStep::Accepted {
            serial: judged.stamp.map(|stamp| stamp.serial),
            signer: judged.signer.as_ref().map(|signer| Arc::from(signer.to_string())),
            orders: judged.reading.orders.len(),
        };
        let grade = grade(judged);
        tell(step, grade, inbox);
        let reading = &judged.reading;
        for fault in &reading.faults {
            let why = with_causes(&fault.why);
            tell(RemoteStep::Skipped { line: fault.line, why }, grade, inbox);
        }
        for (line, why) in unknown {
            tell(RemoteStep::Skipped { line: *line, why: why.clone() }, grade, inbox);
        }
        if reading.more_faults > 0 {
            tell(RemoteStep::SkippedMore { lines: reading.more_faults }, grade, inbox);
        }
    }

    /// Tells that a file does not count, unless that was told of this file.
    pub(super) fn rejected(&mut self, rejection: &Rejection, file: &[u8], inbox: &Inbox) {
        let which = match rejection {
            // Such a page may be another one each time.
            Rejection::Page | Rejection::Unsigned => String::new(),
            _ => digest(file),
        };
        let rejected = Some((std::mem::discriminant(rejection), which));
        if self.rejected == rejected {
            return;
        }
        self.rejected = rejected;
        let why = with_causes(rejection);
        tell(RemoteStep::Rejected { why }, Grade::Forgeable, inbox);
    }

    /// Tells that the rules forbid a line, unless that was told.
    pub(super) fn refused(
        &mut self,
        order: &Order,
        refusal: &Refusal,
        (author, grade): (Author, Grade),
        inbox: &Inbox,
    ) {
        if self.refused.get(&order.line) == Some(&refusal.why) {
            return;
        }
        self.refused.insert(order.line, refusal.why.clone());
        let step = RemoteStep::Refused {
            order: order.to_string(),
            from: order.from,
            refusal: refusal.clone(),
            author,
        };
        tell(step, grade, inbox);
    }

    /// Forgets a rejection: the file that is there counts.
    pub(super) fn forget_rejection(&mut self) {
        self.rejected = None;
    }
}

/// Returns how far a file can be trusted.
pub(super) fn grade(judged: &Judged) -> Grade {
    if judged.signer.is_some() { Grade::Authenticated } else { Grade::Forgeable }
}

fn tell(step: RemoteStep, grade: Grade, inbox: &Inbox) {
    inbox.deliver(Fact::Noted(Note::Remote { step, grade }));
}
