//! Converts principals, commands, contexts and facts.

use std::collections::BTreeSet;

use countersign_common::command::{Command, Context, NamedText, Parameter};
use countersign_common::facts::{Action, Facts, Flag, Granularity, MaskedUses, Operation};
use countersign_common::principal::{Kind, Principal};
use countersign_common::verdict::DataClass;

use super::{BadField, digest, enumerator, parsed};
use crate::v1;

impl From<&Principal> for v1::Principal {
    fn from(principal: &Principal) -> Self {
        let kind = match principal.kind {
            Kind::Human => v1::PrincipalKind::Human,
            Kind::Agent => v1::PrincipalKind::Agent,
            Kind::Service => v1::PrincipalKind::Service,
        };
        Self {
            subject: principal.subject.to_string(),
            kind: kind.into(),
            groups: principal.groups.iter().map(ToString::to_string).collect(),
            on_behalf_of: principal.on_behalf_of.iter().map(ToString::to_string).collect(),
        }
    }
}

impl TryFrom<v1::Principal> for Principal {
    type Error = BadField;
    fn try_from(wire: v1::Principal) -> Result<Self, BadField> {
        let kind = match enumerator(wire.kind, "principal.kind")? {
            v1::PrincipalKind::Human => Kind::Human,
            v1::PrincipalKind::Agent => Kind::Agent,
            v1::PrincipalKind::Service => Kind::Service,
            v1::PrincipalKind::Unspecified => return Err(BadField::Missing { field: "principal.kind" }),
        };
        let behalf = wire.on_behalf_of.iter().map(|text| parsed(text, "principal.on_behalf_of"));
        Ok(Self {
            subject: parsed(&wire.subject, "principal.subject")?,
            kind,
            groups: each(&wire.groups, "principal.groups")?,
            on_behalf_of: behalf.collect::<Result<_, _>>()?,
        })
    }
}

