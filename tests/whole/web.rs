//! The web face: the real daemon, the real process, and curl as the browser.

use std::{fs, time::Duration};

use lab::{Lab, eventually, running::Running};
use serde_json::json;

use crate::{
    browser::{INSIDE, PASSWORD, SCANNER, Viewer, Web},
    story::{Story, wait_for},
};

#[test]
fn a_link_lets_one_in_once_who_then_has_a_password() {
    let web = Web::inside("");
    let said = web.story.json(&["web", "token"]);
    let link = said["link"].as_str().unwrap();
    let token = link.strip_prefix("http://127.0.0.1:6060/#token=").expect("a link to the page");
    let first = web.browser("first");
    first.get("/api/v1/status").refuses(401, "not signed in");
    first.post("/auth/link", &json!({ "token": token })).json();
    let me = first.get("/auth/me").json();
    assert_eq!((&me["user"], &me["role"]), (&json!("admin"), &json!("operator")));
    assert_eq!(me["must_set_password"], true);
    let second = web.browser("second");
    second.post("/auth/link", &json!({ "token": token })).refuses(401, "the link was used");
    assert_eq!(first.get("/api/v1/status").json()["posture"], "open");

    first.post("/auth/password", &json!({ "new": "short" })).refuses(400, "10 to 256");
    let set = first.post("/auth/password", &json!({ "new": PASSWORD }));
    assert_eq!(set.json()["must_set_password"], false);
    assert_eq!(second.log_in("admin", PASSWORD).code, 200);
    let wrong = json!({ "old": "wrong", "new": "another password" });
    second.post("/auth/password", &wrong).refuses(403, "old password is wrong");
    // Neither the token nor the password is anywhere on disk.
    let folder = web.story.daemon.home().join("web");
    for name in ["access.json", "sessions.json"] {
        let kept = fs::read_to_string(folder.join(name)).unwrap();
        assert!(!kept.contains(token) && !kept.contains(PASSWORD), "{kept}");
        let mode = web.story.guarded(&format!("stat -c %a {}", folder.join(name).display()));
        assert_eq!(mode, "600\n");
    }
}

#[test]
fn sessions_end_by_log_out_everywhere_and_by_another_password() {
    let web = Web::inside("");
    web.set_password("admin", &[]);
    let (one, other) = (web.logged_in("admin"), web.browser("other"));
    assert_eq!(other.log_in("admin", PASSWORD).code, 200);
    // Who logs in again has another session, and the one before has ended.
    let jar = fs::read_to_string(web.story.daemon.home().join("jar-other")).unwrap();
    fs::write(web.story.daemon.home().join("jar-stolen"), jar).unwrap();
    assert_eq!(web.browser("stolen").get("/auth/me").code, 200);
    assert_eq!(other.log_in("admin", PASSWORD).code, 200);
    web.browser("stolen").get("/auth/me").refuses(401, "not signed in");

    assert_eq!(one.post("/auth/logout", &json!({})).code, 204);
    one.get("/auth/me").refuses(401, "not signed in");
    assert_eq!(one.log_in("admin", PASSWORD).code, 200);
    assert_eq!(one.post("/auth/logout-everywhere", &json!({})).code, 204);
    other.get("/auth/me").refuses(401, "not signed in");
    assert_eq!(one.log_in("admin", PASSWORD).code, 200);
    web.set_password("admin", &[]);
    one.get("/auth/me").refuses(401, "not signed in");
}

#[test]
fn a_session_lives_through_a_restart_of_the_face_and_ends_on_time() {
    let mut web = Web::inside("");
    web.set_password("admin", &[]);
    web.logged_in("admin");
    let stop = |web: &mut Web| {
        let mut face = web.face.take().unwrap();
        web.story.guarded(&format!("kill -TERM {}", face.pid()));
        wait_for("the face ends", || !face.is_alive());
    };
    stop(&mut web);
    web.launch();
    assert_eq!(web.browser("admin").get("/auth/me").code, 200);
    stop(&mut web);
    web.story.daemon.configure("[web]\nsession = \"2s\"\n");
    web.launch();
    wait_for("the session ends", || web.browser("admin").get("/auth/me").code == 401);
    let browser = web.browser("admin");
    assert_eq!(browser.log_in("admin", PASSWORD).code, 200);
    let viewer = Viewer::new(&browser);
    viewer.wait_for("status", |_| true);
    wait_for("the session ends", || browser.get("/auth/me").code == 401);
}

