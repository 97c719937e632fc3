//! The whole state of the dashboard: what is told and pressed goes in, what is asked and ordered
//! comes out. Pure: no clock, no terminal, no socket.

mod press;

use std::collections::BTreeMap;

use portguard_api::order::OrderDone;

use crate::{
    ask::{Ask, News, Search, Unanswered},
    data::Data,
    key::Key,
    look::Tone,
    order::Order,
    prompt::Prompt,
    rows::{self, About},
    table::{self, Direction, Row, Sorting},
    view::{Page, View},
};

/// Everything that the screen shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) live: Data,
    /// What is shown while the display is paused.
    pub(crate) still: Option<Box<Data>>,
    pub(crate) link: Link,
    /// Seconds since 1970.
    pub(crate) now: u64,
    /// Why questions of the shown view were not answered.
    pub(crate) unanswered: Vec<(Ask, Unanswered)>,
    page: usize,
    places: BTreeMap<View, Place>,
    /// The view of each page that was looked at last.
    turned: BTreeMap<Page, usize>,
    pub(crate) above: Above,
    pub(crate) notice: Option<Notice>,
    /// The order that is on its way; there is one at most.
    pub(crate) waiting: Option<Box<Order>>,
    /// The height of the screen, in rows.
    height: u16,
}

/// What somebody did with a view.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// The row of the cursor, by its key and its number.
    key: Option<String>,
    number: usize,
    pub(crate) sorting: Option<Sorting>,
    pub(crate) filter: String,
}

/// Whether the daemon answers.
#[derive(Clone, Debug, Default)]
pub(crate) enum Link {
    /// It was not heard of yet.
    #[default]
    Waiting,
    /// It answers.
    Here,
    /// It does not, since this second.
    Away(u64, Unanswered),
}

/// What lies above the page.
#[derive(Clone, Debug, Default)]
pub(crate) enum Above {
    #[default]
    Nothing,
    /// Something is typed.
    Typing(Prompt),
    /// An order is asked back.
    Asking(Box<Order>),
    /// The keys are told.
    Help(usize),
    /// All about a row is told.
    Story(Box<Story>),
}

/// All about a row.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) about: About,
    /// How many lines are above the screen.
    pub(crate) scrolled: usize,
}

/// What is said at the bottom.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) tone: Tone,
    pub(crate) words: String,
    pub(crate) hint: Option<String>,
}

/// Something new.
#[derive(Clone, Debug)]
pub(crate) enum Update {
    /// The second since 1970.
    Clock(u64),
    /// The screen has so many rows.
    Height(u16),
    /// The daemon answered, at this millisecond of a clock that is never set.
    Told(u64, News),
    /// The daemon did not answer a question.
    Untold(Ask, Unanswered),
    /// What became of the order that was given.
    Answered(Result<OrderDone, Unanswered>),
}

/// What the shell has to do.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Give the daemon this order.
    Give(Order),
    /// Go back to the shell for a while.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// End.
    Quit,
}

impl State {
    /// Returns what is shown: the latest, or what was shown when the display was paused.
    pub(crate) fn data(&self) -> &Data {
        self.still.as_deref().unwrap_or(&self.live)
    }

    /// Returns the page that is shown.
    pub(crate) fn page(&self) -> Page {
        Page::ALL[self.page % Page::ALL.len()]
    }

    /// Returns the view that is shown.
    pub(crate) fn view(&self) -> View {
        let page = self.page();
        let turned = self.turned.get(&page).copied().unwrap_or(0);
        page.views()[turned % page.views().len()]
    }

    /// Returns how the shown view is sorted and filtered.
    pub(crate) fn place(&self) -> Place {
        self.places.get(&self.view()).cloned().unwrap_or_default()
    }

