//! Calls of functions.

use super::Resolution;
use super::scope::{Entry, Scope};
use super::value::{Table, Value};
use crate::catalogue::Function;
use crate::functions;
use crate::lineage::flows::{Place, SideChannelKind, Sources};
use crate::lineage::query::Call;
use crate::name::Name;
use crate::resolve::visible;

/// Built-in functions that show texts of statements of other sessions.
const SHOWS_STATEMENTS: [&str; 2] = ["pg_stat_get_activity", "pg_stat_get_backend_activity"];

/// Extensions whose functions in C compute what they return from their arguments alone.
const COMPUTING_EXTENSIONS: [&str; 2] = ["uuid-ossp", "pgcrypto"];

impl<'a> Resolution<'a> {
    pub(super) fn call(&mut self, call: &'a Call, scope: &Scope<'_>) -> Value {
        let arguments: Vec<Value> =
            call.arguments.iter().map(|argument| self.value(argument, scope)).collect();
        let mut given = Value::computed(&arguments);
        if let Some(column) = self.column_by_call(call, &arguments) {
            return column;
        }
        if call.distinct {
            self.predicate(&given.sources, false);
        }
        if let [counted] = arguments.as_slice()
            && counted.plain
            && self.is_count(&call.name)
        {
            // INVARIANT: I6. How many values there are is no value: of a stored column NULL is no secret.
            given = Value::default();
        } else {
            let added = self.added_functions(&call.name);
            self.judge_call(&call.name, &arguments, &added);
        }
        if self.is_builtin(&call.name, "pg_typeof") {
            // Of whatever value, it returns a type.
            given = Value::default();
        }
        let mut value = Value::of(self.called(&call.name, &given.sources, call.is_syntax));
        let order = self.values(&call.order, scope).sources;
        self.predicate(&order, false);
        value.sources.add(&order);
        if let Some(filter) = &call.filter {
            self.condition(filter, scope);
            value.sources.add(&self.value(filter, scope).sources);
        }
        if let Some(window) = &call.window {
            let mut window = self.values(window, scope).sources;
            window.add(&scope.windows);
            self.predicate(&window, false);
            value.sources.add(&window);
        }
        value
    }

    /// `column(row)` is `row.column` where no function has that name.
    fn column_by_call(&mut self, call: &Call, arguments: &[Value]) -> Option<Value> {
        let [Value { row: Some(row), .. }] = arguments else { return None };
        let is_function = functions::builtin(&call.name.name).is_some()
            || !self.added_functions(&call.name).is_empty()
            || call.name.schema.is_some();
        let table = Table { columns: row.clone(), open: None };
        let exact = table.columns.iter().any(|column| column.name.as_deref() == Some(&*call.name.name));
        (!is_function && exact).then(|| Value::any_of(table.named(&call.name.name)))
    }

    fn is_count(&self, name: &Name) -> bool {
        self.is_builtin(name, "count")
    }

    /// Whether a name surely means this built-in function.
    fn is_builtin(&self, name: &Name, function: &str) -> bool {
        &*name.name == function
            && matches!(name.schema.as_deref(), None | Some("pg_catalog"))
            && self.added_functions(name).is_empty()
    }

    /// A function of a row, written as its attribute. Where no function has that name it is a column: one of the row's,
    /// if the row's columns are not all known, or else one that the catalogue does not know yet.
    pub(super) fn call_of_row(&mut self, name: &Name, row: &Value, may_be_column: bool) -> Value {
        let is_function = functions::builtin(&name.name).is_some()
            || !self.added_functions(name).is_empty()
            || self.is_type(name);
        if !is_function {
            return if may_be_column { Value::computed([row]) } else { Value::unknown() };
        }
        let added = self.added_functions(name);
        self.judge_call(name, std::slice::from_ref(row), &added);
        Value::of(self.called(name, &row.sources, false))
    }

