//! The terminal dashboard on a real terminal, against a real daemon.

use lab::{Terminal, program, wiring::GUARDED_V4};

use crate::story::{Story, wait_for};

const CLOSED: &str = "[guard]\nposture = 'closed'\n[ports]\nalways = ['tcp/22']\n";
const PEER: &str = "10.77.0.2";

/// Opens a terminal and starts the dashboard in it.
fn dashboard(story: &Story, columns: u16, rows: u16) -> Terminal {
    let terminal = Terminal::open(story.lab.guarded(), columns, rows);
    start(story, &terminal, "");
    terminal
}

/// Starts the dashboard, with variables set before it.
fn start(story: &Story, terminal: &Terminal, variables: &str) {
    terminal.run(&format!("clear; {variables} {} top", command(story)));
    terminal.wait_for_text("1 Overview");
    terminal.wait_for_text("wanted /");
}

/// Waits until the dashboard gave the terminal back and ended with this code.
fn wait_for_end(terminal: &Terminal, code: &str) {
    wait_for("the shell's screen", || terminal.modes() == "cursor 1, alternate 0");
    terminal.run("echo ended' 'with $?");
    terminal.wait_for_text(&format!("ended with {code}"));
}

fn command(story: &Story) -> String {
    format!(
        "{} --config {} --socket {}",
        program::guard().display(),
        story.daemon.config().display(),
        story.daemon.socket().display()
    )
}

/// Answers the question that is asked back.
fn yes(terminal: &Terminal, question: &str) {
    terminal.wait_for_text(question);
    terminal.wait_for_text("y yes, do it");
    terminal.press(&["y"]);
    terminal.wait_for("the answer", |screen| {
        !screen.contains("y yes, do it") && !screen.contains("on the way: ")
    });
}

#[test]
fn bans_and_their_end_reach_the_kernel_from_the_keyboard() {
    let story = Story::new(CLOSED);
    let terminal = dashboard(&story, 80, 24);
    terminal.press(&["3", "b"]);
    terminal.type_in("192.0.2.77 for 10m asked thrice");
    terminal.press(&["Enter"]);
    terminal.wait_for_text("ban 192.0.2.77 for 10m: drop what it sends (asked thrice)?");
    assert_eq!(story.verdict("192.0.2.77"), "none", "nothing is done before the yes");
    terminal.press(&["y"]);
    story.wait_for_verdict("192.0.2.77", "banned");
    terminal.wait_for_text("192.0.2.77 is banned for 10m");
    terminal.wait_for("its row", |screen| {
        screen.lines().any(|line| line.starts_with("192.0.2.77 ") && line.contains("asked thrice"))
    });

    terminal.press(&["u"]);
    yes(&terminal, "unban 192.0.2.77");
    story.wait_for_verdict("192.0.2.77", "none");
    terminal.wait_for_text("nobody is banned");

    // What the rules forbid is told with its reason.
    terminal.press(&["b"]);
    terminal.type_in("10.77.0.1");
    terminal.press(&["Enter"]);
    yes(&terminal, "ban 10.77.0.1 forever");
    terminal.wait_for_text("error: 10.77.0.1");
    assert_eq!(story.verdict("10.77.0.1"), "protected");
}

#[test]
fn one_of_many_bans_is_found() {
    let story = Story::new(CLOSED);
    let addresses = (0..900).map(|number| format!("192.18.{}.{}", number / 250, number % 250));
    let hold = |subject| serde_json::json!({"measure": "ban", "subject": subject});
    let holds: Vec<_> = addresses.map(hold).collect();
    let body = serde_json::json!({ "holds": holds }).to_string();
    let socket = story.daemon.socket().display().to_string();
    let words = ["curl", "-sf", "--unix-socket", &socket, "-H", "content-type: application/json"];
    let to = ["--data", "@-", "http://portguard/v1/hold-many"];
    story.lab.guarded().feed(words.iter().chain(&to), &body);
    let terminal = dashboard(&story, 80, 24);
    terminal.press(&["3"]);
    terminal.wait_for_text("500 of 900");
    terminal.press(&["/"]);
    terminal.type_in("192.18.3.149");
    terminal.press(&["Enter"]);
    terminal.wait_for_text("1 with \"192.18.3.149\"");
    terminal.press(&["u"]);
    yes(&terminal, "unban 192.18.3.149");
    story.wait_for_verdict("192.18.3.149", "none");
    terminal.wait_for_text("0 with");
}

