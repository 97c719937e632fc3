//! Whatever a face asks, it is answered with what is wrong with it, and never with our own failure.

use serde_json::Value;

use crate::{face::Face, story::Story};

/// Query strings that no route takes, or not with these values.
const QUERIES: [&str; 9] = [
    "",
    "?subject=x&subject=y",
    "?limit=-1",
    "?limit=18446744073709551616",
    "?span=18446744073709551615&since=18446744073709551615&after=18446744073709551615",
    "?since=18446744073709551615&after=-9223372036854775808&limit=18446744073709551615",
    "?offset=18446744073709551615&limit=0&list=bans&find=%00%ff&sort=%0a",
    "?subject=::ffff:0.0.0.0/0&list=%c3%28",
    "?%00=%ff&=&&",
];

/// Bodies that are no order, or none that makes sense.
const BODIES: [&str; 12] = [
    "",
    "\u{0}",
    "{",
    "null",
    "[]",
    "\"x\"",
    "{}",
    r#"{"measure":"ban","subject":"","for":"99999999999999999999d","reason":"\u0000"}"#,
    r#"{"what":"tcp/99999","from":"::/0","for":"-1s"}"#,
    r#"{"order":"explode","verdict":"maybe","id":18446744073709551615}"#,
    r#"{"text":"a = [[[[[[[[","key":"a..b","value":{"x":null},"version":"","rule":"[","for":"\u0000"}"#,
    r#"{"text":"","key":"a.0.b.1.c","value":[[{"":[1e308,null]}]]}"#,
];

#[test]
fn no_request_is_answered_with_a_failure_of_ours() {
    let story = Story::new("");
    let root = Face::root(&story);
    let description = root.get("/v1/openapi.json").good();
    let paths = description["paths"].as_object().unwrap();
    assert!(paths.len() > 30, "{}", paths.len());
    let mut wrong = Vec::new();
    for (path, item) in paths.iter().filter(|(path, _)| *path != "/v1/stream") {
        for method in item.as_object().unwrap().keys() {
            let asked: Vec<(String, &str)> = match method.as_str() {
                "get" => QUERIES.iter().map(|query| (format!("{path}{query}"), "")).collect(),
                _ => BODIES.iter().map(|body| (path.clone(), *body)).collect(),
            };
            for (path, body) in asked {
                let path = path.replace("{list}", "bans");
                let answer = root.send(&method.to_uppercase(), &path, body);
                let described = item[method]["responses"][answer.code.to_string()].is_object();
                let is_problem = answer.code == 200
                    || serde_json::from_str::<Value>(&answer.body)
                        .is_ok_and(|problem| problem["error"].is_string());
                if answer.code >= 500 || !described || !is_problem {
                    wrong.push(format!("{method} {path} {body}: {} {}", answer.code, answer.body));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!story.daemon.log().contains("panicked"), "{}", story.daemon.log());
}
