//! How a rule is written.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{
    Example, Line, Meaning, Rule, Sense,
    json::Shape,
    template::{Template, TemplateError},
};

/// How deep rules may have rules within them.
const DEEPEST: u32 = 4;

/// Why a text is no rule.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// It is not TOML, or has other keys.
    #[error("not written like a rule")]
    Form(#[from] toml::de::Error),
    /// One of its templates is none.
    #[error("not written like a template")]
    Template(#[from] TemplateError),
    /// A template does not say who failed.
    #[error("`{0}` has neither {{addr}} nor {{access}}: whom would it find?")]
    NoAddress(String),
    /// A template of a rule with programs fits lines of others.
    #[error("`{0}` begins with any text, so that it would fit lines that another program wrote")]
    Open(String),
    /// An example has no `ADDRESS | ` in front.
    #[error("the example `{0}` does not say what it gives: ADDRESS USER | LINE")]
    Example(String),
    /// A rule that it should have within it is not there.
    #[error("no rule `{0}` to go with it")]
    With(String),
    /// It has itself within it.
    #[error("it goes with `{0}`, which goes with others, and so on")]
    TooDeep(String),
    /// It finds nothing.
    #[error("it has no line that fails")]
    Empty,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    about: String,
    #[serde(default)]
    programs: Vec<String>,
    #[serde(default)]
    with: Vec<String>,
    time: Option<String>,
    #[serde(default)]
    fail: Vec<Written>,
    #[serde(default)]
    also: Vec<Vec<Written>>,
    #[serde(default)]
    ok: Vec<Written>,
    #[serde(default)]
    ignore: Vec<Written>,
    #[serde(default)]
    tests: Tests,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Written {
    Line(String),
    Json(BTreeMap<String, String>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tests {
    #[serde(default)]
    fail: Vec<String>,
    #[serde(default)]
    ok: Vec<String>,
    #[serde(default)]
    none: Vec<String>,
}

impl Rule {
    /// Reads a rule. `find` returns the text of another one by its name.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str, find: &dyn Fn(&str) -> Option<String>) -> Result<Self, RuleError> {
        let form: Form = toml::from_str(text)?;
        let mut rule = Self { about: form.about.clone(), ..Self::default() };
        rule.examples = examples(&form.tests)?;
        rule.add(form, find, 0)?;
        if !rule.lines().any(|(sense, _)| sense == Sense::Fail) {
            return Err(RuleError::Empty);
        }
        rule.arrange();
        Ok(rule)
    }

    /// Adds what is written, with the rules that go with it.
    fn add(
        &mut self,
        form: Form,
        find: &dyn Fn(&str) -> Option<String>,
        depth: u32,
    ) -> Result<(), RuleError> {
        self.programs.extend(form.programs.iter().map(|name| name.as_bytes().to_vec()));
        self.time = self.time.take().or(form.time);
        let meaning = |sense| Meaning { sense, telling: 0 };
        let mut all = vec![(meaning(Sense::Ignore), form.ignore), (meaning(Sense::Ok), form.ok)];
        all.extend(std::iter::once(form.fail).chain(form.also).map(|written| {
            self.tellings = self.tellings.saturating_add(1);
            (Meaning { sense: Sense::Fail, telling: self.tellings - 1 }, written)
        }));
        for (meaning, written) in all {
            for one in written {
                self.add_one(meaning, one)?;
            }
        }
        for name in form.with {
            if depth == DEEPEST {
                return Err(RuleError::TooDeep(name));
            }
            let text = find(&name).ok_or_else(|| RuleError::With(name.clone()))?;
            self.add(toml::from_str(&text)?, find, depth + 1)?;
        }
        Ok(())
    }

    fn add_one(&mut self, meaning: Meaning, written: Written) -> Result<(), RuleError> {
        let must_name = meaning.sense != Sense::Ignore;
        match written {
            Written::Line(text) => {
                let template = Template::new(&text)?;
                if must_name && !template.names_source() {
                    return Err(RuleError::NoAddress(text));
                }
                if template.begins_open() && !self.programs.is_empty() {
                    return Err(RuleError::Open(text));
                }
                let head = template.head();
                self.lines.push(Line { meaning, head, template, text });
            }
            Written::Json(values) => {
                let shape = Shape::new(&values)?;
                if must_name && !shape.names_source() {
                    return Err(RuleError::NoAddress(shape.to_string()));
                }
                self.shapes.push((meaning, shape));
            }
        }
        Ok(())
    }

    /// Sorts the lines by the bytes that they begin with.
    fn arrange(&mut self) {
        let firsts: Vec<Option<BTreeSet<u8>>> =
            self.lines.iter().map(|line| line.template.first_bytes()).collect();
        let beginning = |wanted: u8| {
            let fits = |first: &Option<BTreeSet<u8>>| {
                first.as_ref().is_none_or(|first| first.contains(&wanted))
            };
            (0..firsts.len()).filter(|index| fits(&firsts[*index])).collect()
        };
        self.by_first_byte = (0..=u8::MAX).map(beginning).collect();
        self.open = (0..firsts.len()).filter(|index| firsts[*index].is_none()).collect();
    }
}

fn examples(tests: &Tests) -> Result<Vec<Example>, RuleError> {
    let found = |sense: Sense, text: &String| {
        let wrong = || RuleError::Example(text.clone());
        let (expected, line) = text.split_once(" | ").ok_or_else(wrong)?;
        let (address, user) = match expected.split_once(' ') {
            Some((address, user)) => (address, Some(user.into())),
            None => (expected, None),
        };
        let address = address.parse().map_err(|_| wrong())?;
        Ok(Example { expected: Some((sense, address, user)), line: line.to_owned() })
    };
    let fail = tests.fail.iter().map(|text| found(Sense::Fail, text));
    let ok = tests.ok.iter().map(|text| found(Sense::Ok, text));
    let none = tests.none.iter().map(|line| Ok(Example { expected: None, line: line.clone() }));
    fail.chain(ok).chain(none).collect()
}
