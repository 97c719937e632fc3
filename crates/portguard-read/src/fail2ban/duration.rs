//! Durations as fail2ban has them: sums of products of numbers and units (`1d12h`, `2 * 30 min`,
//! `1 year - 1 week`).

/// The beginnings of units, longest first, and their seconds. A year has 365 and a quarter days, a
/// month is a twelfth of it.
const UNITS: [(&[&str], f64); 7] = [
    (&["seconds", "second", "sec", "se", "ss", "s"], 1.0),
    (&["minutes", "minute", "min", "mi", "mm", "m"], 60.0),
    (&["hours", "hour", "hou", "ho", "hh", "h"], 3_600.0),
    (&["days", "day", "da", "dd", "d"], 86_400.0),
    (&["weeks", "week", "wee", "we", "ww", "w"], 604_800.0),
    (&["months", "month", "mon", "mo"], 2_629_800.0),
    (&["years", "year", "yea", "ye", "yy", "y"], 31_557_600.0),
];

/// How deep brackets may stand in brackets.
const DEEPEST: u32 = 32;

/// Returns a duration in seconds; below zero it is forever. `None` if the text is none.
pub fn seconds(text: &str) -> Option<f64> {
    let mut reader = Reader { rest: text.trim().as_bytes(), depth: 0 };
    let sum = reader.sum()?;
    reader.skip();
    (reader.rest.is_empty() && sum.is_finite()).then_some(sum)
}

struct Reader<'t> {
    rest: &'t [u8],
    depth: u32,
}

impl Reader<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn takes(&mut self, byte: u8) -> bool {
        self.skip();
        let Some(rest) = self.rest.strip_prefix(&[byte]) else { return false };
        self.rest = rest;
        true
    }

    /// What stands side by side is added.
    fn sum(&mut self) -> Option<f64> {
        let mut sum = self.product()?;
        loop {
            self.skip();
            match self.rest.first() {
                None | Some(b')') => return Some(sum),
                Some(b'+') => {
                    self.takes(b'+');
                    sum += self.product()?;
                }
                Some(b'-') => {
                    self.takes(b'-');
                    sum -= self.product()?;
                }
                Some(_) => sum += self.product()?,
            }
        }
    }

    /// A unit multiplies all of the product before it, and ends it.
    fn product(&mut self) -> Option<f64> {
        let mut product = self.factor()?;
        loop {
            if self.takes(b'*') {
                product *= self.factor()?;
            } else if self.takes(b'/') {
                product /= self.factor()?;
            } else {
                return Some(product * self.unit().unwrap_or(1.0));
            }
        }
    }

    fn factor(&mut self) -> Option<f64> {
        if self.takes(b'-') {
            return self.factor().map(|number| -number);
        }
        if self.takes(b'(') {
            self.depth += 1;
            let sum = if self.depth > DEEPEST { None } else { self.sum() };
            self.depth -= 1;
            return sum.filter(|_| self.takes(b')'));
        }
        let is_part = |byte: &&u8| byte.is_ascii_digit() || **byte == b'.';
        let length = self.rest.iter().take_while(is_part).count();
        let (number, rest) = self.rest.split_at(length);
        self.rest = rest;
        std::str::from_utf8(number).ok()?.parse().ok()
    }

    fn unit(&mut self) -> Option<f64> {
        self.skip();
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (word, rest) = self.rest.split_at(length);
        let word = std::str::from_utf8(word).ok()?.to_ascii_lowercase();
        let (_, seconds) = UNITS.iter().find(|(names, _)| names.contains(&word.as_str()))?;
        self.rest = rest;
        Some(*seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<f64>) {
        assert_eq!(seconds(text), expected, "{text}");
    }

    #[test]
    fn sums_of_products_are_read() {
        check("600", Some(600.0));
        check("-1", Some(-1.0));
        check("10m", Some(600.0));
        check("1d12h", Some(129_600.0));
        check("1 day - 2 * (1h 30min)", Some(75_600.0));
        check("3*1/3 wee", Some(604_800.0));
        check("1.5h", Some(5_400.0));
    }

    #[test]
    fn what_is_none_is_none() {
        for text in ["", "x", "1x", "1 +", "(1", "1)", "1/0", &"(".repeat(100_000)] {
            check(text, None);
        }
    }
}
