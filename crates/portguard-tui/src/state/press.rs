//! What each key does. Pure.

use portguard_api::{
    order::{LiftOrder, LiftedName},
    port::{PostureName, PostureOrder, RulingName},
    proposal::{ProposalOrder, ProposalVerdict},
};

use crate::{
    key::Key,
    look::Tone,
    order::Order,
    prompt::{Prompt, Purpose},
    rows::About,
    table::{Column, Direction, Sorting},
    view::{Page, View},
};

use super::{Above, Act, Notice, State, Story};

/// How many lines a screen of a story scrolls at least.
const LEAST_STEP: usize = 5;

/// Takes a key.
pub(super) fn press(state: &mut State, key: &Key) -> Option<Act> {
    match key {
        Key::Interrupt => return Some(Act::Quit),
        Key::Suspend => return Some(Act::Suspend),
        Key::Redraw => return Some(Act::Redraw),
        _ => {}
    }
    match std::mem::take(&mut state.above) {
        Above::Nothing => return on_page(state, key),
        Above::Typing(prompt) => typing(state, prompt, key),
        Above::Asking(order) => return answer(state, order, key),
        Above::Help(scrolled) => {
            if let Some(scrolled) = scroll(state, scrolled, key) {
                state.above = Above::Help(scrolled);
            }
        }
        Above::Story(story) => return on_story(state, *story, key),
    }
    None
}

fn typing(state: &mut State, mut prompt: Prompt, key: &Key) {
    match key {
        Key::Escape => return,
        Key::Enter if prompt.purpose == Purpose::Filter => {
            let view = state.view();
            let place = state.places.entry(view).or_default();
            prompt.text().trim().clone_into(&mut place.filter);
            return;
        }
        Key::Enter => match prompt.order() {
            Ok(order) => {
                state.notice = None;
                return ask_back(state, order);
            }
            Err(words) => {
                state.notice = Some(Notice { tone: Tone::Bad, words, hint: None });
            }
        },
        key => prompt.edit(key),
    }
    state.above = Above::Typing(prompt);
}

fn ask_back(state: &mut State, order: Order) {
    state.live.lockdown = None;
    state.above = Above::Asking(Box::new(order));
}

fn answer(state: &mut State, order: Box<Order>, key: &Key) -> Option<Act> {
    match key {
        Key::Char('y' | 'Y') if state.waiting.is_some() => {
            let words = "the last order is not answered yet".to_owned();
            state.notice = Some(Notice { tone: Tone::Warning, words, hint: None });
            state.above = Above::Asking(order);
        }
        Key::Char('y' | 'Y') => {
            state.notice = None;
            state.waiting = Some(order.clone());
            return Some(Act::Give(*order));
        }
        Key::Char('n' | 'N') | Key::Escape => {
            let words = "nothing was done".to_owned();
            state.notice = Some(Notice { tone: Tone::Faint, words, hint: None });
        }
        // Whatever else comes may have been meant for what was there before.
        _ => state.above = Above::Asking(order),
    }
    None
}

/// Returns how far a text is scrolled then; nothing if it is left.
fn scroll(state: &State, scrolled: usize, key: &Key) -> Option<usize> {
    let step = page_step(state);
    Some(match key {
        Key::Up | Key::Char('k') => scrolled.saturating_sub(1),
        Key::Down | Key::Char('j') => scrolled.saturating_add(1),
        Key::PageUp => scrolled.saturating_sub(step),
        Key::PageDown | Key::Char(' ') => scrolled.saturating_add(step),
        Key::Home => 0,
        Key::Escape | Key::Enter | Key::Char('q' | '?') => return None,
        _ => scrolled,
    })
}

fn on_story(state: &mut State, story: Story, key: &Key) -> Option<Act> {
    if let Some(above) = on_order(state.view(), &story.about, key) {
        put_above(state, above);
        return None;
    }
    if let Some(scrolled) = scroll(state, story.scrolled, key) {
        state.above = Above::Story(Box::new(Story { scrolled, ..story }));
    }
    None
}

fn page_step(state: &State) -> usize {
    usize::from(state.height).saturating_sub(8).max(LEAST_STEP)
}

fn on_page(state: &mut State, key: &Key) -> Option<Act> {
    let about = state.about();
    if let Some(above) = on_order(state.view(), &about, key) {
        put_above(state, above);
        return None;
    }
    if !matches!(key, Key::Up | Key::Down | Key::PageUp | Key::PageDown | Key::Escape) {
        state.notice = None;
    }
    match key {
        Key::Char('q') => return Some(Act::Quit),
        Key::Char('?') => state.above = Above::Help(0),
        Key::Char(' ') => pause_display(state),
        Key::Char('/') => {
            let filter = state.place().filter;
            state.above = Above::Typing(Prompt::new(Purpose::Filter, Some(filter)));
        }
        Key::Char('s') => sort_next(state),
        Key::Char('S') => sort_other_way(state),
        Key::Char(one @ '1'..='7') => {
            state.page = usize::try_from(u32::from(*one) - u32::from('1')).unwrap_or(0);
        }
        Key::Left | Key::Char('h') => {
            state.page = (state.page + Page::ALL.len() - 1) % Page::ALL.len();
        }
        Key::Right | Key::Char('l') => state.page = (state.page + 1) % Page::ALL.len(),
        Key::Tab => turn(state, 1),
        Key::BackTab => turn(state, state.page().views().len() - 1),
        Key::Escape => escape(state),
        Key::Enter if about != About::default() => {
            state.above = Above::Story(Box::new(Story { about, scrolled: 0 }));
        }
        _ => move_cursor(state, key),
    }
    None
}

