//! A process that holds sessions open and does nothing else: one process may not open as many files as a load needs.
//! The generator starts some of itself in this role, and talks with each in lines over its pipes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use futures::StreamExt as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::task::JoinSet;

use crate::client::{Answer, Client, Login};
use crate::scenario::held;

/// The first number of the statements.
const FIRST: u64 = 6_000_000;

/// Where a holder's sessions go, and which they are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct HolderOptions {
    /// The gateway
    #[arg(long)]
    server: SocketAddr,
    #[arg(long)]
    target: String,
    #[arg(long)]
    database: String,
    /// The last part of the loopback address that it connects from
    #[arg(long)]
    address: u8,
    /// The number of its first session
    #[arg(long)]
    first: u64,
    /// Sessions that are being opened at once
    #[arg(long)]
    at_once: usize,
}

/// A holder, as the generator sees it. Ends with its value.
pub(crate) struct Holder {
    _process: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
}

impl Holder {
    /// Starts one for sessions like `login`; `tokens` are spread over them, and given to it where nobody sees them.
    pub(crate) async fn start(
        login: &Login,
        tokens: &[String],
        first: u64,
        address: u8,
        at_once: usize,
    ) -> Result<Self> {
        let mut process = tokio::process::Command::new(std::env::current_exe()?)
            .args(["hold", "--server", &login.server.to_string(), "--target", &login.target])
            .args(["--database", &login.database, "--address", &address.to_string()])
            .args(["--first", &first.to_string(), "--at-once", &at_once.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let to = process.stdin.take().context("no way to the holder")?;
        let from = BufReader::new(process.stdout.take().context("no way from the holder")?).lines();
        let mut holder = Self { _process: process, to, from };
        holder.say(&tokens.join(" ")).await?;
        Ok(holder)
    }

    /// Opens more sessions, until there are so many; each has asked when this returns.
    pub(crate) async fn open(&mut self, sessions: usize) -> Result<()> {
        self.say(&format!("open {sessions}")).await?;
        let said = self.hear().await?;
        ensure!(said == "opened", "a holder could not open its sessions: {said}");
        Ok(())
    }

    /// Has it wait for the answers of some of its sessions; their tickets.
    pub(crate) async fn wait_for(&mut self, sessions: usize) -> Result<Vec<String>> {
        self.say(&format!("wait {sessions}")).await?;
        let said = self.hear().await?;
        let tickets = said.strip_prefix("waiting ").with_context(|| said.clone())?;
        Ok(tickets.split(' ').map(str::to_owned).collect())
    }

    /// Waits until all of those have been answered; how many ran.
    pub(crate) async fn ran(&mut self) -> Result<usize> {
        let said = self.hear().await?;
        said.strip_prefix("ran ").and_then(|count| count.parse().ok()).context(said)
    }

    async fn say(&mut self, line: &str) -> Result<()> {
        self.to.write_all(format!("{line}\n").as_bytes()).await.context("the holder has ended")
    }

    async fn hear(&mut self) -> Result<String> {
        self.from.next_line().await?.context("the holder has ended")
    }
}

/// The sessions of this process.
struct Sessions {
    options: HolderOptions,
    tokens: Vec<String>,
    waiting: Vec<(Client, String)>,
}

/// Is a holder, until the generator goes.
pub(crate) async fn run(options: HolderOptions) -> Result<()> {
    // Blocks this thread alone: what the sessions do is done by others.
    let mut lines = std::io::stdin().lines();
    let tokens = lines.next().context("no tokens")??;
    let tokens = tokens.split(' ').map(str::to_owned).collect();
    let mut sessions = Sessions { options, tokens, waiting: Vec::new() };
    for line in lines {
        let line = line?;
        match line.split_once(' ') {
            Some(("open", count)) => match sessions.open(count.parse()?).await {
                Ok(()) => println!("opened"),
                Err(error) => println!("{error:#}"),
            },
            Some(("wait", count)) => sessions.answers(count.parse()?).await?,
            _ => bail!("`{line}` is not for a holder"),
        }
    }
    Ok(())
}

impl Sessions {
    async fn open(&mut self, sessions: usize) -> Result<()> {
        let new = (self.waiting.len()..sessions).map(|index| self.wait(index));
        let mut new = futures::stream::iter(new).buffered(self.options.at_once);
        let mut opened = Vec::new();
        while let Some(one) = new.next().await {
            opened.push(one.with_context(|| format!("session {}", opened.len()))?);
        }
        drop(new);
        self.waiting.append(&mut opened);
        Ok(())
    }

    async fn wait(&self, index: usize) -> Result<(Client, String)> {
        let number = self.options.first + index as u64;
        let token = self.tokens.get(index % self.tokens.len().max(1)).context("no token")?;
        let login = Login {
            server: self.options.server,
            from: IpAddr::V4(Ipv4Addr::new(127, 0, 0, self.options.address)),
            target: self.options.target.clone(),
            token: token.clone(),
            database: self.options.database.clone(),
        };
        let mut client = Client::connect(&login).await?;
        client.ask(&held(FIRST + number)).await?;
        let ticket = client.ticket().await?;
        Ok((client, ticket))
    }

    /// Gives up the last of them, and says how many ran when all were answered.
    async fn answers(&mut self, count: usize) -> Result<()> {
        let from = self.waiting.len().saturating_sub(count);
        let (mut tickets, mut answers) = (Vec::new(), JoinSet::new());
        for (mut client, ticket) in self.waiting.drain(from..) {
            tickets.push(ticket);
            answers.spawn(async move { client.answer().await });
        }
        println!("waiting {}", tickets.join(" "));
        let mut ran = 0;
        while let Some(answer) = answers.join_next().await {
            ran += usize::from(answer?? == Answer::Completed);
        }
        println!("ran {ran}");
        Ok(())
    }
}