#[test]
fn a_listener_is_approved_and_a_proposal_accepted() {
    let story = Story::new(CLOSED);
    let (_server, _) = story.serve_as("web", "33", "0.0.0.0:8080");
    story.wait_for_reach("tcp/8080", "pending approval");
    let terminal = dashboard(&story, 80, 24);
    terminal.press(&["2", "/"]);
    terminal.type_in("tcp/8080");
    terminal.press(&["Enter"]);
    terminal.wait_for_text("1 with \"tcp/8080\"");
    terminal.press(&["A"]);
    terminal.wait_for_text("approve: tcp/8080 exe:");
    terminal.press(&["Enter"]);
    yes(&terminal, "while it listens?");
    story.wait_for_reach("tcp/8080", "open follow");
    wait_for("the port to open", || story.connects(PEER, GUARDED_V4, 8080));
    terminal.wait_for_text("approved");

    let ports = ["nmap", "-n", "-Pn", "-sS", "-p", "1-40", "--max-retries", "0", "10.77.0.1"];
    story.lab.scanner().run(ports);
    wait_for("a proposal", || !story.json(&["list", "proposals"]).as_array().unwrap().is_empty());
    terminal.press(&["4", "Tab", "Tab"]);
    terminal.wait_for("the proposal", |screen| {
        screen.contains("[proposals]") && screen.contains("_scan")
    });
    terminal.press(&["A"]);
    yes(&terminal, "accept rule 1: throttle-hard");
    terminal.wait_for_text("rule 1 is in force");
    let throttled = story.json(&["list", "throttled"]);
    assert_eq!(throttled.as_array().unwrap().len(), 1, "{throttled}");
}

#[test]
fn a_reader_sees_everything_and_is_told_why_it_may_not_order() {
    let story = Story::new(&format!("{CLOSED}[api]\ngroup = 'nogroup'\n"));
    story.order(&["ban", "192.0.2.9"]);
    let terminal = Terminal::open(story.lab.guarded(), 80, 24);
    let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    terminal.run(&format!("clear; {} {} top", nobody.join(" "), command(&story)));
    // Without root the lab has but one user, and setpriv says so.
    let has_users = story.lab.guarded().attempt(nobody.iter().chain(&["true"])).status.success();
    if !has_users {
        terminal.wait_for_text("setpriv: ");
        return;
    }
    terminal.wait_for_text("wanted /");
    terminal.press(&["3"]);
    terminal.wait_for_text("192.0.2.9");
    terminal.press(&["u"]);
    yes(&terminal, "unban 192.0.2.9");
    terminal.wait_for_text("error: you may not order");
    terminal
        .wait_for_text("hint: run it as root, or as a member of the group that `api.operators`");
    assert_eq!(story.verdict("192.0.2.9"), "banned");
}

#[test]
fn a_lockdown_is_told_confirmed_and_rolled_back() {
    let story = Story::new("");
    let terminal = dashboard(&story, 80, 24);
    terminal.press(&["L"]);
    yes(&terminal, "lockdown: nothing becomes unreachable");
    terminal.wait_for_text("lockdown rolls back in");
    terminal.wait_for_text("posture closed");
    terminal.press(&["R"]);
    yes(&terminal, "rollback: undo the change that waits");
    terminal.wait_for_text("posture open");
    terminal.press(&["L"]);
    yes(&terminal, "lockdown:");
    terminal.wait_for_text("posture closed");
    terminal.press(&["C"]);
    yes(&terminal, "confirm: keep the change that waits");
    terminal.wait_for("nothing waits", |screen| !screen.contains("C confirms"));
    assert_eq!(story.json(&["status"])["posture"], "closed");
}

