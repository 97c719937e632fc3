//! Finds many texts in lines at once, by looking at every third place of a line only: at one of them
//! stands a piece of each text that is there. An automaton that looks at every byte has so many
//! states for a hundred filters that its memory is waited for.

use std::collections::HashMap;

use aho_corasick::packed;
use foldhash::fast::RandomState;

/// How long a piece is, in bytes.
const PIECE: usize = 4;

/// How far apart the places are that are looked at.
const STEP: usize = 3;

/// Texts of this length have a piece at a place that is looked at, wherever they stand.
const LONG: usize = PIECE + STEP - 1;

/// How many marks there are, in words of 64 bits: they stay in the fastest memory (8 KiB), and one of
/// a hundred is set for a hundred filters.
const MARKS: usize = 1_024;

/// Texts to look for, known by their numbers.
#[derive(Debug)]
pub(crate) struct Samples {
    texts: Vec<Vec<u8>>,
    /// A bit for each piece that a text has, by its hash.
    marks: Box<[u64; MARKS]>,
    /// Which texts have a piece, and how far behind their beginnings.
    pieces: HashMap<u32, Vec<(u16, u16)>, RandomState>,
    short: Short,
}

/// The texts that are too short to have a piece at every place.
#[derive(Debug)]
enum Short {
    None,
    /// Found several bytes at a time, by those that others of them begin with.
    Packed(packed::Searcher, Vec<Vec<u16>>),
    /// Looked for one by one, where the processor knows no better.
    Each(Vec<u16>),
}

impl Samples {
    /// Makes ready to look for texts, none of which is empty or has a line end in it; `None` if they
    /// are too many.
    pub(crate) fn new(texts: Vec<Vec<u8>>) -> Option<Self> {
        let mut marks = Box::new([0; MARKS]);
        let mut pieces: HashMap<u32, Vec<(u16, u16)>, RandomState> = HashMap::default();
        let mut short = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            let number = u16::try_from(number).ok()?;
            let Some(at) = rarest(text) else {
                short.push(number);
                continue;
            };
            for behind in at..at + STEP {
                let piece = piece_at(text, behind)?;
                let (word, bit) = mark_of(piece);
                marks[word] |= bit;
                pieces.entry(piece).or_default().push((number, u16::try_from(behind).ok()?));
            }
        }
        let short = Short::new(&texts, short);
        Some(Self { texts, marks, pieces, short })
    }

    /// Hands over the number of every text in a line, some of them more than once.
    #[inline]
    pub(crate) fn each(&self, line: &[u8], found: &mut dyn FnMut(usize)) {
        let mut at = 0;
        while let Some(piece) = piece_at(line, at) {
            let (word, bit) = mark_of(piece);
            if self.marks[word] & bit != 0 {
                self.check(line, at, piece, found);
            }
            at += STEP;
        }
        self.short.each(&self.texts, line, found);
    }

    /// Hands over the texts that have a piece which stands here.
    #[cold]
    fn check(&self, line: &[u8], at: usize, piece: u32, found: &mut dyn FnMut(usize)) {
        for (number, behind) in self.pieces.get(&piece).into_iter().flatten() {
            let number = usize::from(*number);
            let start = at.checked_sub(usize::from(*behind));
            if start.is_some_and(|start| line[start..].starts_with(&self.texts[number])) {
                found(number);
            }
        }
    }
}

impl Short {
    fn new(texts: &[Vec<u8>], mut numbers: Vec<u16>) -> Self {
        if numbers.is_empty() {
            return Self::None;
        }
        let text = |number: &u16| texts[usize::from(*number)].as_slice();
        numbers.sort_by_key(|number| text(number).len());
        let mut groups: Vec<Vec<u16>> = Vec::new();
        for number in &numbers {
            let begins = |group: &&mut Vec<u16>| text(number).starts_with(text(&group[0]));
            match groups.iter_mut().find(begins) {
                Some(group) => group.push(*number),
                None => groups.push(vec![*number]),
            }
        }
        let heads = groups.iter().map(|group| text(&group[0]));
        match packed::Config::new().builder().extend(heads).build() {
            Some(searcher) => Self::Packed(searcher, groups),
            None => Self::Each(numbers),
        }
    }

    #[inline]
    fn each(&self, texts: &[Vec<u8>], line: &[u8], found: &mut dyn FnMut(usize)) {
        match self {
            Self::None => {}
            Self::Packed(searcher, groups) => {
                let mut from = 0;
                while let Some(head) = searcher.find_in(line, (from..line.len()).into()) {
                    let rest = &line[head.start()..];
                    let group =
                        groups[head.pattern().as_usize()].iter().map(|one| usize::from(*one));
                    group.filter(|number| rest.starts_with(&texts[*number])).for_each(&mut *found);
                    from = head.start() + 1;
                }
            }
            Self::Each(numbers) => {
                let numbers = numbers.iter().map(|number| usize::from(*number));
                let stands = |number: &usize| memchr::memmem::find(line, &texts[*number]).is_some();
                numbers.filter(stands).for_each(found);
            }
        }
    }
}

/// Returns where in a text the piece begins, with those behind it, that fewest lines have; `None` if
/// the text is short.
fn rarest(text: &[u8]) -> Option<usize> {
    let places = text.windows(LONG).enumerate();
    let rarest =
        places.max_by_key(|(_, window)| window.iter().map(|byte| rarity(*byte)).sum::<u32>())?;
    Some(rarest.0)
}

/// Returns how rare a byte is in lines of logs, roughly.
fn rarity(byte: u8) -> u32 {
    match byte {
        b' ' | b'e' | b't' | b'o' | b'r' | b'n' | b's' | b'i' | b'a' => 1,
        b'a'..=b'z' => 2,
        b'A'..=b'Z' | b'0'..=b'9' => 3,
        _ => 4,
    }
}

#[inline]
fn piece_at(text: &[u8], at: usize) -> Option<u32> {
    text.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// Returns the word and the bit of the mark of a piece (Fibonacci hashing).
#[inline]
fn mark_of(piece: u32) -> (usize, u64) {
    let hash = piece.wrapping_mul(0x9e37_79b9) >> 16;
    ((hash >> 6) as usize, 1 << (hash & 63))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn samples_find_what_a_search_for_each_finds(
            texts in prop::collection::vec("[ab ]{1,9}", 0..12), line in "[ab ]{0,40}",
        ) {
            let texts: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
            let has = |number: &usize| memchr::memmem::find(line.as_bytes(), &texts[*number]).is_some();
            let expected: BTreeSet<usize> = (0..texts.len()).filter(has).collect();
            let mut found = BTreeSet::new();
            let samples = Samples::new(texts.clone()).unwrap();
            samples.each(line.as_bytes(), &mut |number| { found.insert(number); });
            prop_assert_eq!(found, expected);
        }
    }
}
