//! Every limit of the simulation, with its unit last.

/// How long there are faults while the devices join.
pub const FAULTY_MINUTES_MAX: u64 = 30;

/// How long it may take to converge after everything is healed: the longest backoffs, and a person
/// who starts devices again.
pub const HEALING_HOURS_MAX: u64 = 12;

/// The slowest packet.
pub const DELAY_MILLIS_MAX: u64 = 400;

/// The slowest step of the hub.
pub const SERVICE_MILLIS_MAX: u64 = 1_500;

/// How long the hub is without power.
pub const HUB_DOWN_MILLIS_MAX: u64 = 60_000;

/// How long a device is without power.
pub const DEVICE_DOWN_MILLIS_MAX: u64 = 120_000;

/// How long a device waits for an answer that does not come.
pub const ANSWER_MILLIS_MAX: u64 = 60_000;

/// How long a hub waits for a reply that does not come.
pub const ASK_MILLIS_MAX: u64 = 20_000;

/// How often the operator looks whom to admit.
pub const OPERATOR_MILLIS_MAX: u64 = 30_000;

/// After how long somebody starts a device again that gave up.
pub const HELP_MILLIS_MAX: u64 = 3_600_000;

/// Events of one world, so that a loop that makes no time pass is found.
pub const WORLD_EVENTS_MAX: u64 = 20_000_000;
