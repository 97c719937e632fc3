//! The control file: a small signed text at a URL that opens and closes services.
//!
//! [`Place`] says where it lies, [`fetch()`] brings it with its signature, [`judge()`] says whether it
//! counts, [`read`] what it orders. [`sign`] makes one, [`Page`] shows what became of it. All but
//! fetching is values in, values out; nothing here gives an order.

mod fetch;
mod judge;
mod page;
mod place;
mod signature;
mod stamp;
mod text;

pub use fetch::{FetchError, Fetched, LARGEST_FILE, Validators, fetch};
pub use judge::{Judged, Mark, Received, Rejection, Rules, digest, judge};
pub use page::{Page, ServiceLine};
pub use place::{Place, PlaceError};
pub use signature::{Kind, NAMESPACE, SignError, Signature, SignatureError, sign, split};
pub use stamp::{Serial, Stamp, StampError, stamp_of, stamped};
pub use text::{Act, Fault, LineError, MOST_FAULTS, MOST_ORDERS, Order, Reading, read};
