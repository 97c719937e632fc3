//! Rules that anomalies lead to.

use portguard_api::{
    order::OrderDone,
    proposal::{Proposal, ProposalOrder, ProposalVerdict},
};

use crate::exit::Failed;

use super::{Global, client::Client, order::tell, show};

/// How much of the evidence stands in a row of the list, in characters.
const SHOWN: usize = 60;

/// Lists the rules that wait.
pub(crate) fn list(client: &Client, global: &Global) -> Result<(), Failed> {
    let proposals: Vec<Proposal> = client.get("/v1/proposals")?;
    if global.json { show::json(&proposals) } else { show::print(&table(&proposals)) }
}

/// Puts a rule in force.
pub(crate) fn accept(client: &Client, global: &Global, id: u64) -> Result<(), Failed> {
    decide(client, global, id, ProposalVerdict::Accept)
}

/// Takes a rule from the list.
pub(crate) fn dismiss(client: &Client, global: &Global, id: u64) -> Result<(), Failed> {
    decide(client, global, id, ProposalVerdict::Dismiss)
}

fn decide(
    client: &Client,
    global: &Global,
    id: u64,
    verdict: ProposalVerdict,
) -> Result<(), Failed> {
    let done: OrderDone = client.post("/v1/proposals", &ProposalOrder { id, verdict })?;
    let state = match verdict {
        ProposalVerdict::Accept => "in force",
        ProposalVerdict::Dismiss => "dismissed",
    };
    tell(global, &done, &format!("rule {id} is {state}"))
}

fn table(proposals: &[Proposal]) -> String {
    let rows = proposals.iter().map(|one| {
        let ports = one.ports.join(",");
        let told = ["ports", "hosts", "connections", "packets", "within", "tried", "target"];
        let told = told.iter().filter_map(|name| Some((name, one.evidence.get(*name)?)));
        let told: Vec<String> = told.map(|(name, value)| format!("{name}={value}")).collect();
        vec![
            one.id.to_string(),
            one.subject.clone(),
            if ports.is_empty() { one.measure.clone() } else { format!("{} {ports}", one.measure) },
            show::left(one.seconds),
            one.rule.trim_start_matches("anomaly ").to_owned(),
            one.severity.clone(),
            format!("{}%", one.confidence),
            one.times.to_string(),
            told.join(" ").chars().take(SHOWN).collect(),
        ]
    });
    let heads =
        ["ID", "SUBJECT", "MEASURE", "FOR", "ANOMALY", "SEVERITY", "SURE", "SEEN", "EVIDENCE"];
    show::table(&heads, rows.collect())
}
