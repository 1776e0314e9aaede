//! x
use anyhow::Result;
#[derive(Debug, clap::Args)]
pub(crate) struct Options {}
impl Options {
    pub(crate) fn scripted() -> Self {
        Self {}
    }
}
pub(crate) fn run(_: &Options) -> Result<()> {
    Ok(())
}
