//! Peers of SSH sessions, against a real sshd: whoever is logged in counts, whoever only connects
//! does not.

use std::{
    env, fs,
    io::Read as _,
    net::{IpAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio, id},
    time::Duration,
};

use portguard_linux::host::ssh_peers;

use crate::namespace::{alone, eventually, run};

/// Whoever logs in, and with what.
const KINDS: [(&str, &[&str]); 2] = [
    // A session: the title names the user and a terminal or `notty`.
    ("127.0.0.7", &["-s", "sftp"]),
    // A tunnel without a session: the title names the user alone.
    ("127.0.0.8", &["-N"]),
];

/// Whoever connects and never logs in.
const STUCK: &str = "127.0.0.9";

#[test]
fn logged_in_peers_count_and_those_stuck_before_do_not() {
    alone(|| {
        let folder = Folder::new();
        let _server = server(&folder.0);
        let _stuck = [stuck("127.0.0.1"), stuck(STUCK)];
        let clients = KINDS.map(|(from, how)| client(&folder.0, from, how));
        let expect: Vec<IpAddr> = KINDS.map(|(from, _)| from.parse().unwrap()).into();
        let seen = |expect: &[IpAddr]| {
            let ours = ssh_peers().into_iter().filter(IpAddr::is_loopback);
            ours.eq(expect.iter().copied()).then_some(())
        };
        eventually("both logins are seen, and nobody else", || seen(&expect));
        drop(clients);
        eventually("nobody is left", || seen(&[]));
    });
}

/// A folder that ends with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = env::temp_dir().join(format!("portguard-sshd-{}", id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Starts an sshd as a user without privileges: it can let in nobody but that user, and needs no
/// user to change to, which a namespace with one user has not. Without PAM it would want to read the
/// shadow file and take every account for locked.
fn server(folder: &Path) -> Running {
    for key in ["host", "user"] {
        let file = folder.join(key);
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", file.to_str().unwrap()]);
    }
    let folder_name = folder.to_str().unwrap();
    let configuration = format!(
        "Port 2222\nListenAddress 127.0.0.1\nHostKey {folder_name}/host\n\
         AuthorizedKeysFile {folder_name}/user.pub\nStrictModes no\nUsePAM yes\nPidFile none\n\
         Subsystem sftp internal-sftp\n"
    );
    fs::write(folder.join("configuration"), configuration).unwrap();
    let user = format!("--map-user={}", number("-u"));
    let group = format!("--map-group={}", number("-g"));
    let started = Command::new("unshare")
        .args(["--user", &user, &group, "--", "/usr/sbin/sshd", "-D", "-f"])
        .arg(folder.join("configuration"))
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    eventually("sshd answers", || TcpStream::connect("127.0.0.1:2222").ok());
    Running(started)
}

fn number(which: &str) -> String {
    run("id", &[which, "nobody"]).trim().to_owned()
}

/// Logs in and stays.
fn client(folder: &Path, from: &str, how: &[&str]) -> Running {
    let mut command = Command::new("ssh");
    command.args([
        "-F",
        "none",
        "-q",
        "-p",
        "2222",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=no",
    ]);
    command.args(["-o", "UserKnownHostsFile=/dev/null", "-b", from, "-i"]);
    command.arg(folder.join("user")).arg("nobody@127.0.0.1").args(how);
    Running(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
}

/// Connects and says nothing; the server has a process for it when its greeting comes.
fn stuck(from: &str) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &std::net::SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
    connect(&socket, &std::net::SocketAddr::from(([127, 0, 0, 1], 2222))).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    stream
}
