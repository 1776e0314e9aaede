//! The Cedar schema for the validation of policies, generated from [`Action::ALL`] and the attributes of the context,
//! so that policies can use a new action at once.

use std::fmt::Write;

use countersign_common::facts::{Action, Class};

use crate::context::Attribute;

/// Name of the action for masking: the policies decide if this principal may see this class of data.
pub(crate) const UNMASK: &str = "unmask";

/// Name of the group with the actions of all commands; only `unmask` is not in it.
const COMMAND: &str = "command";

const ENTITIES: &str = "\
entity Group;
entity Human in [Group];
entity Agent in [Group];
entity Service in [Group];
entity Environment;
entity Target in [Environment] tags String;
entity DataClass;
";

/// Returns the schema, in Cedar's own syntax.
#[must_use]
pub fn schema_text() -> String {
    let mut text = String::from(ENTITIES);
    let command = record(Attribute::ALL.iter().filter(|a| a.in_command()));
    let unmask = record(Attribute::ALL.iter().filter(|a| a.in_unmask()));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "type CommandContext = {command};\ntype UnmaskContext = {unmask};");
    let _ = writeln!(text, "action \"{COMMAND}\";");
    for class in Class::ALL {
        // An action may have the name of its class ("unknown"); it is then its own group.
        if Action::ALL.iter().all(|action| action.as_str() != class.as_str()) {
            let _ = writeln!(text, "action \"{}\" in [\"{}\"];", class.as_str(), class_parent(class));
        }
    }
    for action in Action::ALL {
        let _ = writeln!(
            text,
            "action \"{action}\" in [\"{}\"] appliesTo {{ principal: [Human, Agent, Service], resource: [Target], context: CommandContext }};",
            action_parent(*action),
        );
    }
    let _ = writeln!(
        text,
        "action \"{UNMASK}\" appliesTo {{ principal: [Human, Agent, Service], resource: [DataClass], context: UnmaskContext }};",
    );
    text
}

/// Returns the names of the groups of an action, with the action itself first.
pub(crate) fn action_and_groups(action: Action) -> Vec<&'static str> {
    let mut names = vec![action.as_str(), action.class().as_str()];
    if action.class() == Class::Session {
        names.push(Class::Read.as_str());
    }
    names.push(COMMAND);
    names
}

fn action_parent(action: Action) -> &'static str {
    let class = action.class();
    if action.as_str() == class.as_str() { class_parent(class) } else { class.as_str() }
}

/// `session` is inside `read`: a principal who may read may begin a transaction.
fn class_parent(class: Class) -> &'static str {
    if class == Class::Session { Class::Read.as_str() } else { COMMAND }
}

fn record<'a>(attributes: impl Iterator<Item = &'a Attribute>) -> String {
    let fields: Vec<_> = attributes.map(|a| format!("{}: {}", a.name(), a.cedar_type())).collect();
    format!("{{ {} }}", fields.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_one_that_cedar_takes_without_a_warning() {
        let (_, mut warnings) = cedar_policy::Schema::from_cedarschema_str(&schema_text()).unwrap();
        assert!(warnings.next().is_none());
    }

    #[test]
    fn the_groups_of_an_action_are_those_of_the_schema() {
        let (schema, _) = cedar_policy::Schema::from_cedarschema_str(&schema_text()).unwrap();
        let entities = schema.action_entities().unwrap();
        let uid = |name: &str| -> cedar_policy::EntityUid { format!("Action::{name:?}").parse().unwrap() };
        for action in Action::ALL {
            let mut expected: Vec<_> = entities.ancestors(&uid(action.as_str())).unwrap().cloned().collect();
            expected.push(uid(action.as_str()));
            expected.sort();
            let mut groups: Vec<_> = action_and_groups(*action).into_iter().map(uid).collect();
            groups.sort();
            groups.dedup();
            assert_eq!(groups, expected);
        }
    }
}
