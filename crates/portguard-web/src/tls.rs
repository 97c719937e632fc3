//! TLS 1.3: the certificate that is given, or one that the face makes for itself.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::folder::{Folder, FolderError};

const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// How long a certificate of our own is valid. Browsers take no longer ones than 398 days
/// (CA/Browser Forum, baseline requirements 6.3.2).
const VALID: Duration = Duration::from_secs(397 * 86_400);

/// A certificate of our own this old is made anew at the next start.
const RENEW_AFTER: Duration = Duration::from_secs(330 * 86_400);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can not be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not fit, or are none.
    #[error("certificate and key do not serve")]
    Unfit(#[source] rustls::Error),
    /// No certificate can be made.
    #[error("no certificate can be made")]
    Make(#[source] rcgen::Error),
    /// The folder can not be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// A certificate with its key.
pub(crate) struct Pair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Pair {
    /// Reads the files.
    ///
    /// # Errors
    /// When one of them is not there or is no PEM.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| TlsError::Read { path, source }
        };
        let chain = CertificateDer::pem_file_iter(certificate).map_err(fail(certificate))?;
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(fail(certificate))?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(fail(key))?;
        Ok(Self { chain, key })
    }

    /// Returns the pair that the face made for itself, and makes one where it is missing, old, or
    /// for other names.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn own(
        folder: &Folder,
        listen: SocketAddr,
        names: &[String],
    ) -> Result<Self, TlsError> {
        let (certificate, key) = (folder.file(CERTIFICATE), folder.file(KEY));
        let names = all_names(listen, names);
        let known = fs::read_to_string(folder.file("names")).unwrap_or_default();
        if !is_fresh(&certificate).unwrap_or(false) || known != names.join("\n") {
            make(folder, names)?;
        }
        Self::read(&certificate, &key)
    }

    /// Returns the SHA-256 of the certificate, as browsers show it.
    pub(crate) fn fingerprint(&self) -> String {
        let certificate = self.chain.first().map_or(&[][..], |first| first.as_ref());
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
        let pairs: Vec<_> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }

    /// Returns how connections are answered: TLS 1.3 alone, which every browser of these years
    /// has, HTTP/2 first, so that a page's stream leaves its other requests room.
    ///
    /// # Errors
    /// When certificate and key do not fit.
    pub(crate) fn config(self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::Unfit)?;
        let config = builder.with_no_client_auth().with_single_cert(self.chain, self.key);
        let mut config = config.map_err(TlsError::Unfit)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn is_fresh(certificate: &Path) -> io::Result<bool> {
    let made = fs::metadata(certificate)?.modified()?;
    Ok(SystemTime::now().duration_since(made).is_ok_and(|age| age < RENEW_AFTER))
}

/// Returns under which names and addresses the face may be asked.
fn all_names(listen: SocketAddr, more: &[String]) -> Vec<String> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), host];
    if !listen.ip().is_unspecified() {
        names.push(listen.ip().to_string());
    }
    names.extend(more.iter().cloned());
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    names
}

fn make(folder: &Folder, names: Vec<String>) -> Result<(), TlsError> {
    let known = names.join("\n");
    let key = rcgen::KeyPair::generate().map_err(TlsError::Make)?;
    let mut params = rcgen::CertificateParams::new(names).map_err(TlsError::Make)?;
    // A client whose clock is behind takes it all the same.
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(86_400)).into();
    params.not_after = (now + VALID).into();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Portguard");
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key).map_err(TlsError::Make)?;
    folder.write(KEY, key.serialize_pem().as_bytes())?;
    folder.write(CERTIFICATE, certificate.pem().as_bytes())?;
    folder.write("names", known.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_made_once_and_anew_for_other_names() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        let listen: SocketAddr = "192.0.2.7:6060".parse().unwrap();
        let first = Pair::own(&folder, listen, &[]).unwrap().fingerprint();
        assert_eq!(Pair::own(&folder, listen, &[]).unwrap().fingerprint(), first);
        let names = ["guard.example".to_owned()];
        let other = Pair::own(&folder, listen, &names).unwrap();
        assert_ne!(other.fingerprint(), first);
        assert_eq!(other.fingerprint().len(), 95);
        other.config().unwrap();
    }

    #[test]
    fn files_that_do_not_fit_are_told() {
        let home = tempfile::tempdir().unwrap();
        let missing = Pair::read(&home.path().join("a"), &home.path().join("b"));
        assert!(matches!(missing, Err(TlsError::Read { .. })));
        let (one, other) = (home.path().join("one"), home.path().join("other"));
        for path in [&one, &other] {
            let folder = Folder::open(path).unwrap();
            Pair::own(&folder, "127.0.0.1:1".parse().unwrap(), &[]).unwrap();
        }
        let mixed = Pair::read(&one.join(CERTIFICATE), &other.join(KEY)).unwrap();
        assert!(matches!(mixed.config(), Err(TlsError::Unfit(_))));
    }
}
