//! What stands in the kernel's table at the moment: chains, and sets with their definitions.

use std::io;

use super::{
    frame::SetDefinition,
    socket::Socket,
    wire::{self, Message, TABLE_NAME, Writer, kind},
};

/// `NFTA_TABLE_FLAGS` and `NFT_TABLE_F_DORMANT` in it.
pub(super) const TABLE_FLAGS: u16 = 2;
const DORMANT: u32 = 0x1;

/// `NFTA_CHAIN_NAME`.
const CHAIN_NAME: u16 = 3;

/// Attributes of a set (`enum nft_set_attributes`).
const SET_NAME: u16 = 2;
const SET_FLAGS: u16 = 3;
const SET_KEY_TYPE: u16 = 4;
const SET_DESCRIPTION: u16 = 9;
const SET_TIMEOUT: u16 = 11;
const SET_USER_DATA: u16 = 13;
const SET_EXPRESSION: u16 = 17;
const SET_COUNT: u16 = 20;

/// Attributes of a named object (`enum nft_object_attributes`), and `NFT_OBJECT_LIMIT`.
const OBJECT_NAME: u16 = 2;
const OBJECT_TYPE: u16 = 3;
const LIMIT: u32 = 4;

/// `NFTA_SET_DESC_SIZE` and `NFTA_EXPR_NAME`.
const DESCRIPTION_SIZE: u16 = 1;
const EXPRESSION_NAME: u16 = 1;

/// `NFT_SET_ANONYMOUS`: written inside a rule, and gone with it.
const ANONYMOUS: u32 = 0x1;

/// The type under which `nft` keeps a set's comment in its user data.
const USER_DATA_COMMENT: u8 = 7;

/// What stands in the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inventory {
    /// Whether somebody put the table to sleep, so that no packet meets it.
    pub(super) is_dormant: bool,
    /// The names of the chains.
    pub(super) chains: Vec<String>,
    /// The named sets and maps.
    pub(super) sets: Vec<SetDefinition>,
    /// The names of the limits.
    pub(super) limits: Vec<String>,
}

impl Inventory {
    /// Reads it from the kernel; a table that does not exist has nothing.
    pub(super) fn read(socket: &mut Socket, table: &str) -> io::Result<Self> {
        let name_table = |body: &mut Writer| body.text(TABLE_NAME, table);
        let flags = socket.request(kind::GET_TABLE, name_table, |message| {
            message.attribute(TABLE_FLAGS).and_then(wire::u32_be)
        })?;
        let is_dormant = flags.is_some_and(|flags| flags & DORMANT != 0);
        let chains = socket.dump(
            kind::GET_CHAIN,
            |_| {},
            |message| {
                let name = message.is_about(table).then(|| message.attribute(CHAIN_NAME))??;
                wire::text(name).map(str::to_owned)
            },
        )?;
        let sets = socket.dump(kind::GET_SET, name_table, |message| {
            message.is_about(table).then(|| definition(message))?
        })?;
        let limits = socket.dump(kind::GET_OBJECT, name_table, |message| {
            let kind = message.attribute(OBJECT_TYPE).and_then(wire::u32_be);
            let name = message.is_about(table).then(|| message.attribute(OBJECT_NAME))??;
            wire::text(name).filter(|_| kind == Some(LIMIT)).map(str::to_owned)
        })?;
        Ok(Self { is_dormant, chains, sets, limits })
    }
}

/// Returns how many elements a set holds; older kernels do not tell.
///
/// The sentinel counts, and so do elements that have ended but are not collected yet.
pub(super) fn count(socket: &mut Socket, table: &str, set: &str) -> io::Result<Option<u32>> {
    let name_set = |body: &mut Writer| {
        body.text(TABLE_NAME, table);
        body.text(SET_NAME, set);
    };
    socket.request(kind::GET_SET, name_set, |message| {
        message.attribute(SET_COUNT).and_then(wire::u32_be)
    })
}

fn definition(message: &Message<'_>) -> Option<SetDefinition> {
    let number = |kind| message.attribute(kind).and_then(wire::u32_be).unwrap_or(0);
    let flags = number(SET_FLAGS);
    if flags & ANONYMOUS != 0 {
        return None;
    }
    let size = message
        .attribute(SET_DESCRIPTION)
        .and_then(|description| wire::attribute(description, DESCRIPTION_SIZE))
        .and_then(wire::u32_be);
    let expression = message
        .attribute(SET_EXPRESSION)
        .and_then(|expression| wire::attribute(expression, EXPRESSION_NAME))
        .and_then(wire::text);
    Some(SetDefinition {
        name: message.attribute(SET_NAME).and_then(wire::text)?.to_owned(),
        flags,
        key_type: number(SET_KEY_TYPE),
        size: size.unwrap_or(0),
        timeout: message.attribute(SET_TIMEOUT).and_then(wire::u64_be).unwrap_or(0),
        counter: expression == Some("counter"),
        comment: message.attribute(SET_USER_DATA).and_then(comment),
    })
}

/// Returns the comment in the user data of a set: records of type, length, value.
fn comment(user_data: &[u8]) -> Option<String> {
    let mut rest = user_data;
    while let [record, length, tail @ ..] = rest {
        let (value, others) = tail.split_at_checked(usize::from(*length))?;
        if *record == USER_DATA_COMMENT {
            return wire::text(value).map(str::to_owned);
        }
        rest = others;
    }
    None
}
