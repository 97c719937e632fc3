//! Programs at work.

use crate::needle::Needle;

use super::{
    TooManySteps,
    program::{Place, Program, Run, Step, Way},
};

/// How many steps one search may take.
const MOST_STEPS: usize = 100_000;

/// The value of a slot that was not written.
pub(super) const NOWHERE: usize = usize::MAX;

/// Room for a search, to be used again.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Where groups begin and end.
    pub(super) slots: Vec<usize>,
    back: Vec<Back>,
    steps: usize,
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

impl Program {
    /// Searches ASCII text for the first match. The groups are in the room's slots then.
    ///
    /// # Errors
    /// When that takes too long.
    pub(super) fn search(&self, text: &[u8], room: &mut Room) -> Result<bool, TooManySteps> {
        room.steps = 0;
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
            room.steps += 1;
            if room.steps > MOST_STEPS {
                return Err(TooManySteps);
            }
            let next = match &self.steps[step] {
                Step::Byte(byte) => (text.get(at) == Some(byte)).then_some((step + 1, at + 1)),
                Step::Text(bytes) => {
                    stands(bytes, text, at).then_some((step + 1, at + bytes.len()))
                }
                Step::One(set) => {
                    text.get(at).is_some_and(|byte| set.has(*byte)).then_some((step + 1, at + 1))
                }
                Step::Run(run) => begin_run(run, text, step, at, room).map(|at| (step + 1, at)),
                Step::Split(split) => match split.ways.of(text.get(at)) {
                    Way::To(step) => Some((step, at)),
                    Way::Both => {
                        room.back.push(Back::To { step: split.second, at });
                        Some((split.first, at))
                    }
                    Way::Nowhere => None,
                },
                Step::Jump(to) => Some((*to, at)),
                Step::Save(slot) => {
                    let value = std::mem::replace(&mut room.slots[*slot], at);
                    // With no other way to go, nobody comes back for it.
                    if room.back.len() > bottom {
                        room.back.push(Back::Slot { slot: *slot, value });
                    }
                    Some((step + 1, at))
                }
                Step::Assert(place) => is_place(*place, text, at).then_some((step + 1, at)),
                Step::Look { before, negated, end } => {
                    let found = match at.checked_sub(*before) {
                        Some(from) => self.look(text, step + 1, from, room)?,
                        None => false,
                    };
                    (found != *negated).then_some((*end, at))
                }
                Step::If { group, otherwise } => {
                    let is_there = room.slots.get(2 * group + 1).is_some_and(|at| *at != NOWHERE);
                    Some((if is_there { step + 1 } else { *otherwise }, at))
                }
                Step::Ahead(finder) => finder.find(&text[at..]).is_some().then_some((step + 1, at)),
                Step::Again { group, any_case } => {
                    again(text, at, *group, *any_case, room).map(|at| (step + 1, at))
                }
                Step::Match => return Ok(Some(at)),
            };
            (step, at) = match next {
                Some(next) => next,
                None => match self.back(text, room, bottom) {
                    Some(next) => next,
                    None => return Ok(None),
                },
            };
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
fn begin_run(run: &Run, text: &[u8], step: usize, at: usize, room: &mut Room) -> Option<usize> {
    let rest = &text[at..];
    let mut length = run.set.run(&rest[..rest.len().min(run.most)]);
    if let Some(text) = &run.until {
        // It may begin with the last byte that would be taken.
        let here = &rest[..rest.len().min(length + text.needle().len())];
        length = text.find(here).map_or(length, |place| place.min(length));
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

/// Returns whether these bytes stand here. Most that do not differ in the first one.
#[inline]
fn stands(bytes: &[u8], text: &[u8], at: usize) -> bool {
    let rest = &text[at..];
    rest.first() == bytes.first() && rest.starts_with(bytes)
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
