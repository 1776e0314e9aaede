//! The unit that is judged, and the digest that an approval binds.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, DigestBuilder};
use crate::id::{RoleName, SessionId, TargetName};
use crate::principal::Principal;

/// The unit that is judged: exact bytes and their bound parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Form of the command in the words of its protocol: `query`, `execute`, `function_call`.
    pub form: String,
    /// Exact bytes of the statement.
    #[serde(with = "text_or_hex")]
    pub text: Bytes,
    /// Bound parameters, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
}

impl Command {
    /// Text of the statement for people, with invalid UTF-8 replaced. Never sent anywhere.
    #[must_use]
    pub fn text_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.text)
    }

    /// Form of the command for records: values above [`RECORDED_VALUE_BYTES_MAX`] are replaced by their digest.
    #[must_use]
    pub fn for_record(&self) -> Cow<'_, Self> {
        let is_large = |parameter: &Parameter| {
            parameter.value.as_ref().is_some_and(|value| value.len() > RECORDED_VALUE_BYTES_MAX)
        };
        if !self.parameters.iter().any(is_large) {
            return Cow::Borrowed(self);
        }
        let recorded = |parameter: &Parameter| match &parameter.value {
            Some(value) if value.len() > RECORDED_VALUE_BYTES_MAX => Parameter {
                value: None,
                omitted: Some(Omitted { bytes: value.len() as u64, digest: Digest::of(value) }),
                ..parameter.clone()
            },
            _ => parameter.clone(),
        };
        Cow::Owned(Self {
            form: self.form.clone(),
            text: self.text.clone(),
            parameters: self.parameters.iter().map(recorded).collect(),
        })
    }
}

/// Largest parameter value that is recorded in full: 1 MiB. Recording a value takes more than twice its size in
/// memory, and the target's `judged_bytes_max` may allow larger ones.
pub const RECORDED_VALUE_BYTES_MAX: usize = 1 << 20;

/// One bound parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Type as the protocol names it (PostgreSQL: the oid of the type; `0` if unspecified).
    pub type_name: String,
    /// `true` if the value is in the binary format of its type.
    pub binary: bool,
    /// Exact bytes; `None` is NULL, unless the value was omitted.
    #[serde(with = "optional_text_or_hex")]
    pub value: Option<Bytes>,
    /// Set in a record if the value was too large to be recorded. `None` in every command that is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub omitted: Option<Omitted>,
}

/// A value that is too large for a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Omitted {
    /// Length of the value in bytes.
    pub bytes: u64,
    /// SHA-256 of the exact bytes.
    pub digest: Digest,
}

impl std::fmt::Display for Omitted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({} bytes, SHA-256 {})", self.bytes, self.digest)
    }
}

/// Everything outside the command that determines its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Target that the command is for.
    pub target: TargetName,
    /// Version of the target's entry in the bundle.
    pub generation: Digest,
    /// Login role on the target.
    pub role: RoleName,
    /// Database on the target, by name.
    pub database: String,
    /// Session state that changes the effect of the text, by name: settings such as `search_path`, the objects that
    /// names resolve to, the definitions behind them, and the connection if its private state matters.
    pub settings: BTreeMap<String, String>,
    /// Digest of the statements already run in the open transaction; `None` outside a transaction.
    pub transaction: Option<Digest>,
    /// Texts that the command runs by name, such as the prepared statement of an EXECUTE, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<NamedText>,
}

/// A text that was sent earlier and that a command runs by name: a prepared statement, or the query of a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedText {
    /// Kind, name and parameter types in the words of the protocol: `prepared statement fix (int4)`.
    pub name: String,
    /// Exact bytes of the text.
    #[serde(with = "text_or_hex")]
    pub text: Vec<u8>,
    /// Parameters that were bound to the text, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
}

/// Computes the digest that is shown, signed, redeemed and run (I2).
///
/// Two commands have the same digest exactly if they have the same bytes and parameters, and come from the same chain
/// of principals in the same session, on the same target, database and role, under the same settings, after the same
/// statements of the open transaction, and run the same texts by name.
#[must_use]
pub fn digest(command: &Command, context: &Context, principal: &Principal, session: SessionId) -> Digest {
    let mut digest = DigestBuilder::new("countersign.command.v1");
    digest.text(context.target.as_str()).bytes(context.generation.as_bytes());
    digest.text(context.role.as_str()).text(&context.database);
    principal.digest_into(&mut digest);
    digest.bytes(&session.to_bytes());
    digest.number(context.settings.len() as u64);
    for (name, value) in &context.settings {
        digest.text(name).text(value);
    }
    digest.optional(context.transaction.as_ref().map(|d| d.as_bytes().as_slice()));
    digest.text(&command.form).bytes(&command.text);
    parameters_into(&mut digest, &command.parameters);
    // The number of parameters marks the end of a command without such texts. So no other command has its digest, and
    // gateways of earlier versions compute the same one.
    for named in &context.texts {
        digest.text(&named.name).bytes(&named.text);
        parameters_into(&mut digest, &named.parameters);
    }
    digest.finish()
}

