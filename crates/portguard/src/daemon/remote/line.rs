//! One line of a control file on its way to the guard.

use portguard_core::{Author, Command, Done, Guard, PortOrder, Refusal};
use portguard_reach::control::{Act, Order};

use crate::daemon::inbox::{Busy, Inbox};

/// Gives the guard an order, and returns what it says of it.
///
/// # Errors
/// When the guard is on its way down.
pub(super) fn give(
    inbox: &Inbox,
    order: &Order,
    author: Author,
) -> Result<Result<Done, Refusal>, Busy> {
    let (sender, receiver) = crossbeam_channel::bounded(1);
    let order = order.clone();
    inbox.ask_patiently(Box::new(move |guard, now| {
        let result =
            command(guard, &order, author).and_then(|command| guard.handle_command(command, now));
        // The thread waits for it.
        let _ = sender.send(result);
        Box::new(|_| {})
    }))?;
    receiver.recv().map_err(|_| Busy)
}

fn command(guard: &Guard, order: &Order, author: Author) -> Result<Command, Refusal> {
    let rules = guard.rules();
    let (service, ports) =
        rules.services.get_key_value(order.service.as_str()).ok_or_else(|| Refusal {
            why: format!("{} is no service of the configuration", order.service),
            hint: None,
        })?;
    let mut ports: Vec<_> = ports.ports.iter().flat_map(|range| range.ports()).collect();
    ports.sort_unstable();
    ports.dedup();
    let ports = PortOrder { ports, service: service.clone(), from: order.from, author };
    Ok(match order.act {
        Act::Open => Command::Open { order: ports, span: order.span },
        Act::Close => Command::Close(ports),
    })
}
