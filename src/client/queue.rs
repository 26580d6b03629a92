//! What was heard and waits to be taken, in order, and after the last of it how it ended.

use crate::limits;
use std::collections::VecDeque;

/// Something that takes memory while it waits.
pub trait Waits {
    /// How many bytes it takes, roughly.
    fn size(&self) -> usize;
}

/// The events that wait, and after them how the connection ended, if it has.
#[derive(Debug)]
pub struct Queue<Event, End> {
    events: VecDeque<Event>,
    /// The sum of the events' sizes.
    size: usize,
    end: Option<End>,
}

impl<Event: Waits, End: Clone> Queue<Event, End> {
    pub fn new() -> Self {
        Self { events: VecDeque::new(), size: 0, end: None }
    }

    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether so much waits that reading should stop.
    pub fn is_full(&self) -> bool {
        self.size >= limits::HEARD
    }

    pub fn push(&mut self, event: Event) {
        self.size += event.size();
        self.events.push_back(event);
    }

    /// The next event, or the end after the last one.
    pub fn next(&mut self) -> Option<Result<Event, End>> {
        match self.events.pop_front() {
            Some(event) => Some(Ok(self.taken(event))),
            None => self.end.clone().map(Err),
        }
    }

    /// Takes out the first event, of those after the first `seen`, in which `read` sees something.
    pub fn take_answer<T>(
        &mut self,
        seen: &mut usize,
        read: impl Fn(&Event) -> Option<T>,
    ) -> Option<T> {
        while let Some(event) = self.events.get(*seen) {
            if let Some(answer) = read(event) {
                let event = self.events.remove(*seen)?;
                self.taken(event);
                return Some(answer);
            }
            *seen += 1;
        }
        None
    }

    fn taken(&mut self, event: Event) -> Event {
        self.size -= event.size();
        event
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.events.clear();
        self.size = 0;
    }

    /// How the connection ended, if it has. Events may still wait.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Notes how the connection ended. What came first is the reason.
    pub fn finish(&mut self, end: End) {
        self.end.get_or_insert(end);
    }
}
