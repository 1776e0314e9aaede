//! The page in a real browser, against a real `countersign dev` with a real PostgreSQL behind it. The scenarios are in
//! `ui/e2e`; here is what they are played on.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use countersign_testkit::{Bundle, Countersign, Postgres, PostgresOptions, Terms, binary};

use super::{Page, program};
use crate::run::show;
use crate::setup;

/// Two of the group have to agree, so that a page also shows one who has while another is awaited.
const CHAINS: &str = "chains:
  prod-dba:
    timeout: 1h
    stages:
      - groups: [dba]
        quorum: 2
";

/// Plays the scenarios.
pub(super) fn play(page: &Page) -> Result<()> {
    Stage::set()?.run(page, "e2e/page.test.ts", &[])
}

/// Takes pictures, for people who look at them.
pub(super) fn take_pictures(page: &Page, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let folder = std::path::absolute(folder)?;
    let folder = folder.to_string_lossy().into_owned();
    Stage::set()?.run(page, "e2e/pictures.test.ts", &[("PICTURES", &folder)])
}

/// Everything that runs while a browser looks at it.
struct Stage {
    // In the order in which they have to end.
    gateway: Countersign,
    server: Postgres,
    _bundle: Bundle,
}

impl Stage {
    fn set() -> Result<Self> {
        program()?;
        setup::chromium()?;
        let server = Postgres::start(PostgresOptions::default())?;
        let bundle = Bundle::example(&server, &Terms { hold: "5m", ..Terms::default() })?;
        bundle.replace("chains.yaml", CHAINS)?;
        let gateway = Countersign::start(bundle.dev())?;
        Ok(Self { gateway, server, _bundle: bundle })
    }

    /// Runs one file of scenarios.
    fn run(&self, page: &Page, file: &str, more: &[(&str, &str)]) -> Result<()> {
        let mut command = page.tool("vitest");
        command.args(["run", "--config", "vitest.e2e.config.ts", file]);
        self.tell(&mut command)?;
        show(command.envs(more.iter().copied()))
    }

    /// Where everything is. Secrets go by the environment, where only this user can read them.
    fn tell(&self, command: &mut Command) -> Result<()> {
        command
            .env("COUNTERSIGN_API", self.gateway.api())
            .env("COUNTERSIGN_BIN", binary()?)
            .env("COUNTERSIGN_OPERATOR_TOKEN", self.gateway.operator()?)
            .env("COUNTERSIGN_POSTGRES", self.gateway.postgres())
            .env("SHOP_URL", self.server.url_with_password());
        Ok(())
    }
}
