//! What a file may not do, what it does again, and what our own commands say of it beforehand.

use lab::Running;

use crate::{posture::ssh, story::wait_for};

use super::Tale;

#[test]
fn lines_that_are_none_are_left_out_and_the_rest_applies() {
    let tale = Tale::new();
    tale.publish(
        1,
        "open db\0\n\u{feff}open\n  OPEN \t web  # by telephone\r\nopen mail\nopen nothing\nclose web for 1h\n",
    );
    tale.wait_for_serial(1);
    assert_eq!(tale.status()["services"][0]["state"], "open");
    assert_eq!(tale.status()["services"][2]["state"], "closed");
    let left_out = tale.status()["left_out"].as_array().unwrap().len();
    assert_eq!(left_out, 5, "{}", tale.status());
    for line in [
        "line 3 of the control file is left out: it has control characters",
        "line 6 of the control file is left out: it names `mail`, which is not in remote.services",
        "line 7 of the control file is left out: it names `nothing`, which is not in remote.services",
        "line 8 of the control file is left out: it closes for some time; only `open` takes `for`",
    ] {
        tale.story.wait_for_line(line);
    }
    let before = tale.server.answers("/ports.txt", 200);
    wait_for("two more fetches", || tale.server.answers("/ports.txt", 200) > before + 1);
    assert_eq!(tale.story.daemon.log().matches("line 3 of the control file").count(), 1);
    // Once the service may be driven, its line counts.
    tale.take(&super::configuration(
        &super::remote(&tale.anna, "/ports.txt", "").replace("\"db\"]", "\"db\", \"mail\"]"),
        "",
    ));
    wait_for("the line to be carried out", || tale.status()["services"][3]["state"] == "open");
    assert_eq!(tale.status()["left_out"].as_array().unwrap().len(), 4);
}

#[test]
fn a_fetch_by_order_does_not_wait_for_the_next_one() {
    let tale = Tale::new();
    let _service = tale.story.serve(8088);
    tale.publish(1, "open web\n");
    tale.wait_for_serial(1);
    let seldom = super::remote(&tale.anna, "/ports.txt", "").replace("\"1s\"", "\"1d\"");
    tale.take(&super::configuration(&seldom, ""));
    tale.wait_for_serial(1);
    wait_for("the one fetch of the day", || tale.status()["last_good"].is_string());

    tale.publish(2, "close web\n");
    let ran = tale.story.cli(&["--json", "remote", "fetch"]);
    let said: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &said["summary"]["serial"]), (0, &2.into()), "{}", ran.stdout);
    assert!(!tale.is_reached(8088));
    let again = tale.story.cli(&["remote", "fetch"]);
    assert!(again.code == 0 && again.stdout.contains("serial 2"), "{}", again.stdout);

    tale.server.put("ports.txt", "open web\n");
    let ran = tale.story.cli(&["remote", "fetch"]);
    assert!(ran.code == 1 && ran.stdout.contains("rejected: "), "{}", ran.stdout);
    assert!(!tale.is_reached(8088));
    tale.publish(3, "open web\n");
    assert_eq!(tale.story.cli(&["remote", "fetch"]).code, 0);
    assert!(tale.is_reached(8088));

    tale.take(&super::configuration("", ""));
    let ran = tale.story.cli(&["remote", "fetch"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("remote.url is empty\nhint: "), "{}", ran.stderr);
}

#[test]
fn what_may_never_open_is_not_opened() {
    let tale = Tale::with("ports.never = [\"tcp/3306\"]");
    tale.publish(1, "open db\nopen web\n");
    tale.wait_for_serial(1);
    tale.story.wait_for_line(
        "`open db` of control file, serial 1 is not carried out: tcp/3306 is in ports.never",
    );
    let status = tale.status();
    assert_eq!(status["services"][0]["state"], "open");
    assert_eq!(status["services"][2]["state"], "closed");
    assert_eq!(status["left_out"][0]["order"], "open db");
    // It is tried again, and told once.
    let before = tale.server.answers("/ports.txt", 200);
    wait_for("two more fetches", || tale.server.answers("/ports.txt", 200) > before + 1);
    assert_eq!(tale.story.daemon.log().matches("`open db` of control file").count(), 1);
    tale.configure("/ports.txt", "", "");
    wait_for("the line to be carried out", || tale.status()["services"][2]["state"] == "open");
}