/// The digest over what has run in an open transaction, when one more command is let go: its own bytes and parameters, the
/// texts that it runs by name, behind what ran before it.
#[must_use]
pub fn transaction_prefix(before: Option<&Digest>, command: &Command, texts: &[NamedText]) -> Digest {
    let mut digest = DigestBuilder::new("countersign.transaction.v2");
    digest.optional(before.map(|before| before.as_bytes().as_slice()));
    digest.text(&command.form).bytes(&command.text);
    parameters_into(&mut digest, &command.parameters);
    digest.number(texts.len() as u64);
    for named in texts {
        digest.text(&named.name).bytes(&named.text);
        parameters_into(&mut digest, &named.parameters);
    }
    digest.finish()
}

/// Data that a client sends for a command of an open transaction, such as that of a COPY.
#[derive(Debug)]
pub struct TransactionData {
    digest: DigestBuilder,
    bytes: u64,
}

impl TransactionData {
    /// Data that follows what ran before it.
    #[must_use]
    pub fn after(before: &Digest) -> Self {
        let mut digest = DigestBuilder::new("countersign.transaction.data.v1");
        digest.bytes(before.as_bytes());
        Self { digest, bytes: 0 }
    }

    /// The next bytes. How the data is cut makes no difference.
    pub fn push(&mut self, bytes: &[u8]) {
        self.digest.piece(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// The digest over what has run in the transaction, with the data.
    #[must_use]
    pub fn finish(mut self) -> Digest {
        self.digest.number(self.bytes);
        self.digest.finish()
    }
}

fn parameters_into(digest: &mut DigestBuilder, parameters: &[Parameter]) {
    digest.number(parameters.len() as u64);
    for parameter in parameters {
        digest.text(&parameter.type_name).number(u64::from(parameter.binary));
        digest.optional(parameter.value.as_deref());
        if let Some(omitted) = &parameter.omitted {
            // Judged commands have no omitted values. If one did, its digest must still differ from that of a NULL.
            digest.text("omitted").number(omitted.bytes).bytes(omitted.digest.as_bytes());
        }
    }
}

/// Serialises bytes as text if they are UTF-8, else as `\x` and hex digits. Text that itself begins with `\x` is
/// written as hex, so that deserialising returns the same bytes.
mod text_or_hex {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn encode(bytes: &[u8]) -> Cow<'_, str> {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.starts_with("\\x") => Cow::Borrowed(text),
            _ => Cow::Owned(format!("\\x{}", hex::encode(bytes))),
        }
    }

    pub(super) fn decode(text: Cow<'_, str>) -> Result<Vec<u8>, hex::FromHexError> {
        match text.strip_prefix("\\x") {
            Some(digits) => hex::decode(digits),
            None => Ok(text.into_owned().into_bytes()),
        }
    }

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode(bytes))
    }

    pub(super) fn deserialize<'de, T: From<Vec<u8>>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        decode(Cow::deserialize(deserializer)?).map(T::from).map_err(serde::de::Error::custom)
    }
}

/// Like `text_or_hex`, for optional bytes.
mod optional_text_or_hex {
    use std::borrow::Cow;

    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::text_or_hex::{decode, encode};

