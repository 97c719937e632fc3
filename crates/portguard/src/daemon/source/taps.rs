//! Taps: every packet of an interface goes through detectors of its own, as those of a capture do. One
//! thread for each interface; none without one.
//!
//! An interface that is not there, goes down or away degrades its own tap only, and is taken up when it
//! is there again.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    path::Path,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use portguard_core::{Fact, Health, Packet, anomaly::Content};
use portguard_linux::{
    host,
    interface::{self, Interface},
    packet_socket::{Frame, OpenError, PacketSocket, Wrapping},
};
use portguard_read::{Link, link::carried};
use rustix::io::Errno;

use crate::{
    anomaly::{PacketEye, packet, seed},
    clock::{self, Stamping},
    config::{AnomalyPlan, TapPlan},
    daemon::inbox::Inbox,
    exit::with_causes,
};

use super::{habits::HabitFile, tell};

/// How long one wait for packets takes, and how often the interface itself is looked at.
const WAIT: Duration = Duration::from_millis(500);

/// How often an interface that is not there is looked for.
const LOOK_FOR_IT_EVERY: Duration = Duration::from_millis(200);

/// How often this host's own addresses are asked for.
const OWN_ADDRESSES_EVERY: Duration = Duration::from_secs(10);

/// TCP flags (RFC 9293 3.1) of a packet that accepts a connection.
const SYN_ACK: u8 = 0x12;

/// What the taps look for; `None`: nothing.
type SharedPlan = Arc<RwLock<Option<Arc<AnomalyPlan>>>>;

/// What became of the packets of an interface.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tapped {
    /// The interface's number while it is read.
    pub(crate) index: Option<u32>,
    pub(crate) taken: u64,
    pub(crate) passed_over: u64,
    pub(crate) lost: u64,
}

/// How the taps do, for whoever asks.
#[derive(Default)]
pub(crate) struct TapStates(RwLock<BTreeMap<Arc<str>, Tapped>>);

impl TapStates {
    /// Returns the numbers of the interfaces that are read.
    pub(super) fn indexes(&self) -> Vec<u32> {
        let states = self.0.read().unwrap_or_else(PoisonError::into_inner);
        states.values().filter_map(|state| state.index).collect()
    }

    /// Returns what became of the packets of each interface.
    pub(crate) fn list(&self) -> Vec<(Arc<str>, Tapped)> {
        let states = self.0.read().unwrap_or_else(PoisonError::into_inner);
        states.iter().map(|(name, state)| (name.clone(), *state)).collect()
    }

    fn set(&self, name: &Arc<str>, state: Option<Tapped>) {
        let mut states = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match state {
            Some(state) => drop(states.insert(name.clone(), state)),
            None => drop(states.remove(name)),
        }
    }
}

/// Running taps.
#[derive(Default)]
pub(crate) struct Taps {
    plan: SharedPlan,
    running: BTreeMap<Arc<str>, Running>,
}

struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Taps {
    /// Taps the interfaces of a configuration in place of those that are tapped. An interface that
    /// stays goes on with all that was seen of it.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub(crate) fn set(
        &mut self,
        plan: TapPlan,
        states: &Arc<TapStates>,
        inbox: &Inbox,
    ) -> io::Result<()> {
        let TapPlan { interfaces, anomalies, state_dir } = plan;
        let wanted = if anomalies.is_some() { interfaces } else { Vec::new() };
        let is_gone = |name: &Arc<str>, running: &Running| {
            !wanted.contains(name) || running.thread.is_finished()
        };
        let gone: Vec<_> = self.running.extract_if(.., |name, tap| is_gone(name, tap)).collect();
        end(gone.iter().map(|(_, running)| running));
        for (name, Running { thread, .. }) in gone {
            // A tap that panicked has nothing left to do.
            let _ = thread.join();
            inbox.report(Fact::SourceGone { source: source_name(&name).into() });
        }
        self.plan.write().unwrap_or_else(PoisonError::into_inner).clone_from(&anomalies);
        for name in wanted {
            let Some(anomalies) = &anomalies else { break };
            if self.running.contains_key(&name) {
                continue;
            }
            let stop = Arc::<AtomicBool>::default();
            let tap = Tap {
                source: source_name(&name),
                detectors: Detectors::new(&name, anomalies.clone(), &state_dir),
                name: name.clone(),
                plan: self.plan.clone(),
                states: states.clone(),
                state: Tapped::default(),
                own: OwnAddresses::default(),
                inbox: inbox.clone(),
                stop: stop.clone(),
                told: None,
            };
            let thread = super::start("tap", move || tap.run())?;
            self.running.insert(name, Running { stop, thread });
        }
        Ok(())
    }

    /// Stops all of them.
    pub(crate) fn stop(&mut self) {
        end(self.running.values());
        for (_, Running { thread, .. }) in std::mem::take(&mut self.running) {
            // As above.
            let _ = thread.join();
        }
    }
}

