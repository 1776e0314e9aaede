//! The step `deploy`: what stands in `deploy/`, checked by the programs that will read it, as far as they can be had.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::{find, quiet, show};
use crate::{repo, setup};

/// The version of Kubernetes whose schemas the chart has to fit.
const KUBERNETES: &str = "1.32.0";

/// A program that stands in for ours where a checker wants to see one.
const STAND_IN: &str = "/bin/true";

pub(super) fn run() -> Result<()> {
    setup::to_check_deployment()?;
    let deploy = repo::root().join("deploy");
    balancer(&deploy)?;
    units(&deploy)?;
    compose(&deploy)?;
    chart(&deploy)?;
    rules(&deploy)
}

/// HAProxy reads its configuration; that the example's hosts are nobody's is a warning.
fn balancer(deploy: &Path) -> Result<()> {
    let program = find("haproxy", &[PathBuf::from("/usr/sbin")]).context("no haproxy")?;
    quiet(Command::new(program).arg("-c").arg("-f").arg(deploy.join("haproxy/haproxy.cfg"))).map(drop)
}

/// The units, with a program that is there.
fn units(deploy: &Path) -> Result<()> {
    let Some(program) = find("systemd-analyze", &[]) else {
        println!("No systemd-analyze on this machine; the units are not checked here.");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(program);
    command.arg("verify");
    for name in ["countersign-gateway.service", "countersign-controlplane.service"] {
        let text = std::fs::read_to_string(deploy.join("systemd").join(name))?;
        let unit = folder.path().join(name);
        std::fs::write(&unit, text.replace("/usr/bin/countersign", STAND_IN))?;
        command.arg(unit);
    }
    quiet(&mut command).map(drop)
}

fn compose(deploy: &Path) -> Result<()> {
    let mut command = Command::new(setup::deploy_tool("check-jsonschema")?);
    command.args(["--builtin-schema", "vendor.compose-spec"]).arg(deploy.join("compose/compose.yaml"));
    show(&mut command)
}

/// The chart is rendered as Helm does it, with each of its examples, and every object held against its schema.
fn chart(deploy: &Path) -> Result<()> {
    for values in ["example-values.yaml", "example-values-s3.yaml"] {
        chart_with(&deploy.join("helm/countersign"), values)?;
    }
    Ok(())
}

fn chart_with(chart: &Path, values: &str) -> Result<()> {
    let (helm, values) = (setup::deploy_tool("helm")?, chart.join(values));
    let helm = |subcommand: &[&str]| {
        let mut command = Command::new(&helm);
        command.args(subcommand).arg(chart).arg("--values").arg(&values);
        command
    };
    show(&mut helm(&["lint", "--strict"]))?;
    let rendered = tempfile::NamedTempFile::with_suffix(".yaml")?;
    std::fs::write(rendered.path(), quiet(&mut helm(&["template", "check"]))?)?;
    let mut validate = Command::new(setup::deploy_tool("kubernetes-validate")?);
    show(validate.args(["--strict", "--quiet", "--kubernetes-version", KUBERNETES]).arg(rendered.path()))
}

/// Alerts, as Prometheus reads them.
fn rules(deploy: &Path) -> Result<()> {
    let program = find("promtool", &[]).context("no promtool")?;
    show(Command::new(program).args(["check", "rules"]).arg(deploy.join("prometheus/alerts.yaml")))
}