#[test]
fn wrong_passwords_are_slowed_down_and_do_not_ban_this_host() {
    let web = Web::inside("");
    web.set_password("admin", &[]);
    let known = web.logged_in("admin");
    let stranger = web.browser("stranger");
    for user in ["admin", "nobody", "admin", "\u{1f}\r\nx", "admin"] {
        stranger.log_in(user, "wrong password").refuses(401, "user or password is wrong");
    }
    let slowed = stranger.log_in("admin", PASSWORD);
    slowed.refuses(429, "too many attempts");
    assert!(slowed.head.contains("retry-after: 1"), "{}", slowed.head);
    // A browser that was let in before has a pace of its own, behind the same address.
    assert_eq!(known.log_in("admin", PASSWORD).code, 200);
    wait_for("the pace allows one more", || stranger.log_in("admin", PASSWORD).code == 200);
    let events = web.story.json(&["events"]);
    assert!(!events.to_string().contains("report web"), "{events}");
}

#[test]
fn wrong_passwords_from_afar_are_evidence_for_the_guard() {
    let web = Web::outside();
    let scanner = web.browser_at(web.story.lab.scanner(), "scanner");
    for _ in 0..5 {
        scanner.log_in("admin", "wrong password").refuses(401, "user or password is wrong");
    }
    web.story.wait_for_verdict(SCANNER, "banned");
    let why = web.story.cli(&["why", SCANNER]).stdout;
    assert!(why.contains("report web") && why.contains("admin"), "{why}");
    assert_eq!(web.logged_in("admin").get("/api/v1/status").code, 200);
}

#[test]
fn a_log_in_from_afar_forgives_and_comes_by_tls_and_http2() {
    let web = Web::outside();
    let scanner = web.browser_at(web.story.lab.scanner(), "scanner");
    for _ in 0..4 {
        assert_eq!(scanner.log_in("admin", "wrong password").code, 401);
    }
    let entered = scanner.log_in("admin", PASSWORD);
    assert_eq!(entered.code, 200, "{}", entered.body);
    let cookie = "set-cookie: __host-portguard=";
    assert!(entered.head.starts_with("http/2 200"), "{}", entered.head);
    for part in [cookie, "; secure", "; httponly", "; samesite=strict", "strict-transport-security"]
    {
        assert!(entered.head.contains(part), "{part}: {}", entered.head);
    }
    assert_eq!(scanner.log_in("admin", "wrong password").code, 401);
    assert_eq!(scanner.get("/api/v1/status").code, 200);
    assert_eq!(web.story.verdict(SCANNER), "none");
    // Who does not know the certificate is told by his own program.
    let strange = ["curl", "-sS", "https://10.77.0.1:6060/"];
    assert!(!web.story.lab.scanner().attempt(strange).status.success());
}

