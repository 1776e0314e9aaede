//! Keeps the approver's page in step with this crate. The page computes renderings and digests on its own;
//! `ui/test/vectors.json` holds the expected results for some commands, and the page's tests read the same file.
//! Regenerated with `UPDATE_VECTORS=1`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use countersign_common::Digest;
use countersign_common::command::{self, Command, Context, NamedText, Parameter};
use countersign_common::facts_basis::{CatalogueStanding, FactsBasis};
use countersign_common::id::{RoleName, SessionId, Subject, TargetName};
use countersign_common::principal::{Kind, Principal};
use countersign_common::rendering::Rendering;
use countersign_common::visible::{Table, visible};
use serde_json::{Value, json};

const TEXTS: [&[u8]; 11] = [
    b"UPDATE customers SET credit_cents = 0 WHERE id = $1",
    b"",
    "SELECT 1 -- \u{202e}\u{2066} evil\u{2069}\nDROP TABLE t".as_bytes(),
    "a\u{200b}b\u{a0}c\u{3000}d\u{ad}e\u{1f}f\u{7f}g\u{85}h\u{feff}\u{e0041}\r\n\ti\u{2028}\u{1680}\u{205f}".as_bytes(),
    "b\\n \\u{202e} \\\\ \u{430}dmin caf\u{e9} \u{1f600}\u{fe0f}\u{180e}\u{1d173}".as_bytes(),
    b"\xff\xfea\xc3(\xe2\x82\xac\xe2\x82 \xed\xa0\x80 \xf0\x9f\x98\x80 \xf4\x90\x80\x80 \xc0\xaf \xe0\x80\xaf \xf0\x9f",
    b"SELECT 1\n$1 (type 25) = 'harmless'\nwith search_path = x",
    b"\xef\xbb\xbfSELECT 1",
    b"trailing\n\n",
    "\u{2800}\t x\u{336}\u{336} e\u{301}\u{302}\u{303} =\u{338} \u{301} _\u{301} \u{d}\u{37e}\u{212a}".as_bytes(),
    "p\u{430}yments \u{440}\u{430}\u{443} \u{30c6}\u{30fc}\u{30d6}\u{30eb}A \u{1d403}ROP \u{43a}\u{43b}\u{44e}\u{447}_1 \u{627}\u{644}x".as_bytes(),
];

fn parameters(number: usize) -> Vec<Parameter> {
    let all = [
        Parameter {
            type_name: "25".into(),
            binary: false,
            value: Some(b"x\x00y\n'\xff".to_vec().into()),
            omitted: None,
        },
        Parameter {
            type_name: "23".into(),
            binary: true,
            value: Some(vec![0, 0, 0, 7].into()),
            omitted: None,
        },
        Parameter { type_name: "0".into(), binary: false, value: None, omitted: None },
        Parameter { type_name: "0".into(), binary: true, value: None, omitted: None },
        Parameter {
            type_name: "te\u{200d}xt".into(),
            binary: false,
            value: Some(Vec::new().into()),
            omitted: None,
        },
    ];
    all.into_iter().take(number).collect()
}

