//! `countersign dev`: gateway and control plane in one process, with a data directory of its own, to try
//! things out. What it judges by is a folder that is read again when it changes, or the built-in bundle.
//!
//! - [`options`]: the command line, and the targets it names.
//! - [`bundle`]: the bundle in force, and how a change of its folder, or an `apply`, takes its place.
//! - [`gateway`]: the one place where the gateway is started; [`embedded`]: its ports, filled by direct calls.

mod bundle;
mod embedded;
mod gateway;
mod hash_key;
mod options;

use std::path::Path;
use std::sync::Arc;

use countersign_common::id::NodeId;
use countersign_common::time::{Clock, SystemClock};
use countersign_controlplane::ControlPlane;
use countersign_recording::{CheckpointFile, LocalJournal};
use countersign_runtime::signal::Signals;
use serde::Serialize;
use tokio::sync::watch;

pub(crate) use self::options::DevOptions;

use self::bundle::Source;
use self::gateway::Parts;
use crate::commands::Surroundings;
use crate::commands::controlplane::{announce_failed, bind, checkpoint_key, log, open};
use crate::data::DataDir;
use crate::error::{CliError, Exit};
use crate::node::{LocalArchive, PolicyCompiler};

/// What is said when it is ready.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    event: &'static str,
    /// Where clients connect; missing when no gateway runs.
    postgres: Option<String>,
    /// Where the commands connect.
    api: &'a str,
    data: &'a Path,
}

/// Runs until SIGTERM or SIGINT, then drains: first the gateway, then the API, then the journal.
pub(crate) async fn run(options: DevOptions, around: &Surroundings) -> Result<(), CliError> {
    log(around)?;
    let mut signals =
        Signals::listen().map_err(|error| CliError::failed(format!("cannot listen for signals: {error}")))?;
    let data = around.data();
    data.create()?;
    let targets = options.targets(&data)?;
    let source = Source::of(&options)?;
    let compiler = Arc::new(PolicyCompiler::with_targets(targets));
    let first = source.read(&compiler, around.output)?;
    let listener = bind(options.listen_api, None).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let key = checkpoint_key(&data)?;
    let archive = Arc::new(LocalArchive::new(data.recordings(), key.public()));
    let journal = Arc::new(open_journal(&data, key, &clock)?);
    let node = NodeId::generate();
    let lenient = Arc::new(bundle::Lenient::new(Arc::clone(&compiler)));
    let control = open(countersign_controlplane::Options {
        data: data.path().to_owned(),
        node,
        clock: Arc::clone(&clock),
        compiler: Arc::clone(&lenient) as _,
        archive,
    })
    .await?;
    lenient.opened();
    let current = bundle::put_in_force(first, &control).await?;

    let (stop, stopped) = watch::channel(false);
    let api = listener.url();
    let keeping = tokio::spawn(Arc::clone(&control).run(stopped.clone()));
    let following =
        tokio::spawn(bundle::follow(Arc::clone(&control), Arc::clone(&current), compiler.clone()));
    let reloading = tokio::spawn(source.reload(Arc::clone(&control), compiler));
    let mut serving = tokio::spawn(listener.serve(Arc::clone(&control), stopped.clone()));
    let parts = Parts {
        listen_postgres: options.listen_postgres,
        control: Arc::clone(&control),
        current,
        journal: Arc::clone(&journal),
        hash_key: Arc::new(hash_key::load_or_create(&data)?),
        clock,
        node,
        stop: stopped,
    };
    let mut gateway = gateway::start(parts).await?;
    let announced = data.announce(&api).map_err(announce_failed)?;
    let postgres = Some(gateway.address.to_string());
    let ready = Ready { event: "ready", postgres, api: &api, data: data.path() };
    around.output.event(&ready, || options.welcome(&ready, &control))?;

    let ended = tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, "draining; a second signal ends at once");
            Ok(())
        }
        served = &mut serving => Err(CliError::failed(format!("the API stopped: {served:?}"))),
        () = gateway.ended() => Err(CliError::failed("the gateway stopped")),
    };
    drop(announced);
    stop.send_replace(true);
    let drained = async {
        gateway.drained().await;
        if !serving.is_finished() {
            let _ = serving.await;
        }
        let _ = keeping.await;
    };
    tokio::select! {
        () = drained => {}
        _ = signals.next() => return Err(CliError::failed("ended by a second signal while draining")),
    }
    following.abort();
    reloading.abort();
    close_journal(journal).await?;
    ended
}

fn open_journal(
    data: &DataDir,
    key: countersign_recording::SigningKey,
    clock: &Arc<dyn Clock>,
) -> Result<LocalJournal, CliError> {
    let dir = data.recordings();
    let opened = CheckpointFile::open(&dir, key).and_then(|sink| {
        LocalJournal::open(&dir, countersign_recording::Options::default(), Arc::clone(clock), Box::new(sink))
    });
    opened.map_err(|error| {
        CliError::new(
            Exit::Failed,
            format!("the recordings in `{}` cannot be opened: {error}", dir.display()),
        )
        .help("if another process has the data directory open, end it or choose another with --data")
    })
}

/// Seals the recording. It waits for the disk, so not on a thread that others need.
async fn close_journal(journal: Arc<LocalJournal>) -> Result<(), CliError> {
    let closed = tokio::task::spawn_blocking(move || journal.close()).await;
    match closed {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(CliError::because(Exit::Failed, "the recording could not be sealed", &error)),
        Err(error) => Err(CliError::because(Exit::Failed, "the recording could not be sealed", &error)),
    }
}

impl DevOptions {
    /// What people read when it is ready: what holds, and what to try.
    fn welcome(&self, ready: &Ready<'_>, control: &Arc<ControlPlane>) -> String {
        let mut text = String::from("Countersign is ready.\n");
        match &ready.postgres {
            Some(address) => text.push_str(&format!("  PostgreSQL    {address}\n")),
            None => text.push_str("  PostgreSQL    no listener in this build\n"),
        }
        text.push_str(&format!("  API           {}\n", ready.api));
        text.push_str(&format!("  data          {}\n", ready.data.display()));
        if let Some(bundle) = control.bundles().current() {
            text.push_str(&format!("  bundle        {}\n", bundle.version));
        }
        text.push_str(self.rules());
        text.push_str(&self.what_to_try(ready));
        text
    }

    /// What the built-in bundle does; nothing when there is another.
    fn rules(&self) -> &'static str {
        if self.config.is_some() { "" } else { bundle::BUILT_IN_RULES }
    }

    fn what_to_try(&self, ready: &Ready<'_>) -> String {
        let flag = match DataDir::of(None).path() == ready.data {
            true => String::new(),
            false => format!(" --data {}", ready.data.display()),
        };
        let connect = ready.postgres.as_ref().and_then(|address| address.rsplit_once(':')).map_or_else(
            String::new,
            |(host, port)| {
                let target = self.first_target().map_or_else(|| "TARGET".into(), |target| target.to_string());
                format!("  PGPASSWORD=$AGENT psql -h {host} -p {port} -U {target}\n")
            },
        );
        format!(
            "\nTry, in another terminal:\n  \
             AGENT=$(countersign{flag} token issue --subject agent-7 --kind agent --group agents)\n{connect}  \
             countersign{flag} requests watch\n  \
             export COUNTERSIGN_TOKEN=$(countersign{flag} token issue --subject alice --kind human --group approvers)\n  \
             countersign{flag} approve apr_…\n"
        )
    }
}
