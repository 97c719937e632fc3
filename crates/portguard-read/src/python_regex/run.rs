//! Programs at work.

use crate::needle::{Needle, begins};

use super::{
    TooManySteps,
    program::{Place, Program, Run, Step, Way},
};

/// How many ways that led nowhere one search may have taken.
const MOST_TRIES: usize = 100_000;

/// The value of a slot that was not written.
pub(super) const NOWHERE: usize = usize::MAX;

/// Room for a search, to be used again.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Where groups begin and end.
    pub(super) slots: Vec<usize>,
    back: Vec<Back>,
    /// How many ways led nowhere.
    tries: usize,
}

/// What to go back to when a way leads nowhere.
#[derive(Debug)]
enum Back {
    To {
        step: usize,
        at: usize,
    },
    /// A repetition that gives bytes back, down to `least`.
    Shrink {
        step: usize,
        at: usize,
        least: usize,
    },
    /// A repetition that takes more, up to `most`.
    Grow {
        step: usize,
        at: usize,
        most: usize,
    },
    Slot {
        slot: usize,
        value: usize,
    },
}

impl Room {
    /// Writes a place into a slot.
    #[inline]
    fn save(&mut self, slot: usize, at: usize, bottom: usize) {
        let value = std::mem::replace(&mut self.slots[slot], at);
        // With no other way to go, nobody comes back for it.
        if self.back.len() > bottom {
            self.back.push(Back::Slot { slot, value });
        }
    }

    /// Returns whether a group is there.
    fn has(&self, group: usize) -> bool {
        self.slots.get(2 * group + 1).is_some_and(|at| *at != NOWHERE)
    }
}

impl Program {
    /// Searches ASCII text for the first match. The groups are in the room's slots then.
    ///
    /// # Errors
    /// When that takes too long.
    pub(super) fn search(&self, text: &[u8], room: &mut Room) -> Result<bool, TooManySteps> {
        room.tries = 0;
        if self.is_held {
            return self.at(text, 0, room);
        }
        let mut from = 0;
        loop {
            if let Some(begins) = &self.begins {
                let Some(skip) = text[from..].iter().position(|byte| begins.has(*byte)) else {
                    return Ok(false);
                };
                from += skip;
            }
            if self.at(text, from, room)? {
                return Ok(true);
            }
            from += 1;
            if from > text.len() {
                return Ok(false);
            }
        }
    }

    /// Tries a match that begins here.
    fn at(&self, text: &[u8], from: usize, room: &mut Room) -> Result<bool, TooManySteps> {
        let first = text.get(from);
        if self.begins.is_some_and(|begins| !first.is_some_and(|byte| begins.has(*byte))) {
            return Ok(false);
        }
        room.slots.clear();
        room.slots.resize(self.slots, NOWHERE);
        room.back.clear();
        let end = self.go(text, 0, from, room)?;
        if let Some(end) = end {
            (room.slots[0], room.slots[1]) = (from, end);
        }
        Ok(end.is_some())
    }

    /// Goes on at a step until it ends, and returns where; `None` if no way is left above the way
    /// back as it is now.
    fn go(
        &self,
        text: &[u8],
        mut step: usize,
        mut at: usize,
        room: &mut Room,
    ) -> Result<Option<usize>, TooManySteps> {
        let bottom = room.back.len();
        loop {
            if let Some(end) = self.on(text, (&mut step, &mut at), bottom, room)? {
                return Ok(Some(end));
            }
            room.tries += 1;
            if room.tries > MOST_TRIES {
                return Err(TooManySteps);
            }
            match self.back(text, room, bottom) {
                Some(next) => (step, at) = next,
                None => return Ok(None),
            }
        }
    }

    /// Goes on at a step and a place until it ends, and returns where, or until the text has
    /// something else: `None`.
    #[inline]
    fn on(
        &self,
        text: &[u8],
        (step, at): (&mut usize, &mut usize),
        bottom: usize,
        room: &mut Room,
    ) -> Result<Option<usize>, TooManySteps> {
        loop {
            match &self.steps[*step] {
                Step::Byte(byte) if text.get(*at) == Some(byte) => *at += 1,
                Step::One(set) if text.get(*at).is_some_and(|byte| set.has(*byte)) => *at += 1,
                Step::Text(bytes) if begins(&text[*at..], bytes) => *at += bytes.len(),
                Step::Run(run) => match (begin_run(run, text, *step, *at, room), run.then) {
                    (Some(end), None) => *at = end,
                    (Some(end), then) if text.get(end).copied() == then => {
                        (*at, *step) = (end + 1, *step + 1);
                    }
                    _ => return Ok(None),
                },
                Step::Split(split) => {
                    match split.ways.of(text.get(*at)) {
                        Way::To(to) => *step = to,
                        Way::Both(first) => {
                            room.back.push(Back::To { step: split.second, at: *at });
                            *step = first;
                        }
                        Way::Nowhere => return Ok(None),
                    }
                    continue;
                }
                Step::Jump(to) => {
                    *step = *to;
                    continue;
                }
                Step::Save(slot) => room.save(*slot, *at, bottom),
                Step::Assert(place) if is_place(*place, text, *at) => {}
                Step::Look { before, negated, end } => {
                    let found = match at.checked_sub(*before) {
                        Some(from) => self.look(text, *step + 1, from, room)?,
                        None => false,
                    };
                    if found == *negated {
                        return Ok(None);
                    }
                    *step = *end;
                    continue;
                }
                Step::If { group, otherwise } if !room.has(*group) => {
                    *step = *otherwise;
                    continue;
                }
                Step::If { .. } => {}
                Step::Ahead(needle) if needle.first_in(text, *at, text.len()).is_some() => {}
                Step::Again { group, any_case } => {
                    match again(text, *at, *group, *any_case, room) {
                        Some(end) => *at = end,
                        None => return Ok(None),
                    }
                }
                Step::Match => return Ok(Some(*at)),
                Step::Byte(_) | Step::One(_) | Step::Text(_) | Step::Assert(_) | Step::Ahead(_) => {
                    return Ok(None);
                }
            }
            *step += 1;
        }
    }

