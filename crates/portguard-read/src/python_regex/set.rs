//! Sets of bytes of ASCII text, and what an expression can begin with.

use regex_syntax::hir::{Class, HirKind};

/// A set of ASCII bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set {
    has: [u64; 2],
    /// The only ASCII byte that it does not have.
    pub(super) all_but: Option<u8>,
}

impl Set {
    pub(super) fn of(has: impl Fn(u8) -> bool) -> Self {
        let mut bits = [0; 2];
        for byte in (0..128).filter(|byte| has(*byte)) {
            bits[usize::from(byte >> 6)] |= 1 << (byte & 63);
        }
        Self::with(bits)
    }

    fn of_ranges(ranges: impl Iterator<Item = (u8, u8)>) -> Self {
        let mut bits = [0; 2];
        for byte in ranges.flat_map(|(first, last)| first..=last.min(127)) {
            bits[usize::from(byte >> 6)] |= 1 << (byte & 63);
        }
        Self::with(bits)
    }

    fn with(has: [u64; 2]) -> Self {
        let mut missing = (0..2_u8).zip(has).filter(|(_, bits)| *bits != u64::MAX);
        let all_but = match (missing.next(), missing.next()) {
            (Some((word, bits)), None) if bits.count_zeros() == 1 => {
                u8::try_from(bits.trailing_ones()).ok().map(|bit| word << 6 | bit)
            }
            _ => None,
        };
        Self { has, all_but }
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

    #[inline]
    pub(super) fn has(&self, byte: u8) -> bool {
        byte < 128 && (self.has[usize::from(byte >> 6)] >> (byte & 63)) & 1 == 1
    }

    pub(super) fn add(&mut self, other: &Self) {
        *self = Self::with([self.has[0] | other.has[0], self.has[1] | other.has[1]]);
    }

    /// Returns whether a byte is in both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.has.iter().zip(other.has).any(|(one, other)| one & other != 0)
    }

    /// Returns how many bytes from the beginning of a text are in the set.
    #[inline]
    pub(super) fn run(&self, text: &[u8]) -> usize {
        let end = match self.all_but {
            Some(byte) => memchr::memchr(byte, text),
            None => text.iter().position(|byte| !self.has(*byte)),
        };
        end.unwrap_or(text.len())
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(set(r"[^:]", false).all_but, Some(b':'));
        assert_eq!(set(r"\d", false).run(b"123a"), 3);
        assert_eq!(set("[^x]", false).run(b"abx"), 2);
        assert_eq!(Set::parse("ab", false), None);
    }
}
