//! A run from its beginning to its verdict: the stage, the players, the faults, the quiet afterwards, the check.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use countersign_api::v1::PrincipalKind;
use countersign_testkit::Dsn;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use crate::agent::{Agent, Surroundings};
use crate::api::Api;
use crate::approver::{Approvers, Person};
use crate::checker;
use crate::collect::{self, Aftermath};
use crate::history::History;
use crate::nemesis::Plan;
use crate::report::Report;
use crate::stage::{Kind, Stage};

/// How long an agent waits for the next byte. Waiting for people brings a notice every second.
const PATIENCE: Duration = Duration::from_secs(12);

/// Within what time everything has ended or is shown as in doubt, once nobody does anything any more: requests
/// expire, the leases of the lost run out.
const QUIET_LIMIT: Duration = Duration::from_secs(120);

/// Within what time every command has its end record, once it is quiet.
const RECORDS_LIMIT: Duration = Duration::from_secs(45);

/// What kind of run.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it plays on.
    pub stage: Kind,
    /// Decides what is left to chance.
    pub seed: u64,
    /// How long the faults go on.
    pub time: Duration,
    /// How many agents work at the same time.
    pub agents: u32,
    /// Where the history is written, and what is kept of a failed run.
    pub folder: PathBuf,
}

/// Runs it.
///
/// # Errors
/// The stage does not start or cannot be read afterwards. What the checker finds is in the report.
pub fn run(options: &Options) -> Result<Report> {
    std::fs::create_dir_all(&options.folder)
        .with_context(|| format!("cannot make `{}`", options.folder.display()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut stage = options.stage.start(options.seed)?;
    let outcome = play(options, stage.as_mut(), &runtime);
    if outcome.as_ref().map_or(true, |report| !report.is_clean()) {
        stage.keep_logs(&options.folder)?;
    }
    outcome
}

fn play(options: &Options, stage: &mut dyn Stage, runtime: &Runtime) -> Result<Report> {
    let history = Arc::new(History::begin(&options.folder.join("history.jsonl"))?);
    let _inside = runtime.enter();
    let operator = Api::new(&stage.apis(), &stage.operator()?)?;
    let plan = Plan::new(&stage.weak_points(), options.time, options.seed);
    println!("seed {}: {} blows are planned\n{plan}", options.seed, plan.steps.len());
    let cast = runtime.block_on(Cast::gather(options, stage, &operator, &history))?;
    let (agents, dora) = (cast.subjects.clone(), Api::new(&stage.apis(), &cast.dora)?);

    let began = Instant::now();
    let playing = cast.begin(runtime);
    let struck = plan.carry_out(stage, &history, began + options.time);
    playing.end();
    let blows = struck?;
    println!("All faults are healed; waiting until it is quiet.");
    runtime.block_on(quiet(&dora));
    let mut aftermath = runtime.block_on(aftermath(stage, &history, &operator, &dora, &agents))?;
    aftermath.faults.extend(stage.end()?);
    let violations = checker::check(&aftermath);
    keep(&options.folder, &aftermath, &plan)?;
    Ok(Report { seed: options.seed, time: began.elapsed(), blows, aftermath, violations })
}

/// Who plays.
struct Cast {
    agents: Vec<Agent>,
    approvers: Arc<Approvers>,
    /// The agents' subjects, one for each token.
    subjects: Vec<String>,
    /// The token of one who may see every request.
    dora: String,
    agents_stop: Arc<AtomicBool>,
    approvers_stop: Arc<AtomicBool>,
}

/// Players at work.
struct Playing {
    agents: Vec<JoinHandle<()>>,
    approvers: JoinHandle<()>,
    agents_stop: Arc<AtomicBool>,
    approvers_stop: Arc<AtomicBool>,
}

impl Cast {
    async fn gather(
        options: &Options,
        stage: &dyn Stage,
        operator: &Api,
        history: &Arc<History>,
    ) -> Result<Self> {
        let (agents_stop, approvers_stop) = (Arc::default(), Arc::default());
        let around =
            Surroundings { history: Arc::clone(history), stop: Arc::clone(&agents_stop), patience: PATIENCE };
        // An agent takes a new token now and then: about one in five minutes, and one to spare.
        let tokens = options.time.as_secs() / 300 + 2;
        let mut subjects = Vec::new();
        let mut agents = Vec::new();
        for number in 0..options.agents {
            let name = format!("a{number}");
            let mut doors: Vec<Dsn> = Vec::new();
            for token in 0..tokens {
                let subject = format!("agent-{number}-{token}");
                doors.push(stage.door(&operator.issue(&subject, PrincipalKind::Agent, "agents").await?));
                subjects.push(subject);
            }
            let seed = options.seed.wrapping_mul(1_000_003).wrapping_add(number.into());
            agents.push(Agent::new(&name, doors, around.clone(), seed));
        }
        let dora = operator.issue("dora", PrincipalKind::Human, "dba").await?;
        let dan = operator.issue("dan", PrincipalKind::Human, "dba").await?;
        let person = |name: &str, token| -> Result<Person> {
            Ok(Person { name: name.into(), api: Api::new(&stage.apis(), token)? })
        };
        let approvers = Arc::new(Approvers {
            first: person("dora", &dora)?,
            second: person("dan", &dan)?,
            history: Arc::clone(history),
            stop: Arc::clone(&approvers_stop),
            seed: options.seed,
        });
        Ok(Self { agents, approvers, subjects, dora, agents_stop, approvers_stop })
    }

    fn begin(self, runtime: &Runtime) -> Playing {
        let work = |agent: Agent| std::thread::spawn(move || agent.work());
        let (people, handle) = (self.approvers, runtime.handle().clone());
        let decide = move || handle.block_on(LocalSet::new().run_until(people.work()));
        Playing {
            agents: self.agents.into_iter().map(work).collect(),
            approvers: std::thread::spawn(decide),
            agents_stop: self.agents_stop,
            approvers_stop: self.approvers_stop,
        }
    }
}

impl Playing {
    /// Agents finish what they are at; the people go on until the last of them has.
    fn end(self) {
        self.agents_stop.store(true, Ordering::Release);
        for agent in self.agents {
            if agent.join().is_err() {
                // Its story breaks off, which the checker finds.
                eprintln!("an agent panicked");
            }
        }
        self.approvers_stop.store(true, Ordering::Release);
        if self.approvers.join().is_err() {
            eprintln!("the approvers panicked");
        }
    }
}

/// Until nothing goes on any more, or patience ends; what goes on still the checker finds.
async fn quiet(api: &Api) {
    let start = Instant::now();
    while start.elapsed() < QUIET_LIMIT {
        if collect::going_on(api).await.is_ok_and(|going_on| going_on.is_empty()) {
            println!("Quiet after {:.0} s.", start.elapsed().as_secs_f64());
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn aftermath(
    stage: &dyn Stage,
    history: &History,
    operator: &Api,
    dora: &Api,
    agents: &[String],
) -> Result<Aftermath> {
    let folders = stage.recordings();
    // One node has all of it; several have parts, which are verified together once they have ended.
    let faults = match folders.len() {
        1 => operator.verify().await.context("the recordings cannot be verified")?,
        _ => Vec::new(),
    };
    Ok(Aftermath {
        history: history.entries(),
        rows: collect::rows(stage.server())?,
        approvals: collect::approvals(dora, agents).await?,
        records: collect::records(&folders, RECORDS_LIMIT)?,
        faults,
    })
}

/// What is needed to look at it again.
fn keep(folder: &Path, aftermath: &Aftermath, plan: &Plan) -> Result<()> {
    std::fs::write(folder.join("plan.txt"), plan.to_string())?;
    std::fs::write(folder.join("aftermath.json"), serde_json::to_vec(aftermath)?)?;
    Ok(())
}
