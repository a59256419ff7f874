//! Scripts: what a room is asked and what it answers, as data, so that the store's tests run the same
//! on both engines.

/// One room's script. Each runs on an empty store, as an administrator of the organisation `main`.
pub struct Script {
    /// What it shows.
    pub name: &'static str,
    /// The steps, in order.
    pub steps: &'static [Step],
}

/// One request.
pub struct Step {
    /// `noun verb`.
    pub operation: &'static str,
    /// The arguments as JSON.
    pub arguments: &'static str,
    /// What must come back.
    pub expect: Expect,
}

/// What must come back.
pub enum Expect {
    /// An answer that holds at least this JSON: objects member by member, arrays item by item.
    Answer(&'static str),
    /// A refusal with this code.
    Refused(&'static str),
}

/// A step that is answered.
pub const fn answers(operation: &'static str, arguments: &'static str, answer: &'static str) -> Step {
    Step { operation, arguments, expect: Expect::Answer(answer) }
}

/// A step that is refused.
pub const fn refuses(operation: &'static str, arguments: &'static str, code: &'static str) -> Step {
    Step { operation, arguments, expect: Expect::Refused(code) }
}
