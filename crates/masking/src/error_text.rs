//! Masks errors and notices of a target. A message may quote values of a row (`invalid input syntax for type integer:
//! "…"`, `Failing row contains (…)`). If a statement touches masked relations, only messages are sent that are known
//! to quote no value.
//!
//! A message is known by its code together with the source file of the server that raised it. A code alone proves
//! nothing: `SELECT email::regclass` puts the value of a row into 42P01, and RAISE may use any code; but the server
//! itself writes the file name. A message from inside a function, or from SQL that was built at run time (it then has
//! a context or an internal query), may quote any value.
//!
//! # Source
//! PostgreSQL documentation, "Error and Notice Message Fields"; the source of the server for the files that raise
//! each message.

use bytes::{BufMut, BytesMut};

use crate::row::patch_length;
use crate::{MaskError, Masked};

/// Relations that a statement touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touches {
    /// The statement may read or write a masked relation, or calls or triggers code that was not analysed.
    MaskedRelations,
    /// The statement certainly touches no masked relation.
    NothingMasked,
}

/// Masks errors and notices of a target.
#[derive(Debug, Clone, Copy)]
pub struct ErrorMasker {
    touches: Touches,
}

/// Messages that quote no value of a row: codes, and the source files that raise them, as found in PostgreSQL 15. A
/// message that another version raises in another file is masked until that file is listed here.
const SAFE: &[(&[&str], &[&str])] = &[
    // Analysis of the statement's own text.
    (&["42601"], &["scan.l", "gram.y", "analyze.c", "parse_target.c", "parse_relation.c", "parse_func.c"]),
    (&["42P01", "42703", "42702", "42P09"], &["parse_relation.c", "parse_expr.c", "parse_target.c"]),
    (&["42883", "42725"], &["parse_func.c", "parse_oper.c"]),
    (&["42803", "42P20"], &["parse_agg.c", "parse_clause.c"]),
    (&["42804", "42846"], &["parse_coerce.c", "parse_expr.c", "parse_target.c", "parse_cte.c"]),
    (&["42P10", "42P18", "42P02"], &["parse_clause.c", "parse_param.c", "parse_expr.c"]),
    // Constraints: the message names the constraint; the values are in the detail.
    (&["23505"], &["nbtinsert.c", "tuplesort.c", "tuplesortvariants.c"]),
    (&["23503"], &["ri_triggers.c"]),
    (&["23502"], &["execMain.c", "execExprInterp.c", "tablecmds.c"]),
    (&["23514"], &["execMain.c", "execExprInterp.c", "tablecmds.c"]),
    (&["23P01"], &["execIndexing.c"]),
    // Permissions: the message names objects.
    (&["42501"], &["aclchk.c", "execMain.c"]),
    // State of the transaction, the session or the server.
    (&["25001", "25006", "25P01", "25P02"], &["xact.c", "postgres.c", "utility.c"]),
    (&["40001"], &["predicate.c", "heapam_handler.c", "nodeModifyTable.c", "nodeLockRows.c", "execMain.c"]),
    (&["40P01"], &["deadlock.c"]),
    (&["55P03"], &["postgres.c", "heapam.c", "heapam_handler.c", "lockcmds.c", "namespace.c"]),
    (&["57014", "57P01", "57P02", "57P05", "25P03"], &["postgres.c"]),
    // Arithmetic and lengths; the message quotes neither the number nor the text.
    (&["22012"], &["int.c", "int8.c", "numeric.c", "float.c"]),
    (&["22001"], &["varchar.c"]),
    (&["21000"], &["nodeSubplan.c"]),
];

/// Texts that replace a masked message, by prefix of the code.
const CANONICAL: &[(&str, &str)] = &[
    ("00", "notice"),
    ("01", "warning"),
    ("22001", "value too long"),
    ("22003", "numeric value out of range"),
    ("22007", "invalid datetime format"),
    ("22008", "datetime field overflow"),
    ("22012", "division by zero"),
    ("22P02", "invalid text representation"),
    ("22P03", "invalid binary representation"),
    ("22", "data exception"),
    ("23502", "not-null violation"),
    ("23503", "foreign key violation"),
    ("23505", "unique violation"),
    ("23514", "check violation"),
    ("23", "integrity constraint violation"),
    ("25", "invalid transaction state"),
    ("40", "transaction rollback"),
    ("42501", "insufficient privilege"),
    ("42", "syntax error or access rule violation"),
    ("53", "insufficient resources"),
    ("54", "program limit exceeded"),
    ("55", "object not in prerequisite state"),
    ("57", "operator intervention"),
    ("P0", "error raised by a function"),
    ("XX", "internal error"),
];

