//! The screen: status, pages, the page, what is said, keys. Pure: a state in, cells out.

mod bottom;
mod head;
mod help;
mod overview;
mod pen;
mod spark;
mod story;
mod table;

use ratatui_core::{layout::Rect, terminal::Frame};

use crate::{
    look::Look,
    state::{Above, State},
    view::View,
};

use pen::{Pen, split_bottom, split_top};

/// Draws the state.
pub(crate) fn draw(state: &State, look: Look, frame: &mut Frame) {
    let area = frame.area();
    let cursor = {
        let mut pen = Pen::new(frame.buffer_mut(), look);
        screen(state, &mut pen, area)
    };
    if let Some(place) = cursor.filter(|place| area.contains((*place).into())) {
        frame.set_cursor_position(place);
    }
}

/// Draws the whole screen and returns where the cursor stands, if something is typed.
fn screen(state: &State, pen: &mut Pen, area: Rect) -> Option<(u16, u16)> {
    let (top, rest) = split_top(area, 1);
    head::status(state, pen, top);
    let (tabs, rest) = split_top(rest, 1);
    head::pages(state, pen, tabs);
    let (page, bottom) = split_bottom(rest, bottom::height(state, rest));
    let alerts = head::alerts(state);
    let (alert_rows, page) = split_top(page, head::alert_height(&alerts, page));
    head::write_alerts(&alerts, pen, alert_rows);
    match &state.above {
        Above::Help(scrolled) => help::draw(state, pen, page, *scrolled),
        Above::Story(story) => story::draw(state, story, pen, page),
        _ if state.view() == View::Overview => overview::draw(state, pen, page),
        _ => table::draw(state, pen, page),
    }
    bottom::draw(state, pen, bottom)
}
