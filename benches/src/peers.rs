//! Other programs that read logs, from Debian's packages, unpacked and never installed: nothing of
//! them runs but what is measured.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

/// Returns the folder for what the bench makes and gets.
pub(crate) fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    fs::create_dir_all(&folder).expect("room for a folder");
    folder.canonicalize().expect("a folder")
}

/// Returns fail2ban's filters.
pub(crate) fn filters() -> PathBuf {
    unpacked("fail2ban").map_or_else(
        || PathBuf::from("/etc/fail2ban/filter.d"),
        |root| root.join("etc/fail2ban/filter.d"),
    )
}

/// Returns where a package is unpacked; gets it first if need be.
pub(crate) fn unpacked(package: &str) -> Option<PathBuf> {
    let root = folder().join(package);
    if root.is_dir() {
        return Some(root);
    }
    let run = |words: &[&str]| {
        let status = Command::new(words[0])
            .args(&words[1..])
            .current_dir(folder())
            .stdout(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    };
    let got = run(&["apt-get", "download", "-qq", package])
        || (run(&["apt-get", "update", "-qq"]) && run(&["apt-get", "download", "-qq", package]));
    let archive = fs::read_dir(folder()).into_iter().flatten().flatten().find_map(|entry| {
        let is_ours = entry.file_name().to_str()?.starts_with(&format!("{package}_"));
        is_ours.then(|| entry.path())
    });
    let is_there = got
        && archive.is_some_and(|archive| {
            run(&["dpkg-deb", "-x", &archive.display().to_string(), &root.display().to_string()])
        });
    if !is_there {
        eprintln!("bench: the package {package} can not be got; nothing stands beside it");
    }
    is_there.then_some(root)
}

/// Runs a program on one core and returns how many million lines a second it reads.
fn millions(mut command: Command, lines: usize) -> Option<f64> {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    let seconds = start.elapsed().as_secs_f64();
    if !status.success() {
        eprintln!("bench: {} failed", command.get_args().next().unwrap_or_default().display());
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "some millions of lines")]
    Some(lines as f64 / seconds / 1e6)
}

fn on_one_core(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "1"]).arg(program);
    command
}

fn lines_of(path: &Path) -> usize {
    fs::read(path).map_or(0, |text| text.split_inclusive(|byte| *byte == b'\n').count())
}

/// fail2ban-regex with its own sshd filter, on the first so many lines.
pub(crate) fn fail2ban_regex(log: &Path, lines: usize) -> Option<f64> {
    let root = unpacked("fail2ban")?;
    let part = log.with_extension("short.log");
    let text = fs::read(log).ok()?;
    let short =
        text.split_inclusive(|byte| *byte == b'\n').take(lines).collect::<Vec<_>>().concat();
    File::create(&part).and_then(|mut file| file.write_all(&short)).ok()?;
    let etc = root.join("etc/fail2ban");
    let mut command = on_one_core(Path::new("python3"));
    command
        .arg(root.join("usr/bin/fail2ban-regex"))
        .arg("--config")
        .arg(&etc)
        .args(["--print-no-missed", "--print-no-ignored"])
        .arg(&part)
        .arg(etc.join("filter.d/sshd.conf"))
        .env("PYTHONPATH", root.join("usr/lib/python3/dist-packages"));
    millions(command, lines)
}

/// sshguard's parser.
pub(crate) fn sshguard(log: &Path) -> Option<f64> {
    let root = unpacked("sshguard")?;
    let parser = ["usr/libexec/sshguard/sshg-parser", "usr/lib/sshguard/sshg-parser"];
    let parser = parser.map(|place| root.join(place)).into_iter().find(|place| place.is_file())?;
    let mut command = on_one_core(&parser);
    command.stdin(File::open(log).ok()?);
    millions(command, lines_of(log))
}

/// ripgrep, counting the lines with a pattern.
pub(crate) fn ripgrep(log: &Path, pattern: &str) -> Option<f64> {
    let program = unpacked("ripgrep")?.join("usr/bin/rg");
    let mut command = on_one_core(&program);
    command.args(["-c", "-j1", pattern]).arg(log);
    millions(command, lines_of(log))
}
