//! What is typed on the bottom line, and the orders that follow from it. Pure.

use portguard_api::{
    order::{HoldOrder, LiftOrder, LiftedName, MeasureName, PauseOrder},
    port::{CloseOrder, OpenOrder, RulingName, RulingOrder},
};

use crate::{key::Key, order::Order};

/// The most characters that can be typed: an address, a span and a reason.
const LONGEST: usize = 240;

/// What is being typed.
#[derive(Clone, Debug)]
pub(crate) struct Prompt {
    pub(crate) purpose: Purpose,
    /// What is before the cursor, and what is behind it.
    pub(crate) before: String,
    pub(crate) behind: String,
}

/// What it is typed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Filter,
    Ban,
    Allow,
    Throttle,
    Lift(LiftedName),
    Open,
    Close,
    Rule(RulingName),
    Pause,
}

impl Prompt {
    pub(crate) fn new(purpose: Purpose, text: Option<String>) -> Self {
        let mut prompt = Self { purpose, before: String::new(), behind: String::new() };
        prompt.add(&text.unwrap_or_default());
        prompt
    }

    /// Adds what was typed or pasted; line breaks end nothing here.
    pub(crate) fn add(&mut self, more: &str) {
        let room = LONGEST.saturating_sub(self.text().chars().count());
        let more = more.chars().filter(|one| !one.is_control());
        self.before.extend(more.take(room));
    }

    /// Takes a key that edits; others mean nothing here.
    pub(crate) fn edit(&mut self, key: &Key) {
        match key {
            Key::Char(one) => self.add(one.encode_utf8(&mut [0; 4])),
            Key::Text(text) => self.add(text),
            Key::Backspace => drop(self.before.pop()),
            Key::Delete if !self.behind.is_empty() => drop(self.behind.remove(0)),
            Key::Clear => self.before.clear(),
            Key::ClearWord => {
                let kept = self.before.trim_end().rfind(' ').map_or(0, |space| space + 1);
                self.before.truncate(kept);
            }
            Key::Left => {
                if let Some(one) = self.before.pop() {
                    self.behind.insert(0, one);
                }
            }
            Key::Right if !self.behind.is_empty() => self.before.push(self.behind.remove(0)),
            Key::Home => self.behind = std::mem::take(&mut self.before) + &self.behind,
            Key::End => self.before.push_str(&std::mem::take(&mut self.behind)),
            _ => {}
        }
    }

    /// Returns what is typed.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.before, self.behind)
    }

    /// Returns the words before what is typed.
    pub(crate) const fn label(&self) -> &'static str {
        match self.purpose {
            Purpose::Filter => "filter",
            Purpose::Ban => "ban",
            Purpose::Allow => "allow",
            Purpose::Throttle => "throttle",
            Purpose::Lift(LiftedName::Ban) => "unban",
            Purpose::Lift(LiftedName::Throttle) => "unthrottle",
            Purpose::Lift(LiftedName::Allow) => "disallow",
            Purpose::Open => "open",
            Purpose::Close => "close",
            Purpose::Rule(RulingName::Approve) => "approve",
            Purpose::Rule(RulingName::Deny) => "deny",
            Purpose::Rule(RulingName::Forget) => "forget",
            Purpose::Pause => "pause enforcement for",
        }
    }

    /// Returns how it is written.
    pub(crate) const fn form(&self) -> &'static str {
        match self.purpose {
            Purpose::Filter => "words that a row must have; nothing: all rows",
            Purpose::Ban | Purpose::Allow => {
                "ADDR [for D] [REASON], such as 203.0.113.9 for 2d rude"
            }
            Purpose::Throttle => "ADDR soft|hard [for D] [REASON]",
            Purpose::Lift(_) => "ADDR",
            Purpose::Open => "WHAT [from ADDR] [for D], such as tcp/8080 for 1h",
            Purpose::Close => "WHAT [from ADDR]",
            Purpose::Rule(_) => "tcp/8080 unit:NAME exe:PATH user:NAME; all must match",
            Purpose::Pause => "D, such as 10m; nothing: go on now",
        }
    }

    /// Returns the order, or what is wrong with what was typed. Whether addresses and spans are
    /// such, the daemon says.
    pub(crate) fn order(&self) -> Result<Order, String> {
        let text = self.text();
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let missing = || format!("name {}", self.form());
        match self.purpose {
            Purpose::Filter => Err("a filter is no order".to_owned()),
            Purpose::Ban => hold(MeasureName::Ban, &words).ok_or_else(missing),
            Purpose::Allow => hold(MeasureName::Allow, &words).ok_or_else(missing),
            Purpose::Throttle => {
                let measure = match words.get(1) {
                    Some(&"soft") => MeasureName::ThrottleSoft,
                    Some(&"hard") => MeasureName::ThrottleHard,
                    _ => return Err(missing()),
                };
                words.remove(1);
                hold(measure, &words).ok_or_else(missing)
            }
            Purpose::Lift(measure) => match words[..] {
                [subject] => {
                    Ok(Order::Lift(LiftOrder { measure, subject: Some(subject.to_owned()) }))
                }
                _ => Err(missing()),
            },
            Purpose::Open => {
                let span = named(&mut words, "for");
                let from = named(&mut words, "from");
                let [what] = words[..] else { return Err(missing()) };
                Ok(Order::Open(OpenOrder { what: what.to_owned(), from, span }))
            }
            Purpose::Close => {
                let from = named(&mut words, "from");
                let [what] = words[..] else { return Err(missing()) };
                Ok(Order::Close(CloseOrder { what: what.to_owned(), from }))
            }
            Purpose::Rule(verdict) if !words.is_empty() => {
                Ok(Order::Rule(RulingOrder { what: Some(words.join(" ")), verdict }))
            }
            Purpose::Rule(_) => Err(missing()),
            Purpose::Pause => match words[..] {
                [] => Ok(Order::Pause(PauseOrder { span: None })),
                [span] => Ok(Order::Pause(PauseOrder { span: Some(span.to_owned()) })),
                _ => Err(missing()),
            },
        }
    }
}

