//! Sockets of approved units, with a real control group.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use portguard_core::{Follow, PortPolicy, UnitDoor};
use portguard_linux::nft::{FrameSpec, Table, UnitError, Verdict, probe_features};

use crate::{
    namespace::{alone, eventually, nft},
    peer::{Attempt, Peer},
    setting::{apply, install_for_ever, plain, table},
    traffic::here,
};

const CLOSED: [&str; 2] = ["closed 0.0.0.0/0", "closed ::/0"];

/// A control group two deep, as a system service has; it goes with the value.
struct Group(PathBuf);

impl Group {
    fn new(name: &str) -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let root = mounts.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            (fields[2] == "cgroup2").then(|| PathBuf::from(fields[1]))
        });
        let root = root.expect("a cgroup v2 hierarchy is mounted");
        let slice = root.join(format!("portguardtest{}.slice", std::process::id()));
        let group = slice.join(name);
        fs::create_dir_all(&group).expect("control groups can be made here");
        Self(group)
    }

    fn number(&self) -> u64 {
        fs::metadata(&self.0).unwrap().ino()
    }

    /// Starts a server in the group.
    fn listen(&self, port: &str) -> Child {
        let script =
            format!("echo $$ > {}/cgroup.procs && exec nc -l -k -p {port}", self.0.display());
        let child = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        eventually("a listener", || {
            let listening = fs::read_to_string("/proc/net/tcp").unwrap();
            let hex = format!(":{:04X} 00000000:0000 0A", port.parse::<u16>().unwrap());
            listening.contains(&hex).then_some(())
        });
        child
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for group in [self.0.clone(), self.0.parent().unwrap().to_owned()] {
            // The processes in it have ended; the kernel may take a moment.
            let _ = fs::remove_dir(group);
        }
    }
}

fn approving(words: &str) -> FrameSpec {
    let approvals = vec![words.parse().unwrap()];
    let ports = PortPolicy { follow: Follow::Approved, approvals, ..PortPolicy::default() };
    FrameSpec { ports: Arc::new(ports), unit_levels: [(0, 2)].into(), ..plain() }
}

fn door(group: u64) -> UnitDoor {
    UnitDoor { approval: 0, group, level: 2 }
}

fn closed(spec: &FrameSpec) -> Table {
    let mut table = table(spec);
    apply(&mut table, &CLOSED.map(install_for_ever));
    table
}

fn end(mut child: Child) {
    child.stdin.take().map(|mut stdin| stdin.write_all(b""));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn sockets_of_an_approved_unit_are_followed() {
    alone(|| {
        let peer = Peer::joined();
        let mut table = closed(&approving("unit:web.service tcp/8080-8081"));
        let (web, other) = (Group::new("web.service"), Group::new("other.service"));
        let servers = [web.listen("8080"), web.listen("8090"), other.listen("8081")];
        assert!(peer.meets_silence(here(8080)));
        table.set_units(&[door(web.number())].into()).unwrap();
        assert!(matches!(peer.connect(here(8080)), Attempt::Connected(_)));
        assert!(peer.meets_silence(here(8090)), "not a port of the approval");
        assert!(peer.meets_silence(here(8081)), "not a socket of the unit");

        let _ = table.apply_frame(&approving("unit:web.service")).unwrap();
        assert!(matches!(peer.connect(here(8090)), Attempt::Connected(_)), "the groups stay");
        table.set_units(&[door(other.number())].into()).unwrap();
        assert!(peer.meets_silence(here(8080)));
        assert!(matches!(peer.connect(here(8081)), Attempt::Connected(_)));
        servers.into_iter().for_each(end);
    });
}

#[test]
fn a_flush_of_groups_is_noticed_and_a_missing_depth_is_named() {
    alone(|| {
        let mut table = closed(&approving("unit:web.service"));
        let deep = UnitDoor { level: 5, ..door(7) };
        assert!(matches!(table.set_units(&[deep].into()), Err(UnitError::MissingSet(0, 5))));
        table.set_units(&[door(7)].into()).unwrap();
        assert_eq!(table.verify().unwrap(), Verdict::Intact);
        nft("flush set inet guard unit0_2");
        assert_eq!(table.verify().unwrap(), Verdict::UnitsFlushed);
        table.set_units(&[door(7)].into()).unwrap();
        assert_eq!(table.verify().unwrap(), Verdict::Intact);
    });
}

#[test]
fn this_kernel_has_every_feature_and_takes_a_frame_without() {
    alone(|| {
        let mut features = probe_features();
        assert_eq!(features.shortcomings(), [""; 0]);
        features.socket = false;
        features.cgroup = false;
        features.log = false;
        let mut table = Table::open("guard").unwrap();
        let spec = FrameSpec { features, ..approving("unit:web.service") };
        let _ = table.apply_frame(&spec).unwrap();
        let listed = nft("list table inet guard");
        for word in ["socket ", " log ", "cgroupsv2"] {
            assert!(!listed.contains(word), "{word} in {listed}");
        }
    });
}