/// Takes back one thing: what is said, then the filter, then the cursor's place.
fn escape(state: &mut State) {
    let view = state.view();
    let place = state.places.entry(view).or_default();
    if state.notice.take().is_some() {
        return;
    }
    if place.filter.is_empty() {
        (place.key, place.number) = (None, 0);
    }
    place.filter.clear();
}

fn pause_display(state: &mut State) {
    state.still = match state.still {
        Some(_) => None,
        None => Some(Box::new(state.live.clone())),
    };
}

fn turn(state: &mut State, by: usize) {
    let page = state.page();
    let turned = state.turned.entry(page).or_default();
    *turned = (*turned + by) % page.views().len();
}

/// Sorts by the next column, and behind the last one in the view's own order again.
fn sort_next(state: &mut State) {
    let view = state.view();
    let place = state.places.entry(view).or_default();
    let next = place.sorting.map_or(0, |sorting| sorting.column + 1);
    let mut columns = view.columns().iter().enumerate().skip(next);
    let can_sort = |(_, column): &(usize, &Column)| !view.is_searched() || column.name.is_some();
    place.sorting = columns.find(can_sort).map(|(column, of)| {
        let direction = if of.is_count { Direction::Descending } else { Direction::Ascending };
        Sorting { column, direction }
    });
}

fn sort_other_way(state: &mut State) {
    let view = state.view();
    let place = state.places.entry(view).or_default();
    place.sorting = place.sorting.map(|Sorting { column, direction }| {
        let direction = match direction {
            Direction::Ascending => Direction::Descending,
            Direction::Descending => Direction::Ascending,
        };
        Sorting { column, direction }
    });
}

fn move_cursor(state: &mut State, key: &Key) {
    let (rows, cursor) = state.rows();
    let last = rows.len().saturating_sub(1);
    let step = page_step(state);
    let next = match key {
        Key::Up | Key::Char('k') => cursor.saturating_sub(1),
        Key::Down | Key::Char('j') => cursor + 1,
        Key::PageUp => cursor.saturating_sub(step),
        Key::PageDown => cursor + step,
        Key::Home | Key::Char('g') => 0,
        Key::End | Key::Char('G') => last,
        _ => return,
    };
    let next = next.min(last);
    let view = state.view();
    let place = state.places.entry(view).or_default();
    place.number = next;
    // At the top of what comes live, the cursor stays with the newest.
    let is_newest = view.is_live() && next == 0 && place.sorting.is_none();
    place.key = rows.get(next).map(|row| row.key.clone()).filter(|_| !is_newest);
}

/// Returns what a key that leads to an order puts above the page; nothing if it leads to none.
fn on_order(view: View, about: &About, key: &Key) -> Option<Above> {
    let Key::Char(key) = key else { return None };
    let subject = about.subject.clone();
    let port = about.port.clone();
    let typed = |purpose, text: Option<String>| Above::Typing(Prompt::new(purpose, text));
    Some(match key {
        'b' => typed(Purpose::Ban, subject),
        'a' => typed(Purpose::Allow, subject),
        't' => typed(Purpose::Throttle, subject.map(|subject| format!("{subject} soft"))),
        'u' => lift(about),
        'o' => typed(Purpose::Open, port),
        'c' => typed(Purpose::Close, port.map(|port| close_words(port, about.from.as_deref()))),
        'P' => typed(Purpose::Pause, None),
        'A' => approve(about, RulingName::Approve, ProposalVerdict::Accept)?,
        'D' => approve(about, RulingName::Deny, ProposalVerdict::Dismiss)?,
        'F' if view == View::Rulings => {
            typed(Purpose::Rule(RulingName::Forget), Some(about.listener.clone()?))
        }
        'L' => posture(PostureName::Lockdown),
        'X' => posture(PostureName::Relax),
        'C' => posture(PostureName::Confirm),
        'R' => posture(PostureName::Rollback),
        _ => return None,
    })
}

fn put_above(state: &mut State, above: Above) {
    state.notice = None;
    match above {
        Above::Asking(order) => ask_back(state, *order),
        above => state.above = above,
    }
}

/// Asks back at once where it is known whom and what; else it is typed.
fn lift(about: &About) -> Above {
    match (&about.subject, about.lift) {
        (Some(subject), Some(measure)) => {
            let order = LiftOrder { measure, subject: Some(subject.clone()) };
            Above::Asking(Box::new(Order::Lift(order)))
        }
        (subject, _) => Above::Typing(Prompt::new(Purpose::Lift(LiftedName::Ban), subject.clone())),
    }
}

fn close_words(port: String, from: Option<&str>) -> String {
    match from {
        Some(from) => format!("{port} from {from}"),
        None => port,
    }
}

/// Says yes or no to a proposed rule, or to a listener.
fn approve(about: &About, listener: RulingName, proposal: ProposalVerdict) -> Option<Above> {
    if let Some((id, what)) = &about.proposal {
        let order = ProposalOrder { id: *id, verdict: proposal };
        return Some(Above::Asking(Box::new(Order::Decide(order, what.clone()))));
    }
    let words = about.listener.clone()?;
    Some(Above::Typing(Prompt::new(Purpose::Rule(listener), Some(words))))
}

fn posture(order: PostureName) -> Above {
    Above::Asking(Box::new(Order::Posture(PostureOrder { order })))
}
