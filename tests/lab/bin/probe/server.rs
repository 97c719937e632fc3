//! Servers: one that says everything back, TCP and UDP on the same port, and one of HTTP.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
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

/// Serves HTTP until it is ended: `GET /N` is answered with N bytes, of which each tells its place.
/// Says `ready` when the socket stands.
pub(crate) fn serve_http(at: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(at)?;
    println!("ready");
    io::stdout().flush()?;
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || answer(&stream));
    }
    Ok(())
}

fn answer(mut stream: &TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    while !lines.next().unwrap_or_else(|| Ok(String::new()))?.is_empty() {}
    let wanted = request.split(' ').nth(1).and_then(|path| path.trim_matches('/').parse().ok());
    let length: usize = wanted.unwrap_or_default();
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length:";
    write!(stream, "{head} {length}\r\n\r\n")?;
    let body: Vec<u8> = (0..length).map(place_byte).collect();
    stream.write_all(&body)
}

/// Returns the byte at a place of an answer: 251 is a prime, so that no block repeats.
fn place_byte(place: usize) -> u8 {
    u8::try_from(place % 251).unwrap_or_default()
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
