//! Packets that the trap rules logged: what the kernel did by itself, and lone probes.

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use portguard_core::{
    Evidence, Fact, Family, Grade, Health, List, Offence, Port, Protocol, Subject,
};
use portguard_linux::nflog::{LoggedPacket, Reader};

use crate::{config::TrapPlan, daemon::inbox::Inbox};

use super::{tell, traps};

const NAME: &str = "trap-log";

/// How long one wait takes; nothing happens when it is over.
const WAIT: Duration = Duration::from_secs(60);

/// The traps that packets are matched with; replaced when the configuration is read again.
pub(crate) type SharedPlans = Arc<RwLock<Arc<[TrapPlan]>>>;

/// Binds to the log group, and reads it on a thread of its own.
pub(crate) fn start(group: u16, plans: SharedPlans, inbox: Inbox) -> std::io::Result<()> {
    match Reader::open(group) {
        Ok(reader) => {
            tell(&inbox, NAME, Health::Good);
            super::start(NAME, move || read(reader, &plans, &inbox)).map(drop)
        }
        Err(error) => {
            let why = format!("log group {group}: {error}; lone probes are throttled unseen");
            tell(&inbox, NAME, Health::Broken(why));
            Ok(())
        }
    }
}

fn read(mut reader: Reader, plans: &SharedPlans, inbox: &Inbox) {
    let mut lost = 0;
    loop {
        let packets = match reader.receive(WAIT) {
            Ok(packets) => packets,
            Err(error) => return tell(inbox, NAME, Health::Broken(error.to_string())),
        };
        let known = plans.read().unwrap_or_else(PoisonError::into_inner).clone();
        for logged in &packets {
            if let Some(fact) = fact(logged, &known) {
                inbox.report(fact);
            }
        }
        if reader.lost() > lost {
            lost = reader.lost();
            tell(inbox, NAME, Health::Degraded(format!("{lost} packets were lost so far")));
        }
    }
}

/// Returns what a logged packet says, `None` if it belongs to no trap of ours.
fn fact(logged: &LoggedPacket, plans: &[TrapPlan]) -> Option<Fact> {
    let packet = &logged.packet;
    let (source_port, number) = packet.ports?;
    let protocol = [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .find(|protocol| protocol.number() == packet.protocol)?;
    let port = Port { protocol, number };
    let plan = traps::plan_of(plans, port, packet.destination)?;
    let peer = packet.source.to_canonical();
    match logged.prefix.as_str() {
        "trap:handshake" => {
            let subject = Subject::containing(peer, kernel_width(peer, plan));
            Some(Fact::KernelListed { list: List::Ban, peer, subject })
        }
        "trap:probe" if traps::takes_probes(plan) => Some(Fact::Offence(Offence {
            peer,
            origin: plan.label.clone(),
            grade: Grade::Forgeable,
            ladder: plan.ladder.clone(),
            evidence: Evidence(vec![
                ("port", port.to_string()),
                ("local", packet.destination.to_string()),
                ("peer", std::net::SocketAddr::new(peer, source_port).to_string()),
            ]),
            trap: Some((port, plan.bound_address())),
            ports: None,
        })),
        _ => None,
    }
}

/// Returns how wide the element is that the trap's rule adds: link-local neighbours stand alone.
fn kernel_width(peer: IpAddr, plan: &TrapPlan) -> u8 {
    match peer {
        IpAddr::V6(address) if address.is_unicast_link_local() => Family::V6.bits(),
        IpAddr::V6(_) => plan.ladder.prefix_len(Family::V6),
        IpAddr::V4(_) => plan.ladder.prefix_len(Family::V4),
    }
}
