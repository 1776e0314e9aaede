//! The key of hashed columns: made once for a data directory, so that equal values stay equal over restarts.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use countersign_common::Secret;
use countersign_masking::HashKey;

use crate::data::DataDir;
use crate::error::{CliError, Exit};

/// Length of the key, in bytes.
const KEY_BYTES: usize = 32;

/// The key in the data directory, made when there is none.
///
/// # Errors
/// When it cannot be read or written, or is not a key.
pub(super) fn load_or_create(data: &DataDir) -> Result<HashKey, CliError> {
    let path = data.keys().join("hash.key");
    let failed = |error: &std::io::Error| {
        CliError::because(
            Exit::Failed,
            format!("the key of hashed columns, `{}`, cannot be used", path.display()),
            error,
        )
    };
    let mut fresh = vec![0; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut fresh).map_err(|_| CliError::failed("the system gave no random bytes"))?;
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let key = match created {
        Ok(mut file) => {
            file.write_all(&fresh).and_then(|()| file.sync_all()).map_err(|error| failed(&error))?;
            fresh
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            std::fs::read(&path).map_err(|error| failed(&error))?
        }
        Err(error) => return Err(failed(&error)),
    };
    if key.len() != KEY_BYTES {
        return Err(failed(&std::io::Error::new(ErrorKind::InvalidData, "it is not 32 bytes long")));
    }
    Ok(HashKey::new(&Secret::new(key)))
}
