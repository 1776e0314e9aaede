//! The nemesis: a plan of blows, made from the seed and shown before, and its execution. It hits one or two
//! points at a time, lets it last, makes it good and gives everybody a moment to recover.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use countersign_testkit::{Cut, Fault};

use crate::history::{Event, History};
use crate::stage::{Blow, LONG_SLEEP, Stage, WeakPoint, Weakness};

/// How long a run is in which a long sleep has its place.
const SLEEP_WORTH: Duration = Duration::from_secs(300);

/// One blow.
#[derive(Debug, Clone)]
pub struct Strike {
    /// Where.
    pub at: String,
    /// What.
    pub blow: Blow,
}

/// Blows at the same time, and what comes after.
#[derive(Debug, Clone)]
pub struct Step {
    /// The blows.
    pub strikes: Vec<Strike>,
    /// How long it lasts.
    pub lasts: Duration,
    /// How long everybody is left in peace afterwards.
    pub peace: Duration,
}

/// What is going to happen.
#[derive(Debug, Clone)]
pub struct Plan {
    /// In this order.
    pub steps: Vec<Step>,
}

impl Plan {
    /// A plan that fills `time`, from the seed alone.
    #[must_use]
    pub fn new(points: &[WeakPoint], time: Duration, seed: u64) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed);
        // A long sleep would be all that a short run sees.
        let points: Vec<&WeakPoint> =
            points.iter().filter(|point| point.kind != Weakness::Sleeper || time >= SLEEP_WORTH).collect();
        let mut steps = Vec::new();
        let mut filled = Duration::ZERO;
        let mut guest = points.iter().copied().find(|point| point.kind == Weakness::Guest);
        while filled < time && !points.is_empty() {
            // Whatever chance says later, every run sees a guest come.
            let early = guest.take_if(|_| filled > time / 4);
            let step = match early {
                Some(guest) => Step::of(guest, &mut chance),
                None => Step::new(&points, &mut chance),
            };
            filled += step.lasts + step.peace;
            steps.push(step);
        }
        Self { steps }
    }

    /// Carries it out. What is struck is made good, also after an error.
    ///
    /// # Errors
    /// A blow that cannot be dealt, or made good.
    pub fn carry_out(&self, stage: &mut dyn Stage, history: &History, until: Instant) -> Result<usize> {
        let mut dealt = 0;
        for step in &self.steps {
            if Instant::now() >= until {
                break;
            }
            supervise(stage, history)?;
            let struck: Result<()> = step.strikes.iter().try_for_each(|strike| {
                note(history, format!("{strike}"));
                stage.strike(&strike.at, strike.blow).with_context(|| format!("cannot: {strike}"))
            });
            std::thread::sleep(step.lasts);
            let mut healing: Vec<&Strike> = step.strikes.iter().collect();
            healing.sort_by_key(|strike| strike.blow.heals());
            for strike in healing {
                note(history, format!("heal {}", strike.at));
                stage.heal(&strike.at, strike.blow).with_context(|| format!("cannot undo: {strike}"))?;
            }
            struck?;
            dealt += step.strikes.len();
            std::thread::sleep(step.peace);
        }
        Ok(dealt)
    }
}

fn supervise(stage: &mut dyn Stage, history: &History) -> Result<()> {
    stage.supervise()?.into_iter().for_each(|started| note(history, started));
    Ok(())
}

fn note(history: &History, deed: String) {
    history.add("nemesis", Event::Nemesis { deed });
}

impl Step {
    fn new(points: &[&WeakPoint], chance: &mut fastrand::Rng) -> Self {
        let count = if chance.u8(0..4) == 0 { 2 } else { 1 };
        let mut strikes: Vec<Strike> = Vec::new();
        for point in chance.choose_multiple(points.iter().copied(), count) {
            if matches!(point.kind, Weakness::Guest | Weakness::Sleeper) {
                // Comes, goes and sleeps while nothing else happens.
                return Self::of(point, chance);
            }
            // A point stands there as often as it weighs; it is hit once at a time.
            if strikes.iter().all(|strike| strike.at != point.name) {
                strikes.push(Strike::new(point, chance));
            }
        }
        Self::with(strikes, chance)
    }

    /// One point alone.
    fn of(point: &WeakPoint, chance: &mut fastrand::Rng) -> Self {
        Self::with(vec![Strike::new(point, chance)], chance)
    }

    fn with(strikes: Vec<Strike>, chance: &mut fastrand::Rng) -> Self {
        let long = |strike: &Strike| matches!(strike.blow, Blow::Partition(_) | Blow::Stop);
        // Some partitions and some that stand still outlast the leases.
        let longest = if strikes.iter().any(long) { 14_000 } else { 6000 };
        let mut lasts = Duration::from_millis(chance.u64(300..longest));
        if strikes.iter().any(|strike| strike.blow == Blow::Sleep) {
            lasts += LONG_SLEEP;
        }
        let peace = Duration::from_millis(chance.u64(500..4000));
        Self { strikes, lasts, peace }
    }
}

