//! Expressions as programs that read ASCII text from one place on, with backtracking: for lines of
//! logs that is much faster than finding a match first and its groups afterwards.
//!
//! Not every expression becomes a program; those that do match as their engine would have it, in the
//! same order of preference. The differential test of the filters compares both.

mod foresight;
mod ways;

use crate::needle::Needle;
use fancy_regex::{Assertion, Expr, LookAround};

use super::set::{Set, Span};

use self::foresight::{ahead, begins, is_held};
pub(super) use self::{
    foresight::{each_needed, each_spelled, sure_groups},
    ways::{Way, Ways},
};

/// The longest program, in steps.
const MOST_STEPS: usize = 4_000;

/// One step.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// This byte.
    Byte(u8),
    /// These bytes.
    Text(Box<[u8]>),
    /// One byte of a set.
    One(Set),
    /// So many bytes of a set.
    Run(Box<Run>),
    /// Goes on at `first`, and if that leads nowhere, at `second`.
    Split(Box<Split>),
    Jump(usize),
    /// Writes the place into a slot.
    Save(usize),
    Assert(Place),
    /// What follows, up to `end`, is looked at only, from so many bytes before.
    Look {
        before: usize,
        negated: bool,
        end: usize,
    },
    /// Goes on at `otherwise` if the group is not there.
    If {
        group: usize,
        otherwise: usize,
    },
    /// These bytes are somewhere from here on.
    Ahead(Box<Needle>),
    /// What a group matched.
    Again {
        group: usize,
        any_case: bool,
    },
    /// The end.
    Match,
}

/// A repetition of single bytes.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) span: Span,
    /// It ends before this text at the latest.
    pub(super) until: Option<Needle>,
    pub(super) least: usize,
    pub(super) most: usize,
    pub(super) greedy: bool,
    /// The text that has to follow.
    pub(super) next: Option<Needle>,
    /// Whether what follows begins with something else: a byte given back would never help.
    pub(super) is_final: bool,
    /// The byte that the next step takes, if it is final: both are one step.
    pub(super) then: Option<u8>,
}

/// A choice.
#[derive(Clone, Debug)]
pub(super) struct Split {
    first: usize,
    pub(super) second: usize,
    /// What each can begin with, if it must begin with something.
    begins: [Option<Set>; 2],
    pub(super) ways: Ways,
}

/// What a place has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    WordEdge,
    NoWordEdge,
}

/// A program.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    /// How many slots it writes: two for each group.
    pub(super) slots: usize,
    /// Whether it matches at the beginning of a text only.
    pub(super) is_held: bool,
    /// What a match begins with, if it is never empty.
    pub(super) begins: Option<Set>,
}

impl Program {
    /// Compiles an expression; `None` if it has parts that programs do not know.
    pub(super) fn new(expr: &Expr) -> Option<Self> {
        let mut compiler = Compiler { steps: Vec::new(), group: 1, ahead: ahead(expr) };
        compiler.expression(expr)?;
        compiler.step(Step::Match)?;
        let slots = 2 * compiler.group;
        let steps = finished(compiler.steps);
        let begins = begins(&steps, 0);
        let is_held = is_held(&steps);
        Some(Self { steps, slots, is_held, begins })
    }
}

struct Compiler {
    steps: Vec<Step>,
    /// The number of the next group.
    group: usize,
    /// What is still to come once a group is there.
    ahead: Vec<(usize, Vec<u8>)>,
}

impl Compiler {
    /// Adds a step and returns where it is.
    fn step(&mut self, step: Step) -> Option<usize> {
        self.steps.push(step);
        (self.steps.len() <= MOST_STEPS).then_some(self.steps.len() - 1)
    }

