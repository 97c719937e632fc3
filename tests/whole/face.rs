//! A face as the daemon sees it: HTTP on one of its sockets.

use serde_json::Value;

use crate::story::Story;

/// What the daemon answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) code: u16,
    pub(crate) body: String,
}

impl Answered {
    /// Returns the answer as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let read = serde_json::from_str(&self.body);
        read.unwrap_or_else(|why| panic!("{why}: {} {}", self.code, self.body))
    }

    /// Returns the JSON of an answer that must not be a refusal.
    #[track_caller]
    pub(crate) fn good(&self) -> Value {
        assert_eq!(self.code, 200, "{}", self.body);
        self.json()
    }
}

/// A user of the web face, or of the control socket.
pub(crate) struct Face<'a> {
    story: &'a Story,
    socket: String,
    headers: Vec<String>,
    /// The system's user that asks.
    uid: u32,
}

impl<'a> Face<'a> {
    /// Returns root on the control socket.
    pub(crate) fn root(story: &'a Story) -> Self {
        let socket = story.daemon.socket().display().to_string();
        Self { story, socket, headers: Vec::new(), uid: 0 }
    }

    /// Returns somebody on the web face's socket, of whom the face says this.
    pub(crate) fn web(story: &'a Story, headers: &[&str]) -> Self {
        let socket = story.daemon.socket().with_file_name("web.sock").display().to_string();
        let headers = headers.iter().map(|header| (*header).to_owned()).collect();
        Self { story, socket, headers, uid: 0 }
    }

    /// Returns an operator of this name on the web face's socket.
    pub(crate) fn operator(story: &'a Story, name: &str) -> Self {
        Self::web(story, &["portguard-role: operator", &format!("portguard-user: {name}")])
    }

    /// Returns a viewer on the web face's socket.
    pub(crate) fn viewer(story: &'a Story) -> Self {
        Self::web(story, &["portguard-role: viewer", "portguard-user: victor"])
    }

    /// The same, asking as another user of the system.
    pub(crate) fn by(self, uid: u32) -> Self {
        Self { uid, ..self }
    }

    /// Asks.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answered {
        self.request(&["-X", "GET"], path)
    }

    /// Orders.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answered {
        self.send("POST", path, &body.to_string())
    }

    /// Sends a body, whatever it is.
    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> Answered {
        let kind = ["-H", "content-type: application/json"];
        let file = self.story.daemon.home().join("body");
        std::fs::write(&file, body).unwrap();
        let body = format!("@{}", file.display());
        self.request(&[&["-X", method][..], &kind, &["--data-binary", &body]].concat(), path)
    }

    #[track_caller]
    fn request(&self, options: &[&str], path: &str) -> Answered {
        let output = self.story.lab.guarded().run(self.line(options, path));
        let (body, code) = output.rsplit_once('\n').unwrap();
        Answered { code: code.parse().unwrap(), body: body.to_owned() }
    }

    /// Returns the command line of a request that prints the answer and its code.
    pub(crate) fn line(&self, options: &[&str], path: &str) -> Vec<String> {
        let uid = self.uid.to_string();
        let user = ["setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups"];
        let curl = ["curl", "-sN", "-w", "\n%{http_code}", "--unix-socket", &self.socket];
        let user = if self.uid == 0 { &[][..] } else { &user[..] };
        let words = user.iter().chain(&curl).chain(options).map(|word| (*word).to_owned());
        let headers = self.headers.iter().flat_map(|one| ["-H".to_owned(), one.clone()]);
        words.chain(headers).chain([format!("http://portguard{path}")]).collect()
    }
}
