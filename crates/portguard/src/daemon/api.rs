//! The control socket: HTTP and JSON on a unix socket, on a thread and a runtime of its own.
//!
//! Who asks is told by the kernel (`SO_PEERCRED`), never by the request; only the web face, which
//! has a socket of its own, vouches for its users. Every order leads to
//! `Guard::handle_command`, and is answered when the kernel and the ledger have it.

mod answer;
mod ask;
mod config;
mod description;
mod history;
mod knocks;
mod log;
mod order;
mod outside;
mod ports;
mod proposals;
mod remote;
mod role;
mod shares;
mod stream;
mod table;
mod traffic;
mod watches;

use std::{
    os::unix::{fs::PermissionsExt as _, net::UnixListener as StdListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Semaphore, watch},
};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter},
    routes,
};

use super::{
    About,
    enforcer::{Reached, Requests},
    inbox::Inbox,
    ledger::{SharedReader, Written},
    remote::Remote,
    shares::Shares,
    source::{
        connections::Connections, knocks::KnockBoard, record::PacketRecord, taps::TapStates,
        watches::Board,
    },
    system::Signal,
};

pub(crate) use role::{Roles, WEB_USER};

use history::Chart;
use role::{Role, Trust};
use stream::Streams;
use table::Tables;
use watches::Trials;

/// How many connections each socket may have at once; further ones are hung up on. A face
/// holds one or two, so this is far more than the faces of one host have.
const MOST_CONNECTIONS: usize = 128;

/// How many of them may belong to peers that may ask nothing; further ones are hung up on, so that
/// such peers can not keep operators out.
const MOST_STRANGERS: usize = 8;

/// Largest request, in bytes: a hundred thousand orders at once.
const LARGEST_REQUEST: usize = 16 << 20;

/// How long an order waits for the kernel and the ledger before it is said to have failed.
const ORDER_PATIENCE: Duration = Duration::from_secs(10);

/// What the handlers need.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) about: Arc<About>,
    pub(crate) inbox: Inbox,
    pub(crate) reached: watch::Receiver<Reached>,
    pub(crate) written: watch::Receiver<Written>,
    pub(crate) kernel: Requests,
    pub(crate) ledger: SharedReader,
    pub(crate) roles: Arc<Roles>,
    pub(crate) record: Arc<PacketRecord>,
    pub(crate) taps: Arc<TapStates>,
    pub(crate) knocks: Arc<KnockBoard>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) watches: Arc<Board>,
    pub(super) shares: Arc<Shares>,
    pub(super) remote: Arc<Remote>,
    pub(crate) views: Arc<Views>,
    /// The main thread, which reads the configuration.
    pub(crate) signals: crossbeam_channel::Sender<Signal>,
}

/// What is kept between questions, all of it made when it is first asked for.
#[derive(Default)]
pub(crate) struct Views {
    tables: Tables,
    streams: Streams,
    trials: Trials,
    chart: Chart,
}

/// Why the control socket can not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// Another daemon answers there.
    #[error("another daemon already answers at {}", .0.display())]
    Taken(PathBuf),
    /// The system refuses.
    #[error("cannot open the control socket {}", .0.display())]
    Open(PathBuf, #[source] std::io::Error),
}

/// Opens the control socket. Everybody may connect; the peer's credentials decide what for.
pub(crate) fn listen(path: &Path) -> Result<StdListener, ListenError> {
    let fail = |error| ListenError::Open(path.to_owned(), error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(ListenError::Taken(path.to_owned()));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    let listener = StdListener::bind(path).map_err(fail)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).map_err(fail)?;
    listener.set_nonblocking(true).map_err(fail)?;
    Ok(listener)
}

/// The daemon's sockets.
pub(crate) struct Sockets {
    /// Everybody's; the peer's credentials decide.
    pub(crate) control: StdListener,
    /// The web face's, which vouches for its users.
    pub(crate) web: StdListener,
}

