//! The configuration of Dynamic Port Guard as data: which ports it kept open. It is a shell script;
//! it is read, never run.

use portguard_core::service::PortRange;

/// What the configuration gives.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PortGuardImport {
    /// Ports that are always open.
    pub(crate) always: Vec<PortRange>,
    /// What was taken over, and what was not and why.
    pub(crate) report: Vec<String>,
}

/// Reads the configuration.
pub(crate) fn read(text: &str) -> PortGuardImport {
    let mut import = PortGuardImport::default();
    for (line, assignment) in assignments(text) {
        let Some((name, value)) = assignment.split_once('=') else {
            import.report.push(format!("line {line}: `{assignment}` is no assignment"));
            continue;
        };
        match name.trim().trim_start_matches("export ").trim() {
            "WHITELIST" => {
                import.always.clear();
                for word in words(value) {
                    match ranges(&word) {
                        Some(ranges) => import.always.extend(ranges),
                        None => import.report.push(format!("line {line}: `{word}` is no port")),
                    }
                }
            }
            "INTERVAL" | "CHECK_INTERVAL" => import.report.push(
                "INTERVAL: ports follow their listeners at once; there is nothing to wait for"
                    .to_owned(),
            ),
            "FIREWALL_TOOL" => import.report.push(
                "FIREWALL_TOOL: the kernel's nf_tables are spoken to without a tool".to_owned(),
            ),
            "IPTABLES_CHAIN" => import.report.push(format!(
                "IPTABLES_CHAIN: the chain {} is the other program's; take it away with it",
                words(value).join(" ")
            )),
            "LOG_FILE" => import.report.push(
                "LOG_FILE: what happens is in `portguard events` and in the system's journal"
                    .to_owned(),
            ),
            other => import.report.push(format!("line {line}: `{other}` has no meaning here")),
        }
    }
    import.always.sort_unstable();
    import.always.dedup();
    let ports: Vec<String> = import.always.iter().map(ToString::to_string).collect();
    import.report.insert(0, format!("WHITELIST: always open: {}", ports.join(" ")));
    import
}

/// Returns each assignment with its line; a list in brackets may go over several lines.
fn assignments(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut is_open = false;
    for (line, number) in text.lines().zip(1..) {
        let line = without_comment(line).trim();
        if line.is_empty() {
            continue;
        }
        match found.last_mut().filter(|_| is_open) {
            Some((_, assignment)) => {
                assignment.push(' ');
                assignment.push_str(line);
            }
            None => found.push((number, line.to_owned())),
        }
        let assignment = found.last().map_or("", |(_, assignment)| assignment);
        is_open = assignment.contains("=(") && !assignment.contains(')');
    }
    found
}

/// Returns a line without its comment: what begins with `#` at its start or after a space.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    let mut quote = None;
    for (at, letter) in line.char_indices() {
        match (letter, quote) {
            ('#', None) if before.is_whitespace() => return &line[..at],
            ('"' | '\'', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            _ => {}
        }
        before = letter;
    }
    line
}

/// Returns the words of a value, whatever brackets, quotes and commas stand around them.
fn words(value: &str) -> Vec<String> {
    let is_between = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | '\'' | ',' | ';');
    value.split(is_between).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Returns the ports of a word: `22`, `22/tcp`, `tcp/22`, `tcp:22`, `60000-61000`, `60000:61000/udp`.
/// A number alone stands for both protocols: the ancestor opened both.
fn ranges(word: &str) -> Option<Vec<PortRange>> {
    let word = word.to_lowercase();
    let parts = word
        .split_once('/')
        .or_else(|| word.split_once(':').filter(|(first, _)| matches!(*first, "tcp" | "udp")));
    let (protocols, numbers): (&[&str], &str) = match parts {
        Some(("tcp", numbers) | (numbers, "tcp")) => (&["tcp"], numbers),
        Some(("udp", numbers) | (numbers, "udp")) => (&["udp"], numbers),
        Some(_) => return None,
        None => (&["tcp", "udp"], word.as_str()),
    };
    let numbers = numbers.replace(':', "-");
    let range = |protocol: &&str| format!("{protocol}/{numbers}").parse().ok();
    protocols.iter().map(range).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn always(text: &str) -> String {
        let ports = read(text).always;
        ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn both_forms_of_the_list_are_read() {
        let both = "tcp/22 tcp/80 udp/22 udp/80";
        assert_eq!(always("WHITELIST=\"22 80\""), both);
        assert_eq!(always("WHITELIST='22,80' # mine"), both);
        assert_eq!(always("WHITELIST=(22 80)"), both);
        assert_eq!(always("WHITELIST=(\n  \"22/tcp\"  # ssh\n  \"53/udp\"\n)\n"), "tcp/22 udp/53");
        assert_eq!(always("export WHITELIST=(tcp:22 udp/60000:61000)"), "tcp/22 udp/60000-61000");
        assert_eq!(always("WHITELIST=22"), "tcp/22 udp/22");
        assert_eq!(always("WHITELIST=\"\""), "");
    }

    #[test]
    fn what_has_no_meaning_here_is_named() {
        let import = read("INTERVAL=10\nWHITELIST=\"22 http 70000\"\nrm -rf /tmp/x\nCOLOUR=red\n");
        assert_eq!(
            import.report,
            [
                "WHITELIST: always open: tcp/22 udp/22",
                "INTERVAL: ports follow their listeners at once; there is nothing to wait for",
                "line 2: `http` is no port",
                "line 2: `70000` is no port",
                "line 3: `rm -rf /tmp/x` is no assignment",
                "line 4: `COLOUR` has no meaning here",
            ]
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(WHITELIST=|[0-9 ()/:,#\"'\n-]|tcp|udp){0,80}") {
            // Whatever it says is right; that it says something is the law.
            let _ = read(&text);
        }
    }
}
