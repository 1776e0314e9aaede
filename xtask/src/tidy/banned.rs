//! `ring`, `openssl` and `native-tls` are in no crate's tree, on any platform and with any feature that
//! we use. Asked of Cargo rather than of the lock file, which also names what is never built.

use anyhow::Result;

use super::Source;
use crate::run::{cargo, quiet};

const BANNED: [&str; 4] = ["ring", "openssl", "openssl-sys", "native-tls"];

pub(super) fn check(_: &[Source]) -> Result<Vec<String>> {
    let all = ["tree", "--locked", "--workspace", "--target", "all", "--edges", "all"];
    let tree = quiet(cargo(&all).args(["--prefix", "none", "--format", "{p}"]))?;
    Ok(faults(&tree))
}

fn faults(tree: &str) -> Vec<String> {
    let used = |name: &str| tree.lines().any(|line| line.split(' ').next() == Some(name));
    let banned = BANNED.into_iter().filter(|name| used(name));
    banned.map(|name| format!("`{name}` is used; `cargo tree --target all -i {name}` says by whom")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banned_crate_is_found_by_its_whole_name() {
        assert_eq!(faults("rustls v0.23.1\nring v0.17.8\n").len(), 1);
        assert!(faults("rustls v0.23.1\nstringprep v0.1.5\nring-buffer v1.0.0\n").is_empty());
    }
}
