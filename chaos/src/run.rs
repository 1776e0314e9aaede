//! A run from its beginning to its verdict: the stage, the players, the faults, the quiet afterwards, the check.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use countersign_api::v1::PrincipalKind;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use crate::agent::{Agent, Door, Surroundings};
use crate::api::Api;
use crate::approver::{Approvers, Person};
use crate::checker;
use crate::collect::{self, Aftermath};
use crate::history::History;
use crate::nemesis::Plan;
use crate::operator::{Bundles, Employee, Operator, UNLUCKY};
use crate::recordings;
use crate::remains::Remains;
use crate::report::Report;
use crate::stage::{Kind, Setting, Stage};

/// How long an agent waits for the next byte. Waiting for people brings a notice every second.
const PATIENCE: Duration = Duration::from_secs(12);

/// Within what time everything has ended or is shown as in doubt, once nobody does anything any more: requests
/// expire, the leases of the lost run out.
const QUIET_LIMIT: Duration = Duration::from_secs(180);

/// Within what time every command has its end record, once it is quiet: a lease of those that were lost last, rounds
/// of archiving at all nodes, a new election where the elected node was lost, too.
const RECORDS_LIMIT: Duration = Duration::from_secs(90);

/// What kind of run.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it plays on.
    pub stage: Kind,
    /// How that is set up.
    pub setting: Setting,
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
    let mut stage = options.stage.start(&options.setting)?;
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
    let Setting { seed, namespaces, journal } = options.setting;
    let plan = Plan::new(&stage.weak_points(), options.time, seed);
    let where_ = if namespaces { "a network namespace for each node" } else { "all nodes on loopback" };
    println!("seed {seed}, journal {journal:?}, {where_}: {} steps are planned\n{plan}", plan.steps.len());
    let cast = runtime.block_on(Cast::gather(options, stage, &operator, &history))?;
    let (employees, dora) = (cast.operator.employees.clone(), Api::new(&stage.apis(), &cast.dora)?);

    let began = Instant::now();
    let playing = cast.begin(runtime);
    let struck = plan.carry_out(stage, &history, began + options.time);
    playing.end();
    let blows = struck?;
    println!("All faults are healed; waiting until it is quiet.");
    runtime.block_on(quiet(&dora));
    let agents: Vec<String> = employees.iter().flat_map(Employee::known_as).collect();
    let mut aftermath = runtime.block_on(aftermath(stage, &history, &operator, &dora, &agents))?;
    aftermath.faults.extend(stage.end()?);
    let violations = checker::check(&aftermath);
    keep(&options.folder, &aftermath, &plan)?;
    Ok(Report { seed, time: began.elapsed(), blows, aftermath, violations })
}

/// Who plays.
struct Cast {
    agents: Vec<Agent>,
    approvers: Arc<Approvers>,
    operator: Operator,
    /// The token of one who may see every request.
    dora: String,
    agents_stop: Arc<AtomicBool>,
    approvers_stop: Arc<AtomicBool>,
}

/// Players at work.
struct Playing {
    agents: Vec<JoinHandle<()>>,
    approvers: JoinHandle<()>,
    operator: JoinHandle<()>,
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
        // An agent takes a new token now and then, mostly because the one it had was taken back.
        let tokens = options.time.as_secs() / 60 + 3;
        let (mut employees, mut agents) = (Vec::new(), Vec::new());
        for number in 0..options.agents {
            let name = format!("a{number}");
            let (kind, groups): (_, &[&str]) =
                if number % 3 == 0 { (UNLUCKY, &["agents", UNLUCKY]) } else { ("agent", &["agents"]) };
            let (mut doors, mut identities) = (Vec::new(), Vec::new());
            for token in 0..tokens {
                let subject = format!("{kind}-{number}-{token}");
                let issued = operator.issue(&subject, PrincipalKind::Agent, groups).await?;
                doors.push(Door { subject: subject.clone(), dsn: stage.door(&issued.token) });
                identities.push((subject, issued.id));
            }
            let seed = options.setting.seed.wrapping_mul(1_000_003).wrapping_add(number.into());
            let agent = Agent::new(&name, doors, around.clone(), seed);
            employees.push(Employee { identities, turn: agent.turn() });
            agents.push(agent);
        }
        let dora = operator.issue("dora", PrincipalKind::Human, &["dba"]).await?.token;
        let dan = operator.issue("dan", PrincipalKind::Human, &["dba"]).await?.token;
        let person = |name: &str, token| -> Result<Person> {
            Ok(Person { name: name.into(), api: Api::new(&stage.apis(), token)? })
        };
        let approvers = Arc::new(Approvers {
            first: person("dora", &dora)?,
            second: person("dan", &dan)?,
            history: Arc::clone(history),
            stop: Arc::clone(&approvers_stop),
            seed: options.setting.seed,
        });
        let operator = Operator {
            api: Api::new(&stage.apis(), &stage.operator()?)?,
            employees,
            bundles: stage.bundle().map(Bundles::of).transpose()?,
            store: stage.store(),
            history: Arc::clone(history),
            stop: Arc::clone(&agents_stop),
            chance: fastrand::Rng::with_seed(!options.setting.seed),
        };
        Ok(Self { agents, approvers, operator, dora, agents_stop, approvers_stop })
    }

    fn begin(self, runtime: &Runtime) -> Playing {
        let work = |agent: Agent| std::thread::spawn(move || agent.work());
        let (people, handle) = (self.approvers, runtime.handle().clone());
        let decide = move || handle.block_on(LocalSet::new().run_until(people.work()));
        let (operator, handle) = (self.operator, runtime.handle().clone());
        let operate = move || handle.block_on(operator.work());
        Playing {
            agents: self.agents.into_iter().map(work).collect(),
            approvers: std::thread::spawn(decide),
            operator: std::thread::spawn(operate),
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
        if self.operator.join().is_err() {
            eprintln!("the operator panicked");
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
    let recordings::Found { records, lost } = recordings::records(folders, RECORDS_LIMIT)?;
    let history = history.entries();
    let store = stage.store().map(|store| Remains::of(&store, &history)).transpose();
    let store = store.context("the store cannot be read")?;
    let ids = match &store {
        Some(store) => store.approvals.iter().map(|approval| approval.id.clone()).collect(),
        None => collect::asked_for(dora, agents).await?,
    };
    let renewed = stage.renewed()?;
    let approvals = collect::approvals(dora, &ids).await?;
    Ok(Aftermath {
        rows: collect::rows(stage.server())?,
        approvals,
        records,
        lost,
        faults,
        store,
        history,
        renewed,
    })
}

/// What is needed to look at it again.
fn keep(folder: &Path, aftermath: &Aftermath, plan: &Plan) -> Result<()> {
    std::fs::write(folder.join("plan.txt"), plan.to_string())?;
    std::fs::write(folder.join("aftermath.json"), serde_json::to_vec(aftermath)?)?;
    Ok(())
}
