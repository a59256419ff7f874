//! What happens between the hub and the maker's service: requests that are lost, cut short, repeated,
//! worked on step by step, and forgotten when either's power goes.
use super::{Event, Exchange, Party, Power, Waiting, World};
use crate::limits::{ASK_MILLIS_MAX, HUB_DOWN_MILLIS_MAX};
use fleet::door::{Answer, Outgoing, Reply, Step, Then};
use fleet::refusal::{Refusal, Sort};

impl World {
    /// The hub asks, and its work on the device's request waits.
    pub(super) fn asks(
        &mut self,
        device: usize,
        life: Option<u64>,
        outgoing: Box<Outgoing>,
        then: Then<Result<Reply, Refusal>>,
    ) {
        self.tally.asks += 1;
        self.counter += 1;
        let ask = self.counter;
        self.waiting.insert(ask, Waiting { device, life, then });
        let delay = self.delay();
        if self.fails(|faults| faults.loss) {
            self.tally.lost += 1;
            return self.replies(Some(ask), ASK_MILLIS_MAX, Err(away("no reply")));
        }
        let mut asker = Some(ask);
        if self.fails(|faults| faults.cut) {
            self.tally.lost += 1;
            self.replies(asker.take(), 1, Err(away("reset")));
        }
        if self.fails(|faults| faults.repeat) {
            self.tally.repeated += 1;
            let later = delay + self.delay();
            self.after(later, Event::Asked { ask: None, outgoing: outgoing.clone() });
        }
        self.after(delay, Event::Asked { ask: asker, outgoing });
    }

    /// A request reaches the maker.
    pub(super) fn asked(&mut self, ask: Option<u64>, outgoing: Outgoing) {
        let date = self.date();
        let opened = if self.maker.desk.is_running() { self.maker.open(outgoing, date) } else { None };
        match opened {
            Some(step) => self.keep(Exchange { party: Party::Registrar(ask), step }),
            None => {
                let delay = self.delay();
                self.replies(ask, delay, Err(away("refused")));
            }
        }
    }

    pub(super) fn maker_goes_on(&mut self, ask: Option<u64>, step: Step) -> Result<(), String> {
        let step = match step {
            Step::Answer(answer) => {
                self.maker_answers(ask, answer);
                return Ok(());
            }
            Step::Run(call, then) => {
                let power = self.power(|faults| faults.hub_crash);
                if matches!(power, Power::GoesBefore) {
                    self.maker_crashes(ask);
                    return Ok(());
                }
                self.tally.commits += 1;
                let date = self.date();
                let outcome = self.maker.commit(call, date);
                if matches!(power, Power::GoesAfter) {
                    self.maker_crashes(ask);
                    return Ok(());
                }
                then(outcome)
            }
            Step::SignVoucher(json, then) => then(self.maker.sign_voucher(&json)),
            _ => return Err("a step that the MASA's door does not have".into()),
        };
        self.keep(Exchange { party: Party::Registrar(ask), step });
        Ok(())
    }

    fn maker_answers(&mut self, ask: Option<u64>, answer: Answer) {
        if self.fails(|faults| faults.loss) {
            self.tally.lost += 1;
            return self.replies(ask, ASK_MILLIS_MAX, Err(away("no reply")));
        }
        let reply = Reply {
            status: answer.status,
            content_type: answer.content_type.into(),
            retry_after_seconds: answer.retry_after_seconds,
            body: answer.body,
        };
        let delay = self.delay();
        self.replies(ask, delay, Ok(reply));
    }

    fn maker_crashes(&mut self, ask: Option<u64>) {
        self.tally.maker_crashes += 1;
        self.maker.desk.stop();
        let (lost, kept) = std::mem::take(&mut self.exchanges)
            .into_iter()
            .partition(|(_, exchange)| matches!(exchange.party, Party::Registrar(_)));
        self.exchanges = kept;
        let lost: std::collections::BTreeMap<u64, Exchange> = lost;
        let waiting = lost.into_values().map(|exchange| exchange.party);
        for party in waiting.chain([Party::Registrar(ask)]) {
            let delay = self.delay();
            if let Party::Registrar(ask) = party {
                self.replies(ask, delay, Err(away("closed")));
            }
        }
        let down = self.random.below(HUB_DOWN_MILLIS_MAX);
        self.after(down, Event::MakerStarts);
    }

    /// The hub hears a reply after a while, if anybody there waits for it.
    fn replies(&mut self, ask: Option<u64>, millis: u64, reply: Result<Reply, Refusal>) {
        if let Some(ask) = ask {
            self.after(millis, Event::Replied { ask, reply: Box::new(reply) });
        }
    }

    pub(super) fn replied(&mut self, ask: u64, reply: Result<Reply, Refusal>) {
        // Gone with the hub's power.
        let Some(Waiting { device, life, then }) = self.waiting.remove(&ask) else { return };
        self.keep(Exchange { party: Party::Device(device, life), step: then(reply) });
    }
}

fn away(why: &str) -> Refusal {
    Refusal::new(Sort::Later, "server-away", why)
}
