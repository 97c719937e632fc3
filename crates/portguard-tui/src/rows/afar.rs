//! What comes from afar as rows: services of the control file, its lines that are left out, knocks
//! and their keys; and what can be said of each. Pure.

use portguard_api::{
    knock::{KnockKey, KnockSeen, KnockState},
    remote::{Remote, RemoteLine, RemoteService},
};

use crate::{look::Tone, table::Cell, text};

use super::{About, moment};

pub(super) fn service(service: &RemoteService) -> (String, Vec<Cell>) {
    let tone = match service.state.as_str() {
        "open" | "partly open" => Tone::Good,
        "closed" => Tone::Plain,
        _ => Tone::Warning,
    };
    let cells = vec![
        Cell::text(&service.name),
        Cell::text(&service.state).toned(tone),
        moment(service.until.as_deref()),
        Cell::text(text::dash(service.author.as_deref())),
        Cell::text(text::dash(Some(&service.open_for.join(" ")))),
    ];
    (service.name.clone(), cells)
}

pub(super) fn line(line: &RemoteLine) -> (String, Vec<Cell>) {
    let cells = vec![
        Cell::count(line.line.into()),
        Cell::text(text::dash(line.order.as_deref())),
        Cell::text(&line.why).toned(Tone::Warning),
    ];
    (line.line.to_string(), cells)
}

pub(super) fn knock(knock: &KnockSeen) -> (String, Vec<Cell>) {
    let became = match &knock.refused {
        None => Cell::text("opened").toned(Tone::Good),
        Some(why) => Cell::text(why).toned(Tone::Warning),
    };
    let cells = vec![
        moment(Some(&knock.at)),
        Cell::text(&knock.key),
        Cell::text(text::dash(Some(&knock.service))),
        Cell::text(&knock.sender),
        Cell::text(&knock.address),
        became,
    ];
    (format!("{} {} {}", knock.at, knock.key, knock.sender), cells)
}

pub(super) fn key(key: &KnockKey) -> (String, Vec<Cell>) {
    let services = Cell::text(text::dash(Some(&key.services.join(" "))));
    (key.name.clone(), vec![Cell::text(&key.name), Cell::count(key.taken), services])
}

/// Returns what can be said of a service: it can be opened and closed by its name.
pub(super) fn about_service(service: &RemoteService) -> About {
    let mut about = About { port: Some(service.name.clone()), ..About::default() };
    about.say("service", Some(&service.name));
    about.say("state", Some(&service.state));
    about.say("until", service.until.as_ref());
    about.say("by", service.author.as_ref());
    about.say("open for", Some(&service.open_for.join(" ")));
    about
}

pub(super) fn about_line(line: &RemoteLine) -> About {
    let mut about = About::default();
    about.say("line", Some(&line.line.to_string()));
    about.say("order", line.order.as_ref());
    about.say("left out", Some(&line.why));
    about
}

/// Returns what can be said of a knock: it is about the address that it was to open for.
pub(super) fn about_knock(knock: &KnockSeen) -> About {
    let mut about = About { subject: Some(knock.address.clone()), ..About::default() };
    about.say("at", Some(&knock.at));
    about.say("key", Some(&knock.key));
    about.say("service", Some(&knock.service));
    about.say("sender", Some(&knock.sender));
    about.say("for", Some(&knock.address));
    about.say("refused", knock.refused.as_ref());
    about
}

pub(super) fn about_key(key: &KnockKey) -> About {
    let mut about = About::default();
    about.say("key", Some(&key.name));
    about.say("may open", Some(&key.services.join(" ")));
    about.say("taken", Some(&key.taken.to_string()));
    about
}

/// Returns how the control file stands, in few words.
pub(crate) fn file_words(file: &Remote) -> String {
    let summary = &file.summary;
    let serial = summary.serial.map(|serial| format!("serial {serial}"));
    let signer = summary.signer.as_ref().map(|signer| format!("by {signer}"));
    let unsigned = summary.unsigned.then(|| "UNSIGNED FILES ARE TAKEN".to_owned());
    let parts = [Some(summary.state.clone()), serial, signer, unsigned];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Returns how the knocks do, in few words.
pub(crate) fn knock_words(knocks: &KnockState) -> String {
    let refused: u64 = knocks.refused.values().sum();
    format!("{}: {} taken, {refused} refused, {} lost", knocks.port, knocks.taken, knocks.lost)
}
