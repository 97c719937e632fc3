//! Many rules on one log: one look for all texts that any of them needs says which lines are for
//! which rule.

use std::collections::BTreeMap;

use crate::{judgement::Judgement, reader::Reader, samples::Samples};

/// Rules that read the same log.
#[derive(Debug)]
pub struct Readers {
    all: Vec<Reader>,
    /// Looks for the texts that readers need; the same text may be needed by several.
    samples: Samples,
    /// Which readers need each text.
    owners: Vec<Vec<usize>>,
    /// Those that look at every line.
    eager: Vec<usize>,
    /// Those that are to look at the line at hand.
    called: Vec<usize>,
    /// Those that are to look at the next line too.
    open: Vec<usize>,
}

impl Readers {
    /// Puts readers together; they keep their numbers. Returns `None` if they need too many texts.
    pub fn new(readers: Vec<Reader>) -> Option<Self> {
        let mut owners: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
        let mut eager = Vec::new();
        for (number, reader) in readers.iter().enumerate() {
            if reader.needed().is_empty() {
                eager.push(number);
            }
            for text in reader.needed() {
                owners.entry(text).or_default().push(number);
            }
        }
        let samples = Samples::new(owners.keys().map(|text| text.to_vec()).collect())?;
        let owners = owners.into_values().collect();
        Some(Self { all: readers, samples, owners, eager, called: Vec::new(), open: Vec::new() })
    }

    /// Takes a text of whole lines, hands over those that are anything but nothing to a reader, with
    /// its number, and returns how many lines there were. See [`Reader::take_all`].
    pub fn take_all(
        &mut self,
        text: &[u8],
        now: i64,
        hand: &mut dyn FnMut(usize, &[u8], Judgement),
    ) -> u64 {
        let Self { all, samples, owners, eager, called, open } = self;
        // How far each reader has come.
        let mut seen = vec![0; all.len()];
        let (mut start, mut lines) = (0, 0);
        while start < text.len() {
            let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |end| start + end);
            called.clear();
            samples.each(&text[start..end], &mut |found| {
                for owner in &owners[found] {
                    // A line may be full of what they need.
                    if !called.contains(owner) {
                        called.push(*owner);
                    }
                }
            });
            let by_text = called.len();
            called.extend_from_slice(eager);
            called.append(open);
            for (place, number) in called.iter().enumerate() {
                if called[..place].contains(number) {
                    continue;
                }
                let reader = &mut all[*number];
                reader.wants(place < by_text);
                let before = &text[seen[*number]..start];
                let judgement = reader.judge(before, &text[start..end], None, now);
                seen[*number] = end + 1;
                if reader.is_open() {
                    open.push(*number);
                }
                if !matches!(judgement, Judgement::Nothing) {
                    hand(*number, &text[start..end], judgement);
                }
            }
            (start, lines) = (end + 1, lines + 1);
        }
        for (reader, seen) in all.iter_mut().zip(seen) {
            if let Some(rest) = text.get(seen..).filter(|rest| !rest.is_empty()) {
                reader.pass(rest.strip_suffix(b"\n").unwrap_or(rest));
            }
        }
        lines
    }

    /// Returns the reader if there is but one, which reads faster by itself.
    pub fn single(&mut self) -> Option<&mut Reader> {
        match &mut self.all[..] {
            [one] => Some(one),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::{
        fail2ban::Filter,
        rule::{NAMES, built_in},
    };

    fn readers() -> Vec<Reader> {
        let own = |name: &&str| Reader::of_rule(built_in(name).unwrap().unwrap(), TimeZone::UTC);
        let together = Filter {
            failregex: vec![r"^ beginning of <HOST>$<SKIPLINES>^ end$".into()],
            maxlines: 3,
            ..Filter::default()
        };
        let of_filter = Reader::of_filter(&together, TimeZone::UTC).unwrap();
        NAMES.iter().map(own).chain([of_filter]).collect()
    }

    #[test]
    fn together_they_find_what_each_finds_alone() {
        let examples =
            |name: &&str| built_in(name).unwrap().unwrap().examples().collect::<Vec<_>>();
        let mut lines: Vec<String> = NAMES.iter().flat_map(examples).collect();
        for line in
            ["beginning of 192.0.2.7", "x", "end", "x", "beginning of 192.0.2.8", "x", "x", "end"]
        {
            lines.push(format!("Nov 20 10:00:00 {line}"));
        }
        let text = lines.join("\n") + "\n";
        let now = 1_795_176_000;
        let mut all = Vec::new();
        let mut together = Readers::new(readers()).unwrap();
        // Parts end where lines do.
        for part in text.split_inclusive('\n').collect::<Vec<_>>().chunks(7) {
            let part = part.concat();
            together.take_all(part.as_bytes(), now, &mut |number, line, judgement| {
                all.push((number, line.to_vec(), judgement));
            });
        }
        let mut alone = Vec::new();
        for (number, mut reader) in readers().into_iter().enumerate() {
            reader.take_all(text.as_bytes(), now, &mut |line, judgement| {
                alone.push((number, line.to_vec(), judgement));
            });
        }
        all.sort_by_key(|(number, ..)| *number);
        assert!(all.len() > 200, "{}", all.len());
        assert_eq!(all, alone);
    }
}
