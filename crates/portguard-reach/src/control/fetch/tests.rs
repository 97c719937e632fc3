//! Answers that are none: what a server on loopback can do to us, byte for byte.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::symlink,
    thread,
};

use super::*;

/// Serves each connection with the next of these answers, and returns what was asked.
fn serve(answers: Vec<Vec<u8>>) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let answer = |answer: Vec<u8>| {
            let (stream, _) = listener.accept().unwrap();
            let asked = head(&stream);
            // Whoever has seen enough hangs up.
            let _ = (&stream).write_all(&answer);
            asked
        };
        answers.into_iter().map(answer).collect()
    });
    (format!("http://{address}/ports.txt"), server)
}

fn head(stream: &TcpStream) -> String {
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    lines.take_while(|line| !line.is_empty()).fold(String::new(), |all, line| all + &line + "\n")
}

fn ok(head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{head}Content-Length: {length}");
    [head.as_bytes(), b"\r\n\r\n", body].concat()
}

fn to(place: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: {place}\r\n\r\n"
    )
    .into_bytes()
}

fn fetched(url: &str) -> Result<Fetched, FetchError> {
    fetch(&Place::read(url).unwrap(), &Validators::default(), &[])
}

fn failure(answers: Vec<Vec<u8>>) -> String {
    let (url, server) = serve(answers);
    let error = fetched(&url).unwrap_err();
    server.join().unwrap();
    error.to_string()
}

#[test]
fn a_file_comes_once_and_then_only_if_it_changed() {
    let head = "ETag: \"one\"\r\nLast-Modified: Sat, 28 Nov 2026 19:00:00 GMT\r\n\
                Content-Type: image/png\r\n";
    let unchanged = b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_vec();
    let (url, server) = serve(vec![ok(head, b"open ssh\n"), unchanged]);
    let place = Place::read(&url).unwrap();
    let Ok(Fetched::New { received, validators }) = fetch(&place, &Validators::default(), &[])
    else {
        panic!("it did not come");
    };
    assert_eq!((received.file, received.signatures), (b"open ssh\n".to_vec(), vec![]));
    assert_eq!(fetch(&place, &validators, &[]).unwrap(), Fetched::Unchanged);
    let asked = server.join().unwrap();
    assert!(!asked[0].to_lowercase().contains("if-none-match"), "{asked:?}");
    let second = asked[1].to_lowercase();
    assert!(second.contains("if-none-match: \"one\""), "{second}");
    assert!(second.contains("if-modified-since: sat, 28 nov 2026"), "{second}");
}

#[test]
fn a_version_that_was_just_written_is_asked_for_again_whole() {
    let head = |sent: &str| {
        format!(
            "ETag: \"one\"\r\nLast-Modified: Sat, 28 Nov 2026 19:00:00 GMT\r\n\
             Date: Sat, 28 Nov 2026 {sent} GMT\r\n"
        )
    };
    for (sent, is_known) in
        [("18:59:59", false), ("19:00:00", false), ("19:00:01", false), ("19:00:02", true)]
    {
        let (url, server) = serve(vec![ok(&head(sent), b"open ssh\n")]);
        let Ok(Fetched::New { validators, .. }) = fetched(&url) else { panic!("{sent}") };
        server.join().unwrap();
        assert_eq!(validators != Validators::default(), is_known, "{sent}");
    }
}

#[test]
fn signatures_come_with_the_file_unless_one_is_inside() {
    let missing = b"HTTP/1.1 404 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_vec();
    let (url, server) = serve(vec![ok("", b"open ssh\n"), missing, ok("", b"signature")]);
    let kinds = [Kind::Minisign, Kind::OpenSsh];
    let place = Place::read(&url).unwrap();
    let Ok(Fetched::New { received, .. }) = fetch(&place, &Validators::default(), &kinds) else {
        panic!("it did not come");
    };
    assert_eq!(received.signatures, vec![b"signature".to_vec()]);
    let asked = server.join().unwrap();
    assert!(asked[1].starts_with("GET /ports.txt.minisig "), "{asked:?}");
    assert!(asked[2].starts_with("GET /ports.txt.sig "), "{asked:?}");

    let inside = b"open ssh\n-----BEGIN SSH SIGNATURE-----\n";
    let (url, server) = serve(vec![ok("", inside)]);
    let place = Place::read(&url).unwrap();
    assert!(fetch(&place, &Validators::default(), &kinds).is_ok());
    assert_eq!(server.join().unwrap().len(), 1);
}

