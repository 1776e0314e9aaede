//! A fleet as an operator starts it: a control plane with the embedded store, and gateways that join it, each the built
//! binary in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::countersign::text;
use crate::{Account, Countersign, DevOptions, Dsn, Folder, Process, binary, eventually, free_port, product};

/// Connections that a gateway takes: as many as its open files allow, which is for the load to find out.
const CONNECTIONS_MAX: usize = 100_000;

/// A running fleet.
#[derive(Debug)]
pub struct Fleet {
    // The gateways end first, in good order.
    gateways: Vec<Gateway>,
    control: Countersign,
    options: DevOptions,
    folder: Folder,
    fleet_port: u16,
}

#[derive(Debug)]
struct Gateway {
    process: Process,
    port: u16,
    config: PathBuf,
    log: PathBuf,
    ops: String,
}

impl Fleet {
    /// Starts a control plane and so many gateways, on free ports of loopback; clients are served when this returns. Of
    /// `options` the bundle and the environment count.
    ///
    /// # Errors
    /// The binary is not built, or a process does not get ready; the error has what it said.
    pub fn start(options: DevOptions, gateways: usize) -> Result<Self> {
        let folder = Folder::new(Account::Own)?;
        folder.write("hash.key", [7; 32])?;
        let fleet_port = free_port()?;
        let control = Countersign::start_control_plane(options.clone(), fleet_port)?;
        let mut fleet = Self { gateways: Vec::new(), control, options, folder, fleet_port };
        for _ in 0..gateways {
            fleet.add_gateway()?;
        }
        Ok(fleet)
    }

    /// The control plane, for everything that people do.
    #[must_use]
    pub const fn control(&self) -> &Countersign {
        &self.control
    }

    /// The control plane, to be killed and started again.
    pub const fn control_mut(&mut self) -> &mut Countersign {
        &mut self.control
    }

    /// Where gateways link to the control plane: the port on loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.fleet_port
    }

    /// Starts another gateway, with a join token of its own; says which it is.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn add_gateway(&mut self) -> Result<usize> {
        let index = self.gateways.len();
        let issued = self.control.cli_as_operator(&["fleet", "token", "--ttl", "1h"])?;
        let token = issued.get("token").and_then(Value::as_str).context("no join token")?;
        let (dir, port) = (self.folder.path().display(), free_port()?);
        let token_file = self.folder.write(&format!("join-{index}"), token)?;
        let config = format!(
            "control_planes: ['127.0.0.1:{}']\nstate: {dir}/gateway-{index}\nname: gateway-{index}\n\
             join_token_file: {}\nhash_key_file: {dir}/hash.key\n\
             listeners: [{{protocol: postgres, address: '127.0.0.1:{port}'}}]\nlisten_ops: 127.0.0.1:0\n\
             connections_max: {CONNECTIONS_MAX}\ndrain_seconds: 5\n",
            self.fleet_port,
            token_file.display(),
        );
        let config = self.folder.write(&format!("gateway-{index}.yaml"), config)?;
        let log = self.folder.path().join(format!("gateway-{index}.log"));
        let (process, ops) = self.launch(&config, &log)?;
        self.gateways.push(Gateway { process, port, config, log, ops });
        Ok(index)
    }

    /// Starts a gateway; where operators look at it.
    fn launch(&self, config: &Path, log: &Path) -> Result<(Process, String)> {
        let mut command = Command::new(binary()?);
        command.args(["gateway", "--output", "json", "--config"]).arg(config);
        command.envs(self.options.environment.iter().cloned());
        let (process, ready) = product::launch("countersign gateway", &mut command, log)?;
        Ok((process, text(&ready, "ops")?))
    }

    /// Kills a gateway, as a power cut would.
    ///
    /// # Errors
    /// There is no such gateway, or the system does not tell that it has ended.
    pub fn kill_gateway(&mut self, index: usize) -> Result<()> {
        self.gateway_mut(index)?.process.kill().map(drop)
    }

    /// Starts a gateway again that was killed or has ended, with the certificate that it has.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_gateway_again(&mut self, index: usize) -> Result<()> {
        let gateway = self.gateway(index)?;
        let (process, ops) = self.launch(&gateway.config.clone(), &gateway.log.clone())?;
        let gateway = self.gateway_mut(index)?;
        (gateway.process, gateway.ops) = (process, ops);
        Ok(())
    }

    /// Asks a gateway to end in good order and waits until it has.
    ///
    /// # Errors
    /// It ended with an error code.
    pub fn stop_gateway(&mut self, index: usize) -> Result<()> {
        let status = self.gateway_mut(index)?.process.stop(Duration::from_secs(60))?;
        ensure!(status.success(), "the gateway ended with {status}: {}", self.gateway_log(index));
        Ok(())
    }

    /// Waits until a gateway has ended by itself; its exit code.
    ///
    /// # Errors
    /// It goes on, or a signal ended it.
    pub fn gateway_ends(&mut self, index: usize) -> Result<i32> {
        let process = &mut self.gateway_mut(index)?.process;
        let status = eventually("a gateway to end", Duration::from_secs(60), || process.ended())?;
        status.code().with_context(|| format!("a gateway ended by {status}"))
    }

    /// The process id of a gateway.
    ///
    /// # Errors
    /// There is no such gateway.
    pub fn gateway_id(&self, index: usize) -> Result<u32> {
        self.gateway(index).map(|gateway| gateway.process.id())
    }

    /// Where operators look at a gateway, as a URL.
    ///
    /// # Errors
    /// There is no such gateway.
    pub fn gateway_ops(&self, index: usize) -> Result<&str> {
        self.gateway(index).map(|gateway| gateway.ops.as_str())
    }

    /// What a gateway has logged.
    #[must_use]
    pub fn gateway_log(&self, index: usize) -> String {
        let log = self.gateways.get(index).map(|gateway| &gateway.log);
        log.and_then(|log| std::fs::read_to_string(log).ok()).unwrap_or_default()
    }

    /// Where a client connects to a gateway with `token` to reach `target`.
    ///
    /// # Errors
    /// There is no such gateway.
    pub fn dsn(&self, index: usize, target: &str, token: &str, database: &str) -> Result<Dsn> {
        Ok(Dsn {
            host: "127.0.0.1".into(),
            port: self.gateway(index)?.port,
            user: target.into(),
            password: token.into(),
            database: database.into(),
        })
    }

    fn gateway(&self, index: usize) -> Result<&Gateway> {
        self.gateways.get(index).with_context(|| format!("there is no gateway {index}"))
    }

    fn gateway_mut(&mut self, index: usize) -> Result<&mut Gateway> {
        self.gateways.get_mut(index).with_context(|| format!("there is no gateway {index}"))
    }
}