/// Reads `ADDR [for D] [REASON]`.
fn hold(measure: MeasureName, words: &[&str]) -> Option<Order> {
    let (subject, rest) = words.split_first()?;
    let (span, reason) = match rest {
        ["for", span, reason @ ..] => (Some((*span).to_owned()), reason),
        reason => (None, reason),
    };
    Some(Order::Hold(HoldOrder {
        measure,
        subject: (*subject).to_owned(),
        span,
        ports: Vec::new(),
        reason: reason.join(" "),
    }))
}

/// Takes a word and the one behind it out of the words, and returns the latter.
fn named(words: &mut Vec<&str>, name: &str) -> Option<String> {
    let at = words.iter().position(|word| *word == name).filter(|at| *at > 0)?;
    let value = (*words.get(at + 1)?).to_owned();
    words.drain(at..at + 2);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Data;

    fn check(purpose: Purpose, typed: &str, expect: &str) {
        let order = Prompt::new(purpose, Some(typed.to_owned())).order();
        let said = match order {
            Ok(order) => format!("{} {}", order.path(), String::from_utf8(order.body()).unwrap()),
            Err(_) => "no".to_owned(),
        };
        assert_eq!(said, expect, "{purpose:?} {typed}");
    }

    #[test]
    fn typed_lines_become_orders() {
        let ban = r#"/v1/hold {"measure":"ban","subject":"192.0.2.1","#;
        check(Purpose::Ban, "192.0.2.1", &format!(r#"{ban}"reason":""}}"#));
        let long = format!(r#"{ban}"for":"2d","reason":"asked thrice"}}"#);
        check(Purpose::Ban, " 192.0.2.1 for 2d asked thrice ", &long);
        check(Purpose::Ban, "", "no");
        let soft = r#"/v1/hold {"measure":"throttle-soft","subject":"192.0.2.1","reason":""}"#;
        check(Purpose::Throttle, "192.0.2.1 soft", soft);
        check(Purpose::Throttle, "192.0.2.1", "no");
        let open = r#"/v1/open {"what":"ssh","from":"192.0.2.1","for":"10m"}"#;
        check(Purpose::Open, "ssh for 10m from 192.0.2.1", open);
        check(Purpose::Open, "from 192.0.2.1", "no");
        check(Purpose::Open, "ssh for", "no");
        check(Purpose::Close, "tcp/80", r#"/v1/close {"what":"tcp/80"}"#);
        let unban = r#"/v1/lift {"measure":"ban","subject":"192.0.2.1"}"#;
        check(Purpose::Lift(LiftedName::Ban), "192.0.2.1", unban);
        check(Purpose::Lift(LiftedName::Ban), "", "no");
        let rule = r#"/v1/rulings {"what":"tcp/80 user:www-data","verdict":"approve"}"#;
        check(Purpose::Rule(RulingName::Approve), "tcp/80  user:www-data", rule);
        check(Purpose::Pause, "10m", r#"/v1/pause {"for":"10m"}"#);
        check(Purpose::Pause, "", r#"/v1/pause {"for":null}"#);
    }

    #[test]
    fn questions_say_what_an_order_does() {
        let ban = Prompt::new(Purpose::Ban, Some("192.0.2.1 for 2d rude".to_owned()));
        let question = ban.order().unwrap().question(&Data::default());
        assert_eq!(question, "ban 192.0.2.1 for 2d: drop what it sends (rude)?");
    }

    #[test]
    fn nothing_endless_is_typed() {
        let mut prompt = Prompt::new(Purpose::Ban, None);
        prompt.add(&"x\n".repeat(1_000));
        assert_eq!(prompt.text().len(), LONGEST);
    }

    #[test]
    fn what_is_typed_can_be_edited() {
        let mut prompt = Prompt::new(Purpose::Filter, Some("one two three".to_owned()));
        let mut check = |keys: &[Key], before: &str, behind: &str| {
            for key in keys {
                prompt.edit(key);
            }
            assert_eq!((prompt.before.as_str(), prompt.behind.as_str()), (before, behind));
        };
        check(&[Key::ClearWord], "one two ", "");
        check(&[Key::Left, Key::Left, Key::Char('x')], "one twx", "o ");
        check(&[Key::Delete, Key::Right, Key::Right], "one twx ", "");
        check(&[Key::Home, Key::Delete, Key::Backspace], "", "ne twx ");
        check(&[Key::Right, Key::Backspace, Key::End, Key::Text("é\n".into())], "e twx é", "");
        check(&[Key::Left, Key::Clear, Key::ClearWord], "", "é");
    }
}