    pub(super) fn serialize<S: Serializer>(value: &Option<Bytes>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_deref().map(encode).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Bytes>, D::Error> {
        let value = Option::<Cow<'de, str>>::deserialize(d)?.map(decode).transpose();
        value.map(|value| value.map(Bytes::from)).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::principal::Kind;

    fn context() -> Context {
        Context {
            target: TargetName::new("shop").unwrap(),
            generation: Digest::of(b"1"),
            role: RoleName::new("app").unwrap(),
            database: "shop".into(),
            settings: BTreeMap::from([("search_path".into(), "public".into())]),
            transaction: None,
            texts: Vec::new(),
        }
    }

    fn principal() -> Principal {
        Principal {
            subject: crate::id::Subject::new("agent-7").unwrap(),
            kind: Kind::Agent,
            groups: std::collections::BTreeSet::new(),
            on_behalf_of: Vec::new(),
        }
    }

    fn command(text: &[u8]) -> Command {
        Command { form: "query".into(), text: text.to_vec().into(), parameters: Vec::new() }
    }

    #[test]
    fn i2_same_every_part_of_the_meaning_changes_the_digest() {
        let session = SessionId::from_u128(1);
        let base = digest(&command(b"DELETE FROM t"), &context(), &principal(), session);
        let mut others = vec![
            digest(&command(b"DELETE FROM t "), &context(), &principal(), session),
            digest(&command(b"DELETE FROM t"), &context(), &principal(), SessionId::from_u128(2)),
        ];
        let prepared = |name: &str, text: &[u8], values: &[&[u8]]| NamedText {
            name: name.into(),
            text: text.to_vec(),
            parameters: values
                .iter()
                .map(|value| Parameter {
                    type_name: "25".into(),
                    binary: false,
                    value: Some(value.to_vec().into()),
                    omitted: None,
                })
                .collect(),
        };
        for texts in [
            vec![prepared("prepared statement s", b"DELETE FROM t", &[])],
            vec![prepared("prepared statement s (int4)", b"DELETE FROM t", &[])],
            vec![prepared("prepared statement s", b"DELETE FROM u", &[])],
            vec![prepared("prepared statement s", b"DELETE FROM t", &[b"1"])],
            vec![prepared("prepared statement s", b"DELETE FROM t", &[b"2"])],
            vec![prepared("prepared statement r", b"", &[]), prepared("prepared statement s", b"", &[])],
        ] {
            others.push(digest(
                &command(b"DELETE FROM t"),
                &Context { texts, ..context() },
                &principal(),
                session,
            ));
        }
        let changes: [fn(&mut Context); 6] = [
            |c| c.target = TargetName::new("shop2").unwrap(),
            |c| c.generation = Digest::of(b"2"),
            |c| c.role = RoleName::new("dba").unwrap(),
            |c| c.database = "shop2".into(),
            |c| c.settings = BTreeMap::from([("search_path".into(), "evil".into())]),
            |c| c.transaction = Some(Digest::of(b"")),
        ];
        for change in changes {
            let mut context = context();
            change(&mut context);
            others.push(digest(&command(b"DELETE FROM t"), &context, &principal(), session));
        }
        let null = Parameter { type_name: "25".into(), binary: false, value: None, omitted: None };
        for parameter in [
            null.clone(),
            Parameter { value: Some(Bytes::new()), ..null.clone() },
            Parameter { omitted: Some(Omitted { bytes: 7, digest: Digest::of(b"") }), ..null.clone() },
            Parameter { binary: true, ..null },
        ] {
            let command = Command { parameters: vec![parameter], ..command(b"DELETE FROM t") };
            others.push(digest(&command, &context(), &principal(), session));
        }
        others.push(base);
        let distinct: std::collections::BTreeSet<_> = others.iter().collect();
        assert_eq!(distinct.len(), others.len());
    }

    #[test]
    fn i2_same_every_part_of_what_ran_before_changes_the_digest_of_the_transaction() {
        let text =
            |text: &[u8]| vec![NamedText { name: "s".into(), text: text.to_vec(), parameters: vec![] }];
        let null = Parameter { type_name: "25".into(), binary: false, value: None, omitted: None };
        let execute = || command(b"EXECUTE s");
        let with = Command { parameters: vec![null], ..execute() };
        let data = |pieces: &[&[u8]]| {
            let mut data = TransactionData::after(&Digest::of(b"1"));
            pieces.iter().for_each(|piece| data.push(piece));
            data.finish()
        };
        let all = [
            transaction_prefix(None, &execute(), &[]),
            transaction_prefix(Some(&Digest::of(b"1")), &execute(), &[]),
            transaction_prefix(None, &with, &[]),
            transaction_prefix(None, &command(b"EXECUTE r"), &[]),
            transaction_prefix(None, &execute(), &text(b"DELETE FROM t")),
            transaction_prefix(None, &execute(), &text(b"DELETE FROM u")),
            data(&[b"1\n"]),
            data(&[b"1\n2\n"]),
            data(&[]),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(data(&[b"1\n", b"", b"2\n"]), data(&[b"1\n2", b"\n"]));
    }

    #[test]
    fn a_value_that_is_too_large_for_a_record_is_there_by_its_digest() {
        let value = |bytes: usize| Parameter {
            type_name: "17".into(),
            binary: true,
            value: Some(Bytes::from(vec![0xff; bytes])),
            omitted: None,
        };
        let (whole, large) = (value(RECORDED_VALUE_BYTES_MAX), value(RECORDED_VALUE_BYTES_MAX + 1));
        let mut sent = command(b"INSERT INTO t VALUES ($1, $2)");
        sent.parameters = vec![whole.clone(), large.clone()];
        let recorded = sent.for_record().into_owned();
        assert_eq!(recorded.parameters[0], whole);
        assert_eq!((&recorded.text, &recorded.form), (&sent.text, &sent.form));
        let omitted = Omitted {
            bytes: RECORDED_VALUE_BYTES_MAX as u64 + 1,
            digest: Digest::of(large.value.as_ref().unwrap()),
        };
        assert_eq!(recorded.parameters[1], Parameter { value: None, omitted: Some(omitted), ..large });
        let json = serde_json::to_string(&recorded).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&json).unwrap(), recorded);
        sent.parameters.pop();
        assert!(matches!(sent.for_record(), Cow::Borrowed(_)), "what is small is not copied");
    }

    proptest! {
        #[test]
        fn a_command_survives_json(text: Vec<u8>, value: Option<Vec<u8>>) {
            let value = value.map(Bytes::from);
            let parameter = Parameter { type_name: "25".into(), binary: false, value, omitted: None };
            let command = Command { form: "query".into(), text: text.into(), parameters: vec![parameter] };
            let json = serde_json::to_string(&command).unwrap();
            prop_assert_eq!(serde_json::from_str::<Command>(&json).unwrap(), command);
        }
    }
}