    fn expression(&mut self, expr: &Expr) -> Option<()> {
        match expr {
            Expr::Empty => {}
            Expr::Literal { val, casei } => self.literal(val, *casei)?,
            Expr::Any { .. } | Expr::Delegate { .. } => {
                self.step(Step::One(single(expr)?))?;
            }
            Expr::Assertion(assertion) => drop(self.step(Step::Assert(place(*assertion)?))?),
            Expr::Concat(parts) => parts.iter().try_for_each(|part| self.expression(part))?,
            Expr::Alt(choices) => self.choices(choices)?,
            Expr::Group(inner) => {
                let group = self.group;
                self.group += 1;
                self.step(Step::Save(2 * group))?;
                self.expression(inner)?;
                self.step(Step::Save(2 * group + 1))?;
                if let Some((_, text)) = self.ahead.iter().find(|(known, _)| *known == group) {
                    let needle = Box::new(Needle::new(text)?);
                    self.step(Step::Ahead(needle))?;
                }
            }
            Expr::Repeat { child, lo, hi, greedy } => self.repeat(child, *lo, *hi, *greedy)?,
            Expr::LookAround(inner, which) => self.look(inner, *which)?,
            Expr::Backref { group, casei } => {
                self.step(Step::Again { group: *group, any_case: *casei })?;
            }
            Expr::Conditional { condition, true_branch, false_branch } => {
                self.condition(condition, true_branch, false_branch)?;
            }
            _ => return None,
        }
        Some(())
    }

    fn literal(&mut self, text: &str, any_case: bool) -> Option<()> {
        for byte in text.bytes() {
            if !byte.is_ascii() {
                return None;
            }
            if any_case && byte.is_ascii_alphabetic() {
                let set = Set::of(|other| other.eq_ignore_ascii_case(&byte));
                self.step(Step::One(set))?;
            } else {
                self.step(Step::Byte(byte))?;
            }
        }
        Some(())
    }

    fn choices(&mut self, choices: &[Expr]) -> Option<()> {
        let (last, others) = choices.split_last()?;
        let mut jumps = Vec::new();
        for choice in others {
            let split = self.step(Step::Match)?;
            self.expression(choice)?;
            jumps.push(self.step(Step::Match)?);
            self.steps[split] = splitting(split + 1, self.steps.len());
        }
        self.expression(last)?;
        let end = self.steps.len();
        for jump in jumps {
            self.steps[jump] = Step::Jump(end);
        }
        Some(())
    }

    fn repeat(&mut self, child: &Expr, least: usize, most: usize, greedy: bool) -> Option<()> {
        if let Some((set, until)) = single(child).map(|set| (set, None)).or_else(|| tempered(child))
        {
            let (span, next, is_final, then) = (Span::new(set), None, false, None);
            let run = Run { span, until, least, most, greedy, next, is_final, then };
            self.step(Step::Run(Box::new(run)))?;
            return Some(());
        }
        let group = self.group;
        for _ in 0..least {
            self.group = group;
            self.expression(child)?;
        }
        if most == usize::MAX {
            // An empty round would never end; engines differ in what they make of it.
            if least_width(child) == 0 {
                return None;
            }
            self.group = group;
            let split = self.step(Step::Match)?;
            self.expression(child)?;
            self.step(Step::Jump(split))?;
            self.steps[split] = preferring(greedy, split + 1, self.steps.len());
            return Some(());
        }
        let mut splits = Vec::new();
        for _ in least..most {
            self.group = group;
            splits.push(self.step(Step::Match)?);
            self.expression(child)?;
        }
        let end = self.steps.len();
        for split in splits {
            self.steps[split] = preferring(greedy, split + 1, end);
        }
        if most == 0 {
            self.group = group + groups(child);
        }
        Some(())
    }

    fn look(&mut self, inner: &Expr, which: LookAround) -> Option<()> {
        // A group inside would stay or go by rules of its own.
        if groups(inner) > 0 {
            return None;
        }
        let (behind, negated) = match which {
            LookAround::LookAhead => (false, false),
            LookAround::LookAheadNeg => (false, true),
            LookAround::LookBehind => (true, false),
            LookAround::LookBehindNeg => (true, true),
        };
        let before = if behind { width(inner)? } else { 0 };
        let look = self.step(Step::Match)?;
        self.expression(inner)?;
        self.step(Step::Match)?;
        self.steps[look] = Step::Look { before, negated, end: self.steps.len() };
        Some(())
    }

