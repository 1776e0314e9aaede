//! Rendering of a held command for approvers: requester, target and exact bytes, with all hidden characters made
//! visible. Approvers sign its digest.

use std::fmt::Write as _;

use crate::command::{Command, Context, Parameter};
use crate::digest::{Digest, DigestBuilder};
use crate::facts_basis::FactsBasis;
use crate::principal::Principal;
pub use crate::visible::visible;
use crate::visible::{on_one_line, visible_bytes};

/// Prefix of every line of a statement, and of no other line.
const STATEMENT_MARK: &str = "| ";

/// A command rendered as text for approvers, in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendering {
    /// Text as it is shown.
    pub text: String,
    /// Digest of the text.
    pub digest: Digest,
}

impl Rendering {
    /// Renders a command with its context and requester.
    #[must_use]
    pub fn of(
        command: &Command,
        context: &Context,
        principal: &Principal,
        basis: Option<FactsBasis>,
    ) -> Self {
        let mut text = String::with_capacity(command.text.len() + 256);
        who(&mut text, principal);
        place(&mut text, context);
        for sentence in basis.map(FactsBasis::sentences).into_iter().flatten() {
            let _ = writeln!(text, "{sentence}");
        }
        let _ = writeln!(text, "{}:", on_one_line(&command.form));
        let shown = if writes_utf8(context) { visible_bytes } else { ascii_bytes };
        statement(&mut text, &command.text, &command.parameters, shown);
        for named in &context.texts {
            let _ = writeln!(text, "{}:", on_one_line(&named.name));
            statement(&mut text, &named.text, &named.parameters, shown);
        }
        let digest = digest(&text);
        Self { text, digest }
    }
}

/// Appends a statement and its parameters. Each line is marked, so that no statement can imitate the other lines.
fn statement(text: &mut String, bytes: &[u8], parameters: &[Parameter], shown: fn(&[u8]) -> String) {
    for line in shown(bytes).split('\n') {
        let _ = writeln!(text, "{STATEMENT_MARK}{line}");
    }
    for (number, parameter) in (1..).zip(parameters) {
        let _ = writeln!(text, "${number} {}", value(parameter, shown));
    }
}

/// Returns `true` if the server reads the bytes of the command as UTF-8. Other protocols have no other encoding.
fn writes_utf8(context: &Context) -> bool {
    match context.settings.get("client_encoding") {
        Some(encoding) => encoding == "UTF8",
        // The settings could not be read.
        None => !context.settings.contains_key("unknown"),
    }
}

/// Renders bytes of an encoding other than UTF-8. Bytes beyond ASCII appear as `\x..`: read as UTF-8 they would show
/// characters that the server does not read.
fn ascii_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for part in bytes.chunk_by(|one, other| one.is_ascii() == other.is_ascii()) {
        if part.is_ascii() {
            text.push_str(&visible_bytes(part));
        } else {
            part.iter().for_each(|byte| {
                let _ = write!(text, "\\x{byte:02x}");
            });
        }
    }
    text
}

/// Computes the digest of a rendered text. An approver sends it back with the decision.
#[must_use]
pub fn digest(text: &str) -> Digest {
    let mut digest = DigestBuilder::new("countersign.rendering.v1");
    digest.text(text);
    digest.finish()
}

fn who(text: &mut String, principal: &Principal) {
    let _ = write!(text, "{} {}", principal.kind.as_str(), on_one_line(principal.subject.as_str()));
    for other in &principal.on_behalf_of {
        let _ = write!(text, " on behalf of {}", on_one_line(other.as_str()));
    }
    text.push('\n');
}

fn place(text: &mut String, context: &Context) {
    let (target, role) = (on_one_line(context.target.as_str()), on_one_line(context.role.as_str()));
    let _ = writeln!(text, "on {target} as {role}, database {}", on_one_line(&context.database));
    for (name, value) in &context.settings {
        let _ = writeln!(text, "with {} = {}", on_one_line(name), on_one_line(value));
    }
    if context.transaction.is_some() {
        text.push_str("inside an open transaction\n");
    }
}

