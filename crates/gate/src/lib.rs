//! The network side of a site: enforcement plans become rules of the kernel.
//!
//! Here stands the first part, [`nft`], and a [`lab`] to try it in. A gate never sees a description: it gets plans, and enforces
//! them while its hub is away.
//!
//! Absent: MUD files, decisions, the store. Not yet: fetching plans, watching DHCP, LLDP and neighbour
//! discovery, names (RFC 9726), quarantine, changes of single devices by netlink.
pub mod lab;
pub mod limits;
pub mod nft;