fn settings(number: usize) -> BTreeMap<String, String> {
    let all = [
        ("search_path", "public, \"\u{202e}x\""),
        ("TimeZone", "UTC"),
        ("10", "integers are ordered first by some"),
        ("9", "and not by others"),
        ("\u{ffff}", "before"),
        ("\u{10000}", "after, unlike in UTF-16"),
    ];
    all.into_iter().take(number).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Named texts of the context.
fn texts(number: usize, text: &[u8]) -> Vec<NamedText> {
    let all = [
        NamedText { name: "cursor c\u{202e}".into(), text: text.to_vec(), parameters: Vec::new() },
        NamedText {
            name: "portal p".into(),
            text: b"DELETE FROM t\nWHERE id = $1".to_vec(),
            parameters: parameters(number),
        },
    ];
    all.into_iter().take(number).collect()
}

fn principal(number: usize) -> Principal {
    let kinds = [Kind::Agent, Kind::Human, Kind::Service];
    let behalf = ["alice", "bob\u{e9}"];
    Principal {
        subject: Subject::new("agent-7").unwrap(),
        kind: kinds[number % 3],
        groups: BTreeSet::new(),
        on_behalf_of: behalf[..number % 3].iter().map(|name| Subject::new(name).unwrap()).collect(),
    }
}

fn parameters_of(parameters: &[Parameter]) -> Vec<Value> {
    let hex_of = |parameter: &Parameter| parameter.value.as_ref().map(hex::encode);
    parameters
        .iter()
        .map(|parameter| {
            json!({"type_name": parameter.type_name, "binary": parameter.binary, "value": hex_of(parameter)})
        })
        .collect()
}

fn vector(number: usize, text: &[u8]) -> Value {
    let command =
        Command { form: "query".into(), text: text.to_vec().into(), parameters: parameters(number % 6) };
    let context = Context {
        target: TargetName::new("shop").unwrap(),
        generation: Digest::of(b"1"),
        role: RoleName::new("app").unwrap(),
        database: "sh\u{200b}op".into(),
        settings: settings(number % 7),
        transaction: (number % 2 == 1).then(|| Digest::of(b"before")),
        texts: texts(number % 3, text),
    };
    let (principal, session) =
        (principal(number), SessionId::from_u128((u128::MAX >> 3) / (number as u128 + 1)));
    let standings = [CatalogueStanding::Agreed, CatalogueStanding::Claimed, CatalogueStanding::Unknown];
    let basis = standings
        .get(number % 4)
        .map(|catalogue| FactsBasis { catalogue: *catalogue, understated: number.is_multiple_of(3) });
    let rendering = Rendering::of(&command, &context, &principal, basis);
    let texts: Vec<Value> = context
        .texts
        .iter()
        .map(|one| {
            json!({
                "name": one.name,
                "text": hex::encode(&one.text),
                "parameters": parameters_of(&one.parameters),
            })
        })
        .collect();
    json!({
        "command": {"form": command.form, "text": hex::encode(&command.text), "parameters": parameters_of(&command.parameters)},
        "context": {
            "target": context.target.as_str(),
            "generation": context.generation.to_string(),
            "role": context.role.as_str(),
            "database": context.database,
            "settings": context.settings.iter().collect::<Vec<_>>(),
            "transaction": context.transaction.map(|digest| digest.to_string()),
            "texts": texts,
        },
        "principal": {
            "subject": principal.subject.as_str(),
            "kind": principal.kind.as_str(),
            "on_behalf_of": principal.on_behalf_of.iter().map(Subject::as_str).collect::<Vec<_>>(),
        },
        "session": session.to_string(),
        "basis": basis.map(|basis| json!({
            "catalogue": basis.catalogue.as_str(),
            "understated": basis.understated,
        })),
        "rendering": rendering.text,
        "rendering_digest": rendering.digest.to_string(),
        "digest": command::digest(&command, &context, &principal, session).to_string(),
    })
}

#[test]
fn i2_same_the_page_is_held_to_our_renderings_and_digests() {
    let vectors: Vec<Value> = TEXTS.iter().enumerate().map(|(number, text)| vector(number, text)).collect();
    let vectors = Value::Array(vectors);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/test/vectors.json");
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(&file, serde_json::to_string_pretty(&vectors).unwrap() + "\n").unwrap();
    }
    // Compared as values: the order of an object's members depends on the other crates in the build.
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert!(written == vectors, "the vectors are old: UPDATE_VECTORS=1");
}

/// Compares a file of the page with its expected contents, or writes it if `UPDATE_VECTORS` is set.
fn holds(file: &str, value: &Value, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui").join(file);
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert!(written == *value, "`{}` is old: UPDATE_VECTORS=1", file.display());
}

#[test]
fn the_page_has_our_table_of_characters() {
    let table = serde_json::to_value(Table::generate()).unwrap();
    // One line per list.
    let lists: Vec<String> =
        table.as_object().unwrap().iter().map(|(name, list)| format!("  \"{name}\": {list}")).collect();
    holds("src/shown/characters.json", &table, &format!("{{\n{}\n}}\n", lists.join(",\n")));
}

/// Texts with characters of every class, drawn by a fixed rule. The page and the recordings must show each the same
/// way.
fn drawn() -> impl Iterator<Item = String> {
    const OFTEN: [char; 12] =
        ['a', 'Z', '_', ' ', '\\', '\u{301}', '\u{336}', '\u{430}', '\u{3b1}', '\u{30c6}', '\u{2800}', '\t'];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize
    };
    let mut one = move || match next() % 3 {
        0 => char::from_u32((next() % 0x2_0000) as u32).unwrap_or('x'),
        _ => OFTEN[next() % OFTEN.len()],
    };
    (0..400).map(move |length| (0..length % 12 + 1).map(|_| one()).collect())
}

#[test]
fn the_page_shows_characters_as_we_do() {
    let alone = |c: char| visible(&c.to_string()) != c.to_string();
    let mut written_out: Vec<[u32; 2]> = Vec::new();
    for point in ('\0'..=char::MAX).filter(|c| alone(*c)).map(u32::from) {
        match written_out.last_mut() {
            Some(last) if last[1] + 1 == point => last[1] = point,
            _ => written_out.push([point, point]),
        }
    }
    let texts: Vec<[String; 2]> = drawn().map(|text| [text.clone(), visible(&text)]).collect();
    let vectors = json!({"written_out": written_out, "texts": texts});
    let lines: Vec<String> = texts.iter().map(|text| format!("    {}", json!(text))).collect();
    let text = format!(
        "{{\n  \"written_out\": {},\n  \"texts\": [\n{}\n  ]\n}}\n",
        json!(written_out),
        lines.join(",\n")
    );
    holds("test/visible.json", &vectors, &text);
}
