//! The web face: a process without privileges between browsers and the daemon.
//!
//! It has its own users, sessions and API tokens, serves the built interface from memory, passes a
//! listed part of the daemon's API on, and fans the daemon's stream of events out to all who watch.
//! It decides nothing about the host: every order goes to the daemon with the role of who gave it,
//! and is checked there again. All of it runs on one thread; passwords and the disk have others.

mod access;
mod asset;
mod auth;
mod body;
mod clock;
mod face;
mod folder;
mod gate;
mod listen;
mod manage;
mod pace;
mod password;
mod place;
mod problem;
mod proxy;
mod route;
mod secret;
mod service;
mod session;
mod settings;
mod stream;
mod tls;
mod upstream;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::Duration,
};

pub use access::{Role, Unchanged};
pub use folder::FolderError;
pub use password::HashError;
pub use settings::{Report, Settings, Tls};
pub use tls::TlsError;

use tokio::signal::unix::{SignalKind, signal};

use access::Lifetime;
use face::{Face, Made};
use folder::Folder;
use service::Service;
use tls::Pair;
use upstream::Upstream;

/// How often sessions are written down and ended ones forgotten; a crash forgets no more than that
/// somebody used one meanwhile.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// Why the face does not run.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address can not be listened on.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// Others could read what goes over the wire.
    #[error("web.listen is {0}, which others can reach, and the web face speaks no TLS")]
    NoTls(SocketAddr),
    /// Others could come in before the operator does.
    #[error("web.listen is {0}, which others can reach, and nobody has a password yet")]
    NoPassword(SocketAddr),
    /// No TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The folder can not be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The system refuses something.
    #[error("cannot begin")]
    System(#[source] io::Error),
}

/// A face that has what needs privileges, and has read nothing from anybody yet.
pub struct Opened {
    settings: Settings,
    listener: TcpListener,
    given: Option<Pair>,
}

/// Opens what may need privileges: the port, and the files of a given certificate.
///
/// # Errors
/// When one of them is refused, or others could listen in.
pub fn open(settings: Settings) -> Result<Opened, OpenError> {
    let listen = settings.listen;
    if settings.tls == Tls::Off && !is_loopback(listen) {
        return Err(OpenError::NoTls(listen));
    }
    let given = match &settings.tls {
        Tls::Given { certificate, key } => Some(Pair::read(certificate, key)?),
        Tls::Off | Tls::Made(_) => None,
    };
    let listener = listen::open(listen).map_err(|error| OpenError::Listen(listen, error))?;
    Ok(Opened { settings, listener, given })
}

impl Opened {
    /// Answers until the process is told to end. `ready` is called once connections are answered.
    ///
    /// # Errors
    /// When the folder can not be used, or others could come in before the operator does.
    pub fn serve(self, ready: impl FnOnce()) -> Result<(), OpenError> {
        let Self { settings, listener, given } = self;
        let folder = Folder::open(&settings.folder)?;
        if !is_loopback(settings.listen) && !folder.access()?.has_password() {
            return Err(OpenError::NoPassword(settings.listen));
        }
        let pair = match (&settings.tls, given) {
            (Tls::Made(names), _) => {
                let pair = Pair::own(&folder, settings.listen, names)?;
                eprintln!("the certificate's SHA-256 fingerprint: {}", pair.fingerprint());
                Some(pair)
            }
            (_, given) => given,
        };
        let tls = pair.map(Pair::config).transpose()?;
        let face = Face::new(Made {
            folder,
            boot: clock::boot().map_err(OpenError::System)?,
            lifetime: Lifetime { whole: settings.session, idle: settings.idle },
            is_secure: tls.is_some(),
            upstream: Upstream::new(settings.upstream),
            service: Service::new(settings.unit),
            report: settings.report,
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(8)
            .thread_keep_alive(Duration::from_secs(2))
            .build()
            .map_err(OpenError::System)?;
        runtime.block_on(run(Arc::new(face), listener, tls, ready)).map_err(OpenError::System)
    }
}

async fn run(
    face: face::Shared,
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    ready: impl FnOnce(),
) -> io::Result<()> {
    let (ended, mut end) = tokio::sync::mpsc::channel(1);
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let (mut signals, ended) = (signal(kind)?, ended.clone());
        tokio::spawn(async move {
            signals.recv().await;
            // Whoever is told already ends anyway.
            let _ = ended.send(Ok(())).await;
        });
    }
    let fan = face.fan.clone();
    tokio::spawn(async move { fan.run().await });
    tokio::spawn(stream::beat(face.clone()));
    tokio::spawn(keep_house(face.clone()));
    let serving = listen::serve(listener, tls, route::router(face.clone()));
    tokio::spawn(async move {
        // Whoever is told already ends anyway.
        let _ = ended.send(serving.await).await;
    });
    ready();
    let how = end.recv().await.unwrap_or(Ok(()));
    tidy_up(&face).await;
    how
}

async fn keep_house(face: face::Shared) {
    loop {
        tokio::time::sleep(HOUSEKEEPING).await;
        tidy_up(&face).await;
    }
}

async fn tidy_up(face: &face::Shared) {
    let face = face.clone();
    let kept = tokio::task::spawn_blocking(move || {
        face.sweep()?;
        face.keep_sessions()
    });
    if let Ok(Err(error)) = kept.await {
        eprintln!("warning: {}", with_causes(&error));
    }
}

/// Makes a one-time link's token, good for so long, and returns it.
///
/// # Errors
/// When the folder can not be used.
pub fn make_token(folder: &Path, valid: Duration) -> Result<String, OpenError> {
    let no_random = |error| OpenError::System(io::Error::other(error));
    let secret = secret::Secret::new("").map_err(no_random)?;
    let boot = clock::boot().map_err(OpenError::System)?;
    let (digest, until) = (secret.digest(), clock::now().plus(valid));
    let added = Folder::open(folder)?.change(|access| {
        access.add_link(digest, &boot, until);
        Ok::<(), Unchanged>(())
    })?;
    debug_assert!(added.is_ok(), "adding a link is never refused");
    Ok(secret.text().to_owned())
}

/// Why a password was not set.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It, or the name, can not be used.
    #[error(transparent)]
    Refused(#[from] Unchanged),
    /// It can not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The folder can not be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// Sets a user's password, and with `role` the role too; a new user without one is an operator. All
/// sessions of the user end.
///
/// # Errors
/// When name or password can not be used, or the disk refuses.
pub fn set_password(
    folder: &Path,
    user: &str,
    role: Option<Role>,
    password: &str,
) -> Result<(), PasswordError> {
    access::check_password(password)?;
    let hash = password::hash(password)?;
    Folder::open(folder)?.change(|access| {
        let known = access.users.get(user).map(|user| user.role);
        access.set_user(user, role.or(known).unwrap_or(Role::Operator), Some(hash))
    })??;
    Ok(())
}

/// Returns an address as a link in a browser has it.
pub fn address(listen: SocketAddr, tls: &Tls) -> String {
    let scheme = if *tls == Tls::Off { "http" } else { "https" };
    if listen.ip().is_unspecified() {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        return format!("{scheme}://{host}:{}/", listen.port());
    }
    format!("{scheme}://{listen}/")
}

fn is_loopback(listen: SocketAddr) -> bool {
    listen.ip().to_canonical().is_loopback()
}

/// Returns an error with all its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