#[test]
fn an_answer_without_an_end_is_cut() {
    let large = "it is larger than 64 KiB";
    let most = usize::try_from(LARGEST_FILE).unwrap();
    assert_eq!(failure(vec![ok("", &vec![b'#'; most + 1])]), large);
    let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let chunk = [b"1000\r\n".to_vec(), vec![b'#'; 4096], b"\r\n".to_vec()].concat();
    assert_eq!(failure(vec![[chunks, chunk.repeat(40)].concat()]), large);
    let endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    assert_eq!(failure(vec![[endless, vec![b'#'; 200_000]].concat()]), large);
    let (url, server) = serve(vec![ok("", &vec![b'#'; most])]);
    assert!(fetched(&url).is_ok());
    server.join().unwrap();
}

#[test]
fn broken_answers_are_failures() {
    for answer in [
        b"".to_vec(),
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nopen ssh\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec(),
        [b"HTTP/1.1 200 OK\r\nA: ".to_vec(), vec![b'a'; 200_000]].concat(),
    ] {
        assert_eq!(failure(vec![answer.clone()]), "it can not be fetched", "{answer:?}");
    }
    let answer = |status: &str| {
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").into_bytes()
    };
    for (status, expected) in [
        ("404 No", "the server answers 404"),
        ("503 Busy", "the server answers 503"),
        ("204 Nothing", "the server answers 204"),
        // Nothing was known that could be unchanged.
        ("304 Same", "the server answers 304"),
    ] {
        assert_eq!(failure(vec![answer(status)]), expected);
    }
}

#[test]
fn a_server_leads_to_other_servers_alone_and_not_forever() {
    let (there, other) = serve(vec![ok("", b"open ssh\n")]);
    let (url, server) = serve(vec![to("/moved"), to(&there)]);
    assert!(fetched(&url).is_ok());
    assert!(server.join().unwrap()[1].starts_with("GET /moved "));
    other.join().unwrap();

    let (url, server) = serve((0..6).map(|_| to("/again")).collect());
    assert_eq!(fetched(&url).unwrap_err().to_string(), FetchError::Redirects.to_string());
    server.join().unwrap();

    for place in ["file:///etc/passwd", "ftp://127.0.0.1/x", "file:/etc/passwd", "js:0", "", "//"] {
        let error = failure(vec![to(place)]);
        assert_eq!(error, format!("the server points to `{place}`, which is not fetched"));
    }
}

#[test]
fn a_place_is_resolved_against_the_one_before() {
    let from: Uri = "https://a.example:8443/b/c?d=e".parse().unwrap();
    for (location, expected) in [
        ("https://other.example/x", "https://other.example/x"),
        ("//other.example/x#top", "https://other.example/x"),
        ("/x?y=z:1", "https://a.example:8443/x?y=z:1"),
        ("x", "https://a.example:8443/b/x"),
        ("?x", "https://a.example:8443/b/c?x"),
        ("../x", "https://a.example:8443/b/../x"),
    ] {
        assert_eq!(redirected(&from, location).unwrap().to_string(), expected);
    }
    let down = redirected(&from, "http://a.example/").unwrap_err();
    assert_eq!(down.to_string(), "the server points from https to `http://a.example/`");
}

#[test]
fn nothing_is_waited_for_that_never_comes() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    symlink("/dev/zero", folder.path().join("zero")).unwrap();
    for (name, expected) in [
        ("pipe", "it is no regular file"),
        ("zero", "it is no regular file"),
        ("", "it is no regular file"),
        ("missing", "it can not be read"),
    ] {
        let place = Place::File(folder.path().join(name));
        let error = fetch(&place, &Validators::default(), &[]).unwrap_err();
        assert_eq!(error.to_string(), expected, "{name}");
    }
    let file = folder.path().join("ports.txt");
    fs::write(&file, "open ssh\n").unwrap();
    fs::write(folder.path().join("ports.txt.sig"), "signature").unwrap();
    let kinds = [Kind::OpenSsh, Kind::Minisign];
    let fetched = fetch(&Place::File(file.clone()), &Validators::default(), &kinds).unwrap();
    let Fetched::New { received, .. } = fetched else { panic!("unchanged") };
    assert_eq!(received.signatures, vec![b"signature".to_vec()]);
    fs::write(&file, vec![b'#'; 70_000]).unwrap();
    let error = fetch(&Place::File(file), &Validators::default(), &kinds).unwrap_err();
    assert_eq!(error.to_string(), FetchError::Large.to_string());
}
