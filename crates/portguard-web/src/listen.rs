//! The accept loop: caps, time-outs, TLS, and one task for each connection.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    os::fd::AsFd as _,
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body, http::Request};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustix::net::sockopt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use crate::{face::Peer, place::Places};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long the head of a request may take to come, and how long a connection may be idle.
const HEADER: Duration = Duration::from_secs(20);

/// How long sent bytes may stay unacknowledged: a viewer whose network is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Most bytes of a request's head.
const LARGEST_HEAD: usize = 16 << 10;

/// How many requests one HTTP/2 connection may have open: a page's stream and what it asks besides.
const MOST_STREAMS: u32 = 32;

/// Opens the listening socket.
///
/// # Errors
/// When the address is taken or not ours.
pub(crate) fn open(address: SocketAddr) -> io::Result<StdListener> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers connections until the process ends.
///
/// # Errors
/// When the socket is not one that can be waited for.
pub(crate) async fn serve(
    listener: StdListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let tls = tls.map(TlsAcceptor::from);
    let places = Places::default();
    loop {
        let Ok((stream, address)) = listener.accept().await else {
            // Out of descriptors or memory: let some connections end first.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Some(place) = places.take(address.ip()) else { continue };
        let (tls, router) = (tls.clone(), router.clone());
        tokio::spawn(async move {
            let _place = place;
            converse(stream, address, tls, router).await;
        });
    }
}

/// Answers the requests of one connection. Whatever breaks here is its peer's own affair.
async fn converse(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
) {
    let Ok(socket) = prepare(&stream) else { return };
    let peer = Peer { address, socket: Arc::new(socket) };
    match tls {
        None => answer(stream, peer, router).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(stream)).await {
                answer(stream, peer, router).await;
            }
        }
    }
}

/// Sets the socket up, and returns a second handle of it for reports.
fn prepare(stream: &TcpStream) -> io::Result<std::os::fd::OwnedFd> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    let limit = u32::try_from(UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(stream, limit)?;
    stream.as_fd().try_clone_to_owned()
}

async fn answer<S>(stream: S, peer: Peer, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        router.clone().call(request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER).max_buf_size(LARGEST_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(u32::try_from(LARGEST_HEAD).unwrap_or(u32::MAX))
        .keep_alive_interval(HEADER)
        .keep_alive_timeout(HANDSHAKE);
    // A peer that hangs up in the middle is its own affair.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}
