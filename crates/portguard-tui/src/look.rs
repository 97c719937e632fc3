//! How the screen may look: with colours or without, with all characters or ASCII alone. Pure.
//!
//! Only the terminal's own foreground, background and three of its sixteen colours are used, and
//! no word is told by its colour alone: so it reads on light, dark and colourless terminals.

use ratatui_core::style::{Color, Modifier, Style};

/// How the screen may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    colours: Colours,
    glyphs: Glyphs,
}

/// Which colours may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// Those of the terminal.
    Terminal,
    /// None: bold, faint and reversed text only.
    None,
}

/// Which characters may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyphs {
    /// All of Unicode.
    Unicode,
    /// ASCII alone.
    Ascii,
}

/// What a text means, which decides how it looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// A head, or what counts most.
    Strong,
    /// What is said beside.
    Faint,
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// Wrong, or turned away.
    Bad,
    /// Where the cursor is.
    Chosen,
}

impl Look {
    /// Returns a look with these colours and characters.
    pub const fn new(colours: Colours, glyphs: Glyphs) -> Self {
        Self { colours, glyphs }
    }

    /// Returns the look that the environment asks for.
    ///
    /// `NO_COLOR` takes the colours (<https://no-color.org>); `LC_ALL`, `LC_CTYPE` and `LANG` say
    /// whether the terminal knows UTF-8, and the console of Linux (`TERM=linux`) lacks the bars.
    pub fn of_environment(wanted: Colours, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        let is_unicode = locale.contains("utf-8") || locale.contains("utf8");
        let is_console = set("TERM").is_some_and(|term| term == "linux");
        let colours = if set("NO_COLOR").is_some() { Colours::None } else { wanted };
        let glyphs = if is_unicode && !is_console { Glyphs::Unicode } else { Glyphs::Ascii };
        Self { colours, glyphs }
    }

    pub(crate) const fn glyphs(self) -> Glyphs {
        self.glyphs
    }

    /// Returns the style of what means this.
    pub(crate) fn style(self, tone: Tone) -> Style {
        let plain = Style::new();
        let (colour, without) = match tone {
            Tone::Plain => return plain,
            Tone::Strong => return plain.add_modifier(Modifier::BOLD),
            Tone::Faint => return plain.add_modifier(Modifier::DIM),
            Tone::Chosen => return plain.add_modifier(Modifier::REVERSED),
            // Green, magenta and red can be read on white and on black; yellow and blue can not.
            Tone::Good => (Color::Green, Modifier::empty()),
            Tone::Warning => (Color::Magenta, Modifier::BOLD),
            Tone::Bad => (Color::Red, Modifier::BOLD),
        };
        match self.colours {
            Colours::Terminal => plain.fg(colour).add_modifier(without),
            Colours::None => plain.add_modifier(without),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(environment: &[(&str, &str)], expect: Look) {
        let variable = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(Look::of_environment(Colours::Terminal, variable), expect, "{environment:?}");
    }

    #[test]
    fn the_environment_decides() {
        let look = |colours, glyphs| Look { colours, glyphs };
        check(&[], look(Colours::Terminal, Glyphs::Ascii));
        check(&[("LANG", "C")], look(Colours::Terminal, Glyphs::Ascii));
        check(&[("LANG", "C.UTF-8")], look(Colours::Terminal, Glyphs::Unicode));
        check(&[("LANG", "de_DE.utf8"), ("LC_ALL", "C")], look(Colours::Terminal, Glyphs::Ascii));
        check(&[("LANG", "C.UTF-8"), ("LC_ALL", "")], look(Colours::Terminal, Glyphs::Unicode));
        check(&[("LANG", "C.UTF-8"), ("TERM", "linux")], look(Colours::Terminal, Glyphs::Ascii));
        check(&[("NO_COLOR", "1")], look(Colours::None, Glyphs::Ascii));
        check(&[("NO_COLOR", "")], look(Colours::Terminal, Glyphs::Ascii));
    }

    #[test]
    fn without_colours_there_are_none() {
        let look = Look::new(Colours::None, Glyphs::Ascii);
        let tones = [Tone::Plain, Tone::Strong, Tone::Faint, Tone::Good, Tone::Warning, Tone::Bad];
        assert!(tones.iter().all(|tone| look.style(*tone).fg.is_none()));
    }
}
