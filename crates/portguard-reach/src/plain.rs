//! Texts of strangers, made fit for a line of a journal.

/// Longest text of a stranger that is handed on, in characters: a line of a journal.
pub(crate) const LONGEST_TEXT: usize = 300;

/// Returns a text that may come from a stranger as one plain line.
pub(crate) fn plain(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(LONGEST_TEXT).map(plain).collect::<String>().trim().to_owned()
}
