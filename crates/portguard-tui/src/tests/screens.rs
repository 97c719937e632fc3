//! What is seen: screens of a known host, kept as texts in `screens/`. With `UPDATE_SCREENS=1` they
//! are written anew, to be looked at before they are committed.

use std::{fs, path::Path};

use portguard_api::{Problem, ProblemKind};
use ratatui_core::{
    backend::TestBackend,
    buffer::{Buffer, Cell},
    terminal::Terminal,
};
use serde_json::json;

use crate::{
    ask::{Ask, List, Search, Unanswered},
    draw::draw,
    key::Key,
    look::{Colours, Glyphs, Look},
    state::{Act, State, Update},
};

use super::world::{NOW, Names, USUAL, state, status, tell};

const USUAL_LOOK: Look = Look::new(Colours::Terminal, Glyphs::Unicode);
const PLAIN_LOOK: Look = Look::new(Colours::None, Glyphs::Ascii);

/// A terminal of old, a large one, and a phone held upright.
const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (60, 20)];

pub(super) fn drawn(state: &State, look: Look, (columns, rows): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(state, look, frame)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let lines = buffer.content.chunks(width).map(|cells| {
        let line: String = cells.iter().map(Cell::symbol).collect();
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}

#[track_caller]
fn check(name: &str, state: &State, look: Look, size: (u16, u16)) {
    let file = format!("src/tests/screens/{name}-{}x{}.txt", size.0, size.1);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let shown = text(&drawn(state, look, size));
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &shown).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == shown, "{} is no longer what is shown:\n{shown}", path.display());
}

/// Presses keys, written as characters.
fn press(state: &mut State, keys: &str) -> Vec<Act> {
    let key = |one| match one {
        '\n' => Key::Enter,
        '\t' => Key::Tab,
        other => Key::Char(other),
    };
    keys.chars().filter_map(|one| state.press(&key(one))).collect()
}

#[test]
fn every_page_in_every_size() {
    for (name, keys) in [
        ("overview", "1"),
        ("ports", "2j"),
        ("offenders", "3"),
        ("traffic", "4"),
        ("traps", "5"),
        ("logs", "6"),
        ("afar", "7"),
    ] {
        for size in SIZES {
            let mut state = state(&USUAL);
            press(&mut state, keys);
            check(name, &state, USUAL_LOOK, size);
        }
    }
}

#[test]
fn the_other_views() {
    for (name, keys) in [
        ("sources", "1\t"),
        ("doors", "2\t"),
        ("approvals", "2\t\t"),
        ("throttled", "3\t"),
        ("allowed", "3\t\t"),
        ("worst", "3\t\t\t\ts"),
        ("connections", "4\t"),
        ("proposals", "4\t\t"),
        ("watches", "5\t"),
        ("scans", "5\t\t"),
        ("left-out", "7\t"),
        ("knocks", "7\t\t"),
        ("knock", "7\t\tj\n"),
        ("keys", "7\t\t\t"),
        ("filtered", "4/closed\n"),
        ("help", "?"),
        ("listener", "2j\n"),
        ("ban", "3b for 2d"),
        ("question", "3b for 2d asked thrice\n"),
    ] {
        let mut state = state(&USUAL);
        assert!(press(&mut state, keys).is_empty());
        check(name, &state, USUAL_LOOK, SIZES[0]);
    }
}

#[test]
fn a_host_that_nobody_reaches_from_afar_says_so() {
    let mut state = State::default();
    let mut news = status(&USUAL);
    news["knock"] = json!(null);
    tell(&mut state, 1_000, &Ask::Status, &news);
    for (keys, line) in [
        ("7", "there is no control file: remote.url is empty"),
        ("\t\t", "no knocks are taken: knock.listen is empty"),
    ] {
        press(&mut state, keys);
        let shown = text(&drawn(&state, USUAL_LOOK, SIZES[0]));
        assert!(shown.contains(line), "{shown}");
    }
}

#[test]
fn a_terminal_without_colour_and_unicode() {
    let names = Names { word: "café\x1b[2J日", ..USUAL };
    let mut state = state(&names);
    check("ascii-overview", &state, PLAIN_LOOK, SIZES[0]);
    press(&mut state, "2");
    check("ascii-ports", &state, PLAIN_LOOK, SIZES[0]);
    for cell in &drawn(&state, PLAIN_LOOK, SIZES[0]).content {
        assert_eq!(cell.fg, ratatui_core::style::Color::Reset);
    }
}

#[test]
fn what_must_not_be_missed() {
    let mut state = state(&USUAL);
    let mut news = status(&USUAL);
    news["pending"] = json!({"what": "lockdown", "until": null, "seconds_left": 42, "author": "operator (uid 0)"});
    news["paused_until"] = json!("2026-11-21T14:10:00.000Z");
    news["enforcement"] =
        json!({"wanted": 12, "installed": 9, "pending": 3, "failure": "no buffer space"});
    tell(&mut state, 5_000, &Ask::Status, &news);
    press(&mut state, "3 ");
    check("alerts", &state, USUAL_LOOK, SIZES[0]);
    check("alerts", &state, USUAL_LOOK, SIZES[2]);
}