#[test]
fn the_last_way_in_of_somebody_guarded_stays() {
    let guarded = "protect.addresses = [\"10.77.0.3\"]\nguard.confirm = \"1h\"";
    let tale = Tale::with(guarded);
    let _ssh = ssh(&tale.story);
    tale.publish(1, "open ssh\n");
    tale.wait_for_serial(1);
    assert!(tale.is_reached(22));
    tale.publish(2, "close ssh\n");
    tale.wait_for_serial(2);
    tale.story.wait_for_line(
        "`close ssh` of control file, serial 2 is not carried out: tcp/22 is the last way in for \
         10.77.0.3, whom [protect] guards",
    );
    assert!(tale.is_reached(22));
    let words = tale.story.cli(&["remote", "status"]).stdout;
    assert!(words.contains("the last way in for 10.77.0.3"), "{words}");
    // When nobody needs it any more it is closed for good, and nothing waits for confirmation.
    tale.configure("/ports.txt", "", "guard.confirm = \"1h\"");
    wait_for("the way in to close", || !tale.is_reached(22));
    assert!(tale.story.json(&["status"])["pending"].is_null());
    wait_for("nothing to be left out", || tale.status()["summary"]["left_out"] == 0);
}

/// Starts an `sshd` on port 2222 of the guarded host. It runs as an ordinary user of a user namespace,
/// so that it works without root too.
fn sshd(tale: &Tale) -> Running {
    let home = tale.server.path("");
    tale.server.run("ssh-keygen -q -t ed25519 -N '' -f host");
    let settings = format!(
        "Port 2222\nListenAddress 10.77.0.1\nHostKey {home}/host\nPidFile none\n\
         AuthorizedKeysFile {home}/anna.pub\nStrictModes no\nUsePAM yes\n\
         Subsystem sftp internal-sftp\n"
    );
    std::fs::write(tale.server.path("sshd"), settings).unwrap();
    let id = |which: &str| tale.server.run(&format!("id {which} nobody")).trim().to_owned();
    let user = [format!("--map-user={}", id("-u")), format!("--map-group={}", id("-g"))];
    let settings = tale.server.path("sshd");
    let server = ["--", "/usr/sbin/sshd", "-D", "-f", &settings].map(str::to_owned);
    let line = ["unshare".to_owned(), "--user".to_owned()].into_iter().chain(user).chain(server);
    let running = tale.story.lab.guarded().spawn(line);
    wait_for("sshd to be known", || {
        let rows = tale.story.json(&["ports"]);
        rows.as_array().unwrap().iter().any(|row| row["process"] == "sshd")
    });
    running
}

#[test]
fn the_last_way_in_of_a_live_session_stays_until_it_ends() {
    let tale = Tale::with("services.ssh.ports = [\"tcp/2222\"]\nguard.confirm = \"1h\"");
    let _sshd = sshd(&tale);
    assert!(!tale.is_reached(2222));
    tale.publish(1, "open ssh\n");
    tale.wait_for_serial(1);
    let key = tale.server.path("anna");
    let line = [
        "ssh",
        "-F",
        "none",
        "-q",
        "-p",
        "2222",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-i",
        &key,
        "nobody@10.77.0.1",
        "-s",
        "sftp",
    ];
    let session = tale.story.lab.scanner().spawn(line);
    let protected = || tale.story.json(&["list", "protected"]).to_string();
    wait_for("the session to be known", || protected().contains("\"10.77.0.2\""));
    tale.publish(2, "close ssh\n");
    tale.wait_for_serial(2);
    tale.story.wait_for_line("tcp/2222 is the last way in for 10.77.0.2, whom [protect] guards");
    assert!(tale.is_reached(2222));
    drop(session);
    wait_for("the way in to close", || !tale.is_reached(2222));
    assert!(tale.story.json(&["status"])["pending"].is_null());
}

#[test]
fn a_file_is_checked_before_it_counts() {
    let tale = Tale::new();
    tale.publish(1, "open web\nopen mail\n");
    tale.wait_for_serial(1);
    let ran = tale.story.cli(&["remote", "check"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("counts: serial 1, signed by anna (SHA256:"), "{}", ran.stdout);
    for part in [
        ", in effect already\n",
        "line 3: open web\n",
        "line 4: left out: it names `mail`, which is not in remote.services\n",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    tale.publish(2, "open web\n");
    let json = tale.story.json(&["remote", "check", &format!("{}/ports.txt", super::HTTPS)]);
    assert_eq!((&json["counts"], &json["signer"]), (&true.into(), &"anna".into()));
    let ran = tale.story.cli(&["remote", "check", &format!("{}/portal", super::HTTPS)]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.starts_with("rejected: it is a page for browsers"), "{}", ran.stdout);
    let ran = tale.story.cli(&["remote", "check", &format!("{}/missing", super::HTTPS)]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("the server answers 404"), "{}", ran.stderr);
    // A file of the laptop on which it is written, by the public key alone.
    let text = super::stamped(1, "now", "open web\n");
    let file = tale.server.path("draft.txt");
    std::fs::write(&file, format!("{text}{}", tale.server.signature("anna", &text))).unwrap();
    let key = tale.server.path("anna.pub");
    let line =
        [lab::program::guard().to_str().unwrap(), "--config", "/dev/null", "remote", "check"]
            .map(str::to_owned);
    let line = line.into_iter().chain([file, "--key".to_owned(), key]);
    let output = tale.story.lab.guarded().attempt(line);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("counts: serial 1, signed by anna"), "{said}");
}
