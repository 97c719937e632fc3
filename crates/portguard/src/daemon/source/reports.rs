//! What services report of those who connected to them.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use portguard_core::{
    Evidence, Fact, Failing, Finding, Grade, Health, Ladder, Offence, Tally, Why,
};
use portguard_linux::{
    credentials::{self, Credentials},
    report::{self, Deed, Report, ReportSocket, Trust},
};

use crate::{
    clock,
    daemon::{api::Roles, inbox::Inbox},
    eye,
};

use super::tell;

const NAME: &str = "reports";

/// How long one wait for reports takes; a stop that can not wake it is noticed in between.
const WAIT: Duration = Duration::from_secs(2);

/// What the report socket needs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReportPlan {
    pub(crate) path: PathBuf,
    pub(crate) howmany: u32,
    pub(crate) within: Duration,
    pub(crate) ladder: Arc<Ladder>,
    pub(crate) gentle_ladder: Arc<Ladder>,
    /// Group whose members may report.
    pub(crate) reporters: Option<u32>,
}

/// The running report socket.
#[derive(Default)]
pub(crate) struct Reports {
    plan: Option<ReportPlan>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reports {
    /// Opens the socket in place of the one that is open; `None` closes it. What is as it was stays,
    /// with all it has counted.
    pub(crate) fn set(
        &mut self,
        plan: Option<ReportPlan>,
        roles: &Roles,
        inbox: &Inbox,
    ) -> std::io::Result<()> {
        if plan.is_some() && self.plan == plan {
            return Ok(());
        }
        self.stop();
        self.plan.clone_from(&plan);
        let Some(plan) = plan else {
            inbox.report(Fact::SourceGone { source: NAME.into() });
            return Ok(());
        };
        self.stop = Arc::new(AtomicBool::new(false));
        let (stop, roles, inbox) = (self.stop.clone(), roles.clone(), inbox.clone());
        self.thread = Some(super::start(NAME, move || run(&plan, &roles, &inbox, &stop))?);
        Ok(())
    }

    /// Closes the socket.
    pub(crate) fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(plan) = &self.plan {
            report::wake(&plan.path);
        }
        // A thread that panicked has nothing left to do.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn run(plan: &ReportPlan, roles: &Roles, inbox: &Inbox, stop: &AtomicBool) {
    let mut socket = match ReportSocket::open(&plan.path) {
        Ok(socket) => socket,
        Err(error) => {
            let why = format!("{}: {error}", plan.path.display());
            return tell(inbox, NAME, Health::Broken(why));
        }
    };
    tell(inbox, NAME, Health::Good);
    let mut tally = Tally::new(plan.howmany, plan.within);
    let trust = |peer: &Credentials| trust(plan, roles, peer);
    while !stop.load(Ordering::Relaxed) {
        let mut take = |report: Report| take(plan, &mut tally, &report, inbox);
        if let Err(error) = socket.wait(WAIT, &trust, &mut take) {
            return tell(inbox, NAME, Health::Broken(error.to_string()));
        }
    }
}

fn trust(plan: &ReportPlan, roles: &Roles, peer: &Credentials) -> Trust {
    let is_in = |group: Option<u32>| group.is_some_and(|group| credentials::is_member(peer, group));
    if roles.may_order(peer) {
        Trust::Addresses
    } else if is_in(plan.reporters) {
        Trust::Sockets
    } else {
        Trust::Nobody
    }
}

fn take(plan: &ReportPlan, tally: &mut Tally, report: &Report, inbox: &Inbox) {
    let Report { message, source, .. } = report;
    let at = clock::now();
    let user = message.user.as_deref();
    match message.deed {
        Deed::Ok => tally.succeed(*source, at),
        Deed::Failed => {
            for finding in tally.fail(&Failing { source: *source, user, telling: 0, at }) {
                inbox.deliver(Fact::Offence(offence(plan, report, &finding)));
            }
        }
        Deed::Abusive => {
            let finding = Finding { source: *source, why: Why::Often(1), gently: false };
            inbox.deliver(Fact::Offence(offence(plan, report, &finding)));
        }
    }
}

fn offence(plan: &ReportPlan, report: &Report, finding: &Finding) -> Offence {
    let message = &report.message;
    let user = message.user.as_deref().map(|user| ("user", eye::shown(user)));
    let deed = match message.deed {
        Deed::Failed => "failed",
        Deed::Ok => "ok",
        Deed::Abusive => "abusive",
    };
    let told = [("reported", deed.to_owned()), ("reporter", format!("uid {}", report.reporter))];
    let evidence = user.into_iter().chain(told).chain(eye::reasons(&finding.why));
    let ladder = if finding.gently { &plan.gentle_ladder } else { &plan.ladder };
    Offence {
        peer: finding.source,
        origin: format!("report {}", message.service).into(),
        grade: Grade::Handshake,
        ladder: ladder.clone(),
        evidence: Evidence(evidence.collect()),
        trap: None,
        ports: None,
    }
}
