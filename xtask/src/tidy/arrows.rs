//! The floors of the house: a crate imports only what stands below it, and each heavy library is named
//! by one crate only.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Source;
use crate::run::{cargo, quiet};

/// From the top. Crates of one floor never import each other, dialects of a protocol aside.
const FLOORS: &[&[&str]] = &[
    &["cli"],
    &["gateway", "controlplane"],
    &["protocols/*"],
    &["lifecycle"],
    &["policy", "sql", "masking", "recording", "api", "runtime"],
    &["common"],
];

/// Pairs on one floor that may stand on each other all the same: the second is imported by the first.
/// The control plane keeps recordings and judges, both from below it, so it needs no entry.
const EXCEPTIONS: &[(&str, &str)] = &[];

/// Libraries that one crate alone may name.
const ONE_OWNER: &[(&str, &str)] = &[
    ("cedar-policy", "policy"),
    ("pg_query", "sql"),
    ("sqlparser", "sql"),
    ("redb", "controlplane"),
    ("redis", "controlplane"),
    ("etcd-client", "controlplane"),
];

pub(super) fn check(_: &[Source]) -> Result<Vec<String>> {
    let mut command: Command = cargo(&["metadata", "--locked", "--no-deps", "--format-version", "1"]);
    let metadata: Value =
        serde_json::from_str(&quiet(&mut command)?).context("cargo metadata is not JSON")?;
    Ok(crates_of(&metadata).iter().flat_map(faults_of).collect())
}

/// One crate of the workspace.
#[derive(Debug)]
struct Crate {
    /// Its folder under `crates/`, such as `protocols/postgres`.
    place: String,
    /// Its normal dependencies: folder of ours, or name of another's.
    imports: Vec<String>,
}

fn crates_of(metadata: &Value) -> Vec<Crate> {
    let list =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut crates = Vec::new();
    for package in list(metadata, "packages") {
        // Tests and chores stand outside the house.
        let Some(place) = text(&package, "manifest_path").and_then(|path| place(&path)) else { continue };
        if place == "testkit" {
            continue;
        }
        let normal = list(&package, "dependencies").into_iter().filter(|d| text(d, "kind").is_none());
        let imports = normal.filter_map(|dependency| {
            let own = text(&dependency, "path").and_then(|path| self::place(&format!("{path}/Cargo.toml")));
            own.or_else(|| text(&dependency, "name"))
        });
        crates.push(Crate { place, imports: imports.collect() });
    }
    crates
}

/// The folder under `crates/` of a manifest.
fn place(manifest: &str) -> Option<String> {
    let (_, inside) = manifest.rsplit_once("/crates/")?;
    Some(inside.strip_suffix("/Cargo.toml")?.to_owned())
}

fn floor(place: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| {
        floor.iter().any(|entry| match entry.strip_suffix('*') {
            Some(folder) => place.starts_with(folder),
            None => *entry == place,
        })
    })
}

fn faults_of(krate: &Crate) -> Vec<String> {
    let place = krate.place.as_str();
    let Some(own) = floor(place) else {
        return vec![format!("crates/{place} stands on no floor; give it one in xtask/src/tidy/arrows.rs")];
    };
    let mut faults = Vec::new();
    for import in &krate.imports {
        if import == "testkit" {
            faults.push(format!("crates/{place} imports testkit, which is for tests only"));
        }
        let exempt = EXCEPTIONS.contains(&(place, import.as_str()));
        if floor(import).is_some_and(|floor| floor <= own) && !exempt {
            faults.push(format!("crates/{place} imports crates/{import}, which does not stand below it"));
        }
        if let Some((_, owner)) =
            ONE_OWNER.iter().find(|(library, owner)| library == import && *owner != place)
        {
            faults.push(format!("crates/{place} names `{import}`; only crates/{owner} may"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(place: &str, imports: &[&str]) -> Vec<String> {
        faults_of(&Crate { place: place.into(), imports: imports.iter().map(ToString::to_string).collect() })
    }

    #[test]
    fn an_arrow_that_points_up_or_aside_is_found() {
        assert!(faults("gateway", &["protocols/postgres", "lifecycle", "common", "tokio"]).is_empty());
        assert_eq!(faults("gateway", &["controlplane"]).len(), 1);
        assert_eq!(faults("lifecycle", &["protocols/postgres"]).len(), 1);
        assert_eq!(faults("protocols/postgres", &["protocols/mysql"]).len(), 1);
        assert_eq!(faults("sql", &["policy"]).len(), 1);
    }

    #[test]
    fn a_library_named_by_the_wrong_crate_is_found() {
        assert!(faults("policy", &["cedar-policy"]).is_empty());
        assert_eq!(faults("gateway", &["cedar-policy"]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_floor_and_a_product_with_the_testkit_are_found() {
        assert_eq!(faults("attic", &[]).len(), 1);
        assert_eq!(faults("cli", &["testkit"]).len(), 1);
    }

    #[test]
    fn metadata_is_read_with_folders_for_our_own_crates() {
        let metadata = serde_json::json!({"packages": [{
            "manifest_path": "/x/crates/cli/Cargo.toml",
            "dependencies": [
                {"name": "countersign-common", "kind": null, "path": "/x/crates/common"},
                {"name": "countersign-testkit", "kind": "dev", "path": "/x/crates/testkit"},
                {"name": "tokio", "kind": null},
            ],
        }]});
        let crates = crates_of(&metadata);
        assert_eq!(crates.first().unwrap().imports, ["common", "tokio"]);
    }
}
