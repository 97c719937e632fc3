//! The web face's API against what its own description makes schemathesis think of: whatever comes,
//! the answer is one that is described, and never a failure of ours.

use serde_json::json;

use crate::browser::{INSIDE, Web};

/// Installed by `cargo xtask setup`.
const SCHEMATHESIS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/schemathesis/bin/schemathesis");

/// Cases of each operation: enough for every kind of mistake at every place of its body.
const CASES: &str = "25";

/// Runs schemathesis with this header on the operations whose path has this form.
#[track_caller]
fn fuzz(web: &Web, header: &str, paths: &str) {
    let url = format!("http://{INSIDE}/api/openapi.json");
    let home = web.story.daemon.home().display().to_string();
    let line = [
        "env",
        "-C",
        &home,
        SCHEMATHESIS,
        "run",
        &url,
        "--header",
        header,
        "--include-path-regex",
        paths,
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,\
         response_schema_conformance",
        "--phases",
        "examples,coverage,fuzzing",
        "--max-examples",
        CASES,
        "--seed",
        "6060",
        "--suppress-health-check",
        "all",
        "--request-timeout",
        "20",
        "--no-shrink",
        "--no-color",
    ];
    let output = web.story.lab.guarded().attempt(line);
    let told = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{complaint}");
    println!("{told}");
    assert!(told.contains("generated"), "nothing was tried: {told}");
}

#[test]
fn whatever_is_asked_gets_an_answer_that_is_described() {
    let web = Web::inside("");
    web.set_password("admin", &[]);
    let browser = web.logged_in("admin");
    let order = json!({ "name": "fuzz", "role": "operator" });
    let made = browser.post("/auth/tokens", &order).json();
    let token = format!("Authorization: Bearer {}", made["token"].as_str().unwrap());
    fuzz(&web, &token, "^/(api|service|auth/(login|link|log|password))");
    let cookie = browser.cookie();
    fuzz(&web, &format!("Cookie: {cookie}"), "^/auth/(me|users|tokens)");
    assert_eq!(web.story.json(&["status"])["ready"], true);
}