/// Answers until the process ends.
pub(crate) fn serve(sockets: Sockets, desk: Desk) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()?;
    runtime.block_on(async move {
        let (control, web) =
            (UnixListener::from_std(sockets.control)?, UnixListener::from_std(sockets.web)?);
        let roles = desk.roles.clone();
        tokio::spawn(history::sample(desk.clone()));
        let router = served(desk);
        let of_face = |stream: &UnixStream| roles.of_face(stream);
        let of_peer = |stream: &UnixStream| roles.of(stream);
        tokio::join!(accept(web, &router, of_face), accept(control, &router, of_peer));
        Ok(())
    })
}

/// Takes connections for ever.
async fn accept(listener: UnixListener, router: &Router, trust: impl Fn(&UnixStream) -> Trust) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let places_of_strangers = Arc::new(Semaphore::new(MOST_STRANGERS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors or memory: let some connections end first.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let trust = trust(&stream);
        let place = match trust {
            Trust::Peer(Role::Nobody) => places_of_strangers.clone().try_acquire_owned(),
            Trust::Peer(_) | Trust::Face => places.clone().try_acquire_owned(),
        };
        let Ok(place) = place else { continue };
        let service = TowerToHyperService::new(router.clone().layer(Extension(trust)));
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(hyper_util::rt::TokioTimer::new())
                .header_read_timeout(Duration::from_secs(30))
                .serve_connection(TokioIo::new(stream), service);
            // A peer that hangs up in the middle is its own affair.
            let _ = connection.await;
            drop(place);
        });
    }
}

/// Every route, made when it is called for: its description is larger than what it does.
const ROUTES: [fn() -> UtoipaMethodRouter<Desk>; 42] = [
    || routes!(ask::status),
    || routes!(ask::list),
    || routes!(ask::offenders),
    || routes!(table::holds),
    || routes!(table::offenders),
    || routes!(stream::stream),
    || routes!(history::history),
    || routes!(history::top),
    || routes!(watches::watches),
    || routes!(watches::scans),
    || routes!(watches::try_rule),
    || routes!(ask::check),
    || routes!(ask::why),
    || routes!(ask::traps),
    || routes!(ask::events),
    || routes!(config::config),
    || routes!(config::read_file, config::write_file),
    || routes!(config::schema),
    || routes!(config::check),
    || routes!(config::edit),
    || routes!(order::hold),
    || routes!(order::hold_many),
    || routes!(order::lift),
    || routes!(order::import),
    || routes!(order::pause),
    || routes!(log::log),
    || routes!(ports::list),
    || routes!(ports::doors),
    || routes!(ports::rulings, ports::rule),
    || routes!(proposals::proposals, proposals::decide),
    || routes!(traffic::connections),
    || routes!(traffic::interfaces),
    || routes!(shares::list, shares::share),
    || routes!(shares::stop),
    || routes!(remote::remote),
    || routes!(remote::fetch),
    || routes!(ports::open),
    || routes!(ports::close),
    || routes!(ports::posture),
    || routes!(ports::waiting),
    || routes!(ports::lockdown),
    || routes!(ports::reload),
];

/// Returns the routes as they are served, without their descriptions: the heap stays small.
fn served(desk: Desk) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let (_, paths, methods) = route();
        for path in paths.paths.keys() {
            router = router.route(path, methods.clone());
        }
    }
    router
        .route("/v1/openapi.json", get(describe))
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
        .layer(axum::middleware::map_response(description::as_problem))
        .with_state(desk)
}

/// Returns what can be asked, as OpenAPI.
pub(crate) fn described() -> utoipa::openapi::OpenApi {
    let begin = OpenApiRouter::with_openapi(description::begin());
    let all = ROUTES.iter().fold(begin, |all, route| all.routes(route()));
    let (_, mut description) = all.split_for_parts();
    description::complete(&mut description);
    description
}

/// Describes this API. Made when it is asked for: it is larger than all else that waits here.
async fn describe() -> impl IntoResponse {
    let json = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, json)], described().to_pretty_json().unwrap_or_default())
}
