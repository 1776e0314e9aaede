//! Reads several logs as one: the records of every stream in order, even if they are in different locations or in
//! more than one. Does not judge the records.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use countersign_common::id::StreamId;
use rustc_hash::FxHashMap;

use crate::log::{Line, Lines, Log};
use crate::skim::Skim;

/// Locations of the streams. Uses about 50 bytes per stream.
#[derive(Debug, Default)]
pub(crate) struct Index {
    streams: FxHashMap<StreamId, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// The last log in which the stream was seen, and its last number there.
    log: usize,
    last: u64,
    /// Lowest number of the stream.
    first: u64,
    /// `true` if the stream is in several logs, or out of order in one.
    spread: bool,
}

impl Index {
    /// Reads the logs and indexes the streams for whose lines `wanted` returns `true`.
    pub(crate) fn of(
        logs: &[Log],
        mut wanted: impl FnMut(&Line, &Skim) -> bool,
    ) -> Result<Self, (u64, io::Error)> {
        let mut index = Self::default();
        for (number, log) in logs.iter().enumerate() {
            let mut lines = log.lines().map_err(|error| (0, error))?;
            while let Some(line) = lines.next()? {
                if let Some(skim) = &line.skim
                    && wanted(&line, skim)
                {
                    index.add(number, skim);
                }
            }
        }
        Ok(index)
    }

    /// Adds a record of this log, in the order of reading.
    pub(crate) fn add(&mut self, log: usize, skim: &Skim) {
        let seq = skim.seq;
        let fresh = || Entry { log, last: seq, first: seq, spread: false };
        let mut new = false;
        let entry = self.streams.entry(skim.stream).or_insert_with(|| {
            new = true;
            fresh()
        });
        if new {
            return;
        }
        entry.spread |= entry.log != log || seq <= entry.last;
        entry.last = if entry.log == log { entry.last.max(seq) } else { seq };
        entry.log = log;
        entry.first = entry.first.min(seq);
    }

    /// Returns `true` if records of this stream may be in more than one location.
    pub(crate) fn is_spread(&self, stream: StreamId) -> bool {
        self.streams.get(&stream).is_some_and(|entry| entry.spread)
    }

    /// Removes the streams for which `keep` returns `false`.
    pub(crate) fn retain(&mut self, keep: impl Fn(StreamId) -> bool) {
        self.streams.retain(|stream, _| keep(*stream));
    }

    fn contains(&self, stream: StreamId) -> bool {
        self.streams.contains_key(&stream)
    }

    fn first(&self, stream: StreamId) -> u64 {
        self.streams.get(&stream).map_or(0, |entry| entry.first)
    }
}

/// Next item of a [`Merged`].
#[derive(Debug)]
pub(crate) enum Next {
    /// A record: the first line found for its place.
    Record(Line),
    /// A further line for a place that is already taken.
    Again(Line),
}

/// The records of several logs. Each stream is in order; different streams are interleaved roughly by time. Keeps one
/// line per log in memory, and the lines of spread streams that wait for earlier ones.
#[derive(Debug)]
pub(crate) struct Merged {
    logs: Vec<Source>,
    index: Index,
    spread: BTreeMap<StreamId, Spread>,
    ready: VecDeque<Next>,
}

#[derive(Debug)]
struct Source {
    lines: Lines,
    head: Option<Line>,
    done: bool,
}

/// Progress of a spread stream.
#[derive(Debug)]
struct Spread {
    next: u64,
    waiting: BTreeMap<u64, Vec<Line>>,
    /// Highest number seen in each log.
    furthest: Vec<(usize, u64)>,
}

impl Merged {
    /// Merges the records of those streams of `logs` that are in `index`, which was built from them.
    pub(crate) fn of(logs: &[Log], index: Index) -> io::Result<Self> {
        let source = |log: &Log| Ok(Source { lines: log.lines()?, head: None, done: false });
        let logs = logs.iter().map(source).collect::<io::Result<_>>()?;
        Ok(Self { logs, index, spread: BTreeMap::new(), ready: VecDeque::new() })
    }

    /// Index of the merged streams.
    pub(crate) const fn index(&self) -> &Index {
        &self.index
    }

    /// Returns the next item. After an error, reading continues with what is readable.
    pub(crate) fn next(&mut self) -> Result<Option<Next>, (u64, io::Error)> {
        loop {
            if let Some(next) = self.ready.pop_front() {
                return Ok(Some(next));
            }
            match self.next_line()? {
                Some(line) => self.place(line),
                None => match self.spread.pop_first() {
                    Some((_, rest)) => self.ready.extend(rest.drained()),
                    None => return Ok(None),
                },
            }
        }
    }

    /// Takes the oldest of the logs' next lines.
    fn next_line(&mut self) -> Result<Option<Line>, (u64, io::Error)> {
        let mut oldest: Option<(u64, usize)> = None;
        for (number, source) in self.logs.iter_mut().enumerate() {
            source.fill(number, &self.index)?;
            let at = source.head.as_ref().map(|line| line.skim.map_or(0, |skim| skim.at.as_micros()));
            if let Some(at) = at
                && oldest.is_none_or(|(least, _)| at < least)
            {
                oldest = Some((at, number));
            }
        }
        let source = oldest.and_then(|(_, number)| self.logs.get_mut(number));
        Ok(source.and_then(|source| source.head.take()))
    }

    fn place(&mut self, mut line: Line) {
        let skim = match line.skim {
            Some(skim) if self.index.is_spread(skim.stream) => skim,
            _ => return self.ready.push_back(Next::Record(line)),
        };
        let first = self.index.first(skim.stream);
        let spread = self.spread.entry(skim.stream).or_insert_with(|| Spread::from(first));
        line.late = spread.comes_late(line.log, skim.seq);
        if skim.seq < spread.next {
            return self.ready.push_back(Next::Again(line));
        }
        spread.waiting.entry(skim.seq).or_default().push(line);
        while let Some(lines) = spread.waiting.remove(&spread.next) {
            spread.next += 1;
            self.ready.extend(as_one(lines));
        }
    }
}

impl Source {
    fn fill(&mut self, number: usize, index: &Index) -> Result<(), (u64, io::Error)> {
        while self.head.is_none() && !self.done {
            match self.lines.next()? {
                // A line that does not begin like a record is left to the reader.
                Some(line) if line.skim.is_none_or(|skim| index.contains(skim.stream)) => {
                    self.head = Some(Line { log: number, ..line });
                }
                Some(_) => {}
                None => self.done = true,
            }
        }
        Ok(())
    }
}

impl Spread {
    const fn from(first: u64) -> Self {
        Self { next: first, waiting: BTreeMap::new(), furthest: Vec::new() }
    }

    fn comes_late(&mut self, log: usize, seq: u64) -> bool {
        let Some((_, furthest)) = self.furthest.iter_mut().find(|(one, _)| *one == log) else {
            self.furthest.push((log, seq));
            return false;
        };
        let late = seq <= *furthest;
        *furthest = seq.max(*furthest);
        late
    }

    /// Lines that wait for records that exist nowhere.
    fn drained(self) -> impl Iterator<Item = Next> {
        self.waiting.into_values().flat_map(as_one)
    }
}

/// The first of the lines for one place is the record, the others are repetitions.
fn as_one(lines: Vec<Line>) -> impl Iterator<Item = Next> {
    lines.into_iter().enumerate().map(|(nth, line)| match nth {
        0 => Next::Record(line),
        _ => Next::Again(line),
    })
}