fn value(parameter: &Parameter, shown: fn(&[u8]) -> String) -> String {
    let kind = on_one_line(&parameter.type_name);
    if let Some(omitted) = &parameter.omitted {
        return format!("(type {kind}) = {omitted}");
    }
    match &parameter.value {
        None => format!("(type {kind}) = NULL"),
        Some(bytes) if parameter.binary => format!("(type {kind}, binary) = \\x{}", hex::encode(bytes)),
        Some(bytes) => format!("(type {kind}) = '{}'", shown(bytes).replace('\n', "\\u{a}")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::facts_basis::CatalogueStanding;
    use crate::id::{RoleName, Subject, TargetName};
    use crate::principal::Kind;

    fn render(text: &[u8]) -> Rendering {
        let command = Command {
            form: "query".into(),
            text: text.to_vec().into(),
            parameters: vec![
                Parameter {
                    type_name: "25".into(),
                    binary: false,
                    value: Some(b"x\x00y".to_vec().into()),
                    omitted: None,
                },
                Parameter {
                    type_name: "23".into(),
                    binary: true,
                    value: Some(vec![0, 0, 0, 7].into()),
                    omitted: None,
                },
                Parameter { type_name: "0".into(), binary: false, value: None, omitted: None },
            ],
        };
        let context = Context {
            target: TargetName::new("shop").unwrap(),
            generation: Digest::of(b"1"),
            role: RoleName::new("app").unwrap(),
            database: "shop".into(),
            settings: BTreeMap::from([("search_path".into(), "public".into())]),
            transaction: None,
            texts: vec![crate::command::NamedText {
                name: "prepared statement fix (int4)".into(),
                text: b"PREPARE fix (int4) AS\nDELETE FROM u".to_vec(),
                parameters: Vec::new(),
            }],
        };
        let principal = Principal {
            subject: Subject::new("agent-7").unwrap(),
            kind: Kind::Agent,
            groups: BTreeSet::new(),
            on_behalf_of: vec![Subject::new("alice").unwrap()],
        };
        let basis = FactsBasis { catalogue: CatalogueStanding::Claimed, understated: true };
        Rendering::of(&command, &context, &principal, Some(basis))
    }

    #[test]
    fn an_approver_reads_who_where_and_what() {
        insta::assert_snapshot!(render("DELETE FROM t\nWHERE a = $1".as_bytes()).text, @r"
        agent agent-7 on behalf of alice
        on shop as app, database shop
        with search_path = public
        definitions of the database: claimed by one gateway
        warning: the gateway stated less than this command does
        query:
        | DELETE FROM t
        | WHERE a = $1
        $1 (type 25) = 'x\u{0}y'
        $2 (type 23, binary) = \x00000007
        $3 (type 0) = NULL
        prepared statement fix (int4):
        | PREPARE fix (int4) AS
        | DELETE FROM u
        ");
    }

    #[test]
    fn i2_same_bytes_that_are_not_read_as_utf8_are_written_out() {
        assert_eq!(
            ascii_bytes(b"DELETE FROM \xc3\xa9\\ -- \x83\x5c"),
            "DELETE FROM \\xc3\\xa9\\\\ -- \\x83\\\\"
        );
        let mut context = Context {
            target: TargetName::new("shop").unwrap(),
            generation: Digest::of(b"1"),
            role: RoleName::new("app").unwrap(),
            database: "shop".into(),
            settings: BTreeMap::new(),
            transaction: None,
            texts: Vec::new(),
        };
        for (name, value, read) in [
            ("client_encoding", "UTF8", true),
            ("client_encoding", "LATIN1", false),
            ("client_encoding", "SJIS", false),
            ("client_encoding", "SQL_ASCII", false),
            ("unknown", "7", false),
            ("search_path", "public", true),
        ] {
            context.settings = BTreeMap::from([(name.into(), value.into())]);
            assert_eq!(writes_utf8(&context), read, "{name} = {value}");
        }
    }

    #[test]
    fn a_statement_cannot_contain_lines_that_look_like_ours() {
        let text = render(b"SELECT 1\n$1 (type 25) = 'harmless'\nwith search_path = x").text;
        let ours = text.lines().filter(|line| !line.starts_with(STATEMENT_MARK));
        assert_eq!(ours.filter(|line| line.contains("harmless") || line.contains("= x")).count(), 0);
        assert_eq!(on_one_line("a\nb"), "a\\u{a}b");
    }

    #[test]
    fn what_could_hide_is_made_visible() {
        assert_eq!(visible("a\u{202e}b\u{200b}c\rd\\e"), "a\\u{202e}b\\u{200b}c\\u{d}d\\\\e");
        assert_eq!(visible_bytes(b"a\xffb"), "a\\xffb");
    }

    proptest! {
        #[test]
        fn i2_same_commands_of_other_bytes_are_shown_differently(a: Vec<u8>, b: Vec<u8>) {
            prop_assert_eq!(visible_bytes(&a) == visible_bytes(&b), a == b);
        }
    }
}
