//! What can be told of a match before it is tried.

use fancy_regex::Expr;

use crate::sieve::{Texts, joined, longest};

use super::{Place, Set, Step, groups, least_width};

/// Most literals of which a text must have one.
const MOST_NEEDED: usize = 16;

/// How many steps are followed to tell what comes next.
const MOST_FOLLOWED: u32 = 200;

/// Returns what a text has to begin with at a step; `None` if that can not be told.
pub(super) fn begins(steps: &[Step], at: usize) -> Option<Set> {
    first_bytes(steps, at, &mut MOST_FOLLOWED.clone())
}

fn first_bytes(steps: &[Step], at: usize, left: &mut u32) -> Option<Set> {
    *left = left.checked_sub(1)?;
    let mut from = |at: usize| first_bytes(steps, at, left);
    match &steps[at] {
        Step::Byte(byte) => Some(Set::of(|other| other == *byte)),
        Step::Text(text) => Some(Set::of(|other| other == text[0])),
        Step::One(set) => Some(*set),
        Step::Run(run) if run.least > 0 => Some(run.span.set),
        Step::Run(run) => both(run.span.set, &from(at + 1)?),
        Step::Split(split) => both(from(split.first)?, &from(split.second)?),
        Step::Jump(to) => from(*to),
        Step::Save(_) | Step::Assert(_) | Step::Ahead(_) => from(at + 1),
        Step::Look { end, .. } => from(*end),
        Step::If { otherwise, .. } => both(from(at + 1)?, &from(*otherwise)?),
        Step::Again { .. } | Step::Match => None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as its callers have it")]
fn both(mut one: Set, other: &Set) -> Option<Set> {
    one.add(other);
    Some(one)
}

/// Returns whether a program matches at the beginning of a text only.
pub(super) fn is_held(steps: &[Step]) -> bool {
    is_held_from(steps, 0, &mut MOST_FOLLOWED.clone())
}

/// Returns whether every way from a step begins at the beginning of the text.
fn is_held_from(steps: &[Step], at: usize, left: &mut u32) -> bool {
    let Some(fewer) = left.checked_sub(1) else { return false };
    *left = fewer;
    let mut from = |at: usize| is_held_from(steps, at, left);
    match &steps[at] {
        Step::Assert(Place::TextStart) => true,
        Step::Save(_) | Step::Assert(_) => from(at + 1),
        Step::Jump(to) => from(*to),
        Step::Look { end, .. } => from(*end),
        Step::Split(split) => from(split.first) && from(split.second),
        _ => false,
    }
}

/// Returns which texts have to come once a group is there: what a condition on it says that stands in
/// every match, behind the group.
pub(super) fn ahead(expr: &Expr) -> Vec<(usize, Vec<u8>)> {
    let Expr::Concat(parts) = expr else { return Vec::new() };
    let of_condition = |(at, part): (usize, &Expr)| {
        let Expr::Conditional { condition, true_branch, .. } = part else { return None };
        let Expr::BackrefExistsCondition { group, .. } = condition.as_ref() else { return None };
        let text = needed(true_branch)?.into_iter().next().filter(|_| !is_choice(true_branch))?;
        let is_before = *group <= parts[..at].iter().map(groups).sum();
        is_before.then_some((*group, text))
    };
    parts.iter().enumerate().filter_map(of_condition).collect()
}

/// Returns the numbers of the groups that every match has, and that are never empty.
pub(in crate::python_regex) fn sure_groups(expr: &Expr) -> Vec<usize> {
    let mut sure = Vec::new();
    add_sure_groups(expr, 1, &mut sure);
    sure
}

/// Adds those of a part whose first group has this number.
fn add_sure_groups(expr: &Expr, first: usize, sure: &mut Vec<usize>) {
    match expr {
        Expr::Group(inner) => {
            if least_width(inner) > 0 {
                sure.push(first);
            }
            add_sure_groups(inner, first + 1, sure);
        }
        Expr::Repeat { child, lo, .. } if *lo > 0 => add_sure_groups(child, first, sure),
        Expr::Concat(parts) => {
            let mut next = first;
            for part in parts {
                add_sure_groups(part, next, sure);
                next += groups(part);
            }
        }
        _ => {}
    }
}

fn is_choice(expr: &Expr) -> bool {
    matches!(expr, Expr::Alt(_)) || expr.children_iter().any(is_choice)
}

/// Returns texts of which each match contains one.
fn needed(expr: &Expr) -> Option<Vec<Vec<u8>>> {
    longest(each_needed(expr))
}

/// Returns lists of texts; each match contains one of every list.
pub(in crate::python_regex) fn each_needed(expr: &Expr) -> Vec<Vec<Vec<u8>>> {
    match expr {
        Expr::Literal { val, casei: false } => vec![vec![val.as_bytes().to_vec()]],
        Expr::Group(inner) => each_needed(inner),
        Expr::Repeat { child, lo, .. } if *lo > 0 => each_needed(child),
        Expr::Concat(parts) => together(parts),
        Expr::Alt(choices) => {
            let all: Option<Vec<Vec<Vec<u8>>>> = choices.iter().map(needed).collect();
            let all = all.unwrap_or_default().concat();
            if all.is_empty() || all.len() > MOST_NEEDED { Vec::new() } else { vec![all] }
        }
        _ => Vec::new(),
    }
}

/// Returns lists of texts that a sequence needs once its classes of few letters are spelled out
/// (`0[1-9] `); each match contains one of every list.
pub(in crate::python_regex) fn each_spelled(expr: &Expr) -> Vec<Texts> {
    let Expr::Concat(parts) = expr else { return Vec::new() };
    let mut all = Vec::new();
    let mut texts = vec![Vec::new()];
    for part in parts {
        let longer = spellings(part).map(|ends| joined(&texts, &ends));
        match longer.filter(|longer| longer.len() <= MOST_NEEDED) {
            Some(longer) => texts = longer,
            None => all.push(std::mem::replace(&mut texts, vec![Vec::new()])),
        }
    }
    all.push(texts);
    // What is spelled in one way only is needed as it stands.
    all.retain(|texts| texts.len() > 1);
    all
}

/// Returns the ways to spell a part of an expression, if they are few.
fn spellings(part: &Expr) -> Option<Texts> {
    match part {
        Expr::Literal { val, casei: false } => Some(vec![val.as_bytes().to_vec()]),
        Expr::Delegate { inner, casei } => {
            let letters = Set::letters(inner, *casei, MOST_NEEDED)?;
            Some(letters.into_iter().map(|letter| vec![letter]).collect())
        }
        _ => None,
    }
}

/// Returns what the parts of a sequence need, letters that follow each other joined.
fn together(parts: &[Expr]) -> Vec<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    let mut text = Vec::new();
    for part in parts {
        if let Expr::Literal { val, casei: false } = part {
            text.extend_from_slice(val.as_bytes());
            continue;
        }
        if !text.is_empty() {
            all.push(vec![std::mem::take(&mut text)]);
        }
        all.extend(each_needed(part));
    }
    if !text.is_empty() {
        all.push(vec![text]);
    }
    all
}
