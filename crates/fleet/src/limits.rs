//! Every limit of the rules, with its unit last.

/// A slug: an organisation, a site, an account. The length of a DNS label (RFC 1035 section 2.3.4).
pub const SLUG_BYTES_MAX: usize = 63;
/// A name or other short text that a person or a device gives.
pub const LABEL_BYTES_MAX: usize = 128;
/// A place in a list, or a subject's id: the longest one names a description by its maker and its MUD URL.
pub const CURSOR_BYTES_MAX: usize = 384;
/// Items on one page of a list.
pub const PAGE_ITEMS_MAX: u16 = 500;
/// Rows that one step of a long read (verify, check) takes from the store at once.
pub const STEP_ROWS_MAX: u16 = 500;
/// Entries of the journal that one request with a filter looks at, about.
pub const FILTERED_ENTRIES_MAX: usize = 5_000;
/// Tokens, links and sessions that one account may hold at once.
pub const ACCOUNT_CREDENTIALS_MAX: usize = 64;
/// Life of a one-time sign-in link.
pub const LINK_MINUTES_MAX: i64 = 15;
/// Life of a signed-in session in a browser.
pub const SESSION_HOURS_MAX: i64 = 12;
/// Life of a token.
pub const TOKEN_DAYS_MAX: u16 = 366;
/// How far the hub's clock may fall behind its newest journal entry before it stops issuing,
/// revoking and expiring: a step of an NTP client is smaller, a dead battery is not.
pub const CLOCK_BEHIND_MILLIS_MAX: i64 = 2_000;
/// A key that a client chose so that a repeated request is done once.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;
/// How long an idempotency key is remembered.
pub const IDEMPOTENCY_HOURS_MAX: i64 = 24;
/// Makers that an organisation trusts at once.
pub const ANCHORS_MAX: u16 = 256;
/// Authorities that vouch for the servers of one maker.
pub const ANCHOR_SERVER_AUTHORITIES_MAX: usize = 8;
/// Certificates of one device that are good at once: the one in use and the one being taken up.
pub const DEVICE_LDEVIDS_MAX: usize = 2;
/// The body of a request at a device's door.
pub const DOOR_BODY_BYTES_MAX: usize = 64 * 1024;
/// What a device says of its own failure, as far as it is kept.
pub const REASON_BYTES_MAX: usize = 512;
/// Restorations of one hub that are remembered.
pub const RESTORATIONS_MAX: usize = 16;
/// Life of an LDevID. A device renews it in time.
pub const LDEVID_DAYS_MAX: i64 = 90;
/// A voucher that the service of a maker issued; the journal keeps it.
pub const RECEIVED_VOUCHER_BYTES_MAX: usize = 32 * 1024;
/// Other domains of one device, as far as a MASA's log is kept.
pub const LOG_DOMAINS_MAX: usize = 16;
/// Vouchers of one device that the MASA's log keeps.
pub const DEVICE_VOUCHERS_MAX: usize = 64;
/// A SHA-256 in hexadecimal digits.
pub const DIGEST_CHARS_MAX: usize = 64;
/// How long a blob is kept that nobody holds.
pub const BLOB_UNHELD_HOURS_MAX: i64 = 24;
/// A class of hosts: as long as a MUD URL may be.
pub const CLASS_BYTES_MAX: usize = 255;
/// Entries of one class of hosts: as many as one condition of a plan may mean.
pub const CLASS_MEMBERS_MAX: usize = wire::limits::PLAN_MEMBERS_MAX;
/// A time of RFC 3339 as text: with nine digits of a second and an offset.
pub const DATE_TIME_BYTES_MAX: usize = 35;
/// An address or a prefix as text.
pub const HOSTS_BYTES_MAX: usize = 49;
/// A list of addresses as text: 64 of them.
pub const ADDRESSES_BYTES_MAX: usize = 64 * 46;
/// A recorded frame in hexadecimal digits: 2048 octets.
pub const HEX_BYTES_MAX: usize = 4096;
/// Findings of one kind that are counted: a whole fleet may be silent.
pub const COUNTED_FINDINGS_MAX: i64 = 10_000;
/// Gates of a site that are named beside a plan.
pub const SHOWN_GATES_MAX: u16 = 8;
/// Plans that the hub makes in one go.
pub const WANTED_PLANS_MAX: u16 = 64;
/// Descriptions, or releases, that wait to be fetched and are looked at in one go.
pub const WANTED_FETCHES_MAX: u16 = 1_000;

/// Versions of one device's configuration that are kept.
pub const CONFIGURATION_VERSIONS_MAX: usize = 16;
/// How far the number of an order that a device names may be above the newest that its hub gave, to be
/// believed.
pub const ORDER_STEPS_MAX: u32 = 1_000_000;
/// From one drift of a device that is journalled to the next, whatever the device says; what it says earlier
/// is looked at again then. How often it may say anything is the hub's budget.
pub const DRIFT_MILLIS_MIN: i64 = 500;
/// Lines of a text that are compared one by one.
pub const DIFF_LINES_MAX: usize = 1_000;
/// Operations of one device that are kept. Of each kind one at most is open.
pub const DEVICE_OPERATIONS_MAX: usize = 16;
/// How long an operation may wait for its device: four weeks.
pub const OPERATION_MINUTES_MAX: u32 = 40_320;
/// Contacts that are noted in one command.
pub const CONTACTS_MAX: usize = 500;
/// Findings of one device that are kept.
pub const DEVICE_FINDINGS_MAX: usize = 16;
/// Operations of one playbook.
pub const PLAYBOOK_STEPS_MAX: usize = 8;
/// Tries of one operation of a playbook.
pub const PLAYBOOK_TRIES_MAX: u8 = 10;
/// How long one try of a playbook may take: a day.
pub const PLAYBOOK_STEP_SECONDS_MAX: u32 = 86_400;
/// How long a device at work may say nothing until it counts as silent: several check-ins.
pub const SILENCE_SECONDS_MAX: i64 = 120;
/// Tries to fetch a description that was never good, until a person asks for it again.
pub const DESCRIPTION_TRIES_MAX: u32 = 8;
/// The longest pause between two tries to fetch a description.
pub const DESCRIPTION_PAUSE_MINUTES_MAX: i64 = 24 * 60;
/// Lines that say what a description allows; the file itself says the rest.
pub const DESCRIPTION_LINES_MAX: usize = 128;
/// Why a description was refused, as far as it is kept.
pub const DESCRIPTION_WHY_BYTES_MAX: usize = 1024;
/// The image of a firmware release. The hub fetches it in one piece.
pub const IMAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The certificate of whoever signed a release, and those above it.
pub const SIGNER_BYTES_MAX: usize = 32 * 1024;
/// Devices of one rollout: they are judged together.
pub const ROLLOUT_DEVICES_MAX: u16 = 1_000;
/// Waves of one rollout.
pub const ROLLOUT_WAVES_MAX: usize = 16;
/// Rollouts that are open at once.
pub const OPEN_ROLLOUTS_MAX: u16 = 16;
/// How long a wave may wait for its devices: a week.
pub const DEADLINE_SECONDS_MAX: u32 = 604_800;
/// The waves of a rollout as text.
pub const WAVES_BYTES_MAX: usize = 80;
/// A list of names as text: 64 of them.
pub const NAMES_BYTES_MAX: usize = 64 * (LABEL_BYTES_MAX + 1);
