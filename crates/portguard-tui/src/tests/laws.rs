//! What holds whatever is pressed and told, on a screen of whatever size.

use proptest::{collection::vec, prelude::*};

use crate::{
    key::Key,
    look::{Colours, Glyphs, Look},
    state::{Above, Act, State, Update},
    text,
};

use super::{
    screens::drawn,
    world::{self, NOW, Names},
};

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    Press(Key),
    Tell { which: usize, word: String, number: u64, at: u64 },
    Untell { which: usize, word: String },
    Answer(String),
    Tick(u64),
    Size(u16, u16),
}

const ORDERS: &str = "bautoc ADFLXCRPysS/?qnj kgG123456lh";

fn key() -> impl Strategy<Value = Key> {
    let named = vec![
        Key::Enter,
        Key::Enter,
        Key::Escape,
        Key::Backspace,
        Key::Clear,
        Key::ClearWord,
        Key::Delete,
        Key::Up,
        Key::Down,
        Key::Left,
        Key::Right,
        Key::PageUp,
        Key::PageDown,
        Key::Home,
        Key::End,
        Key::Tab,
        Key::BackTab,
        Key::Interrupt,
        Key::Suspend,
        Key::Redraw,
    ];
    let known: Vec<char> = ORDERS.chars().collect();
    prop_oneof![
        4 => prop::sample::select(known).prop_map(Key::Char),
        2 => prop::sample::select(named),
        1 => any::<char>().prop_map(Key::Char),
        1 => hostile().prop_map(Key::Text),
    ]
}

/// Texts that whoever attacks a host may choose: escape codes, controls, marks, any characters.
fn hostile() -> impl Strategy<Value = String> {
    let parts = vec![
        "\x1b[2J",
        "\x1b]0;x\x07",
        "\u{9b}31m",
        "\u{202e}",
        "\u{200b}",
        "e\u{301}",
        "日本",
        "👨\u{200d}👩",
        "\n",
        "\r",
        "\t",
        "a",
        " ",
        "\0",
        "\u{feff}",
        "…",
    ];
    let part = prop_oneof![
        prop::sample::select(parts).prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    vec(part, 0..12).prop_map(|parts| parts.concat())
}

fn step() -> impl Strategy<Value = Step> {
    let tell = (any::<usize>(), hostile(), prop_oneof![0_u64..50, any::<u64>()], any::<u64>());
    prop_oneof![
        8 => key().prop_map(Step::Press),
        4 => tell.prop_map(|(which, word, number, at)| Step::Tell { which, word, number, at }),
        1 => (any::<usize>(), hostile()).prop_map(|(which, word)| Step::Untell { which, word }),
        1 => hostile().prop_map(Step::Answer),
        1 => any::<u64>().prop_map(Step::Tick),
        2 => (1_u16..140, 1_u16..50).prop_map(|(columns, rows)| Step::Size(columns, rows)),
    ]
}

fn go(state: &mut State, size: &mut (u16, u16), step: Step) -> Result<(), TestCaseError> {
    match step {
        Step::Press(key) => {
            let was_asked = matches!(state.above, Above::Asking(_));
            let is_yes = matches!(key, Key::Char('y' | 'Y'));
            if let Some(Act::Give(_)) = state.press(&key) {
                prop_assert!(was_asked && is_yes, "an order was given that was not asked back");
            }
        }
        Step::Tell { which, word, number, at } => {
            let number = number.min(i64::MAX as u64 - 9);
            let names = Names { word: &word, subject: &word, number, at: &word };
            let number_32 = Names { number: number.min(u64::from(u32::MAX)), ..names };
            let told = world::told(&number_32);
            let (ask, answer) = &told[which % told.len()];
            world::tell(state, at, ask, answer);
        }
        Step::Untell { which, word } => {
            let told = world::told(&world::USUAL);
            let ask = told[which % told.len()].0.clone();
            let why = crate::ask::Unanswered::Away(word.clone(), Some(word));
            state.apply(Update::Untold(ask, why));
        }
        Step::Answer(word) => {
            let why = crate::ask::Unanswered::Away(word, None);
            state.apply(Update::Answered(Err(why)));
        }
        Step::Tick(now) => state.apply(Update::Clock(now)),
        Step::Size(columns, rows) => {
            *size = (columns, rows);
            state.apply(Update::Height(rows));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Nothing panics, nothing that acts on a terminal is drawn, no order goes without a yes.
    #[test]
    fn nothing_breaks_and_nothing_raw_is_shown(steps in vec(step(), 1..40)) {
        let mut state = State::default();
        let mut size = (80, 24);
        state.apply(Update::Clock(NOW));
        for step in steps {
            go(&mut state, &mut size, step)?;
            let _ = state.asks();
            for glyphs in [Glyphs::Unicode, Glyphs::Ascii] {
                let look = Look::new(Colours::Terminal, glyphs);
                for cell in &drawn(&state, look, size).content {
                    let symbol = cell.symbol();
                    prop_assert_eq!(&text::harmless(symbol), symbol);
                    prop_assert!(glyphs == Glyphs::Unicode || symbol.is_ascii(), "{:?}", symbol);
                }
            }
        }
    }

    /// Every size shows something and none panics, whatever page it is.
    #[test]
    fn every_size_is_drawn(columns in 1_u16..200, rows in 1_u16..70, keys in "[1-7\t?\nbL]{0,4}") {
        let mut state = world::state(&world::USUAL);
        for key in keys.chars() {
            state.press(&match key { '\n' => Key::Enter, '\t' => Key::Tab, one => Key::Char(one) });
        }
        let look = Look::new(Colours::None, Glyphs::Unicode);
        let buffer = drawn(&state, look, (columns, rows));
        prop_assert!(buffer.content.iter().any(|cell| cell.symbol() != " "));
    }
}