/// Tells taps to end; does not wait for it.
fn end<'a>(taps: impl Iterator<Item = &'a Running>) {
    for Running { stop, thread } in taps {
        stop.store(true, Ordering::Relaxed);
        thread.thread().unpark();
    }
}

fn source_name(interface: &str) -> String {
    format!("tap {interface}")
}

/// What one thread has.
struct Tap {
    name: Arc<str>,
    source: String,
    detectors: Detectors,
    plan: SharedPlan,
    states: Arc<TapStates>,
    state: Tapped,
    own: OwnAddresses,
    inbox: Inbox,
    stop: Arc<AtomicBool>,
    told: Option<Health>,
}

/// The detectors, with the habit that they know.
struct Detectors {
    eye: PacketEye,
    habit: HabitFile,
}

impl Detectors {
    fn new(interface: &Arc<str>, plan: Arc<AnomalyPlan>, folder: &Path) -> Self {
        let mut eye = PacketEye::on(interface.clone(), plan, seed());
        let habit = HabitFile::of_interface(folder, interface);
        eye.anomalies().restore(habit.read());
        Self { eye, habit }
    }
}

impl Tap {
    fn run(mut self) {
        while !self.is_to_end() {
            self.publish();
            match self.open() {
                Ok((interface, socket)) => self.look(interface, socket),
                Err(health) => self.tell(health),
            }
            if !self.is_to_end() {
                thread::park_timeout(LOOK_FOR_IT_EVERY);
            }
        }
        self.states.set(&self.name, None);
    }

