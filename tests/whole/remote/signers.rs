//! Who signs, with what, and what a signature does not cover: the real programs make and check
//! signatures, both ways; replays, revoked keys and wrong clocks.

use std::fs;

use crate::story::wait_for;

use lab::file_server::{HTTPS, stamped};

use super::Tale;

/// Signs with our own command on the guarded host, and publishes what it wrote.
fn sign_ours(tale: &Tale, lines: &str, options: &[&str]) -> u64 {
    let file = tale.story.daemon.home().join("ports.txt");
    fs::write(&file, lines).unwrap();
    let words = [&["remote", "sign", file.to_str().unwrap()], options].concat();
    let said = tale.story.json(&words);
    for written in said["written"].as_array().unwrap().iter().rev() {
        let path = std::path::Path::new(written.as_str().unwrap());
        let name = path.file_name().unwrap().to_str().unwrap();
        tale.server.put(name, fs::read(path).unwrap());
    }
    said["serial"].as_u64().unwrap()
}

fn keys(tale: &Tale, keys: &[&str], more: &str) {
    let list = keys.iter().map(|key| format!("{key:?}")).collect::<Vec<_>>().join(", ");
    let remote = format!(
        "[remote]\nurl = \"{HTTPS}/ports.txt\"\nevery = \"1s\"\nkeys = [{list}]\n\
         services = [\"web\", \"db\"]\n{more}\n"
    );
    tale.take(&super::configuration(&remote, ""));
}

