//! This host's own habit: how many connections each port gets in each hour, and what is far from it.
//!
//! An hour is compared with the same hour of the week in the weeks before, or of the days before as
//! long as there are too few of those, by median and median absolute deviation (Iglewicz and Hoaglin,
//! How to Detect and Handle Outliers, 1993): single odd hours do not spoil the habit.

use std::{collections::BTreeMap, fmt, net::IpAddr, time::Duration};

use crate::{Port, Timestamp};

use super::limits::Severity;

/// Most ports whose habit is learnt. A port that comes later is not learnt.
const MOST_PORTS: usize = 256;

/// Hours that are remembered: four weeks.
const HOURS: usize = 4 * 168;

const DAY: usize = 24;
const WEEK: usize = 168;

/// Fewer hours than these say nothing.
const FEWEST: usize = 3;

/// Fewer connections in an hour are never too many.
const FEW: u32 = 30;

/// Turns a median absolute deviation into a standard deviation, for a normal distribution.
const NORMAL: f64 = 1.4826;

/// Most sources of an hour that are counted one by one; others take their places away.
const MOST_SOURCES: usize = 8;

/// What is far from a habit, and how bad that is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Habit {
    /// How long it is learnt before anything is told.
    pub learn: Duration,
    /// So many standard deviations are far.
    pub deviation: f64,
    /// How bad it is.
    pub severity: Severity,
}

/// The habits of all ports, as they are kept over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Habits {
    /// The hour that was seen first, in hours since 1970.
    pub since: u64,
    /// For each port the counts of the last hours, the newest first, and the hour of the newest.
    pub ports: BTreeMap<Port, (u64, Vec<u32>)>,
}

/// The habit as it is learnt.
#[derive(Debug)]
pub(super) struct Baseline {
    habit: Habit,
    since: Option<u64>,
    ports: BTreeMap<Port, Counted>,
}

#[derive(Debug)]
struct Counted {
    /// The hour that is counted, in hours since 1970.
    hour: u64,
    count: u32,
    /// The counts of the hours before, the newest first.
    before: Vec<u32>,
    /// The sources that came most often in this hour (Misra and Gries, 1982).
    sources: Vec<(IpAddr, u32)>,
    told: bool,
}

/// A port with far more connections than usual.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Deviation {
    /// How many there were so far in this hour.
    pub(super) count: u32,
    pub(super) usual: f64,
    pub(super) deviations: f64,
    /// What it was compared with.
    pub(super) habit: Samples,
    /// The source of most of them, if there is one.
    pub(super) source: Option<IpAddr>,
}

/// The hours that an hour is compared with: how many there are, and what they have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Samples {
    /// The same hour of so many days.
    Days(usize),
    /// The same hour of the week, in so many weeks.
    Weeks(usize),
}

impl fmt::Display for Samples {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Days(count) => write!(out, "this hour of {count} days before"),
            Self::Weeks(count) => write!(out, "this hour and day of {count} weeks before"),
        }
    }
}

impl Baseline {
    pub(super) fn new(habit: Habit) -> Self {
        Self { habit, since: None, ports: BTreeMap::new() }
    }

    pub(super) fn set(&mut self, habit: Habit) {
        self.habit = habit;
    }

    /// Takes a new connection. Returns what is far from the habit, once in an hour.
    pub(super) fn see(&mut self, port: Port, source: IpAddr, at: Timestamp) -> Option<Deviation> {
        let hour = at.as_millis() / 3_600_000;
        let since = *self.since.get_or_insert(hour);
        if self.ports.len() >= MOST_PORTS && !self.ports.contains_key(&port) {
            return None;
        }
        let counted = self.ports.entry(port).or_insert_with(|| Counted::new(hour));
        // A packet of an hour before counts for this one.
        if hour > counted.hour {
            counted.turn(hour);
        }
        counted.add(source);
        let learnt = Duration::from_secs(3_600)
            .saturating_mul(u32::try_from(hour.saturating_sub(since)).unwrap_or(u32::MAX));
        if counted.told || counted.count < FEW || learnt < self.habit.learn {
            return None;
        }
        let found = counted.compare(since, self.habit.deviation)?;
        counted.told = true;
        Some(found)
    }

    /// Returns what is to be kept over a restart.
    pub(super) fn habits(&self) -> Habits {
        let of_port = |(port, counted): (&Port, &Counted)| {
            let all = std::iter::once(counted.count).chain(counted.before.iter().copied());
            (*port, (counted.hour, all.collect()))
        };
        Habits {
            since: self.since.unwrap_or_default(),
            ports: self.ports.iter().map(of_port).collect(),
        }
    }

    /// Goes on with what was kept.
    pub(super) fn restore(&mut self, habits: Habits) {
        if habits.since == 0 {
            return;
        }
        self.since = Some(habits.since);
        for (port, (hour, counts)) in habits.ports.into_iter().take(MOST_PORTS) {
            let mut counted = Counted::new(hour);
            let mut counts = counts.into_iter();
            counted.count = counts.next().unwrap_or_default();
            counted.before = counts.take(HOURS).collect();
            self.ports.insert(port, counted);
        }
    }
}

impl Counted {
    fn new(hour: u64) -> Self {
        Self { hour, count: 0, before: Vec::new(), sources: Vec::new(), told: false }
    }

    /// Goes on to an hour; those between had none.
    fn turn(&mut self, hour: u64) {
        let gone = usize::try_from(hour - self.hour).unwrap_or(HOURS).min(HOURS);
        let none = std::iter::repeat_n(0, gone - 1);
        self.before = none.chain([self.count]).chain(self.before.drain(..)).take(HOURS).collect();
        (self.hour, self.count, self.told) = (hour, 0, false);
        self.sources.clear();
    }

