//! Carries the bytes of one connection between the tunnel and the shared port.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use russh::{
    Channel, ChannelMsg, ChannelOpenFailure, ChannelReadHalf,
    client::{ChannelOpenHandle, Msg},
};
use tokio::{
    io::{AsyncWriteExt as _, copy},
    net::{TcpStream, tcp::OwnedWriteHalf},
    sync::{Notify, OwnedSemaphorePermit},
    time::timeout,
};

use super::Carried;

/// How long the shared port may take to answer: it is on this host.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How long the shared port may leave bytes unread. All connections of a tunnel share one stream,
/// so one that takes nothing would stop the others.
const STALL: Duration = Duration::from_secs(20);

/// Connects a channel with the shared port and carries until both sides are done.
///
/// The place is free again afterwards.
pub(super) async fn connection(
    channel: Channel<Msg>,
    reply: ChannelOpenHandle,
    targets: Arc<[SocketAddr]>,
    carried: Arc<Carried>,
    place: OwnedSemaphorePermit,
) {
    let Some(local) = reach(&targets).await else {
        reply.reject(ChannelOpenFailure::ConnectFailed).await;
        return;
    };
    reply.accept().await;
    carried.one_more();
    let (read, write) = channel.split();
    let (mut from, to) = local.into_split();
    let said_all = Notify::new();
    let outward = async {
        // Whichever side broke off: all that can be said to the other is that it is over.
        let _ = copy(&mut from, &mut write.make_writer()).await;
        let _ = write.eof().await;
        said_all.notified().await;
    };
    tokio::select! {
        _ = inward(read, to, &said_all) => {}
        () = outward => {}
    }
    // The channel may be closed already.
    let _ = write.close().await;
    drop(place);
}

/// Carries from the tunnel to the shared port until the channel is closed; tells when the other side
/// has said all.
async fn inward(
    mut read: ChannelReadHalf,
    mut to: OwnedWriteHalf,
    said_all: &Notify,
) -> io::Result<()> {
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => timeout(STALL, to.write_all(&data)).await??,
            ChannelMsg::Eof => {
                to.shutdown().await?;
                said_all.notify_one();
            }
            ChannelMsg::Close => break,
            _ => {}
        }
    }
    Ok(())
}

async fn reach(targets: &[SocketAddr]) -> Option<TcpStream> {
    for target in targets {
        if let Ok(Ok(stream)) = timeout(CONNECT_WITHIN, TcpStream::connect(target)).await {
            // Latency matters more than small packets on loopback; without it things only get slower.
            let _ = stream.set_nodelay(true);
            return Some(stream);
        }
    }
    None
}
