//! What a device remembers of its firmware: `slots/state`.
use super::device::Slot;
use crate::limits::FAILED_MANIFESTS_MAX;
use wire::control::FirmwareNotKept;
use wire::digest::{from_hex, hex};

/// What was decided about the slots. *Stored.*
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The slot whose firmware was healthy last, and its sequence number.
    pub confirmed: Option<(Slot, u64)>,
    /// A higher sequence number that was confirmed before, if there was one: the device is on its way back.
    pub highest: Option<u64>,
    /// The slot that is to prove itself.
    pub trial: Option<Trial>,
    /// Manifests whose firmware was tried and was not healthy, the newest last: not taken again.
    pub failed: Vec<[u8; 32]>,
    /// The last firmware that was not kept.
    pub not_kept: Option<FirmwareNotKept>,
}

/// A slot on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Which.
    pub slot: Slot,
    /// How often it was started.
    pub starts: u32,
}

/// The file is not what this program wrote. Somebody changed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {0} is not as the agent writes it; lay the firmware anew")]
pub struct RecordRefused(pub usize);

/// What stands for nothing.
const NONE: &str = "-";

impl Record {
    /// The highest sequence number that was ever confirmed here: no lower one is taken, whatever runs now.
    ///
    /// RFC 9124 section 4.3.1: "Devices must reject manifests with sequence numbers smaller than any onboard
    /// sequence number". One that failed its trial is none of them: the draft excludes it as not valid (section
    /// "Manifest Processor Setup").
    pub fn floor(&self) -> Option<u64> {
        self.highest.max(self.confirmed.map(|(_, number)| number))
    }

    /// As it is when the firmware of a slot has proved itself.
    pub(super) fn confirming(&self, slot: Slot, sequence_number: u64) -> Self {
        let highest = self.floor().filter(|floor| *floor > sequence_number);
        Self { confirmed: Some((slot, sequence_number)), highest, trial: None, ..self.clone() }
    }

    /// Notes a manifest whose firmware was not healthy; the oldest is forgotten.
    pub(super) fn add_failed(&mut self, manifest: [u8; 32]) {
        self.failed.retain(|it| *it != manifest);
        self.failed.push(manifest);
        let over = self.failed.len().saturating_sub(FAILED_MANIFESTS_MAX);
        self.failed.drain(..over);
    }

    /// Reads what [`to_text`](Self::to_text) wrote.
    ///
    /// # Errors
    /// [`RecordRefused`].
    pub fn from_text(text: &str) -> Result<Self, RecordRefused> {
        let mut record = Self::default();
        for (number, line) in text.lines().enumerate() {
            record.read(line).ok_or(RecordRefused(number + 1))?;
        }
        Ok(record)
    }

    fn read(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ')?;
        match word {
            "confirmed" => {
                let (slot, number) = rest.split_once(' ')?;
                self.confirmed = Some((Slot::from_name(slot)?, number.parse().ok()?));
            }
            "highest" => self.highest = Some(rest.parse().ok()?),
            "trial" => {
                let (slot, starts) = rest.split_once(' ')?;
                self.trial = Some(Trial { slot: Slot::from_name(slot)?, starts: starts.parse().ok()? });
            }
            "failed" => self.add_failed(from_hex(rest)?),
            "not-kept" => self.not_kept = Some(read_not_kept(rest)?),
            _ => return None,
        }
        Some(())
    }

    /// A line for each thing.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        if let Some((slot, number)) = self.confirmed {
            text += &format!("confirmed {} {number}\n", slot.name());
        }
        if let Some(number) = self.highest {
            text += &format!("highest {number}\n");
        }
        if let Some(trial) = self.trial {
            text += &format!("trial {} {}\n", trial.slot.name(), trial.starts);
        }
        for manifest in &self.failed {
            text += &format!("failed {}\n", hex(manifest));
        }
        if let Some(it) = &self.not_kept {
            let number = it.sequence_number.map_or(NONE.into(), |number| number.to_string());
            let manifest = it.manifest.map_or(NONE.into(), |manifest| hex(&manifest));
            text += &format!("not-kept {number} {manifest} {} {} {}\n", it.tried, it.reason, it.why);
        }
        text
    }
}

fn read_not_kept(rest: &str) -> Option<FirmwareNotKept> {
    let mut parts = rest.splitn(5, ' ');
    let mut part = || parts.next();
    let number = part()?;
    let manifest = part()?;
    Some(FirmwareNotKept {
        sequence_number: if number == NONE { None } else { Some(number.parse().ok()?) },
        manifest: if manifest == NONE { None } else { Some(from_hex(manifest)?) },
        tried: part()?.parse().ok()?,
        reason: part()?.into(),
        why: part()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let not_kept = FirmwareNotKept {
            sequence_number: Some(8),
            manifest: Some([8; 32]),
            tried: true,
            reason: "suit-report-reason-operation-failed".into(),
            why: "it did not answer in time".into(),
        };
        let bare = FirmwareNotKept { sequence_number: None, manifest: None, ..not_kept.clone() };
        let full = Record {
            confirmed: Some((Slot::B, 7)),
            highest: Some(9),
            trial: Some(Trial { slot: Slot::A, starts: 2 }),
            failed: vec![[1; 32], [2; 32]],
            not_kept: Some(not_kept),
        };
        for record in [Record::default(), Record { not_kept: Some(bare), ..Record::default() }, full] {
            assert_eq!(Record::from_text(&record.to_text()), Ok(record));
        }
        // Kept samples: what an older program wrote is read for ever.
        for (sample, floor) in [
            ("confirmed a 1\ntrial b 1\nnot-kept 2 - false suit-report-reason-cbor-parse x y\n", 1),
            ("confirmed a 1\nhighest 3\n", 3),
        ] {
            let read = Record::from_text(sample).unwrap();
            assert_eq!((read.to_text().as_str(), read.floor()), (sample, Some(floor)));
        }
        assert_eq!(Record::from_text("confirmed a 1\nconfirmed c 1\n"), Err(RecordRefused(2)));
        assert_eq!(Record::from_text("x"), Err(RecordRefused(1)));
    }

    #[test]
    fn a_number_that_was_confirmed_stays() {
        let check = |confirmed: &[u64], now: Option<u64>, highest, floor| {
            let record =
                confirmed.iter().fold(Record::default(), |it, number| it.confirming(Slot::B, *number));
            assert_eq!(record.confirmed.map(|(_, number)| number), now, "{confirmed:?}");
            assert_eq!((record.highest, record.floor()), (highest, floor), "{confirmed:?}");
        };
        check(&[], None, None, None);
        check(&[1], Some(1), None, Some(1));
        check(&[1, 3], Some(3), None, Some(3));
        check(&[3, 1], Some(1), Some(3), Some(3));
        check(&[3, 1, 2], Some(2), Some(3), Some(3));
        check(&[3, 1, 3], Some(3), None, Some(3));
        check(&[3, 1, 4], Some(4), None, Some(4));
        check(&[0], Some(0), None, Some(0));
    }

    #[test]
    fn few_failures_are_remembered() {
        let mut record = Record::default();
        (0..20).for_each(|it| record.add_failed([it; 32]));
        record.add_failed([15; 32]);
        assert_eq!(record.failed.len(), FAILED_MANIFESTS_MAX);
        assert_eq!(record.failed.last(), Some(&[15; 32]));
    }
}
