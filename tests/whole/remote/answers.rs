//! What a server can do wrong: none of it changes anything, and each is told.

use lab::{deadline::eventually, file_server::stamped, wiring::GUARDED_V4};

use crate::story::wait_for;

use super::Tale;

#[test]
fn an_answer_that_is_no_file_changes_nothing() {
    let tale = Tale::new();
    let _service = tale.story.serve(8088);
    tale.publish(1, "open web\n");
    tale.wait_for_serial(1);
    for (path, state, why) in [
        ("/portal", "rejected", "it is a page for browsers (HTML)"),
        ("/missing", "failing", "the server answers 404"),
        ("/busy", "failing", "the server answers 503"),
        ("/broken", "failing", "it can not be fetched"),
        ("/huge", "failing", "it is larger than 64 KiB"),
        ("/to-file", "failing", "which is not fetched"),
        ("/to-http", "failing", "the server points from https to"),
        ("/around", "failing", "pointed elsewhere more than 5 times"),
    ] {
        tale.configure(path, "", "");
        tale.wait_for_error(state, why);
        assert_eq!(tale.status()["summary"]["serial"], 1, "{path}");
        assert!(tale.is_reached(8088), "{path}");
    }
    let log = tale.story.daemon.log();
    assert_eq!(log.matches("the control file is rejected").count(), 1, "{log}");
    let health = tale.story.cli(&["status"]).stdout;
    assert!(health.contains("remote         degraded: the control file does not come"), "{health}");
    tale.configure("/ports.txt", "", "");
    tale.wait_for_serial(1);
}

#[test]
fn a_file_is_followed_where_it_moved_and_taken_for_what_it_says() {
    let tale = Tale::new();
    for (serial, path) in [(1, "/moved"), (2, "/picture")] {
        tale.publish(serial, "open web\n");
        tale.configure(path, "", "");
        tale.wait_for_serial(serial);
    }
}

#[test]
fn a_body_without_an_end_and_one_that_drips_are_cut() {
    let tale = Tale::new();
    let endless = "printf 'HTTP/1.1 200 OK\\r\\n\\r\\n'; exec yes\n";
    let script = tale.server.path("endless");
    std::fs::write(&script, endless).unwrap();
    let listen = "TCP-LISTEN:8081,reuseaddr,fork";
    let command = format!("EXEC:sh {script}");
    let _server = tale.story.lab.scanner().spawn(["socat", listen, &command]);
    let key = &tale.anna;
    let remote =
        |url: &str| format!("[remote]\nurl = \"{url}\"\nevery = \"1s\"\nkeys = [\"{key}\"]\n");
    tale.take(&super::configuration(&remote("http://10.77.0.2:8081/"), ""));
    tale.wait_for_error("failing", "it is larger than 64 KiB");

    tale.configure("/slow", "", "");
    // While it drips nothing else waits.
    wait_for("the slow answer to begin", || tale.status()["last_fetch"].is_null());
    tale.story.order(&["ban", "192.0.2.7"]);
    assert_eq!(tale.story.verdict("192.0.2.7"), "banned");
    let limit = std::time::Duration::from_secs(60);
    eventually("the slow answer is given up", limit, || {
        let error = tale.status()["summary"]["last_error"].to_string();
        error.contains("it did not come within 30 s").then_some(())
    });
    // A fetch that hangs holds up no other configuration, and no stop.
    wait_for("the next one to begin", || tale.server.answers("/slow", 200) >= 1);
    tale.publish(1, "open web\n");
    tale.configure("/ports.txt", "", "");
    tale.wait_for_serial(1);
}

#[test]
fn a_server_that_can_not_be_trusted_or_reached_is_none() {
    let tale = Tale::new();
    tale.publish(1, "open web\n");
    tale.wait_for_serial(1);
    let other = tale.server.path("other.pem");
    tale.server.run(
        "openssl req -x509 -batch -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
         -subj '/CN=Another authority' -keyout other.key -out other.pem 2>/dev/null",
    );
    let authorities = std::path::Path::new("/etc/ssl/certs/ca-certificates.crt");
    tale.story.lab.guarded().cover(authorities, std::path::Path::new(&other));
    tale.wait_for_error("failing", "it can not be fetched");
    let error = tale.status()["summary"]["last_error"].to_string();
    assert!(error.contains("ertificate"), "{error}");
    let key = &tale.anna;
    let remote = format!(
        "[remote]\nurl = \"https://10.77.0.2:9/ports.txt\"\nevery = \"1s\"\nkeys = [\"{key}\"]\n"
    );
    tale.take(&super::configuration(&remote, ""));
    wait_for("another error", || {
        let error = tale.status()["summary"]["last_error"].to_string();
        error.contains("can not be fetched") && !error.contains("ertificate")
    });
}

#[test]
fn a_file_of_this_host_is_read_without_waiting_for_anybody() {
    let tale = Tale::new();
    let _service = tale.story.serve(8088);
    let home = tale.story.daemon.home().display().to_string();
    let key = &tale.anna;
    let remote = format!(
        "[remote]\nurl = \"file://{home}/ports.txt\"\nevery = \"1s\"\nkeys = [\"{key}\"]\n\
         services = [\"web\"]\n"
    );
    tale.story.guarded(&format!("mkfifo {home}/ports.txt"));
    tale.take(&super::configuration(&remote, ""));
    tale.wait_for_error("failing", "it is no regular file");
    let text = stamped(1, "now", "open web\n");
    let signature = tale.server.signature("anna", &text);
    std::fs::write(format!("{home}/ports.txt.sig"), signature).unwrap();
    std::fs::write(format!("{home}/fresh"), text).unwrap();
    tale.story.guarded(&format!("mv {home}/fresh {home}/ports.txt"));
    tale.wait_for_serial(1);
    assert!(tale.story.connects("10.77.0.2", GUARDED_V4, 8088));
}
