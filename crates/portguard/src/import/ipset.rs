//! The text of `ipset save` as data: who is allowed, banned and throttled. What can not be taken
//! over is named with its line.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use portguard_core::{Author, List, ListedHold, Measure, Strength, Subject, Timestamp, Until};

/// What the text gives.
#[derive(Debug, Default)]
pub(crate) struct IpsetImport {
    /// Measures in force.
    pub(crate) holds: Vec<ListedHold>,
    /// What was taken over, and what was not and why.
    pub(crate) report: Vec<String>,
}

/// Most lines that are named one by one as not understood.
const MOST_NAMED: usize = 100;

/// Most networks that one range of addresses is split into.
const MOST_PARTS: usize = 256;

/// Reads the text.
pub(crate) fn read(text: &str, now: Timestamp) -> IpsetImport {
    let mut import = IpsetImport::default();
    let mut unknown: BTreeMap<String, usize> = BTreeMap::new();
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    let mut defaults: BTreeMap<&str, Defaults> = BTreeMap::new();
    let mut troubles = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match *words.as_slice() {
            ["create" | "-N", set, ref options @ ..] => {
                defaults.insert(set, Defaults::of(options));
            }
            [] | ["flush" | "COMMIT" | "quit", ..] => {}
            [word, ..] if word.starts_with('#') => {}
            ["add" | "-A", set, entry, ref options @ ..] => {
                let Some(measure) = measure_of(set) else {
                    *unknown.entry(set.to_owned()).or_default() += 1;
                    continue;
                };
                let defaults = defaults.get(set).copied().unwrap_or_default();
                match holds(measure, (set, entry), (options, defaults), now) {
                    Ok(holds) => {
                        *taken.entry(set).or_default() += 1;
                        import.holds.extend(holds);
                    }
                    Err(why) => troubles.push(format!("line {number}: {why}")),
                }
            }
            _ => troubles.push(format!("line {number}: `{line}` is no line of `ipset save`")),
        }
    }
    for (set, count) in taken {
        import.report.push(format!("{set}: {count} entries are taken over"));
    }
    for (set, count) in unknown {
        let line =
            format!("{set}: {count} entries are left out; no list of ours goes by that name");
        import.report.push(line);
    }
    let more = troubles.len().saturating_sub(MOST_NAMED);
    import.report.extend(troubles.into_iter().take(MOST_NAMED));
    if more > 0 {
        import.report.push(format!("and {more} more lines are left out"));
    }
    import
}

/// Returns what a set of this name does, `None` if it is none of the ancestor's.
fn measure_of(set: &str) -> Option<Measure> {
    let name = set.strip_suffix("_v6").unwrap_or(set);
    match name {
        "whitelist" => Some(Measure::Allow),
        "blacklist" => Some(Measure::Ban),
        "throttle-soft" | "throttle_soft" => Some(Measure::Throttle(Strength::Soft)),
        "throttle-hard" | "throttle_hard" => Some(Measure::Throttle(Strength::Hard)),
        _ => None,
    }
}

/// Returns the holds that an entry stands for.
fn holds(
    measure: Measure,
    (set, entry): (&str, &str),
    (options, defaults): (&[&str], Defaults),
    now: Timestamp,
) -> Result<Vec<ListedHold>, String> {
    if options.contains(&"nomatch") {
        return Err(format!("{set} excepts {entry} (`nomatch`), which no list of ours does"));
    }
    let until = match after(options, "timeout").map(str::parse) {
        None if defaults.timeout > 0 => Until::at(now.plus(Duration::from_secs(defaults.timeout))),
        None | Some(Ok(0)) => Until::FOREVER,
        Some(Ok(seconds)) => Until::at(now.plus(Duration::from_secs(seconds))),
        Some(Err(_)) => return Err(format!("the timeout of {entry} is no number")),
    };
    let reason = comment(options).unwrap_or_else(|| format!("ipset {set}"));
    let hold = |subject| ListedHold {
        list: list_of(measure),
        subject,
        ports: Vec::new(),
        since: now,
        until,
        nth_ban: 0,
        author: Author::Import,
        reason: reason.as_str().into(),
    };
    let subjects = subjects(entry)?.into_iter();
    Ok(subjects.map(|subject| hold(defaults.widened(subject))).collect())
}

/// What a set's definition says of entries that do not say it themselves.
#[derive(Clone, Copy, Debug, Default)]
struct Defaults {
    /// Seconds; 0 for ever.
    timeout: u64,
    /// How wide its entries are, though they are written without it.
    netmask: Option<u8>,
}

impl Defaults {
    fn of(options: &[&str]) -> Self {
        let number = |name| after(options, name).and_then(|text| text.parse::<u64>().ok());
        let netmask = number("netmask").and_then(|length| u8::try_from(length).ok());
        Self { timeout: number("timeout").unwrap_or(0), netmask }
    }

    fn widened(self, subject: Subject) -> Subject {
        match self.netmask {
            Some(length) if length < subject.prefix_len() => subject.widened(length),
            _ => subject,
        }
    }
}

/// Returns the word after an option's name.
fn after<'a>(options: &[&'a str], name: &str) -> Option<&'a str> {
    let at = options.iter().position(|option| *option == name)?;
    options.get(at + 1).copied()
}

fn list_of(measure: Measure) -> List {
    measure.list()
}

/// Returns the comment of an entry, which stands in quotes and may have spaces.
fn comment(options: &[&str]) -> Option<String> {
    let at = options.iter().position(|option| *option == "comment")?;
    let text = options.get(at + 1..)?.join(" ");
    let text = text.strip_prefix('"')?;
    Some(text.split('"').next().unwrap_or(text).to_owned())
}