impl Strike {
    fn new(point: &WeakPoint, chance: &mut fastrand::Rng) -> Self {
        Self { at: point.name.clone(), blow: blow(point, chance) }
    }
}

fn blow(point: &WeakPoint, chance: &mut fastrand::Rng) -> Blow {
    match point.kind {
        Weakness::Process if chance.u8(0..100) < 60 => Blow::Kill,
        Weakness::Process => Blow::Stop,
        Weakness::Partition => {
            let lost = [Cut::ToServer, Cut::ToClient, Cut::Both, Cut::Both];
            Blow::Partition(chance.choice(lost).unwrap_or(Cut::Both))
        }
        Weakness::Memory => Blow::Empty,
        Weakness::Sleeper => Blow::Sleep,
        Weakness::Guest => Blow::ComeOrGo,
        Weakness::Way => of_a_way(chance),
    }
}

fn of_a_way(chance: &mut fastrand::Rng) -> Blow {
    let millis = |chance: &mut fastrand::Rng, upto| Duration::from_millis(chance.u64(5..upto));
    match chance.u8(0..100) {
        0..25 => Blow::Reset,
        25..60 => {
            let cuts = [Cut::ToServer, Cut::ToClient, Cut::Both, Cut::Both];
            Blow::Network(Fault { cut: chance.choice(cuts), ..Fault::default() })
        }
        60..80 => Blow::Network(Fault {
            delay: millis(chance, 300),
            jitter: millis(chance, 300),
            ..Fault::default()
        }),
        80..90 => {
            let narrow = chance.u32(500..20_000);
            Blow::Network(Fault { bytes_per_second: Some(narrow), ..Fault::default() })
        }
        _ => Blow::Network(Fault { refused: true, ..Fault::default() }),
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = &self.at;
        match self.blow {
            Blow::Kill => write!(f, "kill {at}"),
            Blow::Stop => write!(f, "stop {at}"),
            Blow::Empty => write!(f, "kill {at} and take all it has"),
            Blow::Sleep => write!(f, "stop {at} until its certificate has ended"),
            Blow::Reset => write!(f, "reset {at}"),
            Blow::ComeOrGo => write!(f, "start or end {at}"),
            Blow::Partition(Cut::ToServer) => write!(f, "lose what {at} sends"),
            Blow::Partition(Cut::ToClient) => write!(f, "lose what {at} is sent"),
            Blow::Partition(Cut::Both) => write!(f, "cut off {at}"),
            Blow::Network(Fault { cut: Some(cut), .. }) => write!(f, "cut {at}, {cut:?}"),
            Blow::Network(Fault { bytes_per_second: Some(rate), .. }) => write!(f, "narrow {at}, {rate} B/s"),
            Blow::Network(Fault { refused: true, .. }) => write!(f, "refuse {at}"),
            Blow::Network(Fault { delay, jitter, .. }) => {
                write!(f, "slow {at}, {delay:?} to {:?}", delay + jitter)
            }
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.steps.iter().enumerate() {
            let strikes: Vec<String> = step.strikes.iter().map(ToString::to_string).collect();
            let (lasts, peace) = (step.lasts.as_secs_f64(), step.peace.as_secs_f64());
            writeln!(
                f,
                "{:4}. {} for {lasts:.1} s, then {peace:.1} s of peace",
                number + 1,
                strikes.join(" and ")
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_plan_and_another_seed_another() {
        use Weakness::{Partition, Process, Way};
        let points: Vec<WeakPoint> = [("a", Process), ("b", Process), ("c to d", Way), ("e", Partition)]
            .map(|(name, kind)| WeakPoint { name: name.into(), kind })
            .into();
        let plan = |seed| Plan::new(&points, Duration::from_secs(60), seed).to_string();
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
        assert!(plan(7).lines().count() > 4, "{}", plan(7));
    }

    #[test]
    fn every_run_sees_a_guest_come_while_nothing_else_happens() {
        let point = |name: &str, kind| WeakPoint { name: name.into(), kind };
        let points = [vec![point("a", Weakness::Process); 200], vec![point("g", Weakness::Guest)]].concat();
        for seed in 0..20 {
            let plan = Plan::new(&points, Duration::from_secs(60), seed);
            let comes = |step: &&Step| step.strikes.iter().any(|strike| strike.blow == Blow::ComeOrGo);
            assert!(plan.steps.iter().any(|step| comes(&step)), "{plan}");
            assert!(plan.steps.iter().filter(comes).all(|step| step.strikes.len() == 1), "{plan}");
        }
    }
}
