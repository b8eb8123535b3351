//! The way out for plugins: HTTP requests and port probes, to granted addresses only.
//!
//! A name is resolved once; addresses of a class that was not granted are left out; and exactly one of the addresses that
//! were looked at is dialled, so that a second answer of the name server changes nothing. Redirects are answers. Which
//! hosts, methods and paths are granted is for `policy`: this room is told where to go, and knows only what an address is.

mod address;
mod body;
mod dial;
mod error;
mod http;
mod proxy;
mod tls;

pub use address::{AddressClass, Addresses, AddressesError, Refusal};
pub use dial::Resolve;
pub use error::{ConnectError, SendError};
pub use http::{Answer, Client, Limits, Route, Stream, Worker};
pub use proxy::{Proxies, Proxy, proxies_with_password};
pub use tls::Trust;
