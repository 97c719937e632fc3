//! Decides. Events and time go in; decisions, kernel changes and journal entries come out.
//!
//! Nothing here may do I/O, read a clock, spawn, lock or block: the moment is always a parameter,
//! so a recorded day and live traffic run the same code. The driver thread of the daemon owns the
//! one [`Guard`]; everything else here is plain data that any thread may hold.

pub mod anomaly;
pub mod door;
pub mod element;
pub mod entry;
pub mod event;
pub mod exposure;
pub mod face;
pub mod guard;
pub mod knock;
pub mod ladder;
pub mod listener;
mod name;
pub mod pattern;
pub mod proposal;
pub mod rate;
pub mod recent;
pub mod record;
pub mod remote;
pub mod service;
pub mod share;
pub mod span;
pub mod subject;
pub mod subject_map;
pub mod tally;
pub mod time;
pub mod window;

pub use anomaly::{Anomalies, Detector, Limits, Packet, Severity, Suspicion};
pub use door::{
    Approval, ApprovalError, Door, DoorAct, Follow, ListedDoor, Pending, PortPolicy, Posture,
    RiskyChange, Ruling, Service, Standing, UnitDoor, UnitGroup, everybody,
};
pub use element::{Change, Demand, Element, List, Strength, Until};
pub use entry::{Author, Decision, Entry, FileDeed, Level, Measure, Note, Release, ReleaseCause};
pub use event::{Event, Evidence, Fact, Grade, Health, ListedHold, Offence, Process};
pub use exposure::Reach;
pub use face::{FaceUser, FaceUserError};
pub use guard::{
    Caps, Command, Desired, Done, DoorHold, Exposure, Guard, Hold, LONGEST_PAUSE, Lifted,
    MOST_PORTS_OF_A_BAN, Offender, Policy, PortOrder, Refusal, ServiceState, Snapshot, SourceState,
    TrapState,
};
pub use knock::{KeyName, KeyNameError, Knock, KnockNews};
pub use ladder::{Growth, Ladder, Rung};
pub use listener::{Listener, Owner};
pub use pattern::{Pattern, PatternError};
pub use proposal::{Anomaly, Proposal, Respond};
pub use rate::{Rate, RateError, RateUnit};
pub use record::Record;
pub use remote::RemoteStep;
pub use service::{Port, Protocol};
pub use share::{ShareEnd, ShareStep};
pub use span::{Span, SpanError};
pub use subject::{Family, Subject, SubjectError};
pub use subject_map::SubjectMap;
pub use tally::{Failing, Finding, Tally, Why};
pub use time::Timestamp;
pub use window::{Times, Window};
