//! Keys, as far as they mean something here.

use ratatui_crossterm::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// A key, or a text that was pasted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// A character.
    Char(char),
    /// A pasted text: it never orders anything.
    Text(String),
    /// Enter.
    Enter,
    /// Escape.
    Escape,
    /// Deletes to the left.
    Backspace,
    /// Deletes to the right.
    Delete,
    /// Deletes what is typed before the cursor (Ctrl-U).
    Clear,
    /// Deletes the word before the cursor (Ctrl-W).
    ClearWord,
    /// Arrow.
    Up,
    /// Arrow.
    Down,
    /// Arrow.
    Left,
    /// Arrow.
    Right,
    /// A screen up.
    PageUp,
    /// A screen down.
    PageDown,
    /// To the first.
    Home,
    /// To the last.
    End,
    /// To the next view.
    Tab,
    /// To the view before.
    BackTab,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
    /// Ctrl-L: draw anew.
    Redraw,
}

impl Key {
    /// Returns what a key of the terminal means; nothing if it means nothing.
    pub(crate) fn of(event: KeyEvent) -> impl Iterator<Item = Self> {
        // Escape with another key right behind it arrives as that key with Alt.
        let escape = event.modifiers.contains(KeyModifiers::ALT).then_some(Self::Escape);
        let is_pressed = event.kind != KeyEventKind::Release;
        escape.into_iter().chain(Self::without_alt(event)).filter(move |_| is_pressed)
    }

    fn without_alt(event: KeyEvent) -> Option<Self> {
        let is_control = event.modifiers.contains(KeyModifiers::CONTROL);
        Some(match event.code {
            KeyCode::Char('c' | 'd') if is_control => Self::Interrupt,
            KeyCode::Char('z') if is_control => Self::Suspend,
            KeyCode::Char('l') if is_control => Self::Redraw,
            KeyCode::Char('u') if is_control => Self::Clear,
            KeyCode::Char('w') if is_control => Self::ClearWord,
            KeyCode::Char('a') if is_control => Self::Home,
            KeyCode::Char('e') if is_control => Self::End,
            KeyCode::Char('h') if is_control => Self::Backspace,
            KeyCode::Char(_) if is_control => return None,
            KeyCode::Char(character) => Self::Char(character),
            KeyCode::Enter => Self::Enter,
            KeyCode::Esc => Self::Escape,
            KeyCode::Backspace => Self::Backspace,
            KeyCode::Delete => Self::Delete,
            KeyCode::Up => Self::Up,
            KeyCode::Down => Self::Down,
            KeyCode::Left => Self::Left,
            KeyCode::Right => Self::Right,
            KeyCode::PageUp => Self::PageUp,
            KeyCode::PageDown => Self::PageDown,
            KeyCode::Home => Self::Home,
            KeyCode::End => Self::End,
            KeyCode::Tab => Self::Tab,
            KeyCode::BackTab => Self::BackTab,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: KeyCode, modifiers: KeyModifiers, expect: &[Key]) {
        let keys: Vec<Key> = Key::of(KeyEvent::new(code, modifiers)).collect();
        assert_eq!(keys, expect, "{code:?} {modifiers:?}");
    }

    #[test]
    fn keys_mean_what_terminals_send() {
        let (none, control, alt) = (KeyModifiers::NONE, KeyModifiers::CONTROL, KeyModifiers::ALT);
        check(KeyCode::Char('A'), KeyModifiers::SHIFT, &[Key::Char('A')]);
        check(KeyCode::Char('c'), control, &[Key::Interrupt]);
        check(KeyCode::Char('x'), control, &[]);
        check(KeyCode::Tab, alt, &[Key::Escape, Key::Tab]);
        check(KeyCode::F(1), none, &[]);
    }
}
