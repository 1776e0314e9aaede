//! What a target says in errors and notices. A message may quote a row's values (`invalid input syntax
//! for type integer: "…"`, `Failing row contains (…)`), so where a statement touches masked relations only
//! those messages pass that are known to quote none.
//!
//! Known means: this code, raised by this file of the server's source. A code alone proves nothing:
//! `SELECT email::regclass` puts the value of a row into 42P01, and RAISE may use any code; but the file is
//! written by the server itself. And a message that comes from inside a function or from SQL put together
//! at run time (it then has a context or an internal query) may quote whatever was put in.
//!
//! # Source
//! PostgreSQL documentation, "Error and Notice Message Fields"; the server's source for where which
//! message is raised.

use bytes::{BufMut, BytesMut};

use crate::row::patch_length;
use crate::{MaskError, Masked};

/// Whether a statement touches masked relations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touches {
    /// It may: it reads or writes one, or calls or triggers what nobody has read.
    MaskedRelations,
    /// Certainly not.
    NothingMasked,
}

/// Masks errors and notices.
#[derive(Debug, Clone, Copy)]
pub struct ErrorMasker {
    touches: Touches,
}

/// Messages that quote no value of a row: codes, and the files they are raised by. Seen on PostgreSQL 15;
/// what another version raises elsewhere is masked until it is listed here.
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
    // Permission, by the names of objects.
    (&["42501"], &["aclchk.c", "execMain.c"]),
    // The state of the transaction, the session, the server.
    (&["25001", "25006", "25P01", "25P02"], &["xact.c", "postgres.c", "utility.c"]),
    (&["40001"], &["predicate.c", "heapam_handler.c", "nodeModifyTable.c", "nodeLockRows.c", "execMain.c"]),
    (&["40P01"], &["deadlock.c"]),
    (&["55P03"], &["postgres.c", "heapam.c", "heapam_handler.c", "lockcmds.c", "namespace.c"]),
    (&["57014", "57P01", "57P02", "57P05", "25P03"], &["postgres.c"]),
    // Arithmetic and lengths, without the number or the text.
    (&["22012"], &["int.c", "int8.c", "numeric.c", "float.c"]),
    (&["22001"], &["varchar.c"]),
    (&["21000"], &["nodeSubplan.c"]),
];

/// What stands in place of a message.
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
    /// A masker for what is said while a statement runs that touches this.
    #[must_use]
    pub const fn new(touches: Touches) -> Self {
        Self { touches }
    }

    /// Masks an ErrorResponse or NoticeResponse, given as its type byte and body, and adds it as a whole
    /// message. Severity, code, position and the place in the server's source stay; the detail, hint,
    /// context and internal query go; names of objects stay where the server itself wrote them; the
    /// message stays when it is known to quote no values.
    ///
    /// # Errors
    /// When the body cannot be read; nothing is added then.
    pub fn mask_response(&self, tag: u8, body: &[u8], out: &mut Masked<BytesMut>) -> Result<(), MaskError> {
        // Read also when it passes: what cannot be read does not.
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

/// The fields of a response.
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

    /// INVARIANT: I6 - what is not known to be without values of rows does not leave.
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
                // Detail, hint, context, internal query, and whatever comes in later versions.
                _ => {}
            }
        }
        out.put_u8(0);
    }

    /// Whether the server itself raised it about the statement or an object's definition, in a message
    /// that quotes no value.
    fn is_by_the_server(&self, code: &str) -> bool {
        let from_inside = [b'W', b'q', b'p'].iter().any(|&kind| self.0.iter().any(|(one, _)| *one == kind));
        let file = self.get(b'F').and_then(|path| path.rsplit(['/', '\\']).next()).unwrap_or_default();
        let safe = |(codes, files): &(&[&str], &[&str])| codes.contains(&code) && files.contains(&file);
        // Only while a text is analysed does the server say where in the text a value is wrong: it is a literal there.
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
