//! Standing scans: whoever is told of too often is put on a list.

use std::{net::IpAddr, sync::Arc};

use portguard_core::{Author, Command, Guard, Measure, Span, Subject, Timestamp, Until, Window};
use portguard_read::{Headers, Verdict};

use crate::{config::ScanPlan, daemon::inbox::Inbox};

/// The scans with what they have counted.
#[derive(Default)]
pub(super) struct Scans {
    plans: Arc<[ScanPlan]>,
    windows: Vec<Window>,
}

impl Scans {
    /// Scans by other plans, if they are others.
    pub(super) fn set(&mut self, plans: &Arc<[ScanPlan]>) {
        if self.plans != *plans {
            self.plans = plans.clone();
            self.windows = plans
                .iter()
                .map(|plan| Window::new(plan.howmany, plan.within.duration()))
                .collect();
        }
    }

    /// Counts a packet, and has its source put on a list if it is one too many; returns by which
    /// scans.
    pub(super) fn see(
        &mut self,
        verdict: Verdict,
        headers: &Headers,
        at: Timestamp,
        inbox: &Inbox,
    ) -> Vec<usize> {
        // Of no room until somebody is found.
        let mut found = Vec::new();
        for (place, (plan, window)) in self.plans.iter().zip(&mut self.windows).enumerate() {
            let is_of_kind =
                plan.protocols.is_empty() || plan.protocols.contains(&headers.protocol);
            if plan.verdict == verdict && is_of_kind && window.hit(headers.source, at) {
                put_on_list(plan, headers.source, inbox);
                found.push(place);
            }
        }
        found
    }
}

fn put_on_list(plan: &ScanPlan, source: IpAddr, inbox: &Inbox) {
    let ScanPlan { name, howmany, within, measure, span, .. } = plan;
    let reason: Arc<str> = format!("{name}: {howmany} packets within {within}").into();
    let (measure, span, subject) = (*measure, *span, Subject::address(source));
    // A guard that is too busy for this one hears of the source again if it goes on.
    let _ = inbox.ask(Box::new(move |guard, now| {
        if !is_held_longer(guard, subject, measure, span, now) {
            let (ports, author) = (Vec::new(), Author::Guard);
            let hold = Command::Hold { measure, subject, ports, span, reason, author };
            // A refusal is in the journal.
            let _ = guard.handle_command(hold, now);
        }
        Box::new(|_| {})
    }));
}

/// Returns whether a subject is on the list for longer than it would be by this scan.
fn is_held_longer(
    guard: &Guard,
    subject: Subject,
    measure: Measure,
    span: Span,
    now: Timestamp,
) -> bool {
    let ends = Until::after(span, now);
    let holds = guard.holds_on(subject);
    holds.iter().any(|(list, _, hold)| *list == measure.list() && hold.until >= ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_plans_begin_anew_and_the_same_go_on() {
        let plan = ScanPlan {
            name: "scan blocked".into(),
            verdict: Verdict::Blocked,
            protocols: &[],
            howmany: 3,
            within: Span::For(std::time::Duration::from_secs(60)),
            measure: Measure::Ban,
            span: Span::Forever,
        };
        let mut scans = Scans::default();
        let plans: Arc<[ScanPlan]> = vec![plan.clone()].into();
        scans.set(&plans);
        scans.windows[0].hit("192.0.2.7".parse().unwrap(), Timestamp::from_secs(1));
        scans.set(&vec![plan.clone()].into());
        assert_eq!(scans.windows[0].len(), 1);
        scans.set(&vec![ScanPlan { howmany: 4, ..plan }].into());
        assert!(scans.windows[0].is_empty());
    }
}
