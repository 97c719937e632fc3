//! The installer, on a host whose `/etc`, `/usr/local` and `/var/lib` are its own.

use std::{path::Path, process::Output, time::Duration};

use lab::{Host, Lab, Running, eventually, program};

/// How long an installation without a build may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// What programs need of `/etc`: who is who, and where names are looked up. An empty `gshadow`
/// keeps `groupadd` from the real one, which only the real root may read.
const BARE_HOST: &str = "
set -e
mkdir /run/etc
for name in passwd group nsswitch.conf login.defs; do
    if [ -e /etc/$name ]; then cat /etc/$name > /run/etc/$name; fi
done
touch /run/etc/gshadow /run/etc/resolv.conf
mount --bind /run/etc /etc
mount -t tmpfs local /usr/local
mount -t tmpfs lib /var/lib
";

const CONFIGURATION: &str = "/etc/portguard/portguard.toml";

#[test]
fn the_installer_leaves_a_host_that_is_guarded_and_lets_its_operator_in() {
    let lab = Lab::new();
    let host = bare(&lab);
    let _daemon = install(host);
    assert_eq!(status(host)["ready"], true);
    assert!(host.run(["nft", "list", "tables"]).contains("inet portguard"));
    assert!(portguard(host, &["list", "allowed"]).contains("10.77.0.2"));
    assert!(portguard(host, &["traps"]).contains("tcp/23"));
    assert!(host.run(["cat", "/etc/group"]).contains("portguard-operators:"));
    for path in ["/usr/local/bin/portguard", "/usr/local/share/man/man1/portguard-ban.1"] {
        host.run(["test", "-s", path]);
    }
}

#[test]
fn a_second_installation_keeps_the_configuration_and_the_previous_program() {
    let lab = Lab::new();
    let host = bare(&lab);
    let first = install(host);
    host.run(["sh", "-c", &format!("echo '# mine' >> {CONFIGURATION}")]);
    let _second = install(host);
    eventually("the first daemon makes way", LIMIT, || stopped(first.pid()));
    assert!(host.run(["cat", CONFIGURATION]).ends_with("# mine\n"));
    host.run([
        "cmp",
        shipped("packaging/portguard.toml").as_str(),
        &format!("{CONFIGURATION}.new"),
    ]);
    host.run(["test", "-x", "/usr/local/sbin/portguard.previous"]);
}

#[test]
fn a_configuration_with_a_mistake_leaves_everything_as_it_was() {
    let lab = Lab::new();
    let host = bare(&lab);
    let daemon = install(host);
    host.run(["sh", "-c", &format!("echo 'nonsense = 3' >> {CONFIGURATION}")]);
    let output = attempt(host, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nonsense"), "{output:?}");
    assert_eq!(stopped(daemon.pid()), None, "the daemon goes on");
    assert!(!host.attempt(["test", "-e", "/usr/local/sbin/portguard.previous"]).status.success());
}

#[test]
fn uninstalling_leaves_nothing_but_configuration_and_ledger() {
    let lab = Lab::new();
    let host = bare(&lab);
    let daemon = install(host);
    let output = attempt(host, &["--uninstall"]);
    assert!(output.status.success(), "{output:?}");
    eventually("the daemon stops", LIMIT, || stopped(daemon.pid()));
    assert_eq!(host.run(["nft", "list", "tables"]), "");
    assert_eq!(host.run(["find", "/usr/local", "-type", "f", "-o", "-type", "l"]), "");
    host.run(["test", "-s", CONFIGURATION]);
    host.run(["test", "-s", "/var/lib/portguard/ledger.db"]);

    let output = attempt(host, &["--uninstall", "--purge"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(host.run(["find", "/etc", "/var/lib", "-name", "portguard*"]), "");
    assert!(!host.run(["cat", "/etc/group"]).contains("portguard"));
}

#[test]
fn the_web_face_comes_along_with_a_link_and_goes_with_the_guard() {
    let lab = Lab::new();
    let host = bare(&lab);
    let daemon = host.spawn(line(&[]));
    let link = eventually("the installer prints a link", LIMIT, || {
        let said = daemon.line(LIMIT).expect("the installer goes on talking");
        Some(said.trim().to_owned())
            .filter(|said| said.starts_with("http://127.0.0.1:6060/#token="))
    });
    let (_, token) = link.split_once("#token=").expect("a token");
    let ask = |path: &str, more: &[&str]| {
        let url = format!("http://127.0.0.1:6060{path}");
        let output = host.attempt([&["curl", "-s"], more, &[url.as_str()]].concat());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    eventually("the face answers", LIMIT, || ask("/", &[]).contains("Portguard").then_some(()));
    let body = format!("{{\"token\":\"{token}\"}}");
    let entered = ask("/auth/link", &["-H", "content-type: application/json", "-d", &body]);
    assert!(entered.contains("\"operator\""), "{entered}");
    assert!(host.run(["cat", "/etc/passwd"]).contains("portguard-web:"));

    let output = attempt(host, &["--uninstall", "--purge"]);
    assert!(output.status.success(), "{output:?}");
    eventually("the daemon stops", LIMIT, || stopped(daemon.pid()));
    eventually("the face goes too", LIMIT, || ask("/", &[]).is_empty().then_some(()));
    assert_eq!(host.run(["find", "/etc", "/var/lib", "-name", "portguard*"]), "");
    assert!(!host.run(["cat", "/etc/passwd"]).contains("portguard-web"));
}

#[test]
fn what_the_installer_can_not_do_it_says() {
    let lab = Lab::new();
    let host = bare(&lab);
    assert_eq!(attempt(host, &["--webui-only"]).status.code(), Some(1));
    assert_eq!(attempt(host, &["--nonsense"]).status.code(), Some(2));
    assert_eq!(attempt(host, &["--purge"]).status.code(), Some(2));
    assert_eq!(host.run(["find", "/usr/local", "-type", "f"]), "");
}

/// Returns the guarded host with nothing installed on it.
fn bare(lab: &Lab) -> &Host {
    lab.guarded().run(["sh", "-c", BARE_HOST]);
    lab.guarded()
}

/// Installs, and waits for the last that the installer says of the daemon that it has become.
fn install(host: &Host) -> Running {
    let running = host.spawn(line(&["--core-only"]));
    eventually("the installer says how to go on", LIMIT, || {
        let said = running.line(LIMIT).expect("the installer goes on talking");
        said.contains("How to go on").then_some(())
    });
    running
}

fn attempt(host: &Host, options: &[&str]) -> Output {
    host.attempt(line(options))
}

/// Returns the installer's command line, as an operator who came from the scanner gives it.
fn line(options: &[&str]) -> Vec<String> {
    let program = format!("PORTGUARD_SKIP_BUILD={}", program::guard().display());
    let session = "SSH_CONNECTION=10.77.0.2 50022 10.77.0.1 22".to_owned();
    let mut line = vec!["env".to_owned(), program, session, shipped("install.sh")];
    line.extend(options.iter().map(ToString::to_string));
    line
}

fn shipped(name: &str) -> String {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the workspace");
    root.join(name).display().to_string()
}

fn portguard(host: &Host, arguments: &[&str]) -> String {
    host.run([&["/usr/local/bin/portguard"], arguments].concat())
}

fn status(host: &Host) -> serde_json::Value {
    serde_json::from_str(&portguard(host, &["--json", "status"])).expect("it was asked for JSON")
}

/// Whether a process has ended; its parent may not have noticed yet.
fn stopped(pid: u32) -> Option<()> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    (stat.is_empty() || stat.contains(") Z ")).then_some(())
}
