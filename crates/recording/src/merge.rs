//! Several logs read as one: every stream's records in their order, though they lie in different places, and
//! though some lie in more than one. Decides nothing about right and wrong.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use countersign_common::id::StreamId;
use rustc_hash::FxHashMap;

use crate::log::{Line, Lines, Log};
use crate::skim::Skim;

/// Where the streams lie. Memory: about 50 bytes a stream.
#[derive(Debug, Default)]
pub(crate) struct Index {
    streams: FxHashMap<StreamId, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// The log in which it was seen last, and how far it came there.
    log: usize,
    last: u64,
    /// Its lowest number.
    first: u64,
    /// Whether it lies in several logs, or in one not simply in its order.
    spread: bool,
}

impl Index {
    /// Reads through logs, for those streams alone that `wanted` says, when it has seen their line.
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

    /// A record of this log, after those before it.
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

    /// Whether records of this stream may lie in more than one place.
    pub(crate) fn is_spread(&self, stream: StreamId) -> bool {
        self.streams.get(&stream).is_some_and(|entry| entry.spread)
    }

    /// Takes out the streams that `keep` does not want.
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

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    /// A record: the first that was found for its place.
    Record(Line),
    /// Another for a place that is taken.
    Again(Line),
}

/// The records of several logs. Streams come in their order; among each other about in the order of their
/// times. Memory: a line for each log, and those lines of spread streams whose turn has not come.
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

/// How far a spread stream has come.
#[derive(Debug)]
struct Spread {
    next: u64,
    waiting: BTreeMap<u64, Vec<Line>>,
    /// How far each log came.
    furthest: Vec<(usize, u64)>,
}

impl Merged {
    /// The records of those streams of `logs` that `index`, made of them, knows.
    pub(crate) fn of(logs: &[Log], index: Index) -> io::Result<Self> {
        let source = |log: &Log| Ok(Source { lines: log.lines()?, head: None, done: false });
        let logs = logs.iter().map(source).collect::<io::Result<_>>()?;
        Ok(Self { logs, index, spread: BTreeMap::new(), ready: VecDeque::new() })
    }

    /// The index it was made with.
    pub(crate) const fn index(&self) -> &Index {
        &self.index
    }

    /// The next one; after an error, what else can be read.
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

    /// The oldest of the logs' next lines.
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
                // A line that does not begin as a record does is for the reader to judge.
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

    /// What waits for records that are nowhere.
    fn drained(self) -> impl Iterator<Item = Next> {
        self.waiting.into_values().flat_map(as_one)
    }
}

/// The first of the lines for one place is the record.
fn as_one(lines: Vec<Line>) -> impl Iterator<Item = Next> {
    lines.into_iter().enumerate().map(|(nth, line)| match nth {
        0 => Next::Record(line),
        _ => Next::Again(line),
    })
}
