//! Files that are replaced as a whole: whoever reads one finds the text before or the text after,
//! also when the program dies or the disk fills up in between.

use std::{
    ffi::OsString,
    fs, io,
    io::Write as _,
    os::unix::fs::{MetadataExt, OpenOptionsExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

/// What a loss of power may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Nothing: when it is told that the file is written, the disk has it.
    OnDisk,
    /// The latest text: for what is written often and of which an older text does as well.
    Soon,
}

/// Replaces a file, or makes it, with its folder; mode and owner of a file that was there are kept.
///
/// The text is written to a file beside it, whose name ends in `.unfinished`, which then takes its place.
///
/// # Errors
/// When the system refuses; the file that was there is then as it was.
pub(crate) fn replace(
    path: &Path,
    text: impl AsRef<[u8]>,
    durability: Durability,
) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let unfinished = unfinished(path);
    let done = write(&unfinished, text.as_ref(), fs::metadata(path).ok().as_ref(), durability)
        .and_then(|()| fs::rename(&unfinished, path));
    if done.is_err() {
        // What failed is told; a rest that stays is overwritten the next time.
        let _ = fs::remove_file(&unfinished);
    }
    done?;
    match durability {
        Durability::OnDisk => fs::File::open(folder)?.sync_all(),
        Durability::Soon => Ok(()),
    }
}

/// Returns the name beside a file; it does not end as the file does, so no folder's reader takes it.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".unfinished");
    name.into()
}

fn write(
    path: &Path,
    text: &[u8],
    before: Option<&fs::Metadata>,
    durability: Durability,
) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mode = before.map_or(0o666, MetadataExt::mode);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    if let Some(before) = before {
        // The process's mask may have taken something away.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        let owners = |file: &fs::Metadata| (file.uid(), file.gid());
        // Without a reason to, it may not be tried: the daemon may change no owners.
        if owners(&file.metadata()?) != owners(before) {
            chown(path, Some(before.uid()), Some(before.gid()))?;
        }
    }
    file.write_all(text)?;
    match durability {
        Durability::OnDisk => file.sync_all(),
        Durability::Soon => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_with_its_folder_and_keeps_its_mode_when_it_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/portguard.toml");
        for (text, durability) in [("one", Durability::OnDisk), ("two", Durability::Soon)] {
            replace(&path, text, durability).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        }
        replace(&path, "three", Durability::OnDisk).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_in_the_unfinished_file_s_place_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("kept"), folder.path().join("other"));
        fs::write(&other, "of somebody else").unwrap();
        std::os::unix::fs::symlink(&other, unfinished(&path)).unwrap();
        replace(&path, "ours", Durability::Soon).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "ours");
        assert_eq!(fs::read_to_string(&other).unwrap(), "of somebody else");
    }

    #[test]
    fn what_cannot_be_replaced_stays_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "").unwrap();
        assert!(replace(&path, "text", Durability::OnDisk).is_err());
        assert!(path.join("inside").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