/// Returns the subjects of an entry: an address, a network, or a range of addresses.
fn subjects(entry: &str) -> Result<Vec<Subject>, String> {
    match entry.split_once('-') {
        Some((first, last)) => range(first, last).ok_or_else(|| {
            format!("{entry} is no range of addresses that {MOST_PARTS} networks make up")
        }),
        None => entry.parse().map(|subject| vec![subject]).map_err(|why| format!("{why}")),
    }
}

/// Returns the fewest networks that make up a range.
fn range(first: &str, last: &str) -> Option<Vec<Subject>> {
    let (first, last): (IpAddr, IpAddr) = (first.parse().ok()?, last.parse().ok()?);
    let (mut next, last, bits) = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            (u128::from(first.to_bits()), u128::from(last.to_bits()), 32)
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => (first.to_bits(), last.to_bits(), 128),
        _ => return None,
    };
    let address = |number: u128| -> IpAddr {
        match u32::try_from(number) {
            Ok(number) if bits == 32 => IpAddr::V4(number.into()),
            _ => IpAddr::V6(number.into()),
        }
    };
    let mut found = Vec::new();
    while next <= last && found.len() < MOST_PARTS {
        // As wide as the address allows, and not beyond the end.
        let mut host_bits = next.trailing_zeros().min(bits);
        while host_bits > 0 && (host_bits >= 128 || (1 << host_bits) - 1 > last - next) {
            host_bits -= 1;
        }
        let length = u8::try_from(bits - host_bits).ok()?;
        found.push(Subject::containing(address(next), length));
        match next.checked_add(1 << host_bits) {
            Some(after) => next = after,
            None => return Some(found),
        }
    }
    (next > last && !found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(text: &str) -> Vec<String> {
        let import = read(text, Timestamp::from_secs(1_000));
        let holds = import.holds.iter().map(|hold| {
            let until = hold.until.moment().map_or(0, |end| end.as_millis() / 1_000 - 1_000);
            format!("{} {} {until} {}", hold.list, hold.subject, hold.reason)
        });
        holds.chain(import.report).collect()
    }

    #[test]
    fn every_set_of_the_ancestor_is_taken_over() {
        let text = "create whitelist hash:net family inet hashsize 1024 maxelem 65536 timeout 0\n\
            add whitelist 198.51.100.0/24 timeout 0\n\
            create blacklist_v6 hash:net family inet6 hashsize 1024 maxelem 65536 timeout 0\n\
            add blacklist_v6 2001:db8::7 timeout 300 comment \"bad one\"\n\
            add blacklist 203.0.113.9\n\
            add throttle-soft 203.0.113.10 timeout 60 packets 3 bytes 180\n\
            add throttle_hard_v6 2001:db8:1::/48\n\
            add blacklist 203.0.113.4-203.0.113.7\n";
        assert_eq!(
            told(text),
            [
                "allow 198.51.100.0/24 0 ipset whitelist",
                "ban 2001:db8::7 300 bad one",
                "ban 203.0.113.9 0 ipset blacklist",
                "throttle-soft 203.0.113.10 60 ipset throttle-soft",
                "throttle-hard 2001:db8:1::/48 0 ipset throttle_hard_v6",
                "ban 203.0.113.4/30 0 ipset blacklist",
                "blacklist: 2 entries are taken over",
                "blacklist_v6: 1 entries are taken over",
                "throttle-soft: 1 entries are taken over",
                "throttle_hard_v6: 1 entries are taken over",
                "whitelist: 1 entries are taken over",
            ]
        );
    }

    #[test]
    fn what_an_entry_does_not_say_its_set_does() {
        let text = "create blacklist hash:ip family inet bucketsize 12 initval 0x1 netmask 24 timeout 600\n\
            add blacklist 203.0.113.0\n\
            add blacklist 198.51.100.0 timeout 60 packets 1 bytes 40\n";
        assert_eq!(
            told(text)[..2],
            ["ban 203.0.113.0/24 600 ipset blacklist", "ban 198.51.100.0/24 60 ipset blacklist"]
        );
    }

    #[test]
    fn what_can_not_be_taken_over_is_named_with_its_line() {
        let text = "add f2b-sshd 203.0.113.9 timeout 60\n\
            add blacklist 203.0.113.0/24 nomatch\n\
            add blacklist nonsense\n\
            add blacklist 203.0.113.9 timeout soon\n\
            hello\n";
        assert_eq!(
            told(text),
            [
                "f2b-sshd: 1 entries are left out; no list of ours goes by that name",
                "line 2: blacklist excepts 203.0.113.0/24 (`nomatch`), which no list of ours does",
                "line 3: `nonsense` is neither an address nor a network",
                "line 4: the timeout of 203.0.113.9 is no number",
                "line 5: `hello` is no line of `ipset save`",
            ]
        );
    }

    #[test]
    fn ranges_become_the_networks_that_make_them_up() {
        let words = |entry: &str| {
            subjects(entry)
                .map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(words("10.0.0.1-10.0.0.4").unwrap(), "10.0.0.1 10.0.0.2/31 10.0.0.4");
        assert_eq!(words("255.255.255.254-255.255.255.255").unwrap(), "255.255.255.254/31");
        assert_eq!(words("2001:db8::-2001:db8::ffff").unwrap(), "2001:db8::/112");
        assert_eq!(words("0.0.0.0-255.255.255.255").unwrap(), "0.0.0.0/0");
        assert!(words("10.0.0.4-10.0.0.1").is_err());
        assert!(words("10.0.0.4-2001:db8::").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(add|create| |blacklist|[0-9./:-]|\"|\n){0,80}") {
            // Whatever it says is right; that it says something is the law.
            let _ = read(&text, Timestamp::from_secs(1));
        }
    }
}
