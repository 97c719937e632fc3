//! Writes the status page, and the same as JSON beside it.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use portguard_api::remote::RemoteService;
use portguard_reach::control::{Page, ServiceLine};

use crate::{
    clock,
    config::RemotePlan,
    daemon::inbox::Inbox,
    replace::{Durability, replace},
};

use super::board::{Board, services};

/// Everybody may read a page that is made, whatever the daemon's other files are.
const MODE: u32 = 0o644;

/// The page and what it says of the services.
pub(super) struct Pages {
    html: PathBuf,
    json: PathBuf,
    shown: Vec<ServiceLine>,
}

impl Pages {
    pub(super) fn new(html: PathBuf) -> Self {
        let json = html.with_extension("json");
        Self { html, json, shown: Vec::new() }
    }

    /// Returns whether a service has another state than the page says.
    pub(super) fn is_outdated(&self, plan: &RemotePlan, inbox: &Inbox) -> bool {
        lines(plan, inbox).is_some_and(|lines| lines != self.shown)
    }

    /// Writes the page; returns why it can not be written.
    pub(super) fn write(
        &mut self,
        plan: &RemotePlan,
        board: &Board,
        inbox: &Inbox,
    ) -> Option<String> {
        self.shown = lines(plan, inbox)?;
        let (last_fetch, last_error) = board.last();
        let page = Page {
            at: clock::rfc3339(clock::now()),
            services: self.shown.clone(),
            last_fetch: last_fetch.map(clock::rfc3339),
            last_error,
            serial: board.summary(plan).serial,
            signed: !plan.rules.unsigned,
        };
        let files = [(&self.html, page.html()), (&self.json, page.json())];
        files.into_iter().find_map(|(path, text)| {
            publish(path, &text)
                .err()
                .map(|error| format!("cannot write {}: {error}", path.display()))
        })
    }
}

fn publish(path: &Path, text: &str) -> io::Result<()> {
    let is_new = !path.exists();
    replace(path, text, Durability::Soon)?;
    if is_new { fs::set_permissions(path, Permissions::from_mode(MODE)) } else { Ok(()) }
}

/// Returns the services as the page shows them; `None` if the guard is gone.
fn lines(plan: &RemotePlan, inbox: &Inbox) -> Option<Vec<ServiceLine>> {
    let (sender, receiver) = crossbeam_channel::bounded(1);
    let plan = plan.clone();
    let asked = inbox.ask_patiently(Box::new(move |guard, _| {
        // The thread waits for it.
        let _ = sender.send(services(guard, &plan));
        Box::new(|_| {})
    }));
    asked.ok()?;
    Some(receiver.recv().ok()?.into_iter().map(line).collect())
}

fn line(service: RemoteService) -> ServiceLine {
    // Whom it is open for is nobody else's affair.
    let state = match (service.state.as_str(), service.open_for.is_empty()) {
        ("closed", false) => "open for some".to_owned(),
        _ => service.state,
    };
    ServiceLine { name: service.name, state, until: service.until }
}