#[test]
fn writes_of_other_sites_oversize_bodies_and_other_contents_are_refused() {
    let web = Web::inside("");
    web.set_password("admin", &[]);
    let browser = web.logged_in("admin");
    let ban = json!({ "measure": "ban", "subject": "192.0.2.1" }).to_string();
    let json = ["-H", "content-type: application/json", "-d", &ban];
    for forged in ["origin: http://evil.example", "origin: null", "sec-fetch-site: cross-site"] {
        let answer = browser.ask(&[&json[..], &["-H", forged]].concat(), "/api/v1/hold");
        answer.refuses(403, "another site");
    }
    let form = browser.ask(&["-d", &ban], "/api/v1/hold");
    form.refuses(415, "content-type");
    let own = ["-H", "origin: http://127.0.0.1:6060", "-H", "sec-fetch-site: same-origin"];
    let answer = browser.ask(&[&json[..], &own].concat(), "/api/v1/hold");
    assert_eq!(answer.code, 200, "{}", answer.body);
    assert_eq!(web.story.verdict("192.0.2.1"), "banned");

    let large = web.story.daemon.home().join("large");
    fs::write(&large, format!("\"{}\"", "x".repeat(5 << 20))).unwrap();
    let large = format!("@{}", large.display());
    let body = ["-H", "content-type: application/json", "--data-binary", &large];
    for path in ["/auth/login", "/api/v1/hold-many"] {
        browser.ask(&body, path).refuses(413, "larger than");
    }
    browser.ask(&["-X", "DELETE"], "/api/v1/hold").refuses(405, "another method");
    browser.post("/api/v1/import", &json!({})).refuses(404, "no such path");
    browser.post("/auth/login", &json!({ "user": 3 })).refuses(400, "does not read");
}

#[test]
fn a_viewer_looks_and_does_not_order_and_orders_carry_their_users_name() {
    let web = Web::inside("");
    web.set_password("anna", &[]);
    let anna = web.logged_in("anna");
    let new = json!({ "user": "otto", "role": "viewer", "password": PASSWORD });
    assert_eq!(anna.post("/auth/users", &new).code, 204);
    let otto = web.logged_in("otto");
    let ban = json!({ "measure": "ban", "subject": "192.0.2.1", "reason": "asked" });
    assert_eq!(otto.get("/api/v1/status").code, 200);
    otto.post("/api/v1/hold", &ban).refuses(403, "you may look");
    otto.post("/service", &json!({ "action": "stop" })).refuses(403, "you may look");
    otto.get("/auth/users").refuses(403, "you may look");
    // The face alone says who asks.
    let forged = ["-H", "portguard-role: operator", "-H", "portguard-user: anna"];
    let body = ["-H", "content-type: application/json", "-d", &ban.to_string()].map(str::to_owned);
    let forged: Vec<&str> = forged.into_iter().chain(body.iter().map(String::as_str)).collect();
    otto.ask(&forged, "/api/v1/hold").refuses(403, "you may look");
    assert_eq!(web.story.verdict("192.0.2.1"), "none");
    assert_eq!(anna.post("/api/v1/hold", &ban).code, 200);
    let holds = web.story.json(&["list", "bans"]);
    assert_eq!(holds[0]["author"], "web:anna", "{holds}");

    anna.ask(&["-X", "DELETE"], "/auth/users/anna").refuses(409, "last operator");
    assert_eq!(anna.ask(&["-X", "DELETE"], "/auth/users/otto").code, 204);
    otto.get("/auth/me").refuses(401, "not signed in");
}

#[test]
fn an_api_token_is_good_for_its_role_until_it_is_taken_away() {
    let web = Web::inside("");
    web.set_password("admin", &[]);
    let admin = web.logged_in("admin");
    let made = admin.post("/auth/tokens", &json!({ "name": "ci", "role": "viewer" })).json();
    let bearer = format!("authorization: Bearer {}", made["token"].as_str().unwrap());
    let program = web.browser("program");
    let ask = |path: &str, more: &[&str]| program.ask(&[&["-H", &bearer], more].concat(), path);
    assert_eq!(ask("/api/v1/status", &[]).code, 200);
    let ban = json!({ "measure": "ban", "subject": "192.0.2.1" }).to_string();
    let body = ["-H", "content-type: application/json", "-d", &ban];
    ask("/api/v1/hold", &body).refuses(403, "you may look");
    ask("/auth/tokens", &[]).refuses(403, "API token");
    let listed = admin.get("/auth/tokens");
    assert_eq!(listed.json()[0]["name"], "ci");
    assert!(!listed.body.contains(made["token"].as_str().unwrap()));
    assert_eq!(admin.ask(&["-X", "DELETE"], "/auth/tokens/ci").code, 204);
    ask("/api/v1/status", &[]).refuses(401, "not signed in");
}

