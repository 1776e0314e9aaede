//! ALTER TABLE and its relatives: values that are found elsewhere from now on.

use super::Resolution;
use crate::catalogue::Relation;
use crate::lineage::flows::{Place, Sources};
use crate::lineage::query::Change;
use crate::name::Name;

impl<'a> Resolution<'a> {
    /// What ALTER does with values.
    pub(super) fn alter(&mut self, name: &Name, changes: &'a [Change]) {
        self.touch(&Sources::unknown());
        let scope = self.scope_of_name(name);
        let found = self.relations_called(name);
        let keeps =
            |change: &Change| matches!(change, Change::Check(_) | Change::Cluster | Change::Attach(_));
        if (found.is_empty() || self.is_unsure(name)) && !changes.iter().all(keeps) {
            self.copies(Place::Unknown, &Sources::unknown());
        }
        for change in changes {
            match change {
                Change::Check(check) => self.condition(check, &scope),
                Change::Convert { column, using } => {
                    let sources = self.value(using, &scope).sources;
                    self.store(&found, &[(column.clone(), sources)].into());
                }
                Change::Add { column, value, data_type } => {
                    self.added_column(&found, column, value, data_type.as_ref(), &scope);
                }
                Change::Attach(partition) => {
                    let mut sources = self.relation_called(name).sources();
                    sources.add(&self.relation_called(partition).sources());
                    self.predicate(&sources, false);
                }
                Change::Cluster => {
                    let sources = self.relation_called(name).sources();
                    self.predicate(&sources, false);
                    self.run_triggers(&found);
                }
                Change::Detach(partition) => {
                    let parts = self.relations_called(partition);
                    for relation in &parts {
                        self.moved(relation, relation.qualified(), None);
                    }
                    self.forgotten(&parts);
                }
                _ => {
                    for relation in &found {
                        self.change(relation, change);
                    }
                }
            }
        }
    }

    fn change(&mut self, relation: &'a Relation, change: &Change) {
        match change {
            Change::RenameColumn { from, to } => {
                self.moved(relation, relation.qualified(), Some((from, to)));
                for typed in self.of_type(relation) {
                    self.moved(typed, typed.qualified(), Some((from, to)));
                }
            }
            Change::Rename(to) => {
                self.named_anew(to);
                let to = Name::qualified(relation.schema(), to).to_string();
                self.moved(relation, &to, None);
            }
            Change::SetSchema(schema) => {
                let to = Name::qualified(schema, relation.name()).to_string();
                self.moved(relation, &to, None);
            }
            Change::Materialize(column) => self.moved(relation, relation.qualified(), Some((column, column))),
            Change::NoInherit => {
                self.moved(relation, relation.qualified(), None);
                self.forgotten(&[relation]);
            }
            Change::Convert { .. }
            | Change::Detach(_)
            | Change::Check(_)
            | Change::Add { .. }
            | Change::Attach(_)
            | Change::Cluster => {}
        }
    }

    /// Values are found under another name from now on, one column's or those of all: what protected them was
    /// perhaps a rule on the old name, on a relative, or on the columns that they were computed from.
    pub(super) fn moved(&mut self, relation: &'a Relation, to: &str, column: Option<(&str, &str)>) {
        let table = self.relation(relation);
        for one in table.columns.iter() {
            let Some(name) = one.name.as_deref() else { continue };
            let new_name = match column {
                Some((from, to)) if from == name => to,
                Some(_) => continue,
                None => name,
            };
            let mut read_back = std::collections::BTreeSet::new();
            if self.watched.columns(to).is_some_and(|columns| columns.contains(new_name)) {
                read_back.insert((to.to_owned(), new_name.to_owned()));
            }
            let renamed = column.is_none() && to != relation.qualified();
            if relation.view.is_some() || renamed {
                // A view still shows what is behind it, a relative still shares its rows.
                let own = (relation.qualified().to_owned(), name.to_owned());
                read_back.extend(one.value.sources.columns.iter().filter(|source| **source != own).cloned());
            }
            let place = Place::Column { relation: to.to_owned(), column: new_name.to_owned(), read_back };
            self.copies(place, &one.value.sources);
        }
    }
}