#[test]
fn enforcement_is_paused_and_goes_on() {
    let story = Story::new("");
    let terminal = dashboard(&story, 80, 24);
    terminal.press(&["P"]);
    terminal.type_in("10m");
    terminal.press(&["Enter"]);
    yes(&terminal, "pause enforcement for 10m: turn nobody away until then?");
    terminal.wait_for_text("enforcement is paused until");
    assert!(story.json(&["status"])["paused_until"].is_string());
    terminal.press(&["P", "Enter"]);
    yes(&terminal, "end the pause");
    terminal.wait_for("no pause", |screen| !screen.contains("is paused until"));
    assert!(story.json(&["status"])["paused_until"].is_null());
}

#[test]
fn hostile_names_are_shown_and_do_nothing() {
    let story = Story::new(CLOSED);
    let (_server, _) = story.serve_as("e\x1b[31m\x1b[2Jx", "33", "0.0.0.0:8080");
    story.wait_for_reach("tcp/8080", "pending approval");
    let terminal = dashboard(&story, 80, 24);
    terminal.press(&["2"]);
    terminal.wait_for_text("e\\x1b[31m\\x1b[2Jx");
    let shown = terminal.coloured_screen();
    let row = shown.lines().find(|line| line.contains("e\\x1b[31m")).unwrap();
    assert!(!row.contains("\x1b[31m") && shown.contains("1 Overview"), "{row:?}");
    terminal.press(&["6"]);
    terminal.wait_for_text("waits for approval: e\\x1b[31m\\x1b");
}

#[test]
fn the_terminal_is_given_back_however_it_ends() {
    let story = Story::new("");
    let terminal = Terminal::open(story.lab.guarded(), 80, 24);
    let settings = story.daemon.home().join("settings");
    let read = |name: &str| {
        let file = settings.with_extension(name);
        // What is typed is on the screen too, and must not be taken for what is printed.
        terminal.run(&format!("clear; stty -g > {}; echo is' 'written", file.display()));
        terminal.wait_for_text("is written");
        std::fs::read_to_string(file).unwrap()
    };
    let before = read("before");
    let pid = || {
        // The configuration's path is this test's alone.
        let line = format!("--config {} .* top", story.daemon.config().display());
        story.lab.guarded().run(["pgrep", "-f", "--", &line]).trim().to_owned()
    };
    let check_restored = |how: &str| {
        assert_eq!(read(how), before, "{how}");
        assert_eq!(terminal.modes(), "cursor 1, alternate 0", "{how}");
    };
    for how in ["q", "C-c"] {
        start(&story, &terminal, "");
        assert_eq!(terminal.modes(), "cursor 0, alternate 1");
        terminal.press(&[how]);
        wait_for_end(&terminal, "0");
        check_restored(how);
    }
    for (signal, code) in [("TERM", "143"), ("INT", "130"), ("HUP", "129")] {
        start(&story, &terminal, "");
        story.lab.guarded().run(["kill", &format!("-{signal}"), &pid()]);
        wait_for_end(&terminal, code);
        check_restored(signal);
    }
    // Back to the shell for a while, by the key and by the signal.
    start(&story, &terminal, "");
    for turn in ["key", "signal"] {
        match turn {
            "key" => terminal.press(&["C-z"]),
            _ => drop(story.lab.guarded().run(["kill", "-TSTP", &pid()])),
        }
        terminal.wait_for_text("Stopped");
        check_restored(turn);
        terminal.run("clear; fg");
        terminal.wait_for_text("1 Overview");
        wait_for("the dashboard's screen", || terminal.modes() == "cursor 0, alternate 1");
        terminal.press(&["6"]);
        terminal.wait_for_text("KIND");
        terminal.press(&["1"]);
        terminal.wait_for_text("TOP OFFENDERS");
    }
    // Stopped without being asked, and continued after somebody else had the terminal.
    let top = pid();
    story.lab.guarded().run(["kill", "-STOP", &top]);
    story.lab.guarded().run(["kill", "-CONT", &top]);
    terminal.press(&["6"]);
    terminal.wait_for_text("KIND");
}