#[test]
fn while_the_guard_is_away_pages_are_told_and_told_again_when_it_is_back() {
    let mut web = Web::inside("");
    web.set_password("admin", &[]);
    let viewer = {
        let browser = web.logged_in("admin");
        let viewer = Viewer::new(&browser);
        viewer.wait_for("status", |status| status["posture"] == "open");
        viewer
    };
    web.story.daemon.stop();
    viewer.wait_for("away", |_| true);
    web.browser("admin").get("/api/v1/status").refuses(503, "no guard answers");
    assert_eq!(web.browser("admin").get("/auth/me").code, 200);
    web.story.start_again();
    viewer.wait_for("back", |_| true);
    viewer.wait_for("status", |status| status["ready"] == true);
    assert_eq!(web.browser("admin").get("/api/v1/status").code, 200);
}

#[test]
fn everybody_who_watches_hears_of_a_ban_by_one_subscription() {
    let web = Web::inside("");
    web.set_password("admin", &[]);
    let browser = web.logged_in("admin");
    let viewers: Vec<_> = (0..20).map(|_| Viewer::new(&browser)).collect();
    for viewer in &viewers {
        viewer.wait_for("status", |_| true);
    }
    web.story.order(&["ban", "192.0.2.1"]);
    for viewer in &viewers {
        viewer.wait_for("entry", |entry| entry["subject"] == "192.0.2.1");
    }
    let socket = web.story.daemon.socket().with_file_name("web.sock");
    let connections = web.story.guarded(&format!("ss -xH | grep -c {} || true", socket.display()));
    assert_eq!(connections.trim(), "1", "connections to web.sock");
    // The service's state needs no systemd to be told.
    let service = browser.get("/service").json();
    assert_eq!(service["unit"], "portguard.service");
}

#[test]
fn nobody_listens_beyond_this_host_without_tls_and_a_password() {
    let story = Story::new("");
    let refusal = |configuration: &str| {
        story.daemon.configure(configuration);
        let ran = story.cli(&["web"]);
        assert_eq!(ran.code, 5, "{}", ran.stderr);
        ran.stderr
    };
    let told = refusal("[web]\nlisten = \"0.0.0.0:6060\"\n");
    assert!(told.contains("web.listen") && told.contains("tls = true"), "{told}");
    let told = refusal("[web]\nlisten = \"0.0.0.0:6060\"\ntls = true\n");
    assert!(told.contains("nobody has a password") && told.contains("web password"), "{told}");
    let told = refusal("[web]\ntls_certificate = \"/nowhere.pem\"\ntls_key = \"/nowhere.key\"\n");
    assert!(told.contains("/nowhere.pem") && told.contains("web.tls_certificate"), "{told}");
}

