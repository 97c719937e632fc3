//! A server that says everything back, TCP and UDP on the same port.

use std::{
    io::{self, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
};

/// Serves until it is ended; says `ready` when both sockets stand.
pub(crate) fn serve(at: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(at)?;
    let datagrams = UdpSocket::bind(at)?;
    println!("ready");
    io::stdout().flush()?;
    thread::spawn(move || echo_datagrams(&datagrams));
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || echo(&stream));
    }
    Ok(())
}

fn echo(stream: &TcpStream) -> io::Result<u64> {
    io::copy(&mut &*stream, &mut &*stream)
}

fn echo_datagrams(socket: &UdpSocket) -> io::Result<()> {
    let mut buffer = [0_u8; 2048];
    loop {
        let (length, from) = socket.recv_from(&mut buffer)?;
        // An answer that can not be sent is lost, as any datagram may be.
        let _ = socket.send_to(&buffer[..length], from);
    }
}