#[test]
fn a_terminal_that_goes_away_takes_the_dashboard_along() {
    let story = Story::new("");
    let terminal = Terminal::open(story.lab.guarded(), 80, 24);
    let said = story.daemon.home().join("said");
    terminal.run(&format!("clear; {} top 2> {}", command(&story), said.display()));
    terminal.wait_for_text("wanted /");
    let line = format!("--config {} .* top", story.daemon.config().display());
    let runs = || story.lab.guarded().attempt(["pgrep", "-f", "--", &line]).status.success();
    assert!(runs());
    terminal.close();
    wait_for("the dashboard's end", || !runs());
    let said = std::fs::read_to_string(said).unwrap();
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn the_terminal_survives_a_panic() {
    let story = Story::new("");
    let terminal = Terminal::open(story.lab.guarded(), 80, 24);
    let broken = program::broken_top();
    terminal.run(&format!(
        "clear; RUST_BACKTRACE=0 {} asks; stty -a; echo is' 'over",
        broken.display()
    ));
    terminal.wait_for_text("is over");
    let screen = terminal.screen();
    assert!(screen.contains("the asking part broke"), "{screen}");
    assert!(screen.contains(" icanon") && screen.contains(" echo "), "{screen}");
    assert_eq!(terminal.modes(), "cursor 1, alternate 0");

    terminal.run(&format!("clear; RUST_BACKTRACE=0 {} orders; echo is' 'over", broken.display()));
    terminal.wait_for_text("nobody is there");
    terminal.press(&["b"]);
    terminal.type_in("192.0.2.1");
    terminal.press(&["Enter"]);
    yes(&terminal, "ban 192.0.2.1");
    terminal.wait_for_text("the ordering part broke");
    terminal.wait_for_text("is over");
    assert_eq!(terminal.modes(), "cursor 1, alternate 0");
}

#[test]
fn a_daemon_that_goes_away_is_told_and_comes_back_by_itself() {
    let mut story = Story::new("");
    let terminal = dashboard(&story, 80, 24);
    terminal.wait_for("health", |screen| screen.contains("health "));
    story.daemon.kill9();
    terminal.wait_for_text("no daemon answers at");
    terminal.wait_for_text("hint: systemctl start portguard");
    terminal.wait_for_text("(not up to date)");
    story.start_again();
    terminal.wait_for("it is back", |screen| {
        screen.contains("health ") && !screen.contains("no daemon answers")
    });
    // One that hangs is away as well.
    story.signal("STOP");
    terminal.wait_for_text("the daemon does not answer in time");
    terminal.press(&["2"]);
    terminal.wait_for_text("[ports]");
    story.signal("CONT");
    terminal.wait_for("it is back", |screen| !screen.contains("does not answer"));
}

#[test]
fn every_size_and_an_old_terminal_are_served() {
    let story = Story::new("");
    let terminal = dashboard(&story, 80, 24);
    for (columns, rows) in [(120, 40), (60, 20), (80, 24)] {
        terminal.resize(columns, rows);
        let last = |screen: &str| screen.lines().last().unwrap_or_default().to_owned();
        terminal.wait_for("the last row", |screen| {
            last(screen).starts_with("? help") && screen.lines().count() == usize::from(rows)
        });
    }
    terminal.press(&["q"]);
    wait_for_end(&terminal, "0");
    start(&story, &terminal, "LC_ALL=C NO_COLOR=1");
    let screen = terminal.coloured_screen();
    assert!(screen.is_ascii(), "{screen}");
    // 39 and 49 are the terminal's own colours.
    let coloured =
        screen.split('\x1b').any(|code| code.starts_with("[3") && !code.starts_with("[39m"));
    assert!(!coloured, "no colour is wanted: {screen:?}");
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    let story = Story::new("");
    let ran = story.cli(&["top"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.starts_with("error: this is no terminal\nhint: `portguard status`"));
    let ran = story.cli(&["--json", "top"]);
    assert!(ran.code == 2 && ran.stderr.contains("hint: see `portguard status --json`"));
}