#[test]
fn a_daemon_that_is_away_comes_back_by_itself() {
    let mut state = state(&USUAL);
    let why = "no daemon answers at /run/portguard/portguard.sock: connection refused".to_owned();
    let hint = "systemctl start portguard, or `portguard daemon` in the foreground".to_owned();
    state.apply(Update::Untold(Ask::Status, Unanswered::Away(why, Some(hint))));
    for second in 1..4 {
        state.apply(Update::Clock(NOW + second));
    }
    check("away", &state, USUAL_LOOK, SIZES[0]);
    let mut unheard = State::default();
    unheard.apply(Update::Untold(Ask::Status, Unanswered::Away("no daemon".to_owned(), None)));
    check("never-there", &unheard, USUAL_LOOK, SIZES[0]);
    tell(&mut state, 9_000, &Ask::Status, &status(&USUAL));
    let shown = text(&drawn(&state, USUAL_LOOK, SIZES[0]));
    assert!(!shown.contains("no daemon answers") && !shown.contains("not up to date"), "{shown}");
}

#[test]
fn a_viewer_sees_everything_and_is_told_why_orders_are_not_permitted() {
    let mut state = state(&USUAL);
    let acts = press(&mut state, "3u");
    assert!(acts.is_empty());
    assert!(matches!(press(&mut state, "y")[..], [Act::Give(_)]));
    let hint = "run it as root, or as a member of the group that `api.operators` names".to_owned();
    state.apply(Update::Answered(Err(Unanswered::Refused(Problem {
        error: "you may not order".to_owned(),
        hint: Some(hint),
        kind: ProblemKind::NotPermitted,
    }))));
    check("not-permitted", &state, USUAL_LOOK, SIZES[0]);
}

#[test]
fn a_story_is_told_from_the_newest_on() {
    let mut state = state(&USUAL);
    press(&mut state, "3\n");
    let told = super::world::told(&USUAL);
    let (ask, answer) = told.iter().find(|(ask, _)| matches!(ask, Ask::Why(_))).unwrap();
    assert!(state.asks().contains(ask));
    tell(&mut state, 5_000, ask, answer);
    check("story", &state, USUAL_LOOK, SIZES[0]);
}

#[test]
fn a_lockdown_says_first_what_it_takes_away() {
    let mut state = state(&USUAL);
    press(&mut state, "L");
    assert!(state.asks().contains(&Ask::Lockdown));
    let preview = super::world::told(&USUAL).into_iter().find(|(ask, _)| *ask == Ask::Lockdown);
    let (ask, answer) = preview.unwrap();
    tell(&mut state, 5_000, &ask, &answer);
    check("lockdown", &state, USUAL_LOOK, SIZES[0]);
}

#[test]
fn a_paused_display_stands_still_and_misses_nothing() {
    let mut state = state(&USUAL);
    press(&mut state, "6 ");
    let before = text(&drawn(&state, USUAL_LOOK, SIZES[0]));
    let entry = json!([{"id": 99, "at": USUAL.at, "level": "info", "kind": "release",
        "subject": null, "text": "what came meanwhile"}]);
    tell(&mut state, 5_000, &Ask::Entries(Some(9)), &entry);
    assert_eq!(text(&drawn(&state, USUAL_LOOK, SIZES[0])), before);
    press(&mut state, " ");
    assert!(text(&drawn(&state, USUAL_LOOK, SIZES[0])).contains("what came meanwhile"));
}

#[test]
fn the_cursor_stays_with_its_row() {
    let mut state = state(&USUAL);
    press(&mut state, "3j");
    assert_eq!(state.about().subject.as_deref(), Some("198.51.100.0/24"));
    press(&mut state, "s");
    assert_eq!(state.about().subject.as_deref(), Some("198.51.100.0/24"));
    // In what comes live, the cursor at the top goes on with the newest.
    press(&mut state, "6");
    let newest = state.about();
    let entry = json!([{"id": 99, "at": USUAL.at, "level": "info", "kind": "release",
        "subject": "192.0.2.200", "text": ""}]);
    tell(&mut state, 5_000, &Ask::Entries(Some(9)), &entry);
    assert_ne!(state.about(), newest);
    press(&mut state, "j");
    let second = state.about();
    let entry = json!([{"id": 100, "at": USUAL.at, "level": "info", "kind": "release",
        "subject": "192.0.2.201", "text": ""}]);
    tell(&mut state, 5_000, &Ask::Entries(Some(99)), &entry);
    assert_eq!(state.about(), second);
}

#[test]
fn long_lists_are_sorted_and_looked_through_by_the_daemon() {
    let mut state = state(&USUAL);
    press(&mut state, "3/198.51\n");
    let find = Search { find: "198.51".to_owned(), ..Search::default() };
    assert!(state.asks().contains(&Ask::Holds(List::Bans, find)));
    // The measure is the same for all: the next column that can be sorted by is how much is left.
    press(&mut state, "ssS");
    let (find, sort) = ("198.51".to_owned(), Some("seconds_left"));
    let search = Search { sort, descending: true, find };
    assert!(state.asks().contains(&Ask::Holds(List::Bans, search)));
    press(&mut state, "\t\t\t\t");
    assert!(state.asks().contains(&Ask::Offenders(Search::worst())));
}

#[test]
fn another_daemon_is_asked_from_the_beginning() {
    let mut state = state(&USUAL);
    press(&mut state, "4");
    assert!(state.asks().contains(&Ask::Packets(Some(10))));
    let mut news = status(&USUAL);
    news["pid"] = json!(1);
    tell(&mut state, 5_000, &Ask::Status, &news);
    assert!(state.asks().contains(&Ask::Packets(None)));
    assert!(state.asks().contains(&Ask::Entries(None)));
}
