//! Secrets that are typed: unseen at a terminal, else a line of standard input.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

/// Longest secret, in bytes.
const LONGEST: u64 = 1_024;

/// Returns the answers to questions, none of them seen at a terminal. Where there is no terminal
/// nobody is asked, and a single line is read for all of them.
pub(super) fn ask(questions: &[String]) -> io::Result<Vec<String>> {
    let input = io::stdin();
    if !input.is_terminal() {
        let answer = line()?;
        return Ok(vec![answer; questions.len()]);
    }
    let before = tcgetattr(&input)?;
    let mut unseen = before.clone();
    unseen.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&input, OptionalActions::Flush, &unseen)?;
    let answers = questions.iter().map(|question| {
        eprint!("{question}: ");
        io::stderr().flush()?;
        let answer = line();
        eprintln!();
        answer
    });
    let answers = answers.collect();
    tcsetattr(&input, OptionalActions::Flush, &before)?;
    answers
}

fn line() -> io::Result<String> {
    let mut line = String::new();
    io::Read::take(io::stdin().lock(), LONGEST).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
