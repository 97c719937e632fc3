//! The web face: running it, letting the first user in, and opening it in a browser.

use std::{
    io::{self, IsTerminal as _},
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use clap::{Subcommand, ValueEnum};
use portguard_core::Span;
use portguard_linux::{memory, privilege, report};
use portguard_web::{FolderError, OpenError, PasswordError, Role, Settings};
use serde_json::json;

use crate::{
    config::{self, Config},
    daemon::{self, WEB_USER},
    exit::{Failed, Turn, with_causes},
};

use super::{Global, ask, client::Client, show, unseen};

/// How much the face steps back behind the guard, which has none of it (nice(2)): with five hundred
/// pages to write to it would otherwise be in the way of a ban where there are few cores.
const NICE: i32 = 5;

/// The guard's unit, whose state the face shows.
const UNIT: &str = "portguard.service";

/// How to set up who may come in.
#[derive(Debug, Subcommand)]
pub(crate) enum WebCommand {
    /// Print a link that lets the user `admin` in, once.
    Token {
        /// For how long it is good (`90s`, `15m`).
        #[arg(long = "for", value_name = "D", default_value = "15m")]
        span: Span,
    },
    /// Set a user's password: asked for at a terminal, else the first line of standard input.
    Password {
        /// The user; a new one is an operator unless --role says otherwise.
        #[arg(default_value = "admin")]
        user: String,
        /// What the user may do.
        #[arg(long, value_enum)]
        role: Option<RoleName>,
    },
}

/// What a user of the web face may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RoleName {
    /// Look at everything.
    Viewer,
    /// Give orders too.
    Operator,
}

/// Runs the face, or sets up who may come in.
pub(crate) fn web(global: &Global, command: Option<WebCommand>) -> Result<(), Failed> {
    let loaded = config::load(&global.config, &config::Surroundings::default());
    let config = loaded.map_err(|mistakes| config::failed(&mistakes))?.config;
    match command {
        None => run(&config),
        Some(WebCommand::Token { span }) => token(global, &config, span),
        Some(WebCommand::Password { user, role }) => password(&config, &user, role),
    }
}

/// Shows the status, and opens the face in a browser where there is one to open.
pub(crate) fn open_ui(client: &Client, global: &Global) -> Result<(), Failed> {
    ask::status(client, global)?;
    if global.json {
        return Ok(());
    }
    let address = address(&crate::configured(&global.config));
    let has_display =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    // Root's browser would be another one than the user's, if it started at all.
    if has_display && !privilege::is_root() && browse(&address) {
        return Ok(());
    }
    show::print(&format!("\n{address}\n"))?;
    if !global.quiet {
        eprintln!("hint: sudo portguard web token prints a link that lets you in");
    }
    Ok(())
}

/// Shows the status; at a terminal, goes on as [`open_ui`] does.
pub(crate) fn bare(client: &Client, global: &Global) -> Result<(), Failed> {
    if io::stdout().is_terminal() { open_ui(client, global) } else { ask::status(client, global) }
}

/// Returns the face's address.
pub(crate) fn address(config: &Config) -> String {
    portguard_web::address(config.web.address(), &config.web.tls())
}

fn browse(address: &str) -> bool {
    let mut command = Command::new("xdg-open");
    command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn run(config: &Config) -> Result<(), Failed> {
    let (session, idle) = config.web.lifetimes();
    let reports = config.report_socket();
    let settings = Settings {
        listen: config.web.address(),
        tls: config.web.tls(),
        session,
        idle,
        folder: config.web.state_dir.clone(),
        upstream: config.web_socket(),
        unit: UNIT.to_owned(),
        report: Arc::new(move |text, socket| report::report(&reports, text, Some(socket))),
    };
    memory::give_large_blocks_back();
    // Where that is refused, the face still works.
    let _ = rustix::process::nice(NICE);
    let opened = portguard_web::open(settings).map_err(|error| refused(&error))?;
    become_less(config)?;
    let address = address(config);
    let ready = || {
        eprintln!("the web face answers at {address}");
        daemon::notify_ready();
    };
    opened.serve(ready).map_err(|error| refused(&error))
}

/// Becomes the face's own user, so that what a browser sends is read by nobody who may do anything.
fn become_less(config: &Config) -> Result<(), Failed> {
    let fail = |error: io::Error| {
        Failed::new(Turn::NotPermitted, format!("cannot become {WEB_USER}: {error}"))
    };
    if !privilege::is_root() {
        return privilege::give_up_privileges().map_err(fail);
    }
    let Some(user) = privilege::user(WEB_USER) else {
        eprintln!("warning: there is no user {WEB_USER}: the web face runs as root");
        eprintln!("hint: useradd --system --user-group --shell /usr/sbin/nologin {WEB_USER}");
        return privilege::give_up_privileges().map_err(fail);
    };
    prepare(&config.web.state_dir, user)?;
    privilege::become_user(user, &[&config.api.reporters]).map_err(fail)
}

/// Makes the face's folder for its user, where there is none.
fn prepare(folder: &Path, user: privilege::User) -> Result<(), Failed> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = std::fs::DirBuilder::new();
    let made = match builder.mode(0o700).create(folder) {
        Ok(()) => privilege::give(folder, user),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    };
    made.map_err(|error| {
        Failed::new(Turn::NotPermitted, format!("cannot make {}: {error}", folder.display()))
    })
}

