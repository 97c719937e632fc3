//! Pauses: for a while nobody is turned away, and everything else goes on.
//!
//! The kernel's own elements carry the end, so that a pause is over in time though nobody lives to
//! end it.

use std::time::Duration;

use crate::{Author, Change, Element, List, Note, Span, Timestamp, Until, everybody};

use super::{Done, Guard, Refusal};

/// The longest pause. Whoever wants no guard for longer stops it.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

impl Guard {
    /// Returns until when nobody is turned away, if that is so.
    pub fn paused_until(&self) -> Option<Timestamp> {
        self.standing.paused
    }

    pub(super) fn pause(
        &mut self,
        span: Span,
        author: Author,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let length = match span {
            Span::For(length) if !length.is_zero() && length <= LONGEST_PAUSE => length,
            _ => return Err(Refusal::no_such_pause()),
        };
        let until = now.plus(length);
        self.standing.paused = Some(until);
        self.record_standing();
        self.note(Note::Paused { until, author }, now);
        self.settle_pause();
        Ok(self.done(1))
    }

    /// Ends a pause, by an order or because its time is over.
    pub(super) fn resume(
        &mut self,
        author: Option<Author>,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        self.standing.paused.take().ok_or_else(Refusal::not_paused)?;
        self.record_standing();
        self.note(Note::Resumed { author }, now);
        self.settle_pause();
        Ok(self.done(1))
    }

    pub(super) fn pause_timeout(&mut self, now: Timestamp) {
        if self.standing.paused.is_some_and(|until| until <= now) {
            // It is paused, so there is something to end.
            let _ = self.resume(None, now);
        }
    }

    /// Brings the elements that make the pause up to date.
    pub(super) fn settle_pause(&mut self) {
        if self.paused == self.standing.paused {
            return;
        }
        let had = self.paused.is_some();
        self.paused = self.standing.paused;
        for subject in everybody() {
            let element = element(subject);
            match self.paused {
                Some(until) => drop(self.change(Change::Install(element, Until::at(until)))),
                None if had => drop(self.change(Change::Remove(element))),
                None => {}
            }
        }
    }

    pub(super) fn paused_elements(&self) -> impl Iterator<Item = (Element, Until)> {
        self.paused.into_iter().flat_map(|until| {
            everybody().into_iter().map(move |subject| (element(subject), Until::at(until)))
        })
    }
}

fn element(subject: crate::Subject) -> Element {
    Element { list: List::Paused, subject, port: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Caps, Command, Policy, Posture, Standing};

    const START: Timestamp = Timestamp::from_secs(1_000_000);

    fn guard(standing: Standing) -> Guard {
        let mut guard = Guard::new(Caps::default());
        guard.restore_standing(standing, None);
        guard.configure(Policy::default(), START);
        guard
    }

    fn pause(seconds: u64) -> Command {
        let span = Span::For(Duration::from_secs(seconds));
        Command::Pause { span, author: Author::Operator(0) }
    }

    fn ends(guard: &Guard) -> Vec<Option<Timestamp>> {
        let desired = guard.desired();
        let paused = desired.iter().filter(|(element, _)| element.list == List::Paused);
        paused.map(|(_, until)| until.moment()).collect()
    }

    #[test]
    fn a_pause_is_an_element_for_each_family_and_ends_by_itself() {
        let mut guard = guard(Standing::default());
        guard.handle_command(pause(60), START).unwrap();
        let end = START.plus(Duration::from_secs(60));
        assert_eq!((guard.paused_until(), ends(&guard)), (Some(end), vec![Some(end); 2]));
        assert_eq!((guard.poll_timeout(), guard.posture()), (Some(end), Posture::Open));
        guard.handle_timeout(end);
        assert_eq!((guard.paused_until(), ends(&guard)), (None, vec![]));
    }

    #[test]
    fn a_pause_can_be_made_longer_and_ended() {
        let mut guard = guard(Standing::default());
        guard.handle_command(pause(60), START).unwrap();
        guard.handle_command(pause(86_400), START).unwrap();
        assert_eq!(guard.paused_until(), Some(START.plus(LONGEST_PAUSE)));
        guard.handle_command(Command::Resume(Author::Operator(0)), START).unwrap();
        assert_eq!(ends(&guard), []);
        assert!(guard.handle_command(Command::Resume(Author::Operator(0)), START).is_err());
    }

    #[test]
    fn a_pause_without_an_end_or_for_no_time_is_refused() {
        let mut guard = guard(Standing::default());
        for seconds in [0, 86_401] {
            assert!(guard.handle_command(pause(seconds), START).is_err(), "{seconds}");
        }
        let forever = Command::Pause { span: Span::Forever, author: Author::Operator(0) };
        assert!(guard.handle_command(forever, START).is_err());
        assert_eq!(guard.paused_until(), None);
    }

    #[test]
    fn a_pause_goes_on_in_the_next_life_and_moves_with_the_clock() {
        let end = START.plus(Duration::from_secs(60));
        let mut guard = guard(Standing { paused: Some(end), ..Standing::default() });
        assert_eq!(ends(&guard), vec![Some(end); 2]);
        guard.step_clock(1_000, START.plus(Duration::from_secs(1)));
        assert_eq!(ends(&guard), vec![Some(end.plus(Duration::from_secs(1))); 2]);
        guard.handle_timeout(end);
        assert!(guard.paused_until().is_some());
        guard.handle_timeout(end.plus(Duration::from_secs(1)));
        assert!(guard.paused_until().is_none());
    }
}
