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
    /// bundle, unless that changes meanwhile.
    #[arg(short = 'f', long = "file", value_name = "FILE|DIR")]
    path: PathBuf,
    /// Only while this version is current; `none`: while there is no bundle yet. Default: with a file the version
    /// that it was put into, with a folder any.
    #[arg(long, value_name = "VERSION|none")]
    if_version: Option<String>,
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
    let (bundle, read) = match whole {
        Some(bundle) => (bundle, None),
        None => with_file(&client, path).await.map(|(bundle, version)| (bundle, Some(version)))?,
    };
    let named =
        arguments.if_version.as_deref().map(|named| if named == "none" { "" } else { named }.to_owned());
    if let (Some(named), Some(read)) = (&named, &read)
        && named != read
    {
        let what = format!("the current bundle is {}, not {}", or_none(read), or_none(named));
        return Err(CliError::new(Exit::Refused, what).help("look at what was changed, and apply again"));
    }
    // Asked first, because only this answer has the faults apart.
    let check = v1::CheckBundleRequest { bundle: Some(bundle.clone()) };
    let faults = client.bundles().check_bundle(check).await?.into_inner().faults;
    if !faults.is_empty() {
        let faults: Vec<_> = faults.into_iter().map(Into::into).collect();
        return Err(fault::refuse(&faults, around.output));
    }
    let files: Vec<String> = bundle.files.keys().cloned().collect();
    let request = v1::ApplyBundleRequest { bundle: Some(bundle), if_version: named.or(read) };
    let applied = client.bundles().apply_bundle(request).await;
    let version = applied.map_err(not_applied)?.into_inner().version;
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

/// Somebody else was faster: another attempt is for who has looked at what they did.
fn not_applied(status: tonic::Status) -> CliError {
    if status.code() != tonic::Code::Aborted {
        return status.into();
    }
    CliError::new(Exit::Refused, status.message().to_owned()).help("nothing was changed")
}

fn or_none(version: &str) -> &str {
    if version.is_empty() { "none" } else { version }
}

/// The current bundle with this file in it, and its version; empty: there was none.
async fn with_file(client: &Client, path: &Path) -> Result<(v1::BundleFiles, String), CliError> {
    let bytes = std::fs::read(path)
        .map_err(|error| CliError::failed(format!("cannot read `{}`: {error}", path.display())))?;
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        CliError::new(Exit::Usage, format!("`{}` has no name that a bundle's file can have", path.display()))
    })?;
    let (mut bundle, version) = match client.bundles().get_bundle(v1::GetBundleRequest {}).await {
        Ok(current) => {
            let v1::GetBundleResponse { version, bundle } = current.into_inner();
            (bundle.unwrap_or_default(), version)
        }
        Err(status) if status.code() == tonic::Code::NotFound => Default::default(),
        Err(status) => return Err(status.into()),
    };
    bundle.files.insert(name.to_owned(), bytes);
    Ok((bundle, version))
}