/// Becomes whoever the face's folder belongs to, before anything in it is touched: root must not
/// follow what that user may have laid out there.
fn become_owner(config: &Config) -> Result<(), Failed> {
    if !privilege::is_root() {
        return Ok(());
    }
    let folder = &config.web.state_dir;
    if let Some(user) = privilege::user(WEB_USER) {
        prepare(folder, user)?;
    }
    let owner = match privilege::owner(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        owner => owner,
    };
    let became = owner.and_then(|owner| match owner.uid {
        0 => Ok(()),
        _ => privilege::become_user(owner, &[]),
    });
    became.map_err(|error| {
        let what = format!("cannot become the owner of {}: {error}", folder.display());
        Failed::new(Turn::NotPermitted, what)
    })
}

fn token(global: &Global, config: &Config, span: Span) -> Result<(), Failed> {
    let Span::For(length) = span else {
        return Err(Failed::new(Turn::Usage, "a link is not good for ever").hint("--for 15m"));
    };
    become_owner(config)?;
    let token = portguard_web::make_token(&config.web.state_dir, length);
    let token = token.map_err(|error| refused(&error))?;
    let link = format!("{}#token={token}", address(config));
    if global.json {
        return show::json(&json!({ "link": link, "seconds": length.as_secs() }));
    }
    show::print(&format!("{link}\n"))?;
    if !global.quiet {
        eprintln!("good once, for {span}; whoever opens it is `admin` and sets a password");
    }
    Ok(())
}

fn password(config: &Config, user: &str, role: Option<RoleName>) -> Result<(), Failed> {
    let read = read_password(user);
    let password =
        read.map_err(|error| Failed::new(Turn::Usage, format!("no password: {error}")))?;
    become_owner(config)?;
    let role = role.map(|role| match role {
        RoleName::Viewer => Role::Viewer,
        RoleName::Operator => Role::Operator,
    });
    let set = portguard_web::set_password(&config.web.state_dir, user, role, &password);
    set.map_err(|error| match &error {
        PasswordError::Refused(_) => Failed::new(Turn::Usage, error.to_string()),
        PasswordError::Hash(_) => Failed::bug(error.to_string()),
        PasswordError::Folder(error) => unusable(error),
    })?;
    eprintln!("the password of {user} is set; who was logged in by that name has to log in again");
    Ok(())
}

/// Reads a password: twice and unseen at a terminal, else one line.
fn read_password(user: &str) -> io::Result<String> {
    let answers = unseen::ask(&[format!("new password of {user}"), "once more".to_owned()])?;
    match <[String; 2]>::try_from(answers) {
        Ok([one, other]) if one == other => Ok(one),
        _ => Err(io::Error::other("the two are not the same")),
    }
}

/// Returns why the face does not run, with what to do.
fn refused(error: &OpenError) -> Failed {
    let text = with_causes(error);
    match error {
        OpenError::NoTls(_) => Failed::new(Turn::Configuration, text).hint(
            "set web.tls = true, or web.tls_certificate and web.tls_key; or listen on 127.0.0.1",
        ),
        OpenError::NoPassword(_) => Failed::new(Turn::Configuration, text)
            .hint("set one: sudo portguard web password, then systemctl restart portguard-web"),
        OpenError::Tls(_) => Failed::new(Turn::Configuration, text)
            .hint("web.tls_certificate and web.tls_key are PEM files that fit each other"),
        OpenError::Listen(address, source) => listening(*address, source, text),
        OpenError::Folder(error) => unusable(error),
        OpenError::System(_) => Failed::environment(text),
    }
}

fn listening(address: SocketAddr, source: &io::Error, text: String) -> Failed {
    match source.kind() {
        io::ErrorKind::AddrInUse => Failed::environment(text)
            .hint("does it run already? systemctl status portguard-web; else set web.listen"),
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            Failed::new(Turn::NotPermitted, text)
                .hint("ports below 1024 need AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit")
        }
        _ => Failed::environment(text).hint("web.listen has to be an address of this host"),
    }
}

fn unusable(error: &FolderError) -> Failed {
    let text = with_causes(error);
    let is_denied = matches!(error, FolderError::Use { source, .. }
        if source.kind() == io::ErrorKind::PermissionDenied);
    if is_denied {
        return Failed::new(Turn::NotPermitted, text)
            .hint("run it as root: sudo portguard web ...");
    }
    Failed::environment(text)
}
