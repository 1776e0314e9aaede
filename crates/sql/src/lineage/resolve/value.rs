//! Values as the resolution sees them: what they depend on, and of which parts they are made.

use std::rc::Rc;

use crate::lineage::flows::Sources;

/// A value of an expression.
#[derive(Debug, Clone, Default)]
pub(super) struct Value {
    pub(super) sources: Sources,
    /// It is a stored column as it is, or a constant: whether it is NULL says nothing of other values.
    pub(super) plain: bool,
    /// The fields, where it is a row of known columns.
    pub(super) row: Option<Rc<[Column]>>,
}

/// A column of a table-like thing.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// `None` when its name is not known.
    pub(super) name: Option<Box<str>>,
    pub(super) value: Value,
}

/// The columns of a query, a relation, or another entry of FROM.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) columns: Rc<[Column]>,
    /// There may be further columns, in any place, with these values.
    pub(super) open: Option<Value>,
}

impl Value {
    /// A literal or a parameter.
    pub(super) fn constant() -> Self {
        Self { plain: true, ..Self::default() }
    }

    pub(super) fn unknown() -> Self {
        Self { sources: Sources::unknown(), plain: false, row: None }
    }

    pub(super) fn of(sources: Sources) -> Self {
        Self { sources, plain: false, row: None }
    }

    /// A value computed from these.
    pub(super) fn computed<'a>(values: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        for value in values {
            all.sources.add(&value.sources);
        }
        all
    }

    /// A value that is one of these.
    pub(super) fn any_of<'a>(values: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::constant();
        for value in values {
            all.sources.add(&value.sources);
            all.plain &= value.plain;
        }
        all
    }

    /// A row of these columns.
    pub(super) fn row(columns: &Rc<[Column]>) -> Self {
        let mut row = Self::any_of(columns.iter().map(|column| &column.value));
        row.row = Some(Rc::clone(columns));
        row
    }
}

impl Table {
    pub(super) fn unknown() -> Self {
        Self { columns: Rc::default(), open: Some(Value::unknown()) }
    }

    pub(super) fn closed(columns: Vec<Column>) -> Self {
        Self { columns: columns.into(), open: None }
    }

    /// A value with everything in it.
    pub(super) fn whole(&self) -> Value {
        match &self.open {
            None => Value::row(&self.columns),
            Some(open) => {
                let mut all = Value::any_of(self.columns.iter().map(|column| &column.value));
                all.sources.add(&open.sources);
                all.plain &= open.plain;
                all
            }
        }
    }

    /// The sources of everything in it.
    pub(super) fn sources(&self) -> Sources {
        self.whole().sources
    }

    /// The columns of this name; empty when there surely is none.
    pub(super) fn named(&self, name: &str) -> Vec<&Value> {
        let exact: Vec<_> = self
            .columns
            .iter()
            .filter(|column| column.name.as_deref() == Some(name))
            .map(|column| &column.value)
            .collect();
        if exact.is_empty() { self.unsure().collect() } else { exact }
    }

    /// Columns whose names are not known.
    pub(super) fn unsure(&self) -> impl Iterator<Item = &Value> {
        let nameless = self.columns.iter().filter(|column| column.name.is_none());
        nameless.map(|column| &column.value).chain(&self.open)
    }

    /// Whether a name that is not among the columns may be one of them all the same.
    pub(super) fn is_surely_complete(&self) -> bool {
        self.open.is_none() && self.columns.iter().all(|column| column.name.is_some())
    }

    /// Adds the columns of another behind these.
    pub(super) fn append(&mut self, other: &Self) {
        self.columns = self.columns.iter().chain(other.columns.iter()).cloned().collect();
        self.open = match (self.open.take(), &other.open) {
            (Some(mine), Some(others)) => Some(Value::any_of([&mine, others])),
            (mine, others) => mine.or_else(|| others.clone()),
        };
    }

    /// The same columns with other names, as an alias gives them, in order.
    pub(super) fn renamed(mut self, names: &[Box<str>]) -> Self {
        if names.is_empty() {
            return self;
        }
        if let Some(open) = &self.open {
            // Which columns they name is not known.
            let columns = names
                .iter()
                .map(|name| Column { name: Some(name.clone()), value: self.whole() })
                .collect::<Vec<_>>();
            let open = Some(Value::any_of([&self.whole(), open]));
            return Self { columns: columns.into(), open };
        }
        let mut columns = self.columns.to_vec();
        for (column, name) in columns.iter_mut().zip(names) {
            column.name = Some(name.clone());
        }
        self.columns = columns.into();
        self
    }
}
