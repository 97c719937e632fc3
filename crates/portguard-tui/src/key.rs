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
    /// Returns what a key of the terminal means; none if it means nothing.
    pub(crate) fn of(event: KeyEvent) -> Option<Self> {
        if event.kind == KeyEventKind::Release {
            return None;
        }
        let is_control = event.modifiers.contains(KeyModifiers::CONTROL);
        if event.modifiers.contains(KeyModifiers::ALT) {
            return None;
        }
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
