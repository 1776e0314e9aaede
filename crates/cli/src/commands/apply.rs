//! `countersign apply`: a bundle, or one file of the current one, comes into force.

use std::path::{Path, PathBuf};

use clap::Args;
use countersign_api::v1;
use countersign_policy::Files;
use serde::Serialize;

use super::Surroundings;
use crate::client::Client;
use crate::error::{CliError, Exit};
use crate::view::fault;

/// What is applied.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder of a bundle; or one file, which then takes its place among the files of the current
    /// bundle. Who applies single files at the same time as others may undo theirs: then apply folders.
    #[arg(short = 'f', long = "file", value_name = "FILE|DIR")]
    path: PathBuf,
}

/// The JSON of an applied bundle.
#[derive(Debug, Serialize)]
struct Applied {
    version: String,
    files: Vec<String>,
}

pub(crate) async fn run(arguments: &Arguments, around: &Surroundings) -> Result<(), CliError> {
    let path = &arguments.path;
    let whole = if path.is_dir() { Some(read_folder(path, around)?) } else { None };
    let client = around.connect().await?;
    let bundle = match whole {
        Some(bundle) => bundle,
        None => with_file(&client, path).await?,
    };
    // Asked first, because only this answer has the faults apart.
    let check = v1::CheckBundleRequest { bundle: Some(bundle.clone()) };
    let faults = client.bundles().check_bundle(check).await?.into_inner().faults;
    if !faults.is_empty() {
        let faults: Vec<_> = faults.into_iter().map(Into::into).collect();
        return Err(fault::refuse(&faults, around.output));
    }
    let files: Vec<String> = bundle.files.keys().cloned().collect();
    let request = v1::ApplyBundleRequest { bundle: Some(bundle) };
    let version = client.bundles().apply_bundle(request).await?.into_inner().version;
    let applied = Applied { version, files };
    around.output.result(&applied, || {
        format!("Bundle {} is in force ({}).", applied.version, applied.files.join(", "))
    })
}

fn read_folder(dir: &Path, around: &Surroundings) -> Result<v1::BundleFiles, CliError> {
    let files = Files::read_dir(dir);
    let files = files.map_err(|errors| fault::refuse(&fault::of_dir(&errors, dir), around.output))?;
    let files = files.iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
    Ok(v1::BundleFiles { files: files.collect() })
}

/// The current bundle with this file in it.
async fn with_file(client: &Client, path: &Path) -> Result<v1::BundleFiles, CliError> {
    let bytes = std::fs::read(path)
        .map_err(|error| CliError::failed(format!("cannot read `{}`: {error}", path.display())))?;
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        CliError::new(Exit::Usage, format!("`{}` has no name that a bundle's file can have", path.display()))
    })?;
    let mut bundle = match client.bundles().get_bundle(v1::GetBundleRequest {}).await {
        Ok(current) => current.into_inner().bundle.unwrap_or_default(),
        Err(status) if status.code() == tonic::Code::NotFound => v1::BundleFiles::default(),
        Err(status) => return Err(status.into()),
    };
    bundle.files.insert(name.to_owned(), bytes);
    Ok(bundle)
}
