//! Which settings a session may change, and what a change of each means.

use countersign_common::facts::{Action, Flag};

/// What setting a parameter amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) action: Action,
    pub(crate) risky: bool,
    /// Names may mean something else afterwards.
    pub(crate) moves_path: bool,
}

impl Change {
    const HARMLESS: Self = Self { action: Action::Set, risky: false, moves_path: false };
    const RISKY: Self = Self { action: Action::Set, risky: true, moves_path: false };
    const ACCESS: Self = Self { action: Action::Access, risky: true, moves_path: true };
    const ADMINISTER: Self = Self { action: Action::Administer, risky: true, moves_path: false };

    pub(crate) fn flag(self) -> Option<Flag> {
        self.risky.then_some(Flag::RiskySetting)
    }
}

/// Settings that change neither access nor the meaning of later text, sorted.
const HARMLESS: &[&str] = &[
    "application_name",
    "bytea_output",
    "client_connection_check_interval",
    "client_min_messages",
    "constraint_exclusion",
    "cursor_tuple_fraction",
    "datestyle",
    "deadlock_timeout",
    "debug_pretty_print",
    "default_statistics_target",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "effective_cache_size",
    "effective_io_concurrency",
    "enable_async_append",
    "enable_bitmapscan",
    "enable_gathermerge",
    "enable_hashagg",
    "enable_hashjoin",
    "enable_incremental_sort",
    "enable_indexonlyscan",
    "enable_indexscan",
    "enable_material",
    "enable_memoize",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_parallel_append",
    "enable_parallel_hash",
    "enable_partition_pruning",
    "enable_partitionwise_aggregate",
    "enable_partitionwise_join",
    "enable_seqscan",
    "enable_sort",
    "enable_tidscan",
    "escape_string_warning",
    "extra_float_digits",
    "force_parallel_mode",
    "from_collapse_limit",
    "geqo",
    "hash_mem_multiplier",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "join_collapse_limit",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "log_duration",
    "max_parallel_workers_per_gather",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "plan_cache_mode",
    "quote_all_identifiers",
    "random_page_cost",
    "seed",
    "seq_page_cost",
    "statement_timeout",
    "synchronize_seqscans",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_user_timeout",
    "timezone",
    "timezone_abbreviations",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_timeout",
    "work_mem",
    "xmlbinary",
    "xmloption",
];

/// What setting `name` to `value` amounts to; no value when it is set to its default or to something unread.
pub(crate) fn change(name: &str, value: Option<&str>) -> Change {
    let name = name.to_ascii_lowercase();
    let value = value.map(str::to_ascii_lowercase);
    let value = value.as_deref();
    match name.as_str() {
        "role" | "session_authorization" => Change::ACCESS,
        "search_path" => Change { moves_path: true, ..Change::HARMLESS },
        "standard_conforming_strings" if is_on(value) => Change::HARMLESS,
        "client_encoding" | "names" if matches!(value, Some("utf8" | "utf-8" | "unicode")) => {
            Change::HARMLESS
        }
        "standard_conforming_strings" | "client_encoding" | "names" | "backslash_quote" => Change::RISKY,
        // The second wall of a session: closing it is harmless, opening it is not.
        "transaction_read_only" | "default_transaction_read_only" if is_on(value) => Change::HARMLESS,
        "transaction_read_only" | "default_transaction_read_only" => Change::RISKY,
        known if HARMLESS.binary_search(&known).is_ok() => Change::HARMLESS,
        _ => Change::ADMINISTER,
    }
}

/// Whether a setting may change how texts are read, or what their names mean.
pub(crate) fn changes_meaning(name: &str) -> bool {
    if matches!(
        name.to_ascii_lowercase().as_str(),
        "transaction_read_only"
            | "default_transaction_read_only"
            | "transaction"
            | "session characteristics"
            | "transaction snapshot"
    ) {
        return false;
    }
    let known = change(name, None);
    known.moves_path || known.risky || known.action != Action::Set
}

/// Whether a client may give a setting when it logs in: what SET allows without being remarkable. How strings are written
/// is asked of the server before anything is read, so a client may choose it there.
#[must_use]
pub fn is_allowed_at_login(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let asked_for = matches!(
        name.as_str(),
        "client_encoding" | "standard_conforming_strings" | "fallback_application_name"
    );
    let change = change(&name, Some(value.trim()));
    asked_for || change.action == Action::Set && !change.risky
}

fn is_on(value: Option<&str>) -> bool {
    matches!(value, Some("on" | "true" | "yes" | "1" | "t"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harmless_settings_are_sorted() {
        assert!(HARMLESS.is_sorted());
    }

    #[test]
    fn settings_that_say_how_texts_are_read_change_meaning() {
        for name in ["search_path", "role", "standard_conforming_strings", "client_encoding", "names", "a.b"]
        {
            assert!(changes_meaning(name), "{name}");
        }
        for name in ["statement_timeout", "DateStyle", "default_transaction_read_only", "work_mem"] {
            assert!(!changes_meaning(name), "{name}");
        }
    }

    #[test]
    fn a_setting_that_nobody_knows_is_administration() {
        assert_eq!(change("app.tenant", Some("7")), Change::ADMINISTER);
        assert_eq!(change("Statement_Timeout", Some("1s")), Change::HARMLESS);
    }
}