    /// Looks whether what stands at a step matches here; leaves no way back.
    fn look(
        &self,
        text: &[u8],
        step: usize,
        at: usize,
        room: &mut Room,
    ) -> Result<bool, TooManySteps> {
        let bottom = room.back.len();
        let end = self.go(text, step, at, room)?;
        room.back.truncate(bottom);
        Ok(end.is_some())
    }

    /// Returns where to go on after a way that led nowhere.
    fn back(&self, text: &[u8], room: &mut Room, bottom: usize) -> Option<(usize, usize)> {
        while room.back.len() > bottom {
            match room.back.pop()? {
                Back::To { step, at } => return Some((step, at)),
                Back::Slot { slot, value } => room.slots[slot] = value,
                Back::Shrink { step, at, least } => {
                    if let Some(at) = self.shrunk(text, step, at, least) {
                        if at > least {
                            room.back.push(Back::Shrink { step, at, least });
                        }
                        return Some((step + 1, at));
                    }
                }
                Back::Grow { step, at, most } => {
                    if let Some(at) = self.grown(text, step, at + 1, most) {
                        if at < most {
                            room.back.push(Back::Grow { step, at, most });
                        }
                        return Some((step + 1, at));
                    }
                }
            }
        }
        None
    }

    fn shrunk(&self, text: &[u8], step: usize, at: usize, least: usize) -> Option<usize> {
        match self.next(step) {
            Some(needle) => needle.last_in(text, least, at),
            None => at.checked_sub(1).filter(|at| *at >= least),
        }
    }

    fn grown(&self, text: &[u8], step: usize, at: usize, most: usize) -> Option<usize> {
        grown(self.next(step), text, at, most)
    }

    /// Returns what has to follow on a repetition.
    fn next(&self, step: usize) -> Option<&Needle> {
        match &self.steps[step] {
            Step::Run(run) => run.next.as_ref(),
            _ => None,
        }
    }
}

/// Begins a repetition, and returns where it goes on.
#[inline]
fn begin_run(run: &Run, text: &[u8], step: usize, at: usize, room: &mut Room) -> Option<usize> {
    let rest = &text[at..];
    let mut length = run.span.run(rest).min(run.most);
    if let Some(until) = &run.until {
        // It may begin with the last byte that would be taken.
        let place = until.first_in(text, at, at + length);
        length = place.map_or(length, |place| place - at);
    }
    if length < run.least {
        return None;
    }
    let (least, most) = (at + run.least, at + length);
    if run.greedy {
        if most > least && !run.is_final {
            room.back.push(Back::Shrink { step, at: most, least });
        }
        return Some(most);
    }
    let at = grown(run.next.as_ref(), text, least, most)?;
    if at < most {
        room.back.push(Back::Grow { step, at, most });
    }
    Some(at)
}

/// Returns the first place from `at` to `most` where the text follows that has to.
fn grown(next: Option<&Needle>, text: &[u8], at: usize, most: usize) -> Option<usize> {
    if at > most {
        return None;
    }
    match next {
        Some(needle) => needle.first_in(text, at, most),
        None => Some(at),
    }
}

fn is_place(place: Place, text: &[u8], at: usize) -> bool {
    let is_word = |at: Option<usize>| {
        at.and_then(|at| text.get(at))
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    let is_edge = || is_word(at.checked_sub(1)) != is_word(Some(at));
    match place {
        Place::TextStart => at == 0,
        Place::TextEnd => at == text.len(),
        Place::LineStart => at == 0 || text[at - 1] == b'\n',
        Place::LineEnd => at == text.len() || text[at] == b'\n',
        Place::WordEdge => is_edge(),
        Place::NoWordEdge => !is_edge(),
    }
}

/// Returns where it goes on behind what a group matched before.
fn again(text: &[u8], at: usize, group: usize, any_case: bool, room: &Room) -> Option<usize> {
    let (start, end) = (*room.slots.get(2 * group)?, *room.slots.get(2 * group + 1)?);
    if start == NOWHERE || end == NOWHERE || end < start {
        return None;
    }
    let (before, here) = (&text[start..end], text.get(at..at + (end - start))?);
    let is_same = if any_case { before.eq_ignore_ascii_case(here) } else { before == here };
    is_same.then_some(at + before.len())
}
