//! Nothing names a machine: no path of somebody's home or workplace, no host of a package registry.

use anyhow::Result;

use super::Source;

pub(super) fn check(sources: &[Source]) -> Result<Vec<String>> {
    // Put together here, so that this file does not find itself.
    let words = [
        ["/wo", "rk/"],
        ["/ro", "ot/"],
        ["/home", "/"],
        ["/Use", "rs/"],
        ["crates", ".io/"],
        ["index.crates", ".io"],
        ["pypi", ".org"],
        ["registry.npmjs", ".org"],
        ["deb.debian", ".org"],
        ["proxy.golang", ".org"],
    ];
    let words = words.map(|halves| halves.concat());
    let mut faults = Vec::new();
    // Cargo writes the name of its registry into the lock file by itself.
    for source in sources.iter().filter(|source| !source.path.ends_with("Cargo.lock")) {
        for (index, line) in source.text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(word.as_str())) {
                faults.push(format!("{}:{} names `{word}`", source.path.display(), index + 1));
            }
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_machine_is_found() {
        let text = format!("ok\nsee {}{}me/x\n", "/home", "/");
        assert_eq!(check(&[Source::new("a.md", &text)]).unwrap().len(), 1);
    }

    #[test]
    fn a_registry_host_is_found_except_where_cargo_writes_it() {
        let text = format!("\"resolved\": \"{}{}\"\n", "registry.npmjs", ".org");
        let sources = [Source::new("package-lock.json", &text), Source::new("Cargo.lock", &text)];
        assert_eq!(check(&sources).unwrap().len(), 1);
    }
}
