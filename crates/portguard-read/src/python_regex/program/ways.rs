//! Where a choice leads, told by the next byte of a text: mostly one side of it can go on, and that
//! often is another choice.

use super::{Split, Step};

/// The bytes of ASCII, and the end of the text.
const NEXT: usize = 129;
const END: usize = 128;

/// Most steps that are followed to tell where a choice leads.
const MOST_FOLLOWED: usize = 64;

/// What stands for no step.
const NOWHERE: u16 = u16::MAX;
const BOTH: u16 = u16::MAX - 1;

/// Where a choice leads, for each byte that may be next.
#[derive(Clone, Debug)]
pub(in super::super) struct Ways([u16; NEXT]);

/// Where a choice leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Way {
    /// On at this step, behind all choices that the byte decides.
    To(usize),
    /// To the first side, and if that leads nowhere, to the second.
    Both,
    Nowhere,
}

impl Ways {
    /// Leaves all open.
    pub(super) fn open() -> Self {
        Self([BOTH; NEXT])
    }

    /// Tells the ways of the choice at a step, when it is known what each side of each choice can
    /// begin with.
    pub(super) fn of_choice(steps: &[Step], at: usize) -> Self {
        Self(std::array::from_fn(|next| {
            let byte = u8::try_from(next).ok().filter(|_| next != END);
            match followed(steps, at, byte) {
                Some(end) if end == at => BOTH,
                end => end.and_then(|end| u16::try_from(end).ok()).unwrap_or(NOWHERE),
            }
        }))
    }

    /// Returns the way for the next byte of an ASCII text; `None` is its end.
    #[inline]
    pub(in super::super) fn of(&self, next: Option<&u8>) -> Way {
        match self.0[next.map_or(END, |byte| usize::from(*byte).min(END))] {
            NOWHERE => Way::Nowhere,
            BOTH => Way::Both,
            step => Way::To(usize::from(step)),
        }
    }
}

/// Returns the step where it goes on from a step with this byte, or the first choice that the byte
/// leaves open.
fn followed(steps: &[Step], mut at: usize, byte: Option<u8>) -> Option<usize> {
    for _ in 0..MOST_FOLLOWED {
        at = match &steps[at] {
            Step::Jump(to) => *to,
            Step::Split(split) => match (can(split, 0, byte), can(split, 1, byte)) {
                (true, true) => return Some(at),
                (true, false) => split.first,
                (false, true) => split.second,
                (false, false) => return None,
            },
            _ => return Some(at),
        };
    }
    Some(at)
}

/// Returns whether a side of a choice can begin with a byte; `None` is the end of the text.
fn can(split: &Split, side: usize, byte: Option<u8>) -> bool {
    let begins = split.begins[side].as_ref();
    begins.is_none_or(|set| byte.is_some_and(|byte| set.has(byte)))
}
