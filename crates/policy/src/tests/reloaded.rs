//! Tests versions of bundles and reloads.

use countersign_common::id::{EnvironmentName, TargetName};

use super::{TARGETS, bundle, example};
use crate::{Bundle, CurrentBundle, Files, Reload, reload, target_from_url};

const ALLOW: &str = r#"@id("all") permit (principal, action, resource);"#;

fn extra(name: &str) -> countersign_common::Target {
    let environment = EnvironmentName::new("dev").unwrap();
    target_from_url(TargetName::new(name).unwrap(), environment, "postgres://app@localhost/x").unwrap().0
}

#[test]
fn equal_bundles_have_equal_versions_and_any_change_another() {
    let version = |policies: &str| bundle(policies).version().clone();
    assert_eq!(version(ALLOW), version(ALLOW));
    assert_ne!(version(ALLOW), version(&format!("{ALLOW} ")));
    let files = Files::from_iter([("targets.yaml", TARGETS)]);
    let plain = Bundle::compile(&files, Vec::new()).unwrap();
    let more = Bundle::compile(&files, vec![extra("mine")]).unwrap();
    assert_ne!(plain.version(), more.version());
    assert!(more.target(&TargetName::new("mine").unwrap()).is_some());
}

#[test]
fn an_extra_target_does_not_take_the_place_of_one_in_the_bundle() {
    let files = Files::from_iter([("targets.yaml", TARGETS)]);
    let error = Bundle::compile(&files, vec![extra("shop")]).unwrap_err();
    assert!(error.to_string().contains("target `shop` is given twice"));
}

#[test]
fn a_reload_tells_unchanged_new_and_broken_apart() {
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(example("bundle")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    let bundle = Bundle::compile(&Files::read_dir(dir.path()).unwrap(), Vec::new()).unwrap();
    let current = CurrentBundle::new(bundle);
    let seen = current.revision();
    assert!(matches!(reload(dir.path(), &current.load(), Vec::new()), Reload::Unchanged));

    std::fs::write(dir.path().join("more.cedar"), "permit (").unwrap();
    let Reload::Broken(errors) = reload(dir.path(), &current.load(), Vec::new()) else {
        panic!("not broken")
    };
    assert_eq!(errors.faults()[0].file, "more.cedar");
    assert_eq!(current.revision(), seen);

    std::fs::write(dir.path().join("more.cedar"), ALLOW).unwrap();
    let Reload::New(new) = reload(dir.path(), &current.load(), Vec::new()) else { panic!("not new") };
    let version = new.version().clone();
    current.replace(*new);
    assert!(current.revision() > seen);
    assert_eq!(current.load().version(), &version);
}
