//! Converts principals, actions, targets and classes to Cedar entities.

use std::str::FromStr;

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use countersign_common::facts::Action;
use countersign_common::principal::Kind;
use countersign_common::verdict::DataClass;
use countersign_common::{Principal, Target};

use crate::error::Fault;
use crate::schema::UNMASK;

/// The entity types, parsed once.
#[derive(Debug)]
pub(crate) struct Names {
    action: EntityTypeName,
    human: EntityTypeName,
    agent: EntityTypeName,
    service: EntityTypeName,
    group: EntityTypeName,
    target: EntityTypeName,
    environment: EntityTypeName,
    data_class: EntityTypeName,
    /// The uids of [`Action::ALL`], in order.
    actions: Vec<EntityUid>,
    /// The uid of the action `unmask`.
    pub(crate) unmask: EntityUid,
}

impl Names {
    pub(crate) fn new() -> Result<Self, Fault> {
        let name =
            |text| EntityTypeName::from_str(text).map_err(|error| Fault::of_file("", error.to_string()));
        let action = name("Action")?;
        Ok(Self {
            actions: Action::ALL.iter().map(|one| uid(&action, one.as_str())).collect(),
            unmask: uid(&action, UNMASK),
            action,
            human: name("Human")?,
            agent: name("Agent")?,
            service: name("Service")?,
            group: name("Group")?,
            target: name("Target")?,
            environment: name("Environment")?,
            data_class: name("DataClass")?,
        })
    }

    pub(crate) fn action_uid(&self, name: &str) -> EntityUid {
        uid(&self.action, name)
    }

    pub(crate) fn action(&self, action: Action) -> EntityUid {
        self.actions.get(action as usize).cloned().unwrap_or_else(|| self.action_uid(action.as_str()))
    }

    pub(crate) fn data_class(&self, class: &DataClass) -> EntityUid {
        uid(&self.data_class, &class.0)
    }

    pub(crate) fn principal(&self, principal: &Principal) -> EntityUid {
        let kind = match principal.kind {
            Kind::Human => &self.human,
            Kind::Agent => &self.agent,
            Kind::Service => &self.service,
        };
        uid(kind, principal.subject.as_str())
    }

    pub(crate) fn target(&self, target: &Target) -> EntityUid {
        uid(&self.target, target.name.as_str())
    }

    pub(crate) fn principal_entity(&self, principal: &Principal) -> Entity {
        let groups = principal.groups.iter().map(|group| uid(&self.group, group.as_str())).collect();
        Entity::new_no_attrs(self.principal(principal), groups)
    }

    /// Creates the entity of a target, with its environment as parent and its labels as tags.
    pub(crate) fn target_entity(&self, target: &Target) -> Result<Entity, String> {
        let labels = target
            .labels
            .iter()
            .map(|(name, value)| (name.clone(), RestrictedExpression::new_string(value.clone())));
        Entity::new_with_tags(
            self.target(target),
            [],
            [uid(&self.environment, target.environment.as_str())],
            labels,
        )
        .map_err(|error| error.to_string())
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}