impl ErrorMasker {
    /// Creates a masker for the messages of a statement that touches these relations.
    #[must_use]
    pub const fn new(touches: Touches) -> Self {
        Self { touches }
    }

    /// Masks an ErrorResponse or NoticeResponse, given as its type byte and body, and adds it as a whole message.
    /// Severity, code, position and the location in the server's source are kept. The detail, hint, context and
    /// internal query are removed. Names of objects are kept if the server itself wrote them. The message is kept if
    /// it is known to quote no values.
    ///
    /// # Errors
    /// The body cannot be parsed; nothing is added then.
    pub fn mask_response(&self, tag: u8, body: &[u8], out: &mut Masked<BytesMut>) -> Result<(), MaskError> {
        // Parsed in both cases: a response that cannot be parsed is never sent.
        let fields = Fields::parse(body)?;
        let out = out.buffer();
        let start = out.len();
        out.put_u8(tag);
        out.put_i32(0);
        match self.touches {
            Touches::NothingMasked => out.extend_from_slice(body),
            Touches::MaskedRelations => fields.mask_into(out),
        }
        patch_length(out, start).inspect_err(|_| out.truncate(start))
    }
}

/// Fields of a response, by type.
struct Fields<'a>(Vec<(u8, &'a [u8])>);

impl<'a> Fields<'a> {
    fn parse(mut body: &'a [u8]) -> Result<Self, MaskError> {
        let malformed = MaskError::Malformed { what: "error or notice" };
        let mut fields = Vec::new();
        loop {
            let (&kind, rest) = body.split_first().ok_or(malformed)?;
            if kind == 0 {
                return if rest.is_empty() { Ok(Self(fields)) } else { Err(malformed) };
            }
            let end = rest.iter().position(|&byte| byte == 0).ok_or(malformed)?;
            let (text, rest) = rest.split_at_checked(end).ok_or(malformed)?;
            fields.push((kind, text));
            body = rest.get(1..).ok_or(malformed)?;
        }
    }

    fn get(&self, kind: u8) -> Option<&'a str> {
        let (_, text) = self.0.iter().find(|(one, _)| *one == kind)?;
        std::str::from_utf8(text).ok()
    }

    /// INVARIANT: I6 - a text is sent only if it is known to hold no values of rows.
    fn mask_into(&self, out: &mut BytesMut) {
        let code = self.get(b'C').filter(|code| is_code(code)).unwrap_or("XX000");
        let own_words = self.is_by_the_server(code);
        for (kind, text) in &self.0 {
            match kind {
                b'C' => put(out, *kind, code.as_bytes()),
                b'M' if !own_words => {
                    put(out, *kind, format!("[masked] {} ({code})", canonical(code)).as_bytes());
                }
                b'S' | b'V' | b'P' | b'F' | b'L' | b'R' => put(out, *kind, text),
                b'M' | b's' | b't' | b'c' | b'd' | b'n' if own_words => put(out, *kind, text),
                // Detail, hint, context, internal query, and fields of later versions.
                _ => {}
            }
        }
        out.put_u8(0);
    }

    /// Returns `true` if the server itself raised the error about the statement or the definition of an object, in a
    /// message that quotes no value.
    fn is_by_the_server(&self, code: &str) -> bool {
        let from_inside = [b'W', b'q', b'p'].iter().any(|&kind| self.0.iter().any(|(one, _)| *one == kind));
        let file = self.get(b'F').and_then(|path| path.rsplit(['/', '\\']).next()).unwrap_or_default();
        let safe = |(codes, files): &(&[&str], &[&str])| codes.contains(&code) && files.contains(&file);
        // The server gives the position of a wrong value only while it analyses the text of a statement; the value is
        // then a literal of that text.
        let is_of_the_text = code.starts_with("22") && self.get(b'P').is_some();
        !from_inside && (is_of_the_text || SAFE.iter().any(safe))
    }
}

fn put(out: &mut BytesMut, kind: u8, text: &[u8]) {
    out.put_u8(kind);
    out.extend_from_slice(text);
    out.put_u8(0);
}

fn is_code(code: &str) -> bool {
    code.len() == 5 && code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

fn canonical(code: &str) -> &'static str {
    CANONICAL.iter().find(|(prefix, _)| code.starts_with(prefix)).map_or("error", |(_, text)| text)
}