    /// Returns the rows of the shown view, sorted and filtered, and where the cursor is.
    pub(crate) fn rows(&self) -> (Vec<Row>, usize) {
        let place = self.place();
        let mut rows = rows::rows(self.view(), self.data());
        if !place.filter.is_empty() && !self.view().is_searched() {
            rows.retain(|row| table::matches(row, &place.filter));
        }
        // What comes from two lists is sorted within each.
        let is_sorted = self.view().is_searched() && self.view().lists().len() < 2;
        if let Some(sorting) = place.sorting.filter(|_| !is_sorted) {
            sorting.sort(&mut rows);
        }
        let by_key = place.key.and_then(|key| rows.iter().position(|row| row.key == key));
        let last = rows.len().saturating_sub(1);
        let cursor = by_key.unwrap_or(place.number).min(last);
        (rows, cursor)
    }

    /// Returns what the row under the cursor is about.
    pub(crate) fn about(&self) -> About {
        let (rows, cursor) = self.rows();
        rows.get(cursor)
            .map_or_else(About::default, |row| About::row(self.view(), self.data(), row))
    }

    /// Returns what has to be asked, again and again.
    pub(crate) fn asks(&self) -> Vec<Ask> {
        let mut asks = vec![Ask::Status, Ask::Entries(self.live.last_entry())];
        asks.extend(self.view().asks(self.search(), self.live.last_packet()));
        match &self.above {
            Above::Story(story) => asks.extend(story.about.subject.clone().map(Ask::Why)),
            Above::Asking(order) if order.is_lockdown() => asks.push(Ask::Lockdown),
            _ => {}
        }
        asks
    }

    /// Returns which rows the daemon is asked for, where it sorts and looks through them.
    fn search(&self) -> Search {
        let view = self.view();
        let place = self.place();
        let unsorted = if view == View::Offenders { Search::worst() } else { Search::default() };
        let sorted = place.sorting.and_then(|sorting| {
            let column = view.columns().get(sorting.column)?;
            let descending = sorting.direction == Direction::Descending;
            Some(Search { sort: Some(column.name?), descending, find: String::new() })
        });
        Search { find: place.filter, ..sorted.unwrap_or(unsorted) }
    }

    /// Takes something new.
    pub(crate) fn apply(&mut self, update: Update) {
        match update {
            Update::Clock(now) => self.tick(now),
            Update::Height(height) => self.height = height,
            Update::Told(at, news) => {
                if matches!(news, News::Status(_)) {
                    self.link = Link::Here;
                    self.unanswered.clear();
                }
                self.live.take(at, news);
            }
            Update::Untold(Ask::Status, why) => {
                if !matches!(self.link, Link::Away(..)) {
                    self.link = Link::Away(self.now, why);
                } else if let Link::Away(_, reason) = &mut self.link {
                    *reason = why;
                }
            }
            Update::Untold(ask, why) => {
                self.unanswered.retain(|(known, _)| !known.is_like(&ask));
                self.unanswered.push((ask, why));
            }
            Update::Answered(answer) => self.answered(&answer),
        }
    }

    fn tick(&mut self, now: u64) {
        self.now = now;
        if matches!(self.link, Link::Away(..)) {
            self.live.rates.miss();
        }
    }

    fn answered(&mut self, answer: &Result<OrderDone, Unanswered>) {
        let Some(order) = self.waiting.take() else { return };
        self.notice = Some(match answer {
            Ok(done) if done.observed_only => Notice {
                tone: Tone::Warning,
                words: "the daemon only observes: nothing was changed in the kernel".to_owned(),
                hint: Some("set guard.observe = false in the configuration".to_owned()),
            },
            Ok(done) => Notice { tone: Tone::Good, words: order.told(done), hint: None },
            Err(why) => {
                let (words, hint) = why.words();
                Notice {
                    tone: Tone::Bad,
                    words: format!("error: {words}"),
                    hint: hint.map(str::to_owned),
                }
            }
        });
    }

    /// Takes a key; returns what has to be done.
    pub(crate) fn press(&mut self, key: &Key) -> Option<Act> {
        press::press(self, key)
    }
}
