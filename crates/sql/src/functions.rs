//! What the built-in functions of PostgreSQL do beyond returning a value.

use std::sync::LazyLock;

use countersign_common::facts::{Action, Flag};
use rustc_hash::FxHashSet;

/// What calling a function amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// Changes nothing.
    Safe,
    /// Does this.
    Acts(Action, Option<Flag>),
}

static SAFE: LazyLock<FxHashSet<&'static str>> =
    LazyLock::new(|| entries(include_str!("../data/safe_functions.txt")));
static TYPES: LazyLock<FxHashSet<&'static str>> =
    LazyLock::new(|| entries(include_str!("../data/builtin_types.txt")));

fn entries(file: &'static str) -> FxHashSet<&'static str> {
    file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// A built-in by its name: of `pg_catalog` bare, of `information_schema` qualified. `None`: no list has it.
pub(crate) fn builtin(name: &str) -> Option<Call> {
    let safe = || SAFE.contains(name) || is_sampling(name) || is_populating(name);
    acting(name).or_else(|| safe().then_some(Call::Safe))
}

/// Functions that make rows of the type of their first argument: they change nothing, but the values of that type are
/// made by its own code.
pub(crate) fn is_populating(name: &str) -> bool {
    matches!(
        name,
        "json_populate_record"
            | "json_populate_recordset"
            | "jsonb_populate_record"
            | "jsonb_populate_recordset"
            | "jsonb_populate_record_valid"
    )
}

/// Functions that read the relation that their first argument names and show all of it.
pub(crate) fn shows_relation(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 3] = ["table_to_xml", "table_to_xmlschema", "table_to_xml_and_xmlschema"];
    NAMES.into_iter().find(|known| *known == name)
}

/// The methods of TABLESAMPLE; nobody can call them as functions.
fn is_sampling(name: &str) -> bool {
    matches!(name, "bernoulli" | "system")
}

/// Known by name, but not a part of `pg_catalog`.
pub(crate) fn is_of_extension(name: &str) -> bool {
    ["dblink", "postgres_fdw_", "crosstab", "connectby"].iter().any(|prefix| name.starts_with(prefix))
}

/// Whether `pg_catalog` has a type of this name.
pub(crate) fn is_builtin_type(name: &str) -> bool {
    TYPES.contains(name)
}

/// Built-ins, and functions of well-known extensions, that are known to act.
fn acting(name: &str) -> Option<Call> {
    const fn acts(action: Action, flag: Flag) -> Option<Call> {
        Some(Call::Acts(action, Some(flag)))
    }
    match name {
        "nextval" | "setval" | "txid_current" | "pg_current_xact_id" => {
            Some(Call::Acts(Action::Sequence, None))
        }
        "set_config" => acts(Action::Administer, Flag::RiskySetting),
        "pg_notify" => Some(Call::Acts(Action::Notify, None)),
        "lo_import" | "lo_export" => acts(Action::Outside, Flag::LargeObject),
        "loread" | "lowrite" => acts(Action::Sequence, Flag::LargeObject),
        "pg_stat_file"
        | "pg_hba_file_rules"
        | "pg_ident_file_mappings"
        | "pg_show_all_file_settings"
        | "pg_current_logfile" => acts(Action::Outside, Flag::ServerFile),
        "ts_stat" | "ts_rewrite" => acts(Action::Call, Flag::DynamicSql),
        "crosstab" | "connectby" => acts(Action::Call, Flag::DynamicSql),
        "pg_terminate_backend"
        | "pg_cancel_backend"
        | "pg_reload_conf"
        | "pg_promote"
        | "pg_export_snapshot"
        | "pg_nextoid"
        | "pg_switch_wal"
        | "pg_create_restore_point"
        | "pg_import_system_collations"
        | "pg_log_backend_memory_contexts"
        | "pg_extension_config_dump"
        | "pg_stop_making_pinned_objects"
        | "pg_drop_replication_slot"
        | "pg_replication_slot_advance"
        | "gin_clean_pending_list"
        | "pg_stat_force_next_flush" => Some(Call::Acts(Action::Administer, None)),
        _ => acting_by_family(name),
    }
}

fn acting_by_family(name: &str) -> Option<Call> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if starts(&["pg_advisory_lock", "pg_advisory_xact_lock", "pg_try_advisory_"]) {
        Some(Call::Acts(Action::Lock, Some(Flag::Locking)))
    } else if starts(&["pg_read_file", "pg_read_binary_file", "pg_ls_", "pg_file_", "pg_logdir_ls"]) {
        Some(Call::Acts(Action::Outside, Some(Flag::ServerFile)))
    } else if starts(&["dblink", "postgres_fdw_"]) {
        Some(Call::Acts(Action::Outside, Some(Flag::Network)))
    } else if starts(&["lo_"]) {
        Some(Call::Acts(Action::Sequence, Some(Flag::LargeObject)))
    } else if starts(&["query_to_xml", "table_to_xml", "schema_to_xml", "database_to_xml", "cursor_to_xml"]) {
        Some(Call::Acts(Action::Call, Some(Flag::DynamicSql)))
    } else if starts(&[
        "pg_stat_reset",
        "pg_backup_",
        "pg_start_backup",
        "pg_stop_backup",
        "pg_rotate_logfile",
        "pg_wal_replay_pause",
        "pg_wal_replay_resume",
        "pg_logical_",
        "pg_create_logical_",
        "pg_create_physical_",
        "pg_copy_logical_",
        "pg_copy_physical_",
        "pg_replication_origin_advance",
        "pg_replication_origin_create",
        "pg_replication_origin_drop",
        "pg_replication_origin_session_reset",
        "pg_replication_origin_session_setup",
        "pg_replication_origin_xact_",
        "brin_summarize_",
        "brin_desummarize_",
        "binary_upgrade_",
    ]) {
        Some(Call::Acts(Action::Administer, None))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_known_to_act_is_on_no_safe_list() {
        let both: Vec<_> = SAFE.iter().filter(|name| acting(name).is_some()).collect();
        assert_eq!(both, Vec::<&&str>::new());
    }

    #[test]
    fn functions_that_run_sql_or_read_files_are_not_safe() {
        for name in [
            "query_to_xml",
            "table_to_xml",
            "ts_stat",
            "pg_read_file",
            "pg_ls_dir",
            "lo_get",
            "nextval",
            "set_config",
            "domain_in",
            "record_in",
            "pg_sleep_evil",
        ] {
            assert_ne!(builtin(name), Some(Call::Safe), "{name}");
        }
        assert_eq!(builtin("lower"), Some(Call::Safe));
    }
}
