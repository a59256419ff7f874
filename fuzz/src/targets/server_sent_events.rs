//! Server-sent events, however the stream is cut.
use io::http::events::{Event, EventError, EventReader};

pub fn seeds() -> Vec<Vec<u8>> {
    vec![b"event: changed\ndata: {}\nid: 7\n\n: a comment\r\ndata: one\r\ndata: two\r\n\r\ndata\r\r".to_vec()]
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Option<EventError>) {
    let (mut reader, mut events) = (EventReader::default(), Vec::new());
    for mut piece in pieces {
        loop {
            match reader.read(&mut piece) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(why) => return (events, Some(why)),
            }
        }
    }
    (events, None)
}

pub fn run(input: &[u8]) {
    let whole = read([input].into_iter());
    assert_eq!(read(input.chunks(1)), whole);
    assert_eq!(read(input.chunks(7)), whole);
}