    fn add(&mut self, source: IpAddr) {
        self.count = self.count.saturating_add(1);
        if let Some((_, count)) = self.sources.iter_mut().find(|(known, _)| *known == source) {
            *count += 1;
        } else if self.sources.len() < MOST_SOURCES {
            self.sources.push((source, 1));
        } else {
            self.sources.retain_mut(|(_, count)| {
                *count -= 1;
                *count > 0
            });
        }
    }

    /// Compares this hour with those that it should be like.
    fn compare(&self, since: u64, limit: f64) -> Option<Deviation> {
        let known = usize::try_from(self.hour - since).unwrap_or(HOURS).min(HOURS);
        // Hours before the port was first used had none.
        let count = |back: usize| self.before.get(back - 1).copied().unwrap_or(0);
        let every = |step: usize| -> Vec<f64> {
            (step..=known).step_by(step).map(|back| count(back).into()).collect()
        };
        let weeks = every(WEEK);
        let (samples, habit) = if weeks.len() >= FEWEST {
            let count = weeks.len();
            (weeks, Samples::Weeks(count))
        } else {
            let days = every(DAY);
            let count = days.len();
            (days, Samples::Days(count))
        };
        if samples.len() < FEWEST {
            return None;
        }
        let usual = median(samples.clone());
        let spread = median(samples.iter().map(|one| (one - usual).abs()).collect()) * NORMAL;
        // Counts of rare things vary by the root of their number.
        let deviations = (f64::from(self.count) - usual) / spread.max(usual.sqrt()).max(1.0);
        let source = self.sources.iter().max_by_key(|(_, count)| *count);
        let source = source.filter(|(_, count)| count.saturating_mul(2) > self.count);
        (deviations >= limit).then(|| Deviation {
            count: self.count,
            usual,
            deviations,
            habit,
            source: source.map(|(source, _)| *source),
        })
    }
}

/// Returns the median of some numbers, of which there is one at least.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len().is_multiple_of(2) {
        f64::midpoint(numbers[middle - 1], numbers[middle])
    } else {
        numbers[middle]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port() -> Port {
        "tcp/443".parse().unwrap()
    }

    fn source(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0xc000_0200 + number).into()
    }

    fn baseline() -> Baseline {
        let learn = Duration::from_secs(7 * 86_400);
        Baseline::new(Habit { learn, deviation: 6.0, severity: Severity::Medium })
    }

    /// Lets so many connections come in an hour, each of another source; returns what is told.
    fn hour(baseline: &mut Baseline, hour: u64, count: u32) -> Option<Deviation> {
        let at =
            |number: u32| Timestamp::from_secs((1_000 + hour) * 3_600 + u64::from(number % 3_000));
        (0..count).filter_map(|number| baseline.see(port(), source(number % 50), at(number))).last()
    }

    /// Lives through days with busy noons.
    fn live(baseline: &mut Baseline, days: u64) {
        for day in 0..days {
            for time in 0..24 {
                let busy = if (10..14).contains(&time) { 400 } else { 50 };
                let varies = u32::try_from((day * 7 + time * 3) % 11).unwrap();
                assert_eq!(hour(baseline, day * 24 + time, busy + varies), None, "{day} {time}");
            }
        }
    }

    #[test]
    fn an_hour_that_is_far_from_its_habit_is_told_of_once() {
        let mut baseline = baseline();
        live(&mut baseline, 9);
        // A noon's load at night is odd, at noon it is not.
        let found = hour(&mut baseline, 9 * 24 + 3, 400).unwrap();
        assert!(found.usual < 65.0 && found.deviations >= 6.0, "{found:?}");
        assert_eq!(found.habit, Samples::Days(9));
        assert_eq!((found.source, hour(&mut baseline, 9 * 24 + 3, 50)), (None, None));
        assert_eq!(hour(&mut baseline, 9 * 24 + 11, 410), None);
    }

    #[test]
    fn nothing_is_told_while_it_learns() {
        let mut baseline = baseline();
        live(&mut baseline, 5);
        assert_eq!(hour(&mut baseline, 5 * 24 + 3, 5_000), None);
    }

    #[test]
    fn the_source_of_most_of_it_is_named() {
        let mut baseline = baseline();
        live(&mut baseline, 8);
        let at = |number: u64| Timestamp::from_secs((1_000 + 8 * 24 + 2) * 3_600 + number);
        let found: Vec<_> = (0..2_000_u64)
            .filter_map(|number| {
                let who = if number % 4 == 0 {
                    source(u32::try_from(number).unwrap())
                } else {
                    source(7)
                };
                baseline.see(port(), who, at(number))
            })
            .collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].source, Some(source(7)));
    }

    #[test]
    fn a_habit_survives_a_restart() {
        let mut before = baseline();
        live(&mut before, 9);
        let mut after = baseline();
        after.restore(before.habits());
        assert_eq!(after.habits(), before.habits());
        assert!(hour(&mut after, 9 * 24 + 3, 400).is_some());
    }

    #[test]
    fn ports_without_end_take_no_memory_without_end() {
        let mut baseline = baseline();
        for number in 1..=65_535 {
            let port = Port { protocol: crate::Protocol::Tcp, number };
            baseline.see(port, source(1), Timestamp::from_secs(9_000_000));
        }
        assert_eq!(baseline.ports.len(), MOST_PORTS);
    }
}
