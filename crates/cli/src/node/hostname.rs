//! What a node is called when nobody gave it a name: as its machine is.

/// Where Linux tells it.
const FILE: &str = "/proc/sys/kernel/hostname";

/// The machine's name, as far as a node's name may have its characters; nothing where it is not told.
pub(crate) fn hostname() -> Option<String> {
    let name = std::fs::read_to_string(FILE).ok()?;
    let plain = |c: &char| c.is_ascii_alphanumeric() || ".-_".contains(*c);
    let name: String = name.trim().chars().filter(plain).take(64).collect();
    (!name.is_empty()).then_some(name)
}