    fn condition(&mut self, condition: &Expr, yes: &Expr, no: &Expr) -> Option<()> {
        let Expr::BackrefExistsCondition { group, relative_recursion_level: None } = condition
        else {
            return None;
        };
        let test = self.step(Step::Match)?;
        self.expression(yes)?;
        let jump = self.step(Step::Match)?;
        self.steps[test] = Step::If { group: *group, otherwise: self.steps.len() };
        self.expression(no)?;
        self.steps[jump] = Step::Jump(self.steps.len());
        Some(())
    }
}

fn splitting(first: usize, second: usize) -> Step {
    Step::Split(Box::new(Split { first, second, begins: [None, None], ways: Ways::unknown() }))
}

fn preferring(greedy: bool, inside: usize, behind: usize) -> Step {
    if greedy { splitting(inside, behind) } else { splitting(behind, inside) }
}

/// Returns the bytes of an expression that matches one of them.
fn single(expr: &Expr) -> Option<Set> {
    match expr {
        Expr::Any { newline: true, .. } => Some(Set::of(|_| true)),
        Expr::Any { newline: false, crlf: false } => Some(Set::of(|byte| byte != b'\n')),
        Expr::Delegate { inner, casei } => Set::parse(inner, *casei),
        Expr::Literal { val, casei } => match val.as_bytes() {
            [byte] if *casei => Some(Set::of(|other| other.eq_ignore_ascii_case(byte))),
            [byte] => Some(Set::of(|other| other == *byte)),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the bytes of an expression that matches one of them unless a text begins there
/// (`(?! from ).`), and the text.
fn tempered(expr: &Expr) -> Option<(Set, Option<Needle>)> {
    let Expr::Concat(parts) = expr else { return None };
    let [Expr::LookAround(text, LookAround::LookAheadNeg), byte] = &parts[..] else { return None };
    let text = Needle::new(&spelled(text)?)?;
    Some((single(byte)?, Some(text)))
}

/// Returns the only ASCII text that an expression matches.
fn spelled(expr: &Expr) -> Option<Vec<u8>> {
    match expr {
        Expr::Literal { val, casei: false } if val.is_ascii() => Some(val.as_bytes().to_vec()),
        Expr::Concat(parts) => {
            let texts: Option<Vec<_>> = parts.iter().map(spelled).collect();
            Some(texts?.concat())
        }
        _ => None,
    }
}

fn place(assertion: Assertion) -> Option<Place> {
    Some(match assertion {
        Assertion::StartText => Place::TextStart,
        Assertion::EndText => Place::TextEnd,
        Assertion::StartLine { crlf: false } => Place::LineStart,
        Assertion::EndLine { crlf: false } => Place::LineEnd,
        Assertion::WordBoundary => Place::WordEdge,
        Assertion::NotWordBoundary => Place::NoWordEdge,
        _ => return None,
    })
}

fn groups(expr: &Expr) -> usize {
    let own = usize::from(matches!(expr, Expr::Group(_)));
    own + expr.children_iter().map(groups).sum::<usize>()
}

fn least_width(expr: &Expr) -> usize {
    match expr {
        Expr::Literal { val, .. } => val.len(),
        Expr::Any { .. } | Expr::Delegate { .. } => 1,
        Expr::Concat(parts) => parts.iter().map(least_width).sum(),
        Expr::Alt(choices) => choices.iter().map(least_width).min().unwrap_or(0),
        Expr::Group(inner) => least_width(inner),
        Expr::Repeat { child, lo, .. } => least_width(child).saturating_mul(*lo),
        Expr::Conditional { true_branch, false_branch, .. } => {
            least_width(true_branch).min(least_width(false_branch))
        }
        _ => 0,
    }
}

/// Returns how many bytes an expression always takes.
fn width(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Empty | Expr::Assertion(_) => Some(0),
        Expr::Literal { val, .. } => Some(val.len()),
        Expr::Any { .. } | Expr::Delegate { .. } => Some(1),
        Expr::Concat(parts) => parts.iter().map(width).sum(),
        Expr::Alt(choices) => {
            let mut widths = choices.iter().map(width);
            let first = widths.next()??;
            widths.all(|one| one == Some(first)).then_some(first)
        }
        Expr::Repeat { child, lo, hi, .. } if lo == hi => Some(width(child)? * lo),
        _ => None,
    }
}

/// Joins bytes to texts, and looks ahead from choices and repetitions.
fn finished(steps: Vec<Step>) -> Vec<Step> {
    let mut steps = joined(steps);
    for at in 0..steps.len() {
        let next = match steps.get(behind_saves(&steps, at + 1)) {
            Some(Step::Byte(byte)) => Needle::new(&[*byte]),
            Some(Step::Text(text)) => Needle::new(text),
            _ => None,
        };
        match &steps[at] {
            Step::Run(run) => {
                let follows = begins(&steps, at + 1);
                let is_final = follows.is_some_and(|set| run.greedy && !set.meets(&run.span.set));
                let then = match steps.get(at + 1) {
                    Some(Step::Byte(byte)) if is_final => Some(*byte),
                    _ => None,
                };
                let Step::Run(run) = &mut steps[at] else { continue };
                (run.next, run.is_final, run.then) = (next, is_final, then);
            }
            Step::Split(split) => {
                let begins = [split.first, split.second].map(|to| begins(&steps, to));
                let Step::Split(split) = &mut steps[at] else { continue };
                split.begins = begins;
            }
            _ => {}
        }
    }
    for at in 0..steps.len() {
        let Step::Split(split) = &steps[at] else { continue };
        let known = Ways::of_choice(&steps, split);
        let Step::Split(split) = &mut steps[at] else { continue };
        split.ways = known;
    }
    steps
}

fn behind_saves(steps: &[Step], mut at: usize) -> usize {
    while let Some(Step::Save(_)) = steps.get(at) {
        at += 1;
    }
    at
}

/// Joins bytes that follow each other, unless somebody goes there.
fn joined(steps: Vec<Step>) -> Vec<Step> {
    let mut is_target = vec![false; steps.len() + 1];
    for step in &steps {
        for target in targets(step) {
            is_target[target] = true;
        }
    }
    let mut places = Vec::with_capacity(steps.len() + 1);
    let mut out: Vec<Step> = Vec::with_capacity(steps.len());
    for (at, step) in steps.into_iter().enumerate() {
        if let (Step::Byte(byte), Some(last), false) = (&step, out.last_mut(), is_target[at]) {
            let before = match last {
                Step::Byte(first) => Some(vec![*first]),
                Step::Text(text) => Some(text.to_vec()),
                _ => None,
            };
            if let Some(mut text) = before {
                text.push(*byte);
                *last = Step::Text(text.into());
                places.push(out.len() - 1);
                continue;
            }
        }
        places.push(out.len());
        out.push(step);
    }
    places.push(out.len());
    redirect(&mut out, |to| places[to]);
    let ends: Vec<usize> = (0..=out.len()).map(|at| behind_jumps(&out, at)).collect();
    redirect(&mut out, |to| ends[to]);
    out
}

/// Returns where it goes on at a step, behind all jumps.
fn behind_jumps(steps: &[Step], mut at: usize) -> usize {
    // Jumps lead on, or back to a choice.
    while let Some(Step::Jump(to)) = steps.get(at) {
        at = *to;
    }
    at
}

/// Sends all that go somewhere to another place.
fn redirect(steps: &mut [Step], place: impl Fn(usize) -> usize) {
    for step in steps {
        match step {
            Step::Split(split) => {
                (split.first, split.second) = (place(split.first), place(split.second));
            }
            Step::Jump(to) | Step::If { otherwise: to, .. } => *to = place(*to),
            Step::Look { end, .. } => *end = place(*end),
            _ => {}
        }
    }
}

fn targets(step: &Step) -> Vec<usize> {
    match step {
        Step::Split(split) => vec![split.first, split.second],
        Step::Jump(to) | Step::If { otherwise: to, .. } | Step::Look { end: to, .. } => vec![*to],
        _ => Vec::new(),
    }
}
