//! The network side of a site: enforcement plans become rules of the kernel.
//!
//! [`site`] is a gate's life: it gets plans from its hub, never a description, and enforces them while its hub
//! is away. [`nft`] makes them rules of the kernel; [`lab`] is three namespaces to try them in.
//!
//! Absent: MUD files, decisions, the store, the way into a domain (an agent's). Not yet: watching DHCP, LLDP
//! and neighbour discovery, names (RFC 9726), changes of single devices by netlink, the end of live flows.
pub mod lab;
pub mod limits;
pub mod nft;
pub mod site;
