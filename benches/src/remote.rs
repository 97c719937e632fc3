//! The control file: how soon a signed change at its address opens a port.

use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use lab::{
    Daemon, FileServer, Lab,
    file_server::{HTTPS, stamped},
};
use serde_json::json;

use crate::{
    api::Api,
    figure::{Report, ms, percentile},
    worker::Worker,
};

/// How often the file is fetched.
const EVERY: Duration = Duration::from_secs(1);

/// What may come on top of that.
const MORE: Duration = Duration::from_millis(50);

/// A change at the address until the port is open, over TLS, with the signature beside the file: in
/// all, and from the begin of the fetch that brings it.
pub(crate) fn control_file(report: &mut Report) {
    const TIMES: u32 = 20;
    let lab = Lab::new();
    let server = FileServer::start(&lab);
    let key = server.key("anna");
    let configuration = format!(
        "guard.posture = \"closed\"\nports.always = []\nports.follow = \"none\"\n\
         services.web.ports = [\"tcp/9000\"]\n[remote]\nurl = \"{HTTPS}/ports.txt\"\n\
         every = \"{}s\"\nkeys = [\"{key}\"]\nservices = [\"web\"]\n",
        EVERY.as_secs()
    );
    server.publish("anna", stamped(1, "now", "close web\n"));
    let daemon = Daemon::start(lab.guarded(), &configuration);
    let mut api = Api::connect(&daemon.socket()).expect("the daemon listens");
    let mut listener = Worker::start(lab.guarded(), &[]);
    listener.ask("accept 0.0.0.0:9000");
    let mut client = Worker::start(lab.scanner(), &[]);
    let (mut whole, mut fetches) = (Vec::new(), Vec::new());
    for turn in 1..=TIMES {
        let text = stamped(turn + 1, "now", "open web\n");
        let signature = server.signature("anna", &text);
        // Not in step with the fetches: each turn begins at another moment between two of them.
        thread::sleep(EVERY * turn / TIMES);
        client.tell("open-after 10.77.0.1:9000");
        server.put("ports.txt.sig", signature);
        server.put("ports.txt", text);
        let start = Instant::now();
        client.answer();
        let open = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs_f64();
        whole.push(start.elapsed());
        let begin = server.last_begin("/ports.txt", 200);
        fetches.push(Duration::from_secs_f64((open - begin).max(0.0)));
        api.post("/v1/close", &json!({ "what": "web" }));
    }
    let limit = ms(EVERY + MORE);
    report.limit("signed change until open, longest", ms(percentile(&mut whole, 1.0)), limit, "ms");
    let p50 = ms(percentile(&mut fetches, 0.5));
    report.limit("  from the begin of the fetch, p50", p50, ms(MORE), "ms");
    let longest = ms(percentile(&mut fetches, 1.0));
    report.limit("  from the begin of the fetch, longest", longest, ms(MORE), "ms");
}
