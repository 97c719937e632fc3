//! Knocks: a service behind a closed port is reached by those who knock, and by nobody else; nothing
//! answers them.

mod door;
mod wire;

use lab::{
    Lab,
    deadline::PATIENCE,
    eventually,
    wiring::{GUARDED_V4, GUARDED_V6},
};

use crate::story::{SILENCE, Story, wait_for};

use door::{CLIENT, SSH, Sshd, configuration, new_key, public, says_back, ssh};
pub(crate) use door::{CLOSED, Door};

#[test]
fn an_ssh_server_is_reached_after_the_knock_and_the_session_outlives_the_opening() {
    let door = Door::with(CLOSED, "open_for = \"2s\"\n");
    let _sshd = Sshd::start(&door);
    // The scanner's own choice among its addresses.
    for (count, to, from) in [(1, GUARDED_V4, CLIENT), (2, GUARDED_V6, "fd77::fe")] {
        assert!(!door.is_open(from), "{from}");
        door.knock(&[&to.to_string(), "ssh"]);
        door.wait_for_open(from);
        assert_eq!(door.state()["taken"], count);
        let close = format!("portguard close tcp/{SSH} --from {from}");
        assert!(door.story.cli(&["why", from]).stdout.contains(&close));
        let mut session = ssh(&door, door.story.lab.scanner(), to);
        says_back(&mut session, "first words");
        door.story.wait_for_line(&format!("tcp/{SSH} no longer opened for {from}"));
        wait_for("the port to close", || !door.is_open(from));
        says_back(&mut session, "still here");
        let why = door.story.cli(&["why", from]).stdout;
        assert!(why.contains(&format!("knock of anna for ssh from {from}")), "{why}");
        assert!(
            why.contains(&format!("ssh (tcp/{SSH}) opened for {from} by knock of anna")),
            "{why}"
        );
        assert!(why.contains("grade=authenticated"), "{why}");
    }
    let status = door.story.cli(&["status"]).stdout;
    assert!(status.contains("udp/62201, 1 keys, 2 taken, refused: none; 0 lost"), "{status}");
    assert!(status.contains(&door.host_key), "{status}");
}

