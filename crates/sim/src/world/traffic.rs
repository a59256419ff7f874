//! What happens between devices and the hub: requests that are lost, cut short, repeated, worked on
//! step by step, and forgotten when the hub's power goes.
use super::{Event, Exchange, Party, Power, World};
use crate::limits::{ANSWER_MILLIS_MAX, HUB_DOWN_MILLIS_MAX, SERVICE_MILLIS_MAX};
use agent::machine::{self, Input, Trust, check_server};
use fleet::door::{Answer, Step};
use fleet::onboarding::door;
use fleet::refusal::{Refusal, Sort};
use wire::Certificate;

impl World {
    pub(super) fn opens(&mut self, device: usize, trust: &Trust, shown: Certificate) {
        let believed = match trust {
            Trust::Anchors(anchors) => check_server(self.hub.registrar(), "registrar.example", anchors),
            Trust::Provisional => Ok(()),
        };
        let delay = self.delay();
        match believed {
            Err(why) => self.tell(device, delay, Input::Lost(why.to_string())),
            Ok(()) if !self.hub.desk.is_running() => self.tell(device, delay, Input::Lost("refused".into())),
            Ok(()) => {
                self.devices[device].line = Some(shown);
                self.tell(device, delay, Input::Connected(self.hub.registrar().to_vec()));
            }
        }
    }

    pub(super) fn send(&mut self, device: usize, request: machine::Request) {
        let delay = self.delay();
        let Some(shown) = self.devices[device].line.clone() else {
            return self.tell(device, 1, Input::Lost("the connection is closed".into()));
        };
        if self.fails(|faults| faults.loss) {
            self.tally.lost += 1;
            return self.tell(device, ANSWER_MILLIS_MAX, Input::Lost("no answer".into()));
        }
        let (shown, mut life) = (Box::new(shown), Some(self.devices[device].life));
        if self.fails(|faults| faults.cut) {
            self.tally.lost += 1;
            life = None;
            self.tell(device, 1, Input::Lost("reset".into()));
        }
        if self.fails(|faults| faults.repeat) {
            self.tally.repeated += 1;
            let later = delay + self.delay();
            let (shown, request) = (shown.clone(), request.clone());
            self.after(later, Event::Arrives { device, life: None, shown, request });
        }
        self.after(delay, Event::Arrives { device, life, shown, request });
    }

    pub(super) fn arrives(
        &mut self,
        device: usize,
        life: Option<u64>,
        shown: &Certificate,
        request: machine::Request,
    ) {
        let date = self.date();
        // Whom the hub does not believe gets no answer; without power, nobody does.
        let Ok(peer) = self.hub.judge(&[shown.der().to_vec()], date) else {
            return self.closes(device, life);
        };
        self.tally.requests += 1;
        let (content_type, body) = request.content.clone().unwrap_or_default();
        let step = self.hub.open(door::Request {
            post: request.content.is_some(),
            path: request.path.into(),
            content_type: content_type.into(),
            body,
            peer,
        });
        self.keep(Exchange { party: Party::Device(device, life), step });
    }

    /// The hub's end of a connection is closed.
    fn closes(&mut self, device: usize, life: Option<u64>) {
        if life != Some(self.devices[device].life) {
            return;
        }
        self.devices[device].line = None;
        let delay = self.delay();
        self.tell(device, delay, Input::Lost("closed".into()));
    }

    /// A hub goes on with a request after a while.
    pub(super) fn keep(&mut self, exchange: Exchange) {
        self.counter += 1;
        let id = self.counter;
        self.exchanges.insert(id, exchange);
        let millis = self.random.below(SERVICE_MILLIS_MAX);
        self.after(millis, Event::GoesOn(id));
    }

    pub(super) fn goes_on(&mut self, id: u64) -> Result<(), String> {
        match self.exchanges.remove(&id) {
            // Gone with the hub's power.
            None => Ok(()),
            Some(Exchange { party: Party::Registrar(ask), step }) => self.maker_goes_on(ask, step),
            Some(Exchange { party: Party::Device(device, life), step }) => {
                self.hub_goes_on(device, life, step);
                Ok(())
            }
        }
    }

    fn hub_goes_on(&mut self, device: usize, life: Option<u64>, step: Step) {
        let step = match step {
            Step::Answer(answer) => return self.answers(device, life, answer),
            Step::Run(call, then) => {
                let power = self.power(|faults| faults.hub_crash);
                if matches!(power, Power::GoesBefore) {
                    return self.hub_crashes(device, life);
                }
                self.tally.commits += 1;
                let (serial_number, date) = (self.devices[device].serial_number.clone(), self.date());
                let outcome = self.hub.commit_for(&serial_number, call, date);
                if matches!(power, Power::GoesAfter) {
                    return self.hub_crashes(device, life);
                }
                then(outcome)
            }
            Step::Sign(to_sign, then) => then(self.hub.sign(&to_sign)),
            Step::SignVoucherRequest(json, then) => then(self.hub.sign_voucher_request(&json)),
            Step::Ask(outgoing, then) => return self.asks(device, life, outgoing, then),
            Step::SignVoucher(_, then)
            | Step::SignAsMaker(.., then)
            | Step::SignAsRegistrar(.., then)
            | Step::SignRelease(_, then) => then(Err(no_factory())),
            Step::Keep(_, then) => then(Err(no_factory())),
        };
        self.keep(Exchange { party: Party::Device(device, life), step });
    }

    fn answers(&mut self, device: usize, life: Option<u64>, answer: Answer) {
        if life != Some(self.devices[device].life) {
            return;
        }
        if self.fails(|faults| faults.loss) {
            self.tally.lost += 1;
            return self.tell(device, ANSWER_MILLIS_MAX, Input::Lost("no answer".into()));
        }
        let heard = machine::Answer {
            status: answer.status,
            content_type: answer.content_type.into(),
            retry_after_seconds: answer.retry_after_seconds.map(u64::from),
            date_millis: Some(self.date()),
            body: answer.body,
        };
        let delay = self.delay();
        self.tell(device, delay, Input::Answered(heard));
    }

    fn hub_crashes(&mut self, device: usize, life: Option<u64>) {
        self.tally.hub_crashes += 1;
        self.hub.desk.stop();
        self.closes(device, life);
        let waiting: Vec<_> =
            std::mem::take(&mut self.waiting).into_values().map(|it| (it.device, it.life)).collect();
        let mut lost = waiting;
        self.exchanges.retain(|_, exchange| match exchange.party {
            Party::Device(device, life) => {
                lost.push((device, life));
                false
            }
            Party::Registrar(_) => true,
        });
        lost.into_iter().for_each(|(device, life)| self.closes(device, life));
        self.devices.iter_mut().for_each(|device| device.line = None);
        let down = self.random.below(HUB_DOWN_MILLIS_MAX);
        self.after(down, Event::HubStarts);
    }
}

fn no_factory() -> Refusal {
    Refusal::new(Sort::NotYet, "no-factory", "nothing is published in simulated worlds yet")
}
