//! Server-sent events (`text/event-stream`) from bytes.

use crate::limits::EVENT_BYTES_MAX;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The `event` field; empty where there was none.
    pub kind: String,
    /// The `data` fields, joined by line feeds.
    pub data: String,
    /// The `id` field; empty where there was none.
    pub id: String,
}

/// A stream of events cannot be read on. The server is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// An event grew over [`EVENT_BYTES_MAX`] before it ended.
    #[error("an event is larger than {EVENT_BYTES_MAX} bytes")]
    TooLarge,
    /// Not UTF-8.
    #[error("an event is not UTF-8")]
    NotText,
}

/// Collects events from pieces of a body, wherever they were cut.
///
/// Of the standard's fields `retry` is not kept. Lines may end in any of the standard's ways.
#[derive(Debug, Default)]
pub struct EventReader {
    event: Event,
    has_data: bool,
    line: Vec<u8>,
    after_return: bool,
}

impl EventReader {
    /// Reads on in `bytes` until an event is whole, and cuts off what was read. `None`: all is read
    /// and no event is whole.
    ///
    /// # Errors
    /// [`EventError`]; the reader is of no use afterwards.
    pub fn read(&mut self, bytes: &mut &[u8]) -> Result<Option<Event>, EventError> {
        while let Some((&byte, rest)) = bytes.split_first() {
            *bytes = rest;
            let feed_of_return = byte == b'\n' && self.after_return;
            self.after_return = byte == b'\r';
            match byte {
                b'\n' if feed_of_return => {}
                b'\n' | b'\r' => {
                    if let Some(event) = self.end_line()? {
                        return Ok(Some(event));
                    }
                }
                byte => self.line.push(byte),
            }
            if self.held() > EVENT_BYTES_MAX {
                return Err(EventError::TooLarge);
            }
        }
        Ok(None)
    }

    fn held(&self) -> usize {
        self.line.len() + self.event.data.len() + self.event.kind.len() + self.event.id.len()
    }

    fn end_line(&mut self) -> Result<Option<Event>, EventError> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return Ok(std::mem::take(&mut self.has_data).then_some(event));
        }
        let line = std::str::from_utf8(&line).map_err(|_| EventError::NotText)?;
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            "event" => value.clone_into(&mut self.event.kind),
            "id" => value.clone_into(&mut self.event.id),
            // Comments (`:` first), `retry`, and what is not known.
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_all(pieces: &[&[u8]]) -> Result<Vec<Event>, EventError> {
        let mut reader = EventReader::default();
        let mut events = Vec::new();
        for piece in pieces {
            let mut piece = *piece;
            while let Some(event) = reader.read(&mut piece)? {
                events.push(event);
            }
        }
        Ok(events)
    }

    fn event(kind: &str, data: &str, id: &str) -> Event {
        let [kind, data, id] = [kind, data, id].map(str::to_owned);
        Event { kind, data, id }
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        let check = |text: &str, expect: &[Event]| {
            assert_eq!(read_all(&[text.as_bytes()]).as_deref(), Ok(expect), "{text:?}");
        };
        check("data: a\n\n", &[event("", "a", "")]);
        check("data:a\r\n\r\ndata:  b\r\r", &[event("", "a", ""), event("", " b", "")]);
        check("event: x\ndata: 1\ndata\ndata: 3\nid: 7\n\n", &[event("x", "1\n\n3", "7")]);
        check(": comment\n\n", &[]);
        check("event: nothing\n\ndata: b\n\n", &[event("", "b", "")]);
        check("data\n\n", &[event("", "", "")]);
        check("data: not ended\n", &[]);
        check("retry: 5\nother: 6\ndata: c\n\n", &[event("", "c", "")]);
    }

    #[test]
    fn an_event_has_a_limit() {
        let line = format!("data: {}\n", "x".repeat(EVENT_BYTES_MAX / 4));
        let whole = format!("{}\n", line.repeat(3));
        assert_eq!(read_all(&[whole.as_bytes(); 5]).map(|e| e.len()), Ok(5));
        assert_eq!(read_all(&[line.repeat(5).as_bytes()]), Err(EventError::TooLarge));
        let endless = vec![b'x'; EVENT_BYTES_MAX + 1];
        assert_eq!(read_all(&[&endless]), Err(EventError::TooLarge));
        assert_eq!(read_all(&[b"data: \xff\n"]), Err(EventError::NotText));
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(text in "(data|event|id|:|x| |\r|\n|\r\n|\n\n){0,40}", cut in 0usize..100) {
            let cut = cut.min(text.len());
            let (left, right) = text.as_bytes().split_at(cut);
            prop_assert_eq!(read_all(&[left, right]), read_all(&[text.as_bytes()]));
        }
    }
}
