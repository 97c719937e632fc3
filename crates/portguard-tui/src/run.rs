//! The shell: waits for keys, signals, answers and the next second, feeds the state, draws.

use std::{
    io,
    sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ratatui_crossterm::crossterm::{
    event::{self, Event},
    terminal::size,
};
use signal_hook::{
    consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP},
    iterator::Signals,
    low_level::emulate_default_handler,
};

use crate::{
    key::Key,
    look::Look,
    order::Order,
    state::{Act, State, Update},
    terminal::{self, Screen},
    watch::{self, Daemon, Questions},
};

/// How many inputs may wait: a screen is drawn for all of them at once, so few ever do. Whoever
/// has more waits.
const WAITING: usize = 64;

/// How long a signal waits for the end of a program whose terminal takes nothing any more.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Why there is no dashboard, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// Standard input or output is none.
    #[error("this is no terminal")]
    NoTerminal,
    /// The terminal can not place a cursor.
    #[error("this terminal (TERM=dumb) can show lines only")]
    Dumb,
    /// The terminal does not do what it is told.
    #[error("cannot use the terminal")]
    Terminal(#[from] io::Error),
    /// A thread of this program panicked.
    #[error("a part of the dashboard broke down")]
    Broken,
}

/// What the shell waits for.
pub(crate) enum Input {
    Key(Key),
    Height(u16),
    Update(Box<Update>),
    Signal(i32),
    /// No key will come any more.
    Gone(io::Error),
    /// A thread panicked.
    Broken,
}

/// Shows the dashboard until the operator quits. A signal that ends programs ends this one, after
/// the terminal was given back.
///
/// # Errors
/// When there is no terminal, or it breaks.
pub fn run(asks: impl Daemon, orders: impl Daemon, look: Look) -> Result<(), TopError> {
    if !terminal::is_there() {
        return Err(TopError::NoTerminal);
    }
    if std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty()) {
        return Err(TopError::Dumb);
    }
    let (inputs, arriving) = mpsc::sync_channel(WAITING);
    let shell = Shell::start(asks, orders, inputs)?;
    let mut screen = Screen::open()?;
    let end = shell.show(&mut screen, &arriving, look);
    drop(screen);
    match end? {
        End::Quit => Ok(()),
        End::Signal(signal) => Ok(emulate_default_handler(signal)?),
    }
}

/// How it ends.
enum End {
    Quit,
    Signal(i32),
}

struct Shell {
    questions: Questions,
    orders: SyncSender<Order>,
}

impl Shell {
    /// Starts the threads.
    fn start(
        mut asks: impl Daemon,
        mut gives: impl Daemon,
        inputs: SyncSender<Input>,
    ) -> io::Result<Self> {
        let questions = Questions::default();
        // One order at a time is given, and none before the last was answered.
        let (orders, waiting) = mpsc::sync_channel(1);
        let asked = questions.clone();
        spawn("asks", inputs.clone(), move |inputs| watch::ask(&mut asks, &asked, inputs))?;
        spawn("orders", inputs.clone(), move |inputs| watch::give(&mut gives, &waiting, inputs))?;
        let signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT])?;
        spawn("signals", inputs.clone(), move |inputs| signal(signals, inputs))?;
        spawn("keys", inputs, keys)?;
        Ok(Self { questions, orders })
    }

    /// Feeds the state and draws it until the end.
    fn show(
        &self,
        screen: &mut Screen,
        inputs: &Receiver<Input>,
        look: Look,
    ) -> Result<End, TopError> {
        let mut state = State::default();
        let (_, rows) = size()?;
        state.apply(Update::Height(rows));
        loop {
            state.apply(Update::Clock(seconds()));
            self.questions.want(state.asks());
            screen.draw(&state, look)?;
            let mut next = match inputs.recv_timeout(until_next_second()) {
                Ok(input) => Some(input),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Err(TopError::Broken),
            };
            while let Some(input) = next {
                if let Some(end) = self.take(&mut state, screen, input)? {
                    return Ok(end);
                }
                next = inputs.try_recv().ok();
            }
        }
    }

    fn take(
        &self,
        state: &mut State,
        screen: &mut Screen,
        input: Input,
    ) -> Result<Option<End>, TopError> {
        match input {
            Input::Key(key) => {
                let Some(act) = state.press(&key) else { return Ok(None) };
                return self.act(screen, act);
            }
            Input::Height(rows) => state.apply(Update::Height(rows)),
            Input::Update(update) => {
                if matches!(*update, Update::Answered(_)) {
                    self.questions.hurry();
                }
                state.apply(*update);
            }
            Input::Signal(SIGTSTP) => suspend(screen)?,
            Input::Signal(SIGCONT) => screen.resume()?,
            Input::Signal(signal) => return Ok(Some(End::Signal(signal))),
            Input::Gone(error) => return Err(error.into()),
            Input::Broken => return Err(TopError::Broken),
        }
        Ok(None)
    }

    fn act(&self, screen: &mut Screen, act: Act) -> Result<Option<End>, TopError> {
        match act {
            Act::Quit => return Ok(Some(End::Quit)),
            Act::Suspend => suspend(screen)?,
            Act::Redraw => screen.redraw()?,
            Act::Give(order) => {
                // There is one at most, and the thread that takes it ends with the program.
                return match self.orders.try_send(order) {
                    Ok(()) => Ok(None),
                    Err(_) => Err(TopError::Broken),
                };
            }
        }
        Ok(None)
    }
}

/// Stops this process as the shell's Ctrl-Z does, with the terminal given back meanwhile.
fn suspend(screen: &mut Screen) -> io::Result<()> {
    Screen::pause();
    emulate_default_handler(SIGTSTP)?;
    screen.resume()
}

fn keys(inputs: &SyncSender<Input>) {
    loop {
        let read: Vec<Input> = match event::read() {
            Ok(Event::Key(key)) => Key::of(key).map(Input::Key).collect(),
            Ok(Event::Paste(text)) => vec![Input::Key(Key::Text(text))],
            Ok(Event::Resize(_, rows)) => vec![Input::Height(rows)],
            Ok(_) => Vec::new(),
            Err(error) => {
                // The shell ends with this.
                let _ = inputs.send(Input::Gone(error));
                return;
            }
        };
        if read.into_iter().any(|input| inputs.send(input).is_err()) {
            return;
        }
    }
}

fn signal(mut signals: Signals, inputs: &SyncSender<Input>) {
    for signal in signals.forever() {
        // A full queue means that the shell is stuck, of which the end below takes care.
        let _ = inputs.try_send(Input::Signal(signal));
        if !matches!(signal, SIGTSTP | SIGCONT) {
            thread::sleep(LAST_WAIT);
            // It fails for signals that can not be, and those were not asked for.
            let _ = emulate_default_handler(signal);
        }
    }
}

/// Starts a thread whose panic is told to the shell.
fn spawn(
    name: &str,
    inputs: SyncSender<Input>,
    work: impl FnOnce(&SyncSender<Input>) + Send + 'static,
) -> io::Result<()> {
    struct Last(SyncSender<Input>);
    impl Drop for Last {
        fn drop(&mut self) {
            if thread::panicking() {
                // A shell that is gone needs not be told.
                let _ = self.0.send(Input::Broken);
            }
        }
    }
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(move || {
        let last = Last(inputs);
        work(&last.0);
    })?;
    Ok(())
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn until_next_second() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_nanos(1_000_000_000 - u64::from(now.subsec_nanos()))
}