    fn is_to_end(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn publish(&self) {
        self.states.set(&self.name, Some(self.state));
    }

    fn tell(&mut self, health: Health) {
        if self.told.as_ref() != Some(&health) {
            tell(&self.inbox, &self.source, health.clone());
            self.told = Some(health);
        }
    }

    fn open(&self) -> Result<(Interface, PacketSocket), Health> {
        match interface::find(&self.name) {
            Ok(Some(interface)) => match PacketSocket::open(&interface) {
                Ok(socket) => Ok((interface, socket)),
                Err(error) => Err(Health::Broken(why_not(&error))),
            },
            Ok(None) => Err(Health::Degraded(
                "no interface has this name; it is taken up when it appears (`ip link` shows those \
                 that are there)"
                    .to_owned(),
            )),
            Err(error) => Err(Health::Broken(error.to_string())),
        }
    }

    /// Looks at an interface's packets for as long as it is there.
    fn look(&mut self, interface: Interface, mut socket: PacketSocket) {
        self.state.index = Some(interface.index);
        let mut looked = None::<Instant>;
        while !self.is_to_end() {
            if looked.is_none_or(|looked| looked.elapsed() >= WAIT) {
                looked = Some(Instant::now());
                match self.health(interface.index, &mut socket) {
                    Ok(Some(health)) => self.tell(health),
                    Ok(None) => break,
                    Err(error) => {
                        self.tell(Health::Broken(error.to_string()));
                        break;
                    }
                }
            }
            if let Err(error) = self.take(&mut socket) {
                self.tell(Health::Broken(error.to_string()));
                break;
            }
        }
        // From here on the firewall's word on its packets counts.
        self.state.index = None;
        self.publish();
    }

    /// Returns how the tap does; `None` if its interface is gone.
    fn health(&mut self, index: u32, socket: &mut PacketSocket) -> io::Result<Option<Health>> {
        self.own.ask_again();
        let plan = self.plan.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(plan) = plan {
            self.detectors.eye.set(&plan);
        }
        self.state.lost += socket.lost()?;
        self.publish();
        let found = interface::find(&self.name)?.filter(|found| found.index == index);
        let lost = self.state.lost;
        Ok(found.map(|found| match (found.is_up, lost) {
            (false, _) => Health::Degraded(
                "the interface is down; its packets are looked at when it is up".to_owned(),
            ),
            (true, 0) => Health::Good,
            (true, lost) => Health::Degraded(format!("{lost} packets were lost so far")),
        }))
    }

    /// Takes what came, and waits for it.
    fn take(&mut self, socket: &mut PacketSocket) -> io::Result<()> {
        let Self { detectors: Detectors { eye, habit }, inbox, state, own, .. } = self;
        let (wrapping, is_loopback) = (socket.wrapping(), socket.is_loopback());
        let mut stamping = None;
        let count = socket.receive(WAIT, |frame| {
            let stamping = stamping.get_or_insert_with(Stamping::begin);
            let bytes = carried_by(wrapping, &frame);
            let packet = bytes.and_then(|bytes| packet(bytes, stamping.moment(frame.at)));
            let Some(packet) = packet else {
                state.passed_over += 1;
                return;
            };
            state.taken += 1;
            let is_ours = frame.is_outgoing || is_loopback;
            if is_ours || !own.pretends(&packet) {
                eye.see(&packet).for_each(|(_, fact)| inbox.report(fact));
            }
        })?;
        if count == 0 {
            // Nothing waits in the ring: what was not answered by now was not answered.
            eye.settle(clock::now()).for_each(|(_, fact)| inbox.report(fact));
        }
        // A full disk is told of by the ledger; the habit is tried again.
        let _ = habit.keep(|| eye.anomalies().habits());
        self.publish();
        Ok(())
    }
}

/// Returns why there is no tap, with a hint if the service has not what it needs.
fn why_not(error: &OpenError) -> String {
    let is_forbidden = |why: &io::Error| {
        let errno = Errno::from_io_error(why);
        matches!(errno, Some(Errno::PERM | Errno::ACCESS | Errno::AFNOSUPPORT))
    };
    let hint = match error {
        OpenError::Socket(why) if is_forbidden(why) => {
            "; the service needs CAP_NET_RAW and AF_PACKET (CapabilityBoundingSet=, \
             RestrictAddressFamilies=)"
        }
        _ => "",
    };
    format!("{}{hint}", with_causes(error))
}

fn carried_by<'a>(wrapping: Wrapping, frame: &Frame<'a>) -> Option<&'a [u8]> {
    match wrapping {
        Wrapping::Ethernet => Link::ETHERNET.packet(frame.bytes),
        Wrapping::Bare => carried(frame.kind, frame.bytes),
    }
}

/// This host's addresses, as they were a moment ago.
#[derive(Default)]
struct OwnAddresses {
    addresses: BTreeSet<IpAddr>,
    asked: Option<Instant>,
}

impl OwnAddresses {
    fn ask_again(&mut self) {
        if self.asked.is_none_or(|asked| asked.elapsed() >= OWN_ADDRESSES_EVERY) {
            self.asked = Some(Instant::now());
            // What was known goes on to count; the protection tells of the failure.
            self.addresses = host::own_addresses().unwrap_or(std::mem::take(&mut self.addresses));
        }
    }

    /// Returns whether a packet that came in accepts a connection in the name of this host. It is no
    /// proof of a handshake: whoever forges it knows the number that is to be acknowledged.
    fn pretends(&self, packet: &Packet) -> bool {
        let accepts = matches!(
            packet.content,
            Content::Tcp { flags, .. } if flags & SYN_ACK == SYN_ACK
        );
        accepts && self.addresses.contains(&packet.source)
    }
}
