//! Where a choice leads, told by the next byte of a text: mostly one side of it can go on, and that
//! often is another choice.

use super::{Set, Split, Step};

/// The bytes of ASCII, and the end of the text.
const NEXT: usize = 129;
const END: usize = 128;

/// Most steps that are followed to tell where a choice leads.
const MOST_FOLLOWED: u32 = 64;

/// What stands for no step.
const NOWHERE: u16 = u16::MAX;

/// Marks the step on the first side where the second is a way too.
const BOTH: u16 = 1 << 15;

/// Where a choice leads, for each byte that may be next.
#[derive(Clone, Debug)]
pub(in super::super) struct Ways([u16; NEXT]);

/// Where a choice leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Way {
    /// On at this step, behind all that the byte decides.
    To(usize),
    /// To this step on the first side, and if that leads nowhere, to the second.
    Both(usize),
    Nowhere,
}

impl Ways {
    /// Leads nowhere, as long as it is not known where the sides are.
    pub(super) fn unknown() -> Self {
        Self([NOWHERE; NEXT])
    }

    /// Tells the ways of a choice, when it is known what each side of each choice can begin with.
    pub(super) fn of_choice(steps: &[Step], split: &Split) -> Self {
        Self(std::array::from_fn(|next| {
            let byte = u8::try_from(next).ok().filter(|_| next != END);
            let (first, second) = sides(steps, split, byte, &mut MOST_FOLLOWED.clone());
            // A program has fewer steps than fit.
            let number = |step: usize| u16::try_from(step).unwrap_or(NOWHERE);
            match (first, second) {
                (Some(first), Some(_)) => number(first) | BOTH,
                (Some(only), None) | (None, Some(only)) => number(only),
                (None, None) => NOWHERE,
            }
        }))
    }

    /// Returns the way for the next byte of an ASCII text; `None` is its end.
    #[inline]
    pub(in super::super) fn of(&self, next: Option<&u8>) -> Way {
        match self.0[next.map_or(END, |byte| usize::from(*byte & 127))] {
            NOWHERE => Way::Nowhere,
            step if step & BOTH != 0 => Way::Both(usize::from(step & !BOTH)),
            step => Way::To(usize::from(step)),
        }
    }
}

/// Returns where each side of a choice goes on with this byte.
fn sides(
    steps: &[Step],
    split: &Split,
    byte: Option<u8>,
    left: &mut u32,
) -> (Option<usize>, Option<usize>) {
    let mut side = |side: usize, to: usize| {
        can(split, side, byte).then(|| followed(steps, to, byte, left)).flatten()
    };
    (side(0, split.first), side(1, split.second))
}

/// Returns the step where it goes on from a step with this byte: the first that takes it, or that
/// it leaves open. `None` if there is none.
fn followed(steps: &[Step], at: usize, byte: Option<u8>, left: &mut u32) -> Option<usize> {
    let Some(fewer) = left.checked_sub(1) else { return Some(at) };
    *left = fewer;
    let has = |set: &Set| byte.is_some_and(|byte| set.has(byte));
    match &steps[at] {
        Step::Jump(to) => followed(steps, *to, byte, left),
        Step::Split(split) => match sides(steps, split, byte, left) {
            (Some(_), Some(_)) => Some(at),
            (first, second) => first.or(second),
        },
        // It takes nothing.
        Step::Run(run) if run.least == 0 && !has(&run.span.set) => {
            followed(steps, at + 1, byte, left)
        }
        Step::Byte(own) => (byte == Some(*own)).then_some(at),
        Step::One(set) => has(set).then_some(at),
        _ => Some(at),
    }
}

/// Returns whether a side of a choice can begin with a byte; `None` is the end of the text.
fn can(split: &Split, side: usize, byte: Option<u8>) -> bool {
    let begins = split.begins[side].as_ref();
    begins.is_none_or(|set| byte.is_some_and(|byte| set.has(byte)))
}
