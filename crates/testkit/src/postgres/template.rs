//! A data folder with the shop in it, made once in the build folder and copied for each server: a copy
//! takes a tenth of what `initdb` and loading take.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{SETTINGS, program, psql, run, shop};
use crate::wait::free_port;
use crate::{Account, Folder, Place, build_folder};

/// Puts a copy of the template into `folder`, as `data`.
pub(super) fn copy_to(folder: &Folder) -> Result<()> {
    copy(&ready()?, &folder.path().join("data"))
}

/// Where the template is. Made when it is missing; one process makes it, the others wait for it.
fn ready() -> Result<PathBuf> {
    let kept = build_folder()?.join("testkit");
    std::fs::create_dir_all(&kept).with_context(|| format!("cannot make `{}`", kept.display()))?;
    let template = kept.join(name()?);
    let lock = std::fs::File::create(kept.join("lock")).context("cannot make the template's lock")?;
    lock.lock().context("cannot take the template's lock")?;
    if !template.is_dir() {
        make(&template)?;
    }
    Ok(template)
}

/// A name that changes with everything that the template is made from.
fn name() -> Result<String> {
    let server = program("postgres")?;
    let version = Command::new(&server).arg("--version").output().context("cannot run postgres")?.stdout;
    let mut hasher = DefaultHasher::new();
    (version, shop::SQL, Account::for_servers()? == Account::Own).hash(&mut hasher);
    Ok(format!("postgres-{:016x}", hasher.finish()))
}

fn make(template: &Path) -> Result<()> {
    let account = Account::for_servers()?;
    let folder = Folder::new(account)?;
    let data = folder.path().join("data");
    let mut initdb = Command::new(program("initdb")?);
    initdb
        .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
        .args(["--wal-segsize=1", "-D"])
        .arg(&data)
        .current_dir(folder.path())
        .stdin(Stdio::null());
    account.apply(&mut initdb);
    let output = initdb.output().context("cannot run initdb")?;
    if !output.status.success() {
        bail!("initdb: {}", String::from_utf8_lossy(&output.stderr));
    }
    folder.write("data/postgresql.conf", SETTINGS)?;
    let port = free_port()?;
    let mut server = run(account, folder.path(), &Place::default(), port)?;
    psql(folder.path(), port, "postgres", &format!("CREATE DATABASE {}", shop::DATABASE))?;
    psql(folder.path(), port, shop::DATABASE, shop::SQL)?;
    server.stop(Duration::from_secs(30))?;
    // Whoever looks sees all of it or nothing: the copy gets its name when it is whole.
    let unfinished = template.with_extension("unfinished");
    let _ = std::fs::remove_dir_all(&unfinished);
    copy(&data, &unfinished)?;
    std::fs::rename(&unfinished, template).context("cannot keep the template")
}

/// `cp` keeps owners and modes, and shares blocks where the file system can.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp")
        .args(["-a", "--reflink=auto"])
        .args([from, to])
        .status()
        .context("cannot run cp")?;
    anyhow::ensure!(status.success(), "cannot copy `{}` to `{}`", from.display(), to.display());
    Ok(())
}
