//! Bad input is refused by name, with the way out, and changes nothing.

use lab::deadline::PATIENCE;

use crate::story::Story;

#[test]
fn addresses_that_are_none_are_refused_with_a_hint() {
    let story = Story::new("");
    for (address, expect) in [
        ("192.0.2.7/24", "the network is `192.0.2.0/24`"),
        ("fe80::1%eth0", "has a zone"),
        ("192.0.2.7:22", "has a port"),
        ("192.000.2.7", "has a leading zero"),
        ("example.net", "is neither an address nor a network"),
    ] {
        let ran = story.cli(&["ban", address]);
        assert_eq!(ran.code, 2, "{address}");
        assert!(ran.stderr.contains(expect), "{address}: {}", ran.stderr);
    }
    assert_eq!(story.json(&["list", "bans"]).as_array().unwrap().len(), 0);
}

#[test]
fn commands_without_a_daemon_say_so() {
    let mut story = Story::new("");
    assert!(story.daemon.stop().success());
    let ran = story.cli(&["status"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.starts_with("error: no daemon answers at"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
}

#[test]
fn a_daemon_with_a_bad_configuration_does_not_start() {
    let mut story = Story::new("");
    assert!(story.daemon.stop().success());
    story.daemon.configure("[ladders.trap]\ngrowht = \"double\"\n");
    let ran = story.cli(&["daemon"]);
    assert_eq!(ran.code, 5);
    assert!(
        ran.stderr
            .contains("portguard.toml:2: ladders.trap.growht: unknown key; nearest is `growth`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_trap_on_the_port_that_ssh_listens_on_is_refused() {
    let mut story = Story::new("");
    assert!(story.daemon.stop().success());
    let folder = story.daemon.home().to_owned();
    let folder = folder.display();
    // A process by the name of sshd, as what counts is the name of the listener.
    let program = format!("{folder}/sshd");
    std::fs::copy(lab::program::probe(), &program).unwrap();
    let server = story.lab.guarded().spawn([&program, "serve", "10.77.0.1:2222"]);
    assert_eq!(server.line(PATIENCE).as_deref(), Some("ready"));
    story.daemon.configure("[[traps]]\nports = [\"2222\"]\n");
    let ran = story.cli(&["config", "check"]);
    assert_eq!(ran.code, 5);
    assert!(
        ran.stderr.contains("traps[0].ports[0]: tcp/2222 is where ssh listens"),
        "{}",
        ran.stderr
    );
}
