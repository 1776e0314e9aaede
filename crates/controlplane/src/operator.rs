//! The operator's token: made at the first start, so that somebody can issue the others.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_common::id::AttemptId;
use countersign_common::{Principal, Secret};

use crate::sessions::{IssueError, IssueToken, Sessions};

/// The group whose members may issue tokens, revoke, apply bundles and read recordings. It does not make
/// anybody eligible to approve.
pub const ADMIN: &str = "admin";

/// The file, in the data directory.
const FILE: &str = "operator.token";

/// How long it lives.
const TTL: Duration = Duration::from_secs(3650 * 86_400);

/// Why there is no operator's token.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// Its file could not be read or written.
    #[error("the operator's token file `{path}` cannot be read or written")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It could not be issued.
    #[error("the operator's token cannot be issued")]
    Issue(#[from] IssueError),
}

/// Makes sure that the file holds a token that is accepted; its path.
pub(crate) async fn ensure(
    data: &Path,
    sessions: &Sessions,
    operator: Principal,
) -> Result<PathBuf, OperatorError> {
    let path = data.join(FILE);
    let failed = |source| OperatorError::File { path: path.clone(), source };
    match tokio::fs::read_to_string(&path).await {
        Ok(text) if sessions.authenticate(&Secret::new(text.trim().to_owned())).is_ok() => return Ok(path),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let issued_by = operator.subject.clone();
    let issuers = std::collections::BTreeSet::new();
    let order = IssueToken { principal: operator, ttl: TTL, target: None, issued_by, issuers };
    let issued = sessions.issue(order).await?;
    write_private(&path, issued.secret.expose()).await.map_err(failed)?;
    Ok(path)
}

/// Writes a file that only its owner can read; whole or not at all.
async fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use tokio::io::AsyncWriteExt as _;

    // Under a name of its own: another node may begin in the same directory at the same moment.
    let new = path.with_extension(format!("new-{}", AttemptId::generate()));
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(&new).await?;
    file.write_all(format!("{text}\n").as_bytes()).await?;
    file.sync_all().await?;
    tokio::fs::rename(&new, path).await
}