/// Parses a set of names.
fn each<T>(texts: &[String], field: &'static str) -> Result<BTreeSet<T>, BadField>
where
    T: std::str::FromStr<Err: ToString> + Ord,
{
    texts.iter().map(|text| parsed(text, field)).collect()
}

fn parameters_to_wire(parameters: &[Parameter]) -> Vec<v1::Parameter> {
    parameters
        .iter()
        .map(|parameter| v1::Parameter {
            type_name: parameter.type_name.clone(),
            binary: parameter.binary,
            value: parameter.value.as_ref().map(|value| value.to_vec()),
        })
        .collect()
}

fn parameters_from_wire(wire: Vec<v1::Parameter>) -> Vec<Parameter> {
    wire.into_iter()
        .map(|parameter| Parameter {
            type_name: parameter.type_name,
            binary: parameter.binary,
            value: parameter.value.map(Into::into),
            omitted: None,
        })
        .collect()
}

impl From<&NamedText> for v1::NamedText {
    fn from(named: &NamedText) -> Self {
        Self {
            name: named.name.clone(),
            text: named.text.clone(),
            parameters: parameters_to_wire(&named.parameters),
        }
    }
}

impl TryFrom<v1::NamedText> for NamedText {
    type Error = BadField;
    fn try_from(wire: v1::NamedText) -> Result<Self, BadField> {
        if wire.name.is_empty() {
            return Err(BadField::Missing { field: "context.texts.name" });
        }
        let parameters = parameters_from_wire(wire.parameters);
        Ok(Self { name: wire.name, text: wire.text, parameters })
    }
}

impl From<&Command> for v1::Command {
    fn from(command: &Command) -> Self {
        let parameters = parameters_to_wire(&command.parameters);
        Self { form: command.form.clone(), text: command.text.to_vec(), parameters }
    }
}

impl TryFrom<v1::Command> for Command {
    type Error = BadField;
    fn try_from(wire: v1::Command) -> Result<Self, BadField> {
        let parameters = parameters_from_wire(wire.parameters);
        // An empty text is a command (an empty query); a missing form is a missing field.
        Ok(Self { form: parsed(&wire.form, "command.form")?, text: wire.text.into(), parameters })
    }
}

impl From<&Context> for v1::Context {
    fn from(context: &Context) -> Self {
        Self {
            target: context.target.to_string(),
            generation: context.generation.as_bytes().to_vec(),
            role: context.role.to_string(),
            database: context.database.clone(),
            settings: context.settings.clone(),
            transaction: context.transaction.map(|digest| digest.as_bytes().to_vec()),
            texts: context.texts.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::Context> for Context {
    type Error = BadField;
    fn try_from(wire: v1::Context) -> Result<Self, BadField> {
        let transaction = wire.transaction.map(|bytes| digest(&bytes, "context.transaction"));
        Ok(Self {
            target: parsed(&wire.target, "context.target")?,
            generation: digest(&wire.generation, "context.generation")?,
            role: parsed(&wire.role, "context.role")?,
            database: parsed(&wire.database, "context.database")?,
            settings: wire.settings,
            transaction: transaction.transpose()?,
            texts: wire.texts.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Facts> for v1::Facts {
    fn from(facts: &Facts) -> Self {
        let granularity = match facts.granularity {
            Granularity::Command => v1::Granularity::Command,
            Granularity::Stream => v1::Granularity::Stream,
        };
        Self {
            operations: facts.operations.iter().map(Into::into).collect(),
            granularity: granularity.into(),
            fingerprint: facts.fingerprint.clone(),
        }
    }
}

impl TryFrom<v1::Facts> for Facts {
    type Error = BadField;
    fn try_from(wire: v1::Facts) -> Result<Self, BadField> {
        let granularity = match enumerator(wire.granularity, "facts.granularity")? {
            v1::Granularity::Command => Granularity::Command,
            v1::Granularity::Stream => Granularity::Stream,
            v1::Granularity::Unspecified => return Err(BadField::Missing { field: "facts.granularity" }),
        };
        Ok(Self {
            operations: wire.operations.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            granularity,
            fingerprint: wire.fingerprint,
        })
    }
}

impl From<&Operation> for v1::Operation {
    fn from(operation: &Operation) -> Self {
        Self {
            action: operation.action.to_string(),
            reads: operation.reads.iter().cloned().collect(),
            writes: operation.writes.iter().cloned().collect(),
            functions: operation.functions.iter().cloned().collect(),
            flags: operation.flags.iter().map(ToString::to_string).collect(),
            copied_classes: class_names(&operation.masked.copies),
            predicate_classes: class_names(&operation.masked.predicates),
            equality_classes: class_names(&operation.masked.equalities),
        }
    }
}

impl TryFrom<v1::Operation> for Operation {
    type Error = BadField;
    fn try_from(wire: v1::Operation) -> Result<Self, BadField> {
        let action = known(Action::ALL, Action::as_str, &wire.action, "operation.action")?;
        let flags = wire.flags.iter().map(|name| known(Flag::ALL, Flag::as_str, name, "operation.flags"));
        Ok(Self {
            action,
            reads: wire.reads.into_iter().collect(),
            writes: wire.writes.into_iter().collect(),
            functions: wire.functions.into_iter().collect(),
            flags: flags.collect::<Result<_, _>>()?,
            masked: MaskedUses {
                copies: classes(wire.copied_classes),
                predicates: classes(wire.predicate_classes),
                equalities: classes(wire.equality_classes),
            },
        })
    }
}

fn class_names(classes: &BTreeSet<DataClass>) -> Vec<String> {
    classes.iter().map(|class| class.0.to_string()).collect()
}

fn classes(names: Vec<String>) -> BTreeSet<DataClass> {
    names.into_iter().map(|name| DataClass(name.into())).collect()
}

/// Returns the member of `all` with this name. An unknown name is an error: facts must be understood to be judged
/// (I7).
fn known<T: Copy>(
    all: &[T],
    name_of: fn(T) -> &'static str,
    name: &str,
    field: &'static str,
) -> Result<T, BadField> {
    if name.is_empty() {
        return Err(BadField::Missing { field });
    }
    let found = all.iter().copied().find(|one| name_of(*one) == name);
    found.ok_or_else(|| BadField::invalid(field, format!("`{name}` is not known here")))
}