    pub(super) fn added_functions(&self, name: &Name) -> Vec<&'a Function> {
        let added = self.session.catalogue.functions_named(&name.name).iter();
        added
            .map(AsRef::as_ref)
            .filter(|one: &&Function| visible(&one.schema, name, self.path.as_deref()))
            .collect()
    }

    /// The sources of a result. Notes what the call does with its arguments.
    fn called(&mut self, name: &Name, given: &Sources, is_syntax: bool) -> Sources {
        let mut result = given.clone();
        let added = self.added_functions(name);
        for function in added.iter().filter(|function| !function.reviewed) {
            result.add(&self.added_function(function, given));
        }
        let builtin = match name.schema.as_deref() {
            None | Some("pg_catalog") => functions::builtin(&name.name),
            Some("information_schema") => functions::builtin(&name.to_string()),
            Some(_) => None,
        };
        match builtin {
            Some(effect) => {
                let channel = side_channel(&name.name, effect != functions::Call::Safe);
                if let Some(kind) = channel {
                    self.side_channel(kind, given);
                }
                if channel == Some(SideChannelKind::DynamicSql) {
                    // The text may select rows by anything, and fail by it.
                    self.predicate(&Sources::unknown(), false);
                }
                if shows_anything(&name.name, channel) {
                    result.unknown = true;
                    self.runs_unread_code |= channel.is_some();
                }
            }
            None if is_syntax || !added.is_empty() || self.is_type(name) => {}
            None => result.add(&self.unread_code()),
        }
        if name.schema.is_none() && !self.session.catalogue.is_loaded() {
            result.unknown = true;
        }
        if result.unknown {
            self.touch(&Sources::unknown());
        }
        result
    }

    /// `order_status('new')` is a cast where no function has that name.
    fn is_type(&self, name: &Name) -> bool {
        let builtin = matches!(name.schema.as_deref(), None | Some("pg_catalog"))
            && functions::is_builtin_type(&name.name);
        let mut added = self.session.catalogue.types_named(&name.name).iter();
        builtin || added.any(|one| visible(&one.schema, name, self.path.as_deref()))
    }

    /// The sources of what an added function returns.
    pub(super) fn added_function(&mut self, function: &'a Function, given: &Sources) -> Sources {
        if let Some(sources) = self.readable_function(function, given) {
            self.function_results.add(&sources);
            return sources;
        }
        if computes_from_arguments(function) {
            return given.clone();
        }
        // Free of side effects is not free of masked data: what it reads is not declared.
        if self.session.safe_functions.contains(function.qualified()) {
            self.runs_unread_code = true;
            return Sources::unknown();
        }
        self.unread_code()
    }

    /// A function in SQL is read like the statement that calls it: its conditions depend on what the caller gives.
    fn readable_function(&mut self, function: &'a Function, given: &Sources) -> Option<Sources> {
        let details = function.details()?;
        let body = details.body.as_ref()?;
        // A setting that it brings along may be another search path.
        if details.settings.is_some() {
            return None;
        }
        let path = if details.atomic { Some(vec!["pg_catalog".to_owned()]) } else { self.path.clone() };
        let parameters = Table { open: Some(Value::of(given.clone())), ..Table::default() };
        let entry = Entry { alias: function.name().into(), schema: None, table: parameters };
        let scope = Scope { entries: vec![entry], ..Scope::default() };
        let copies = self.flows.copies.len();
        let writes = body.reading().has_modification();
        let table = self.inner_reading(body.reading(), path, false, &scope);
        // Where a parameter `$1` goes is not followed.
        if writes || self.flows.copies.len() > copies {
            self.copies(Place::Unknown, given);
        }
        self.predicate(given, false);
        Some(table.sources())
    }

    /// Code that cannot be read: it may return, store and say anything.
    pub(super) fn unread_code(&mut self) -> Sources {
        self.runs_unread_code = true;
        self.touch(&Sources::unknown());
        // What definitions call was chosen by their author.
        if !self.in_definition {
            self.copies(Place::Unknown, &Sources::unknown());
            self.predicate(&Sources::unknown(), false);
        }
        Sources::unknown()
    }
}

/// Whether a function is C code of a reviewed extension that reads nothing but its arguments.
fn computes_from_arguments(function: &Function) -> bool {
    function.details().is_some_and(|details| {
        let extension = details.extension.as_deref();
        &*details.language == "c" && extension.is_some_and(|name| COMPUTING_EXTENSIONS.contains(&name))
    })
}

/// Through what the arguments of a built-in function leave, if through anything.
fn side_channel(name: &str, acts: bool) -> Option<SideChannelKind> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    Some(match name {
        "set_config" | "setseed" => SideChannelKind::Setting,
        "pg_notify" => SideChannelKind::Notification,
        "nextval" | "setval" => SideChannelKind::Sequence,
        "loread" | "lowrite" => SideChannelKind::LargeObject,
        "ts_stat" | "ts_rewrite" => SideChannelKind::DynamicSql,
        _ if starts(&["pg_advisory_", "pg_try_advisory_"]) => SideChannelKind::AdvisoryLock,
        _ if starts(&["lo_"]) => SideChannelKind::LargeObject,
        _ if starts(&["pg_sleep"]) => SideChannelKind::Duration,
        _ if starts(&["dblink", "postgres_fdw_"]) => SideChannelKind::Network,
        _ if starts(&["crosstab", "connectby"]) || name.contains("_to_xml") => SideChannelKind::DynamicSql,
        _ if starts(&["pg_read_", "pg_ls_", "pg_file_", "pg_logdir_ls", "pg_stat_file"]) => {
            SideChannelKind::File
        }
        _ if acts => SideChannelKind::Server,
        _ => return None,
    })
}

/// Whether a built-in function returns what is stored somewhere, whatever its arguments are.
fn shows_anything(name: &str, channel: Option<SideChannelKind>) -> bool {
    SHOWS_STATEMENTS.contains(&name)
        || name.starts_with("pg_logical_")
        || matches!(
            channel,
            Some(
                SideChannelKind::LargeObject
                    | SideChannelKind::Network
                    | SideChannelKind::File
                    | SideChannelKind::DynamicSql
            )
        )
}
