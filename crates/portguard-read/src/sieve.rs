//! Finds the lines of a text that may mean something: those that contain one of some texts. Most
//! lines of most logs contain none, and need no closer look.

use aho_corasick::{AhoCorasick, AhoCorasickKind, packed};

/// A shorter text would be found in too many lines.
const SHORTEST: usize = 3;

/// Most texts that are looked for several bytes at a time.
const MOST_PACKED: usize = 64;

/// Texts of which a line that may mean something contains one.
pub(crate) type Texts = Vec<Vec<u8>>;

/// Returns, out of lists of texts, the one whose texts are longest at the least: fewest lines have one.
pub(crate) fn longest(lists: Vec<Texts>) -> Option<Texts> {
    let shortest = |texts: &Texts| texts.iter().map(Vec::len).min().unwrap_or(0);
    // Of those as long, the first: `Failed ` is in fewer lines than ` from `.
    lists.into_iter().rev().max_by_key(shortest)
}

/// Returns those of some texts that have no other of them within: whatever contains the others
/// contains one of these.
pub(crate) fn fewest(mut texts: Texts) -> Texts {
    texts.sort_by_key(Vec::len);
    let mut fewest = Texts::new();
    for text in texts {
        if !fewest.iter().any(|known| memchr::memmem::find(&text, known).is_some()) {
            fewest.push(text);
        }
    }
    fewest
}

/// Returns each of some texts with each of others behind it.
pub(crate) fn joined(first: &[Vec<u8>], second: &[Vec<u8>]) -> Texts {
    let with =
        |one: &Vec<u8>| second.iter().map(|other| [one.as_slice(), other].concat()).collect();
    first.iter().flat_map(|one| -> Texts { with(one) }).collect()
}

/// Looks for texts.
#[derive(Debug)]
pub(crate) enum Sieve {
    Packed(packed::Searcher),
    Any(AhoCorasick),
}

impl Sieve {
    /// Makes a sieve that lets lines pass with one of these texts; `None` if it would let too many
    /// pass, or if there are no texts: then every line may mean something.
    pub(crate) fn new(mut texts: Vec<Vec<u8>>) -> Option<Self> {
        let is_useless = |text: &Vec<u8>| text.len() < SHORTEST || text.contains(&b'\n');
        if texts.is_empty() || texts.iter().any(is_useless) {
            return None;
        }
        texts.sort_unstable();
        texts.dedup();
        let few = texts.len() <= MOST_PACKED;
        let packed = few.then(|| packed::Config::new().builder().extend(&texts).build()).flatten();
        packed.map(Self::Packed).or_else(|| {
            let mut builder = AhoCorasick::builder();
            builder.kind(Some(AhoCorasickKind::ContiguousNFA)).build(&texts).ok().map(Self::Any)
        })
    }

    /// Returns where one of the texts ends in a text.
    #[inline]
    pub(crate) fn find(&self, text: &[u8]) -> Option<usize> {
        match self {
            Self::Packed(searcher) => searcher.find(text).map(|found| found.end()),
            Self::Any(searcher) => searcher.find(text).map(|found| found.end()),
        }
    }

    /// Returns the line with the first of the texts, as its begin and end.
    pub(crate) fn line(&self, text: &[u8]) -> Option<(usize, usize)> {
        let at = self.find(text)?;
        // No text has a line end in it, and one found at the end of its line is still in it.
        let within = at - 1;
        let start = memchr::memrchr(b'\n', &text[..within]).map_or(0, |end| end + 1);
        let end = memchr::memchr(b'\n', &text[within..]).map_or(text.len(), |end| within + end);
        Some((start, end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_fewest_texts_find_what_all_of_them_find(
            texts in prop::collection::vec("[ab]{1,4}", 0..6), line in "[ab]{0,8}",
        ) {
            let has = |texts: &Texts| texts.iter().any(|text| memchr::memmem::find(line.as_bytes(), text).is_some());
            let all: Texts = texts.into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(has(&fewest(all.clone())), has(&all));
        }
    }

    #[test]
    fn lines_with_one_of_the_texts_pass() {
        let many: Vec<Vec<u8>> = (0..200).map(|number| format!("text {number}!").into()).collect();
        for texts in [vec![b"refused".to_vec(), b"text 7!".to_vec()], many] {
            let sieve = Sieve::new(texts).unwrap();
            let text = b"nothing\nhere is text 7!\nthere";
            assert_eq!(sieve.line(text), Some((8, 23)));
            assert_eq!(sieve.line(b"nothing\nthere text\n"), None);
        }
        assert!(Sieve::new(vec![b"ab".to_vec()]).is_none());
        assert!(Sieve::new(Vec::new()).is_none());
    }
}
