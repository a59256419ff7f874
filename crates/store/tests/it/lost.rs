//! A connection that is lost while a batch is committed, with an engine that loses it.
use crate::support::{World, code, expect_device};
use fleet::tx::{Each, Fault, FaultKind, Tx, Value};
use std::collections::VecDeque;
use store::engine::{Batch, Body};
use store::{Engine, commit};

enum How {
    Fine,
    /// The server commits, and its answer is lost.
    LostAnswer,
    /// The connection ends at the first statement of the transaction.
    LostAtOnce,
}

struct Flaky(Box<dyn Engine>, VecDeque<How>);

fn lost<T>() -> Result<T, Fault> {
    Err(Fault::new(FaultKind::Unavailable, "connection lost"))
}

struct Dead;
impl Tx for Dead {
    fn exec(&mut self, _: &'static str, _: &[Value]) -> Result<u64, Fault> {
        lost()
    }
    fn rows(&mut self, _: &'static str, _: &[Value], _: Each) -> Result<(), Fault> {
        lost()
    }
}
impl Batch for Dead {
    fn mark(&mut self) -> Result<(), Fault> {
        lost()
    }
    fn back(&mut self) -> Result<(), Fault> {
        lost()
    }
    fn keep(&mut self) -> Result<(), Fault> {
        lost()
    }
    fn hold_tables(&mut self) -> Result<(), Fault> {
        lost()
    }
    fn script(&mut self, _: &str) -> Result<(), Fault> {
        lost()
    }
}

impl Engine for Flaky {
    fn batch(&mut self, body: Body) -> Result<(), Fault> {
        match self.1.pop_front().unwrap_or(How::Fine) {
            How::Fine => self.0.batch(body),
            How::LostAnswer => self.0.batch(body).and_then(|()| lost()),
            How::LostAtOnce => body(&mut Dead),
        }
    }
    fn snapshot(&mut self, body: Body) -> Result<(), Fault> {
        self.0.snapshot(body)
    }
}

#[test]
fn two_lost_connections_in_a_row_do_not_lose_the_lane() {
    let world = World::sqlite();
    let mut writer = world.writer();
    let mut flaky = Flaky(world.engine(), [How::LostAnswer, How::LostAtOnce].into());
    let mut write = |name| {
        commit(&mut flaky, &mut writer.lane, writer.now, &writer.env, &[expect_device(name)]).remove(0)
    };
    assert_eq!(code(&write("a")), "store-unavailable");
    assert_eq!(code(&write("b")), "store-unavailable");
    assert_eq!(code(&write("c")), "", "nobody else writes here");
}
