//! Short texts that are looked for in short lines, where better ways of searching do not pay.

/// A text to look for, by the byte of it that lines have least of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Needle {
    text: Box<[u8]>,
    /// Which byte of the text is looked for first.
    mark: usize,
}

impl Needle {
    /// Makes a needle of a text that is not empty.
    pub(crate) fn new(text: &[u8]) -> Option<Self> {
        // Spaces are what lines have most of.
        let mark = text.iter().position(|byte| *byte != b' ').unwrap_or(0);
        (!text.is_empty()).then(|| Self { text: text.into(), mark })
    }

    /// Returns the first place from `first` up to `last` where the text stands.
    #[inline]
    pub(crate) fn first_in(&self, line: &[u8], first: usize, last: usize) -> Option<usize> {
        let end = line.len().min(last.saturating_add(self.mark + 1));
        let mut from = first + self.mark;
        while from < end {
            let at = from + memchr::memchr(self.text[self.mark], &line[from..end])?;
            if self.stands(line, at - self.mark) {
                return Some(at - self.mark);
            }
            from = at + 1;
        }
        None
    }

    /// Returns the last place from `first` on and before `end` where the text stands.
    #[inline]
    pub(crate) fn last_in(&self, line: &[u8], first: usize, end: usize) -> Option<usize> {
        let from = first + self.mark;
        let mut to = line.len().min(end + self.mark);
        while from < to {
            let at = from + memchr::memrchr(self.text[self.mark], &line[from..to])?;
            if self.stands(line, at - self.mark) {
                return Some(at - self.mark);
            }
            to = at;
        }
        None
    }

    fn stands(&self, line: &[u8], at: usize) -> bool {
        begins(&line[at..], &self.text)
    }
}

/// Returns whether a text begins with another one. Most that do not differ in the first byte.
#[inline]
pub(crate) fn begins(text: &[u8], with: &[u8]) -> bool {
    let Some(first) = with.first() else { return true };
    if text.first() != Some(first) {
        return false;
    }
    // Texts are too short for a call to pay: both ends are compared at once, and they meet.
    let Some(text) = text.get(..with.len()) else { return false };
    match with.len() {
        1 => true,
        4..=8 => same_ends::<4>(text, with),
        9..=16 => same_ends::<8>(text, with),
        _ => text == with,
    }
}

/// Returns whether two texts have the same first and the same last bytes.
fn same_ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
    one.first_chunk::<N>() == other.first_chunk() && one.last_chunk::<N>() == other.last_chunk()
}

/// The first bytes of a text, to be compared at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    bytes: u64,
    /// Ones where there are bytes.
    mask: u64,
}

impl Head {
    /// Returns the head of a text.
    #[inline]
    pub(crate) fn of(text: &[u8]) -> Self {
        if let Some(bytes) = text.first_chunk() {
            return Self { bytes: u64::from_le_bytes(*bytes), mask: u64::MAX };
        }
        let (mut bytes, mut mask) = ([0; size_of::<u64>()], [0; size_of::<u64>()]);
        bytes[..text.len()].copy_from_slice(text);
        mask[..text.len()].fill(u8::MAX);
        Self { bytes: u64::from_le_bytes(bytes), mask: u64::from_le_bytes(mask) }
    }

    /// Returns whether the text may begin with another one; if not, it does not.
    #[inline]
    pub(crate) fn begins_with(self, other: Self) -> bool {
        self.bytes & other.mask == other.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_begins_with_the_heads_of_its_beginnings(
            text in "[a\0]{0,12}", other in "[a\0]{0,12}",
        ) {
            let (text, other) = (text.as_bytes(), other.as_bytes());
            let may = Head::of(text).begins_with(Head::of(other));
            prop_assert!(may || !text.starts_with(other));
            prop_assert!(!may || text.starts_with(&other[..other.len().min(8)]) || other.ends_with(b"\0"));
        }

        #[test]
        fn needles_are_found_where_they_stand(
            line in "[ ab]{0,12}", text in "[ ab]{1,3}", first in 0..14_usize, last in 0..14_usize,
        ) {
            let (line, needle) = (line.as_bytes(), Needle::new(text.as_bytes()).unwrap());
            let stands = |at: &usize| line.get(*at..).is_some_and(|rest| rest.starts_with(text.as_bytes()));
            prop_assert_eq!(needle.first_in(line, first, last), (first..=last).find(stands));
            prop_assert_eq!(needle.last_in(line, first, last), (first..last).rev().find(stands));
        }
    }
}
