//! The key of hashed columns: the same on every gateway, so that equal values stay equal wherever they are seen. `dev`
//! makes one for its data directory.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use countersign_common::Secret;
use countersign_masking::HashKey;

use crate::data::DataDir;
use crate::error::{CliError, Exit};

/// Length of the key, in bytes.
const KEY_BYTES: usize = 32;

/// The key in a file.
///
/// # Errors
/// When it cannot be read, or is not a key.
pub(crate) fn read(path: &Path) -> Result<HashKey, CliError> {
    let key = std::fs::read(path).map(Secret::new).map_err(|error| failed(path, &error))?;
    if key.expose().len() != KEY_BYTES {
        return Err(failed(path, &std::io::Error::new(ErrorKind::InvalidData, "it is not 32 bytes long")));
    }
    Ok(HashKey::new(&key))
}

/// The key in the data directory, made when there is none.
///
/// # Errors
/// When it cannot be read or written, or is not a key.
pub(crate) fn load_or_create(data: &DataDir) -> Result<HashKey, CliError> {
    let path = data.keys().join("hash.key");
    let fresh = fresh()?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let written = file.write_all(fresh.expose()).and_then(|()| file.sync_all());
            written.map_err(|error| failed(&path, &error))?;
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(&path, &error)),
    }
    read(&path)
}

fn fresh() -> Result<Secret<Vec<u8>>, CliError> {
    let mut bytes = vec![0; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| CliError::failed("the system gave no random bytes"))?;
    Ok(Secret::new(bytes))
}

fn failed(path: &Path, error: &std::io::Error) -> CliError {
    CliError::because(
        Exit::Failed,
        format!("the key of hashed columns, `{}`, cannot be used", path.display()),
        error,
    )
}
