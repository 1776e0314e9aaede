//! Verification of the records of all logs together: each chain is complete, regardless of the location of its parts,
//! and copies of a record are identical.

use std::collections::BTreeMap;
use std::io;

use countersign_common::Digest;
use countersign_common::id::StreamId;
use rustc_hash::FxHashMap;

use super::recorded::Recorded;
use super::report::{Fault, Problem, Report};
use super::streams::Streams;
use crate::checkpoint::Tip;
use crate::line::Envelope;
use crate::log::{Line, Log};
use crate::merge::{Index, Merged, Next};

/// One pass over the records.
pub(super) struct Story<'a> {
    logs: &'a [Log],
    report: &'a mut Report,
    streams: Streams,
    /// The newest tip of every stream, from any log.
    tips: BTreeMap<StreamId, Tip>,
    recorded: Recorded,
    /// Hash of each record of the streams that are in more than one location. Uses 70 bytes per record.
    found: FxHashMap<(StreamId, u64), Digest>,
}

impl<'a> Story<'a> {
    pub(super) fn new(logs: &'a [Log], report: &'a mut Report) -> Self {
        let (streams, tips, recorded) = Default::default();
        Self { logs, report, streams, tips, recorded, found: FxHashMap::default() }
    }

    /// Reads all records; `tips` are the signed ones.
    pub(super) fn read(mut self, index: Index, tips: Vec<(StreamId, Tip)>) -> io::Result<()> {
        self.tips = newest(tips);
        let mut merged = Merged::of(self.logs, index)?;
        while let Some(next) = merged.next().map_err(|(_, error)| error)? {
            match next {
                Next::Record(line) => {
                    let spread = line.skim.is_some_and(|skim| merged.index().is_spread(skim.stream));
                    self.record(&line, spread);
                }
                Next::Again(line) => self.again(&line),
            }
        }
        for (stream, problem) in self.streams.finish(&self.tips) {
            self.report.add(Fault {
                log: None,
                segment: 0,
                line: None,
                stream: Some(stream),
                seq: None,
                problem,
            });
        }
        self.report.streams = self.streams.summaries();
        self.report.recorded = self.recorded;
        Ok(())
    }

    fn record(&mut self, line: &Line, spread: bool) {
        let envelope = match Envelope::parse(&line.text) {
            Ok(envelope) => envelope,
            Err(error) => {
                return self.fault(line, None, Problem::Malformed { why: error.to_string() });
            }
        };
        self.report.records += 1;
        let (stream, seq) = (envelope.stream, envelope.seq);
        let hash = Digest::of(&line.text);
        if spread {
            self.found.insert((stream, seq), hash);
        }
        // INVARIANT: I12 - a log never returns to a number that it has skipped.
        if line.late {
            self.fault(line, Some((stream, seq)), Problem::Reordered);
        }
        let problems = self.streams.take(&envelope, hash, self.tips.get(&stream));
        if let Some(session) = self.streams.session(stream) {
            self.recorded.take(&envelope, session);
        }
        for problem in problems {
            self.fault(line, Some((stream, seq)), problem);
        }
    }

    /// INVARIANT: I12 - two lines for the same place of a stream are identical.
    fn again(&mut self, line: &Line) {
        let Some(skim) = line.skim else { return };
        let (place, found) = ((skim.stream, skim.seq), Digest::of(&line.text));
        match self.found.get(&place) {
            Some(&expected) if expected != found => {
                self.fault(line, Some(place), Problem::Forked { expected, found });
            }
            Some(_) => self.report.repeated += 1,
            // The record at this place could not be parsed, which is already reported.
            None => {}
        }
    }

    fn fault(&mut self, line: &Line, place: Option<(StreamId, u64)>, problem: Problem) {
        let log = (self.logs.len() > 1).then(|| self.logs.get(line.log).map(Log::name)).flatten();
        self.report.add(Fault {
            log,
            segment: line.segment,
            line: Some(line.number),
            stream: place.map(|(stream, _)| stream),
            seq: place.map(|(_, seq)| seq),
            problem,
        });
    }
}

/// The newest tip of every stream, from any log.
fn newest(tips: Vec<(StreamId, Tip)>) -> BTreeMap<StreamId, Tip> {
    let mut newest: BTreeMap<StreamId, Tip> = BTreeMap::new();
    for (stream, tip) in tips {
        match newest.get(&stream) {
            Some(known) if known.count >= tip.count => {}
            _ => drop(newest.insert(stream, tip)),
        }
    }
    newest
}
