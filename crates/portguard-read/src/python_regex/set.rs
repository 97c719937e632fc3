//! Sets of bytes of ASCII text, and what an expression can begin with.

use regex_syntax::hir::{Class, HirKind};

/// A set of ASCII bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set([u64; 2]);

impl Set {
    pub(super) fn of(has: impl Fn(u8) -> bool) -> Self {
        let mut bits = [0; 2];
        for byte in (0..128).filter(|byte| has(*byte)) {
            bits[usize::from(byte >> 6)] |= 1 << (byte & 63);
        }
        Self(bits)
    }

    fn of_ranges(ranges: impl Iterator<Item = (u8, u8)>) -> Self {
        let mut bits = [0; 2];
        for byte in ranges.flat_map(|(first, last)| first..=last.min(127)) {
            bits[usize::from(byte >> 6)] |= 1 << (byte & 63);
        }
        Self(bits)
    }

    /// Returns the only ASCII byte that it does not have.
    pub(super) fn all_but(&self) -> Option<u8> {
        let mut missing = (0..128).filter(|byte| !self.has(*byte));
        missing.next().filter(|_| missing.next().is_none())
    }

    /// Reads a class as an expression has it (`[^a-z]`, `\d`).
    pub(super) fn parse(class: &str, any_case: bool) -> Option<Self> {
        let mut parser = regex_syntax::ParserBuilder::new().case_insensitive(any_case).build();
        let hir = parser.parse(class).ok()?;
        match hir.kind() {
            // Ranges are in order, and most of those of a large class are not of ASCII.
            HirKind::Class(Class::Unicode(class)) => {
                let ranges = class.iter().map(|range| (range.start(), range.end()));
                Some(Self::of_ranges(ranges.map_while(|(first, last)| {
                    Some((u8::try_from(first).ok()?, u8::try_from(last).unwrap_or(u8::MAX)))
                })))
            }
            HirKind::Class(Class::Bytes(class)) => {
                Some(Self::of_ranges(class.iter().map(|range| (range.start(), range.end()))))
            }
            HirKind::Literal(literal) if literal.0.len() == 1 => {
                Some(Self::of(|byte| literal.0[0] == byte))
            }
            _ => None,
        }
    }

    /// Returns the letters of a class, if they are few, and all of them of ASCII.
    pub(super) fn letters(class: &str, any_case: bool, most: usize) -> Option<Vec<u8>> {
        let mut parser = regex_syntax::ParserBuilder::new().case_insensitive(any_case).build();
        let hir = parser.parse(class).ok()?;
        let HirKind::Class(Class::Unicode(class)) = hir.kind() else { return None };
        let letters = class.iter().flat_map(|range| range.start()..=range.end());
        // One more tells that there are too many.
        let few: Vec<char> = letters.take(most + 1).collect();
        let few = Some(few).filter(|few| few.len() <= most)?;
        few.into_iter().map(|letter| u8::try_from(letter).ok().filter(u8::is_ascii)).collect()
    }

    /// Returns whether it has a byte of ASCII.
    #[inline]
    pub(super) fn has(&self, byte: u8) -> bool {
        (self.0[usize::from(byte >> 6 & 1)] >> (byte & 63)) & 1 == 1
    }

    pub(super) fn add(&mut self, other: &Self) {
        *self = Self([self.0[0] | other.0[0], self.0[1] | other.0[1]]);
    }

    /// Returns whether a byte is in both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(one, other)| one & other != 0)
    }

    /// Returns the longest range of bytes that it has, of several the last.
    fn longest_range(&self) -> Option<(u8, u8)> {
        let mut best: Option<(u8, u8)> = None;
        let mut first = None;
        for byte in 0..128 {
            let start = *first.get_or_insert(byte);
            if !self.has(byte) {
                first = None;
            } else if best.is_none_or(|(from, to)| byte - start >= to - from) {
                best = Some((start, byte));
            }
        }
        best
    }
}

/// A set, made to tell how many bytes of a text are in it.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) set: Set,
    /// The only ASCII byte that the set does not have.
    all_but: Option<u8>,
    /// What makes the highest bit of a byte be set if the byte is not below the longest range of the
    /// set, and if it is above it, when it is added to the byte.
    from: u64,
    above: u64,
}

/// One in each of the eight bytes of a word.
const EACH: u64 = 0x0101_0101_0101_0101;

impl Span {
    pub(super) fn new(set: Set) -> Self {
        // A range that is empty: no byte is above the highest one.
        let (first, last) = set.longest_range().unwrap_or((127, 126));
        let each = |byte: u8| EACH * u64::from(byte);
        Self { set, all_but: set.all_but(), from: each(128 - first), above: each(127 - last) }
    }

    /// Returns how many bytes from the beginning of an ASCII text are in the set.
    #[inline]
    pub(super) fn run(&self, text: &[u8]) -> usize {
        if let Some(byte) = self.all_but {
            return memchr::memchr(byte, text).unwrap_or(text.len());
        }
        let mut at = 0;
        // Eight bytes at a time: runs are short, and where they end is not to be guessed.
        while let Some(eight) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_le_bytes(*eight);
            let inside = (word + self.from) & !(word + self.above) & (EACH << 7);
            let count = (!inside & (EACH << 7)).trailing_zeros() / 8;
            at += count as usize;
            if count == 8 {
                continue;
            }
            if !self.set.has(text[at]) {
                return at;
            }
            at += 1;
        }
        let rest = &text[at..];
        at + rest.iter().position(|byte| !self.set.has(*byte)).unwrap_or(rest.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn classes_are_sets_of_ascii() {
        let set = |class: &str, any_case| Set::parse(class, any_case).unwrap();
        for (class, any_case, inside, outside) in [
            (r"\d", false, "07", "ax "),
            (r"[^:]", false, "a \n", ":"),
            ("[a-c]", true, "aB", "d"),
            (r"[\s\x1c-\x1f]", false, " \t\x1e", "a"),
            ("a", true, "aA", "b"),
        ] {
            let set = set(class, any_case);
            assert!(inside.bytes().all(|byte| set.has(byte)), "{class}");
            assert!(!outside.bytes().any(|byte| set.has(byte)), "{class}");
        }
        assert_eq!(set(r"[^:]", false).all_but(), Some(b':'));
        assert_eq!(set(r"\d", false).all_but(), None);
        assert_eq!(set(r"[\s\x1c-\x1f]", false).longest_range(), Some((28, 32)));
        assert_eq!(Set::parse("ab", false), None);
    }

    proptest! {
        #[test]
        fn runs_end_at_the_first_byte_that_is_not_in_the_set(text in "[ -:a-c\t\n\x7f]{0,30}") {
            for class in [r"\d", r"\S", r"\s", r"[^:]", r"[:.]", r"[\w.-]", "[\\x00-\\x7f]", r"[^\x00-\x7f]"] {
                let set = Set::parse(class, false).unwrap();
                for start in 0..=text.len() {
                    let rest = &text.as_bytes()[start..];
                    let expected = rest.iter().take_while(|byte| set.has(**byte)).count();
                    prop_assert_eq!(Span::new(set).run(rest), expected, "{} on {:?}", class, rest);
                }
            }
        }
    }
}
