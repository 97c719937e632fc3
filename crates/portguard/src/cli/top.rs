//! The terminal dashboard: its two ways to the daemon, and how it ends.

use std::time::Duration;

use hyper::Method;
use portguard_tui::{Colours, Daemon, Look, TopError, Unanswered};

use crate::exit::{Failed, Turn, with_causes};

use super::{Global, client};

/// How long an answer may take before the daemon counts as away; it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the answer to an order may take: somewhat more than the daemon itself waits for the
/// kernel and the ledger, so that what it says of them is heard.
const ORDER_PATIENCE: Duration = Duration::from_secs(15);

/// Shows the dashboard until the operator quits.
pub(crate) fn top(
    global: &Global,
    connect: impl Fn() -> Result<client::Client, Failed>,
) -> Result<(), Failed> {
    if global.json {
        let line = "top is a screen and has no JSON";
        return Err(Failed::new(Turn::Usage, line).hint("see `portguard status --json`"));
    }
    let wanted = if global.no_color { Colours::None } else { Colours::Terminal };
    let look = Look::of_environment(wanted, |name| std::env::var(name).ok());
    let asks = Client(connect()?.with_patience(PATIENCE));
    let orders = Client(connect()?.with_patience(ORDER_PATIENCE));
    portguard_tui::run(asks, orders, look).map_err(|error| {
        let failed = Failed::new(Turn::Usage, with_causes(&error));
        match error {
            TopError::NoTerminal | TopError::Dumb => failed.hint(
                "`portguard status`, `portguard list bans`, `portguard events -f` print lines; \
                 with --json for programs",
            ),
            TopError::Terminal(_) | TopError::Broken => failed,
        }
    })
}

struct Client(client::Client);

impl Daemon for Client {
    fn ask(&mut self, path: &str) -> Result<Vec<u8>, Unanswered> {
        self.request(Method::GET, path, Vec::new())
    }

    fn order(&mut self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, Unanswered> {
        self.request(Method::POST, path, body)
    }
}

impl Client {
    fn request(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Vec<u8>, Unanswered> {
        match self.0.request(method, path, body) {
            Ok(answer) => Ok(answer.to_vec()),
            Err(client::Unanswered::Refused(problem)) => Err(Unanswered::Refused(problem)),
            Err(client::Unanswered::Absent(failed)) => {
                Err(Unanswered::Away(failed.words(), failed.remedy().map(str::to_owned)))
            }
        }
    }
}
