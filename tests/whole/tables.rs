//! Tables of a hundred thousand rows, page by page.

use std::fs;

use lab::wiring::GUARDED_V4;
use serde_json::{Value, json};

use crate::{
    face::Face,
    story::{Story, wait_for},
};

const MANY: u32 = 100_000;

/// Bans a hundred thousand addresses, `10.128.0.0` and what follows.
fn ban_many(story: &Story) {
    let hold = |index: u32| {
        let address = std::net::Ipv4Addr::from_bits(0x0a80_0000 + index);
        let reason = format!("reason {:05}", MANY - 1 - index);
        json!({ "measure": "ban", "subject": address.to_string(), "for": "1h", "reason": reason })
    };
    let holds: Vec<Value> = (0..MANY).map(hold).collect();
    let done = Face::root(story).post("/v1/hold-many", &json!({ "holds": holds })).good();
    assert_eq!(done["subjects"], MANY);
}

fn subjects(table: &Value) -> Vec<&str> {
    table["items"].as_array().unwrap().iter().map(|row| row["subject"].as_str().unwrap()).collect()
}

#[test]
fn a_hundred_thousand_bans_are_sorted_found_and_paged() {
    let story = Story::new("");
    ban_many(&story);
    let viewer = Face::viewer(&story);
    let asked = |query: &str| viewer.get(&format!("/v1/table/holds?list=bans&{query}")).good();

    let page = asked("limit=2");
    assert_eq!(subjects(&page), ["10.128.0.0", "10.128.0.1"]);
    assert_eq!((&page["total"], &page["found"]), (&json!(MANY), &json!(MANY)));
    let page = asked("offset=99998&limit=1000");
    assert_eq!(subjects(&page), ["10.129.134.158", "10.129.134.159"]);
    let page = asked("sort=reason&limit=1");
    assert_eq!(subjects(&page), ["10.129.134.159"]);
    let page = asked("sort=reason&descending=true&limit=1");
    assert_eq!(subjects(&page), ["10.128.0.0"]);
    let page = asked("find=REASON%2000042");
    assert_eq!((&page["found"], subjects(&page)), (&json!(1), vec!["10.129.134.117"]));
    let page = asked("find=10.128.3.0/24&sort=subject&descending=true&limit=1");
    assert_eq!((&page["found"], subjects(&page)), (&json!(256), vec!["10.128.3.255"]));
    assert_eq!(page["items"][0]["enforced"], true, "{page}");

    // What an operator does is there at once.
    Face::operator(&story, "alice")
        .post("/v1/lift", &json!({ "measure": "ban", "subject": "10.128.0.0" }))
        .good();
    assert_eq!(subjects(&asked("limit=1")), ["10.128.0.1"]);
}

#[test]
fn faces_that_page_do_not_hold_up_an_order() {
    let story = Story::new("");
    ban_many(&story);
    let columns = ["subject", "since", "until", "author", "reason", "nth_ban", "ports"];
    let line = |column: &str| {
        let path = format!("/v1/table/holds?list=bans&limit=1000&sort={column}");
        let curl = Face::viewer(&story).line(&["-o", "/dev/null"], &path);
        let words: Vec<String> = curl.iter().map(|word| format!("'{word}'")).collect();
        format!("while {}; do :; done &", words.join(" "))
    };
    let script: Vec<String> = columns.iter().map(|column| line(column)).collect();
    let pagers = story.lab.guarded().spawn(["sh", "-c", &format!("{}\nwait", script.join("\n"))]);
    assert!(pagers.line(lab::deadline::PATIENCE).is_some(), "the pagers are answered");
    let root = Face::root(&story);
    let (guard, all) = ticks(&story);
    for index in 0..20 {
        let order = json!({ "measure": "ban", "subject": format!("192.0.2.{index}") });
        root.post("/v1/hold", &order).good();
    }
    let (guard, all) = (ticks(&story).0 - guard, ticks(&story).1 - all);
    println!("{guard} ticks of the guard thread, {all} of all threads");
    // It copies the table now and then; who sorts it for seven pagers takes all that there is.
    assert!(guard * 2 < all, "{guard} of {all} ticks");
}

/// Returns the processor time that the guard thread used so far, and that of all threads, in ticks.
fn ticks(story: &Story) -> (u64, u64) {
    let tasks = fs::read_dir(format!("/proc/{}/task", story.daemon.pid().unwrap())).unwrap();
    let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
    stats.fold((0, 0), |(guard, all), stat| {
        // proc_pid_stat(5): behind the name in parentheses, utime and stime are fields 14 and 15.
        let (name, rest) = stat.rsplit_once(") ").unwrap();
        let fields = rest.split(' ').skip(11).take(2);
        let used: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
        (guard + if name.ends_with("(guard") { used } else { 0 }, all + used)
    })
}

#[test]
fn offenders_are_a_table_too() {
    let story = Story::new("[[traps]]\nports = [\"23\"]\n");
    for address in ["10.77.0.2", "10.77.0.3"] {
        story.touch(address, GUARDED_V4, 23);
        story.wait_for_verdict(address, "banned");
    }
    let viewer = Face::viewer(&story);
    let asked = |query: &str| viewer.get(&format!("/v1/table/offenders?{query}")).good();
    wait_for("both offenders", || asked("")["total"] == 2);
    assert_eq!(subjects(&asked("")), ["10.77.0.3", "10.77.0.2"]);
    assert_eq!(subjects(&asked("sort=subject")), ["10.77.0.2", "10.77.0.3"]);
    let found = asked("find=77.0.2");
    assert_eq!((subjects(&found), &found["items"][0]["banned"]), (vec!["10.77.0.2"], &json!(true)));
}

#[test]
fn questions_that_make_no_sense_are_refused_as_problems() {
    let story = Story::new("");
    let root = Face::root(&story);
    for (path, code) in [
        ("/v1/table/holds", 400),
        ("/v1/table/holds?list=colours", 400),
        ("/v1/table/holds?list=bans&sort=colour", 400),
        ("/v1/table/holds?list=bans&limit=-1", 400),
        ("/v1/table/holds?list=bans&limit=99999999999999999999999", 400),
        ("/v1/table/holds?list=bans&colour=red", 400),
        ("/v1/table/offenders?list=bans", 400),
        ("/v1/table/offenders?offset=18446744073709551615", 200),
        ("/v1/log?after=18446744073709551615&since=18446744073709551615", 200),
        ("/v1/events?after=-9223372036854775808&since=18446744073709551615", 200),
        ("/v1/nothing", 404),
        ("/v1/hold", 405),
    ] {
        let answer = root.get(path);
        assert_eq!(answer.code, code, "{path}: {}", answer.body);
        if code != 200 {
            assert!(answer.json()["error"].is_string(), "{path}: {}", answer.body);
        }
    }
    for (body, code) in [("", 400), ("{", 400), ("{}", 422), ("\u{0}", 400)] {
        let answer = root.send("POST", "/v1/hold", body);
        assert_eq!(answer.code, code, "{body}: {}", answer.body);
        assert!(answer.json()["error"].is_string(), "{body}: {}", answer.body);
    }
}
