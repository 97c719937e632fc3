//! Addresses as QR codes.

use fast_qr::{ECL, QRBuilder};

/// How many light modules surround a code: what ISO/IEC 18004 wants, and scanners rely on.
pub const MARGIN: usize = 4;

/// Returns a text as a QR code with its margin: rows of `#` (dark) and spaces (light), all of the
/// same length; nothing if it is too long for one.
pub fn rows(text: &str) -> Vec<String> {
    // Level M reads through 15 % of dirt and keeps the code of an address within 41 columns.
    let Ok(code) = QRBuilder::new(text).ecl(ECL::M).build() else { return Vec::new() };
    let width = code.size + 2 * MARGIN;
    let blank = || std::iter::repeat_n(" ".repeat(width), MARGIN);
    let edge = " ".repeat(MARGIN);
    let inner = (0..code.size).map(|row| {
        let modules = code[row].iter().map(|module| if module.value() { '#' } else { ' ' });
        format!("{edge}{}{edge}", modules.collect::<String>())
    });
    blank().chain(inner).chain(blank()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_square_with_its_margin_and_its_three_corners() {
        let rows = rows("https://abc123.lhr.life");
        let width = rows.len();
        assert_eq!(width, 25 + 2 * MARGIN, "version 2");
        assert!(rows.iter().all(|row| row.len() == width));
        let is_blank = |row: &String| row.trim().is_empty();
        assert!(rows[..MARGIN].iter().all(is_blank) && rows[width - MARGIN..].iter().all(is_blank));
        let corner = ["#######", "#     #", "# ### #", "# ### #", "# ### #", "#     #", "#######"];
        for (top, left) in
            [(MARGIN, MARGIN), (MARGIN, width - MARGIN - 7), (width - MARGIN - 7, MARGIN)]
        {
            for (offset, expected) in corner.iter().enumerate() {
                assert_eq!(&rows[top + offset][left..left + 7], *expected);
            }
        }
    }

    #[test]
    fn what_is_too_long_has_no_code() {
        assert!(rows(&"x".repeat(10_000)).is_empty());
    }
}