#[test]
fn the_face_runs_as_its_own_user_with_no_privileges() {
    let lab = Lab::new();
    let guarded = lab.guarded();
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let home = tempfile::tempdir().unwrap();
    let with_user = home.path().join("passwd");
    let user = "portguard-web:x:7777:7777::/:/usr/sbin/nologin\n";
    fs::write(&with_user, passwd + user).unwrap();
    guarded.cover("/etc/passwd".as_ref(), &with_user);
    // Without root the lab has but one user, and setpriv says so; the face then says it too.
    let is_root = guarded.attempt(["setpriv", "--reuid", "7777", "true"]).status.success();
    let mut web = Web { face: None, story: Story::in_lab(lab, ""), address: INSIDE };
    if !is_root {
        let ran = web.story.cli(&["web"]);
        assert_eq!(ran.code, 4, "{}", ran.stderr);
        return;
    }
    web.set_password("admin", &[]);
    web.launch();
    let pid = web.face.as_ref().map(Running::pid).unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(field("Uid:"), "7777 7777 7777 7777");
    assert_eq!(field("Gid:"), "7777 7777 7777 7777");
    for set in ["CapPrm:", "CapEff:", "CapInh:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
    // The daemon believes this user on `web.sock`, and the files are its own.
    let browser = web.logged_in("admin");
    let ban = json!({ "measure": "ban", "subject": "192.0.2.1" });
    assert_eq!(browser.post("/api/v1/hold", &ban).code, 200);
    let folder = web.story.daemon.home().join("web");
    let owners = web.story.guarded(&format!("stat -c %u {0} {0}/*", folder.display()));
    assert!(owners.lines().all(|owner| owner == "7777"), "{owners}");
}

#[test]
fn every_answer_has_the_headers_that_keep_a_page_safe() {
    let web = Web::inside("");
    let browser = web.browser("anybody");
    for path in ["/", "/auth/me", "/api/v1/status", "/assets/none.js", "/api/openapi.json"] {
        let head = browser.get(path).head;
        for part in [
            "content-security-policy: default-src 'none'; script-src 'self';",
            "require-trusted-types-for 'script'; trusted-types 'none'",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(head.contains(part), "{path}: {head}");
        }
    }
    assert_eq!(browser.get("/").code, 200);
    browser.get("/assets/none.js").refuses(404, "no such file");
    let described = browser.get("/api/openapi.json").json();
    for path in ["/auth/login", "/service", "/api/v1/status", "/api/v1/hold"] {
        assert!(described["paths"][path].is_object(), "{path}");
    }
    assert!(described["paths"]["/api/v1/import"].is_null());
}

#[test]
fn what_the_daemon_offers_is_passed_on_or_left_out_on_purpose() {
    let web = Web::inside("");
    let operations = |description: &serde_json::Value, prefix: &str| {
        let paths = description["paths"].as_object().unwrap().clone();
        let all = paths.into_iter().filter_map(|(path, methods)| {
            let path = path.strip_prefix(prefix)?.to_owned();
            let methods = methods.as_object().unwrap().clone();
            Some(methods.into_iter().map(move |(method, _)| format!("{method} {path}")))
        });
        all.flatten().collect::<std::collections::BTreeSet<_>>()
    };
    let socket = web.story.daemon.socket().display().to_string();
    let ask = ["curl", "-s", "--unix-socket", &socket, "http://portguard/v1/openapi.json"];
    let theirs = serde_json::from_str(&web.story.lab.guarded().run(ask)).unwrap();
    let ours = web.browser("anybody").get("/api/openapi.json").json();
    let left_out: Vec<_> =
        operations(&theirs, "").difference(&operations(&ours, "/api")).cloned().collect();
    // An import is made on the host itself, where the other program's files are; a fetch at once is
    // for whoever has just signed a file, and the page shows the next one anyway.
    assert_eq!(left_out, ["post /v1/import", "post /v1/remote/fetch"]);
}

#[test]
fn slow_heads_and_handshakes_hold_nobody_up() {
    let web = Web::outside();
    // More than one address may have, each with the first byte of a handshake; one process holds all.
    let many = "for i in $(seq 200); do exec {fd}<>/dev/tcp/10.77.0.1/6060; printf '\\026' >&$fd; \
                done; read end";
    let _slow = web.story.lab.scanner().spawn(["bash", "-c", many]);
    let held = || {
        let line = "ss -tH state established sport = :6060 | wc -l";
        web.story.guarded(line).trim().parse::<u32>().unwrap()
    };
    wait_for("the connections stand", || held() >= 128);
    assert_eq!(web.logged_in("admin").get("/api/v1/status").code, 200);
    let limit = Duration::from_secs(25);
    eventually("the handshakes are given up", limit, || (held() < 20).then_some(()));
}

#[test]
fn open_ui_tells_where_the_face_is_and_scripts_hear_nothing_of_it() {
    let story = Story::new("");
    let told = story.cli(&["open-ui"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(told.stdout.contains("posture"), "{}", told.stdout);
    assert!(told.stdout.ends_with("\n\nhttp://127.0.0.1:6060/\n"), "{}", told.stdout);
    let bare = story.cli(&[]);
    assert_eq!(bare.code, 0);
    assert!(
        bare.stdout.contains("posture") && !bare.stdout.contains("\n\nhttp"),
        "{}",
        bare.stdout
    );
}
