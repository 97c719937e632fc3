//! Logs, as the watches of a configuration read them.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

use glob::Pattern;
use portguard_core::{Fact, Timestamp};

use crate::{
    cli::lines::{Lines, Progress},
    config::{Config, WatchPlan},
    exit::{Failed, Turn},
    eye::Eye,
};

/// A watch with the files that it reads.
pub(super) struct Log {
    eye: Eye,
    files: VecDeque<PathBuf>,
    lines: Option<Lines>,
    pub(super) read: u64,
}

impl Log {
    pub(super) fn new(plan: &WatchPlan, files: VecDeque<PathBuf>) -> Result<Self, Failed> {
        let name = format!("watch {}", plan.name);
        // Host names are left alone: what they lead to today is not what they led to.
        let eye = Eye::new(plan, &name, None);
        let eye = eye.map_err(|why| Failed::new(Turn::Configuration, format!("{name}: {why}")))?;
        Ok(Self { eye, files, lines: None, read: 0 })
    }

    /// Reads on until something is found, or there is nothing left.
    pub(super) fn fill(
        &mut self,
        found: &mut VecDeque<(Timestamp, Fact)>,
        now: Timestamp,
        progress: &mut Progress,
    ) -> Result<(), Failed> {
        while found.is_empty() {
            let Some(lines) = &mut self.lines else {
                let Some(path) = self.files.pop_front() else { return Ok(()) };
                self.lines = Some(Lines::open(&path)?);
                continue;
            };
            let Some(line) = lines.next()? else {
                self.lines = None;
                continue;
            };
            self.read += 1;
            progress.show(self.read);
            let mut take = |at, offence| found.push_back((at, Fact::Offence(offence)));
            self.eye.take(line, None, now, &mut take);
        }
        Ok(())
    }
}

/// Returns the watches that read the files: those that name a file, or all for one that none names.
pub(super) fn logs(
    config: &Config,
    rule: Option<&str>,
    files: &[PathBuf],
) -> Result<Vec<Log>, Failed> {
    if let Some(rule) = rule {
        let plan = config.watch_by_rule(rule);
        return Ok(vec![Log::new(&plan, files.iter().cloned().collect())?]);
    }
    let plans = config.watch_plans();
    let mut logs = Vec::new();
    for plan in &plans {
        let reads =
            |path: &&PathBuf| names(plan, path) || !plans.iter().any(|other| names(other, path));
        let files: VecDeque<PathBuf> = files.iter().filter(reads).cloned().collect();
        if !files.is_empty() {
            logs.push(Log::new(plan, files)?);
        }
    }
    Ok(logs)
}

/// Returns whether a watch names a file, wherever it lies; what rotation adds to it is left away.
fn names(plan: &WatchPlan, path: &Path) -> bool {
    let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
        return false;
    };
    let unnumbered = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let unrotated = unnumbered.strip_suffix(['.', '-']).unwrap_or(&name);
    plan.files.iter().any(|file| {
        let last = file.rsplit('/').next().unwrap_or(file);
        let pattern = Pattern::new(last);
        pattern.is_ok_and(|pattern| pattern.matches(&name) || pattern.matches(unrotated))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_names_its_files_wherever_they_lie_and_however_they_are_rotated() {
        let mut plan = Config::default().watch_by_rule("sshd");
        plan.files = vec!["/var/log/auth.log".into(), "/srv/*/access.log".into()];
        for (path, is_named) in [
            ("/tmp/auth.log", true),
            ("auth.log.1", true),
            ("auth.log-20261120", true),
            ("/x/access.log", true),
            ("auth2.log", false),
            ("-", false),
        ] {
            assert_eq!(names(&plan, Path::new(path)), is_named, "{path}");
        }
    }
}
