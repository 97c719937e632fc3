//! How measures grow with repeated offences.

use std::time::Duration;

use crate::{Family, Measure, Span, Strength};

/// How the length of the n-th ban follows from the base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Always the base.
    Fixed,
    /// `base * 2^(n-1)`.
    Double,
    /// `base * n * n`, as Port Trap did.
    Quadratic,
    /// These lengths in turn; the last one ever after.
    List(Vec<Span>),
}

/// How measures grow with repeated offences of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// Length of the first ban, and of each step before it.
    pub base: Duration,
    /// How the length grows.
    pub growth: Growth,
    /// Measures taken before the first ban, one for each offence.
    pub steps: Vec<Strength>,
    /// The ban with this number is forever; 0: none is.
    pub permanent_after: u32,
    /// Longest ban that is not forever.
    pub max: Span,
    /// A subject that behaves this long starts anew.
    pub forget_after: Span,
    /// Width of an IPv4 measure in bits.
    pub prefix_v4: u8,
    /// Width of an IPv6 measure in bits.
    pub prefix_v6: u8,
}

/// One step of a ladder: what to do, for how long, and which ban in a row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Rung {
    /// What to do.
    pub measure: Measure,
    /// For how long.
    pub span: Span,
    /// Which ban in a row this is, counted from 1; 0 for a measure before the first ban.
    pub nth_ban: u32,
}

impl Ladder {
    /// Returns the width of a measure in bits.
    pub const fn prefix_len(&self, family: Family) -> u8 {
        match family {
            Family::V4 => self.prefix_v4,
            Family::V6 => self.prefix_v6,
        }
    }

    /// Returns this ladder with a step before all others: the source is throttled hard first.
    #[must_use]
    pub fn gentler(&self) -> Self {
        let steps = [&[Strength::Hard], self.steps.as_slice()].concat();
        Self { steps, ..self.clone() }
    }

    /// Returns what the `offence`-th offence in a row leads to, counted from 1.
    pub fn rung(&self, offence: u32) -> Rung {
        let offence = offence.max(1);
        let steps = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
        if let Some(strength) = self.steps.get(offence as usize - 1) {
            let span = Span::For(self.base).min(self.max);
            return Rung { measure: Measure::Throttle(*strength), span, nth_ban: 0 };
        }
        let nth_ban = offence - steps;
        Rung { measure: Measure::Ban, span: self.ban_span(nth_ban), nth_ban }
    }

    /// Returns how long the `nth` ban in a row lasts, counted from 1.
    pub fn ban_span(&self, nth: u32) -> Span {
        if self.permanent_after > 0 && nth >= self.permanent_after {
            return Span::Forever;
        }
        let factor = match &self.growth {
            Growth::Fixed => 1,
            Growth::Double => 1_u32.checked_shl(nth.saturating_sub(1)).unwrap_or(u32::MAX),
            Growth::Quadratic => nth.saturating_mul(nth),
            Growth::List(spans) => {
                let last = spans.len().saturating_sub(1);
                let index = (nth as usize).saturating_sub(1).min(last);
                return match spans.get(index).copied().unwrap_or(Span::For(self.base)) {
                    Span::Forever => Span::Forever,
                    length @ Span::For(_) => length.min(self.max),
                };
            }
        };
        Span::For(self.base.saturating_mul(factor)).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder(growth: Growth, permanent_after: u32) -> Ladder {
        Ladder {
            base: Duration::from_secs(60),
            growth,
            steps: Vec::new(),
            permanent_after,
            max: Span::For(Duration::from_secs(3_600)),
            forget_after: Span::Forever,
            prefix_v4: 32,
            prefix_v6: 64,
        }
    }

    fn check(ladder: &Ladder, expect: &str) {
        let spans: Vec<String> =
            (1..=5).map(|nth| ladder.rung(nth)).map(|rung| rung.span.to_string()).collect();
        assert_eq!(spans.join(" "), expect);
    }

    #[test]
    fn each_growth_has_its_curve() {
        check(&ladder(Growth::Fixed, 0), "1m 1m 1m 1m 1m");
        check(&ladder(Growth::Double, 0), "1m 2m 4m 8m 16m");
        check(&ladder(Growth::Quadratic, 0), "1m 4m 9m 16m 25m");
        let list = vec![Span::For(Duration::from_secs(5)), Span::Forever];
        check(&ladder(Growth::List(list), 0), "5s forever forever forever forever");
    }

    #[test]
    fn the_ban_with_the_number_of_permanent_after_is_forever() {
        check(&ladder(Growth::Quadratic, 3), "1m 4m forever forever forever");
    }

    #[test]
    fn no_ban_is_longer_than_max_unless_it_is_forever() {
        assert_eq!(ladder(Growth::Double, 0).rung(40).span.to_string(), "1h");
        assert_eq!(ladder(Growth::Double, 0).rung(u32::MAX).span.to_string(), "1h");
    }

    #[test]
    fn steps_come_before_the_first_ban_and_do_not_count_as_bans() {
        let ladder =
            Ladder { steps: vec![Strength::Soft, Strength::Hard], ..ladder(Growth::Quadratic, 3) };
        let story: Vec<_> = (1..=5)
            .map(|offence| ladder.rung(offence))
            .map(|rung| format!("{} {} {}", rung.measure, rung.span, rung.nth_ban))
            .collect();
        assert_eq!(
            story,
            ["throttle-soft 1m 0", "throttle-hard 1m 0", "ban 1m 1", "ban 4m 2", "ban forever 3"]
        );
    }
}