#[test]
fn openssh_and_we_take_each_others_signatures() {
    let tale = Tale::new();
    let home = tale.story.daemon.home().display().to_string();
    let key = format!("{home}/keys/bert");
    let made = tale.story.cli(&["key", "new", &key, "--comment", "bert"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let bert = made.stdout.trim().to_owned();
    assert_eq!(tale.story.cli(&["key", "show", &key]).stdout.trim(), bert);
    assert_eq!(tale.story.guarded(&format!("stat -c %a {key}")), "600\n");
    let again = tale.story.cli(&["key", "new", &key]);
    assert_eq!(again.code, 2, "{}", again.stderr);
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
    keys(&tale, &[&tale.anna, &bert], "");

    let serial = sign_ours(&tale, "open web\n", &["--key", &key]);
    tale.wait_for_serial(u32::try_from(serial).unwrap());
    assert_eq!(tale.status()["summary"]["signer"], "bert");
    tale.server.run(&format!(
        "printf 'bert {bert}\\n' > allowed\n\
         ssh-keygen -Y verify -f allowed -I bert -n portguard -s www/ports.txt.sig < www/ports.txt"
    ));
    // In one file, and after it a file of the other hand.
    let serial = sign_ours(&tale, "close web\n", &["--key", &key, "--inline"]);
    tale.wait_for_serial(u32::try_from(serial).unwrap());
    tale.publish(u32::try_from(serial).unwrap() + 1, "open web\n");
    tale.wait_for_serial(u32::try_from(serial).unwrap() + 1);
    assert_eq!(tale.status()["summary"]["signer"], "anna");
}

#[test]
fn minisign_and_we_take_each_others_signatures() {
    let tale = Tale::new();
    tale.server.run("minisign -G -W -f -p mini.pub -s mini.key > /dev/null");
    let key = tale.server.path("mini.key");
    let public = tale.story.cli(&["key", "show", &key]).stdout;
    let expected = tale.server.run("tail -n 1 mini.pub");
    assert_eq!(public, expected);
    keys(&tale, &[public.trim()], "");

    // Its own time in the signature is stamp enough.
    tale.server.run("printf 'open web\\n' > text; minisign -S -s mini.key -m text -x sig");
    tale.server.put("ports.txt.minisig", fs::read(tale.server.path("sig")).unwrap());
    tale.server.put("ports.txt", "open web\n");
    wait_for("the file to count", || tale.status()["summary"]["state"] == "good");
    let first = tale.status()["summary"]["serial"].as_u64().unwrap();
    assert_eq!(tale.status()["summary"]["signer"].as_str(), Some(&*fingerprint(&tale, &key)));

    // The serial is in seconds; what is signed within the same one is told apart by the text's own.
    let text =
        format!("# portguard-serial: {}\n# portguard-time: 2000-01-01T00:00:00Z\n", first + 1);
    let serial = sign_ours(&tale, &format!("{text}close web\n"), &["--key", &key]);
    assert!(serial > first + 1);
    tale.wait_for_serial(u32::try_from(serial).unwrap());
    let public = public.trim();
    tale.server.run(&format!("minisign -V -P {public} -m www/ports.txt -x www/ports.txt.minisig"));
}

fn fingerprint(tale: &Tale, key: &str) -> String {
    tale.story.json(&["key", "show", key])["fingerprint"].as_str().unwrap().to_owned()
}

#[test]
fn a_minisign_key_with_a_password_signs_when_it_is_told() {
    let tale = Tale::new();
    tale.server.run("printf 'secret\\nsecret\\n' | minisign -G -f -p m.pub -s m.key > /dev/null");
    let (key, file) = (tale.server.path("m.key"), tale.server.path("ports.txt"));
    fs::write(&file, "open web\n").unwrap();
    let sign = |password: &str| {
        let line = format!(
            "printf '{password}\\n' | {} remote sign {file} --key {key}",
            lab::program::guard().display()
        );
        tale.story.lab.guarded().attempt(["sh", "-c", &line])
    };
    let wrong = sign("wrong");
    let complaint = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(2), "{complaint}");
    assert!(complaint.contains("that is not the passphrase of"), "{complaint}");
    assert!(sign("secret").status.success());
    tale.server.run("minisign -V -p m.pub -m ports.txt");
}

#[test]
fn an_old_file_is_refused_whatever_happened_since() {
    let mut tale = Tale::new();
    let _service = tale.story.serve(8088);
    let old = stamped(1, "now", "open web\n");
    let signature = tale.server.signature("anna", &old);
    tale.server.publish("anna", &old);
    tale.wait_for_serial(1);
    tale.publish(2, "close web\n");
    tale.wait_for_serial(2);
    let replay = |tale: &Tale| {
        tale.server.put("ports.txt", &old);
        tale.server.put("ports.txt.sig", &signature);
    };
    replay(&tale);
    tale.wait_for_error("rejected", "its serial 1 is not above 2");
    tale.story.wait_for_line("the control file is rejected: its serial 1 is not above 2");

    tale.story.daemon.restart();
    tale.wait_for_error("rejected", "its serial 1 is not above 2");
    tale.story.daemon.kill9();
    tale.story.start_again();
    tale.wait_for_error("rejected", "its serial 1 is not above 2");
    // At the moment at which a newer one is taken, and with the ledger gone.
    tale.publish(3, "close web\n");
    tale.wait_for_serial(3);
    tale.story.daemon.kill9();
    tale.story.guarded(&format!("rm {}/state/ledger.db*", tale.story.daemon.home().display()));
    replay(&tale);
    tale.story.start_again();
    tale.wait_for_error("rejected", "its serial 1 is not above 3");
    assert!(!tale.is_reached(8088));

    // Without its memory no file counts.
    tale.story.daemon.stop();
    let last = tale.story.daemon.home().join("state/remote.json");
    fs::write(&last, "nonsense").unwrap();
    tale.publish(4, "open web\n");
    tale.story.start_again();
    tale.wait_for_error("failing", "remove it to take any");
    assert!(!tale.is_reached(8088));
}

#[test]
fn two_files_with_one_serial_are_not_both_taken() {
    let tale = Tale::new();
    tale.publish(5, "open web\n");
    tale.wait_for_serial(5);
    tale.publish(5, "close web\n");
    tale.wait_for_error("rejected", "its serial 5 is that of the last file");
    // The text of one and the signature of the other.
    let (one, other) = (stamped(6, "now", "open db\n"), stamped(7, "now", "open web\n"));
    tale.server.put("ports.txt.sig", tale.server.signature("anna", &one));
    tale.server.put("ports.txt", &other);
    tale.wait_for_error("rejected", "its signature by anna does not fit its text");
    assert_eq!(tale.status()["services"][2]["state"], "closed");
    // As soon as they fit it counts.
    tale.server.put("ports.txt", &one);
    tale.wait_for_serial(6);
}

#[test]
fn keys_change_and_are_revoked_by_the_configuration() {
    let tale = Tale::new();
    let bert = tale.server.key("bert");
    tale.server.publish("bert", stamped(1, "now", "open web\n"));
    tale.wait_for_error("rejected", "which is not in remote.keys");
    keys(&tale, &[&tale.anna, &bert], "");
    tale.wait_for_serial(1);
    let revoked = format!("revoked_keys = [{bert:?}]");
    keys(&tale, &[&tale.anna, &bert], &revoked);
    tale.wait_for_error("rejected", "it is signed with bert, which is revoked");
    tale.server.publish("bert", stamped(2, "now", "close web\n"));
    tale.story
        .wait_for_line("the control file is rejected: it is signed with bert, which is revoked");
    assert_eq!(tale.status()["services"][0]["state"], "open");
    keys(&tale, &[&tale.anna], "");
    tale.wait_for_error("rejected", "which is not in remote.keys");
    tale.publish(2, "close web\n");
    tale.wait_for_serial(2);
}

#[test]
fn a_file_of_another_day_is_refused() {
    let tale = Tale::new();
    for (serial, day, why) in [
        (1, "1 day ago 1 hour ago", "ago, more than remote.max_age (1d)"),
        (2, "1 day", "in the future by this host's clock"),
    ] {
        tale.server.publish("anna", stamped(serial, day, "open web\n"));
        tale.wait_for_error("rejected", why);
    }
    tale.server.publish("anna", "open web\n");
    tale.wait_for_error("rejected", "it has no serial and no time");
    assert_eq!(tale.status()["services"][0]["state"], "closed");
    // A wrong clock is set right, and the file that came from the future counts.
    tale.server.publish("anna", stamped(1, "2 minutes", "open web\n"));
    tale.wait_for_serial(1);
}

#[test]
fn unsigned_files_count_only_where_they_may_and_the_status_says_so() {
    let tale = Tale::new();
    let _service = tale.story.serve(8088);
    tale.server.put("ports.txt", "open web\n");
    tale.wait_for_error("rejected", "it is not signed");
    keys(&tale, &[], "unsigned = true");
    wait_for("the file to count", || tale.status()["summary"]["state"] == "good");
    assert!(tale.is_reached(8088));
    tale.story.wait_for_line("web (tcp/8088) opened by control file, unsigned");
    let words = tale.story.cli(&["status"]).stdout;
    assert!(words.contains("UNSIGNED FILES ARE TAKEN"), "{words}");
    let events = tale.story.json(&["events"]).to_string();
    assert!(events.contains("\"forgeable\""), "{events}");
    tale.server.put("ports.txt", "close web\n");
    wait_for("the port to close", || !tale.is_reached(8088));
    // A signature that does not fit is no unsigned file.
    keys(&tale, &[&tale.anna], "unsigned = true");
    tale.publish(1, "open web\n");
    tale.wait_for_serial(1);
    tale.server.put("ports.txt", "open db\n");
    tale.wait_for_error("rejected", "does not fit its text");
}