#[test]
fn a_knock_from_behind_a_router_opens_for_the_address_that_the_host_sees() {
    let lab = Lab::new();
    let masked = lab.join_masked();
    let door = Door::in_lab(lab, CLOSED, "open_for = \"1h\"\n");
    let _server = door.story.lab.guarded().serve((GUARDED_V4, SSH).into());
    let _server6 = door.story.lab.guarded().serve((GUARDED_V6, SSH).into());
    for (to, seen) in [(GUARDED_V4, CLIENT), (GUARDED_V6, "fd77::2")] {
        let is_open = || masked.connect(None, (to, SSH).into(), SILENCE) == lab::Answer::Open;
        assert!(!is_open());
        let ran = door.knock_from(&masked, "key", &[&to.to_string(), "ssh"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        eventually("the port opens", PATIENCE, || is_open().then_some(()));
        let last = door.state()["last"][0].clone();
        assert_eq!((last["sender"].as_str(), last["address"].as_str()), (Some(seen), Some(seen)));
    }
}

#[test]
fn a_knock_with_an_address_inside_opens_for_that_one_alone() {
    let door = Door::new();
    let _server = door.story.lab.guarded().serve((GUARDED_V4, SSH).into());
    door.knock(&["10.77.0.1", "ssh", "--from", "10.77.0.9"]);
    door.wait_for_open("10.77.0.9");
    assert!(!door.is_open(CLIENT));
    let open = door.story.json(&["list", "grants"]);
    let [grant] = open.as_array().unwrap().as_slice() else { panic!("{open}") };
    assert_eq!(
        (grant["from"].as_str(), grant["author"].as_str()),
        (Some("10.77.0.9"), Some("knock of anna"))
    );
    door.story.wait_for_line("knock of anna for ssh from 10.77.0.2 to open for 10.77.0.9");
}

#[test]
fn a_name_with_both_families_is_knocked_at_over_both() {
    let door = Door::new();
    let hosts = door.file("hosts", b"10.77.0.1 door.example\nfd77::1 door.example\n");
    door.story.lab.scanner().cover(std::path::Path::new("/etc/hosts"), &hosts);
    let ran = door.knock_from(door.story.lab.scanner(), "key", &["door.example", "ssh", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(said["sent"], serde_json::json!(["10.77.0.1:62201", "[fd77::1]:62201"]));
    wait_for("both to be taken", || door.state()["taken"] == 2);
    for (flag, family) in [("-4", "10.77.0.1"), ("-6", "fd77::1")] {
        let words = ["door.example", "ssh", flag];
        let ran = door.knock_from(door.story.lab.scanner(), "key", &words);
        assert!(ran.stderr.contains(&format!("at {family}, udp/62201")), "{}", ran.stderr);
    }
}

#[test]
fn a_port_that_is_shut_opens_in_an_open_posture_and_what_is_never_open_does_not() {
    let services = "[ports]\nnever = [\"tcp/3306\"]\n[services.db]\nports = [\"tcp/3306\"]\n";
    let door = Door::with(services, "open_for = \"1h\"\nservices = [\"ssh\", \"db\"]\n");
    let _server = door.story.lab.guarded().serve((GUARDED_V4, SSH).into());
    door.story.order(&["close", "ssh"]);
    assert!(!door.is_open(CLIENT));
    door.knock(&["10.77.0.1", "ssh"]);
    door.wait_for_open(CLIENT);
    assert!(!door.is_open("10.77.0.3"));
    door.knock(&["10.77.0.1", "db"]);
    door.story
        .wait_for_line("knock of anna for db from 10.77.0.2 refused: tcp/3306 is in ports.never");
    let _database = door.story.lab.guarded().serve((GUARDED_V4, 3306).into());
    assert!(!door.story.connects(CLIENT, GUARDED_V4, 3306));
}

#[test]
fn a_ban_stays_a_ban() {
    let door = Door::new();
    let _server = door.story.lab.guarded().serve((GUARDED_V4, SSH).into());
    door.story.order(&["ban", CLIENT]);
    door.knock(&["10.77.0.1", "ssh"]);
    // One that is heard comes behind the one that is not.
    door.knock(&["fd77::1", "ssh", "--from", CLIENT]);
    door.story.wait_for_line("refused: 10.77.0.2 is banned");
    assert_eq!(door.state()["taken"], 1, "{}", door.state());
    assert!(!door.is_open(CLIENT));
    door.story.order(&["unban", CLIENT]);
    assert!(!door.is_open(CLIENT));
    door.knock(&["10.77.0.1", "ssh"]);
    door.wait_for_open(CLIENT);
}

#[test]
fn a_reload_changes_who_may_knock_for_what_and_where() {
    let mut door = Door::new();
    let _server = door.story.lab.guarded().serve((GUARDED_V4, SSH).into());
    new_key(&door.story, "other", "bert");
    let knock = |door: &Door, key, words: &[&str]| {
        let ran = door.knock_from(door.story.lab.scanner(), key, words);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    };
    knock(&door, "other", &["10.77.0.1", "ssh"]);
    door.wait_for_refused("unknown-key", 1);

    // Bert may open something else, at another port; Anna is gone.
    let web = format!("{CLOSED}[services.web]\nports = [\"tcp/8080\"]\n");
    let keys = [format!("services=\"web\" {}", public(&door.story, "other"))];
    let settings = "listen = \"udp/999\"\nopen_for = \"1h\"\n";
    door.story.daemon.configure(&configuration(&web, settings, &keys));
    door.story.daemon.reload();
    wait_for("the new port", || door.state()["port"] == "udp/999");
    let at = ["--port", "999"];
    let _web = door.story.lab.guarded().serve((GUARDED_V4, 8080).into());
    eventually("bert to open his service", PATIENCE, || {
        knock(&door, "other", &[&["10.77.0.1", "web"][..], &at].concat());
        door.story.connects(CLIENT, GUARDED_V4, 8080).then_some(())
    });
    knock(&door, "other", &[&["10.77.0.1", "ssh"][..], &at].concat());
    door.story.wait_for_line("knock of bert for ssh from 10.77.0.2 refused: its key may not open");
    knock(&door, "other", &[&["10.77.0.1", "nonsense"][..], &at].concat());
    door.wait_for_refused("forbidden", 2);
    knock(&door, "key", &[&["10.77.0.1", "ssh"][..], &at].concat());
    door.wait_for_refused("unknown-key", 2);
    assert!(!door.is_open(CLIENT));

    // Nobody may knock any more, and nothing is left that could hear it.
    assert!(threads(&door).contains(&"knocks".to_owned()));
    door.story.daemon.configure(CLOSED);
    door.story.daemon.reload();
    wait_for("the end of it", || door.state().is_null());
    assert!(!threads(&door).contains(&"knocks".to_owned()));
    wait_for("the rule to go", || !door.story.guarded("nft list ruleset").contains("knock"));

    // It begins again, with the key that the host had.
    let keys = [public(&door.story, "key")];
    door.story.daemon.configure(&configuration(CLOSED, "open_for = \"1h\"\n", &keys));
    door.story.daemon.reload();
    wait_for("knocks to be taken", || !door.state().is_null());
    assert_eq!(door.listening()["host_key"], door.host_key);
    door.host_key = door.host_key.to_uppercase();
    eventually("anna to come in", PATIENCE, || {
        knock(&door, "key", &["10.77.0.1", "ssh"]);
        door.is_open(CLIENT).then_some(())
    });
}

/// Returns the names of the daemon's threads.
fn threads(door: &Door) -> Vec<String> {
    let pid = door.story.daemon.pid().unwrap();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let names = tasks.filter_map(|task| {
        // A thread may end meanwhile.
        std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
    });
    names.map(|name| name.trim().to_owned()).collect()
}

#[test]
fn a_client_that_lacks_something_is_told_what_and_how_to_get_it() {
    let door = Door::new();
    let (host, home) = (door.story.lab.scanner(), door.story.daemon.home());
    let guard = lab::program::guard();
    let key = door.path("key");
    let run = |words: &[&str]| {
        let config = format!("XDG_CONFIG_HOME={}", home.display());
        let line = [&["env", &config, guard.to_str().unwrap(), "knock"][..], words].concat();
        let output = host.attempt(line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), said)
    };
    let key = ["--key", key.to_str().unwrap()];
    let (code, said) = run(&[&["10.77.0.1", "ssh"][..], &key].concat());
    assert_eq!(code, 2);
    assert!(
        said.contains("no host key is known for 10.77.0.1") && said.contains("hint: "),
        "{said}"
    );
    assert!(said.contains("portguard key show --host"), "{said}");
    let shown = door.story.cli(&["key", "show", "--host"]);
    assert_eq!(shown.stdout, format!("{}\n", door.host_key), "{}", shown.stderr);
    std::fs::create_dir(home.join("portguard")).unwrap();
    let line = format!("10.77.0.1 {}\n", door.host_key);
    std::fs::write(home.join("portguard/knock_hosts"), line).unwrap();
    let (code, said) = run(&["10.77.0.1", "ssh"]);
    assert_eq!(code, 2);
    assert!(said.contains("cannot read the key") && said.contains("portguard key new"), "{said}");
    let (code, said) = run(&[&["10.77.0.1", "ssh"][..], &key].concat());
    assert_eq!((code, said.as_str()), (0, "knocked for ssh at 10.77.0.1, udp/62201\n"));
    wait_for("the knock to be taken", || door.state()["taken"] == 1);
    let (code, said) = run(&["10.77.0.1", "ssh", "--host-key", "pgk1oops"]);
    assert!(code == 2 && said.contains("is no host key"), "{said}");
    let long = "x".repeat(65);
    let (code, said) = run(&[&["10.77.0.1", &long][..], &key].concat());
    assert!(code == 2 && said.contains("1 to 64 bytes"), "{said}");
}

#[test]
fn a_guard_that_only_observes_says_that_nobody_can_knock() {
    let key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGcE3NkWWosbRprqb8+VyWnxxvIfsgf5UjgwfarLTAxe anna";
    let observing = "[guard]\nobserve = true\n";
    let story = Story::new(&configuration(observing, "", &[key.to_owned()]));
    wait_for("it to be said", || {
        let said = story.cli(&["status"]).stdout;
        said.contains("broken: the guard only observes, so nobody can knock")
    });
    assert!(story.json(&["status"])["knock"].is_null());
}
