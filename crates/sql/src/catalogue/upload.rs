//! A snapshot as bytes, in which gateways pass it on: two snapshots of the same definitions give the same bytes. Whoever
//! reads such bytes trusts nobody: what they may make of memory and time is bounded, whatever is in them.

use super::row::Rows;
use super::{Catalogue, CatalogueError};

/// The form; the first byte.
const FORM: u8 = 1;

/// The most cells. Each takes memory of its own, however little is written in it.
const CELLS_MAX: usize = 4 << 20;

/// The longest cell where it is no text of code: names, lists of numbers.
const CELL_BYTES_MAX: usize = 16 * 1024;

/// The most casts, which every statement is compared with, and the most parents of one relation.
const CASTS_MAX: usize = 16 * 1024;
const PARENTS_MAX: usize = 256;

/// The rows of one result as `Catalogue::to_rows` writes them.
struct Form {
    /// How many cells a row has.
    cells: usize,
    /// The cell by which rows are sorted.
    sorted_by: Option<usize>,
    /// Whether each of these comes once.
    once: bool,
    /// Cells that may be long.
    long: &'static [usize],
    /// The most rows, and the most with the same sorted cell.
    rows_max: usize,
    same_max: usize,
}

const PART: Form =
    Form { cells: 2, sorted_by: Some(0), once: false, long: &[], rows_max: CELLS_MAX, same_max: CELLS_MAX };

const OBJECT: Form = Form { once: true, ..PART };

const FORMS: [Form; 15] = [
    Form { cells: 9, ..OBJECT },
    Form { cells: 6, ..PART },
    Form { cells: 16, sorted_by: Some(3), long: &[13, 14], ..OBJECT },
    Form { cells: 11, sorted_by: Some(8), ..OBJECT },
    Form { cells: 9, ..OBJECT },
    Form { cells: 2, ..PART },
    Form { cells: 12, sorted_by: Some(6), rows_max: CASTS_MAX, ..OBJECT },
    Form { cells: 2, ..PART },
    Form { cells: 2, same_max: PARENTS_MAX, ..PART },
    Form { cells: 7, ..PART },
    Form { cells: 8, ..PART },
    Form { cells: 4, ..PART },
    Form { cells: 8, ..PART },
    Form { cells: 4, sorted_by: None, ..PART },
    Form { cells: 3, sorted_by: None, long: &[2], ..PART },
];

impl Catalogue {
    /// The largest snapshot that is read from bytes, in bytes.
    pub const BYTES_MAX: usize = 48 << 20;

    /// The snapshot as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORM];
        for rows in self.to_rows() {
            number(&mut bytes, rows.len());
            for cell in rows.iter().flatten() {
                match cell {
                    None => number(&mut bytes, 0),
                    Some(text) => {
                        number(&mut bytes, text.len() + 1);
                        bytes.extend_from_slice(text.as_bytes());
                    }
                }
            }
        }
        bytes
    }

    /// The snapshot that these bytes are.
    ///
    /// # Errors
    /// When they are none, or a larger one than is taken.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CatalogueError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(wrong("there are too many of them"));
        }
        let mut input = Input { left: bytes, cells_left: CELLS_MAX };
        if input.byte()? != FORM {
            return Err(wrong("they have another form"));
        }
        let results = FORMS.iter().map(|form| input.rows(form)).collect::<Result<Vec<Rows>, _>>()?;
        if !input.left.is_empty() {
            return Err(wrong("more follows"));
        }
        Self::from_owned_rows(results)
    }
}

fn wrong(what: &'static str) -> CatalogueError {
    CatalogueError::Bytes { what }
}

/// Seven bits a byte, the lowest first.
fn number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// What is left of the bytes, and how many cells may still come.
struct Input<'a> {
    left: &'a [u8],
    cells_left: usize,
}

impl<'a> Input<'a> {
    fn byte(&mut self) -> Result<u8, CatalogueError> {
        let (first, left) = self.left.split_first().ok_or_else(|| wrong("something is missing"))?;
        self.left = left;
        Ok(*first)
    }

    fn number(&mut self) -> Result<usize, CatalogueError> {
        let mut number = 0_usize;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(wrong("a number is too large"))
    }

    fn rows(&mut self, form: &Form) -> Result<Rows, CatalogueError> {
        let count = self.number()?;
        let cells = count.checked_mul(form.cells).filter(|cells| *cells <= self.cells_left);
        let cells =
            cells.filter(|_| count <= form.rows_max).ok_or_else(|| wrong("there are too many rows"))?;
        // Every cell is at least one byte: memory is taken only for what can be there.
        if cells > self.left.len() {
            return Err(wrong("rows are missing"));
        }
        self.cells_left -= cells;
        let mut order = Order { last: None, same: 0 };
        let mut rows = Vec::with_capacity(count);
        for _ in 0..count {
            let row = (0..form.cells).map(|at| self.cell(form.long.contains(&at)));
            let row = row.collect::<Result<Vec<Option<String>>, _>>()?;
            order.check(form, &row)?;
            rows.push(row);
        }
        Ok(rows)
    }

    fn cell(&mut self, may_be_long: bool) -> Result<Option<String>, CatalogueError> {
        let Some(bytes) = self.number()?.checked_sub(1) else { return Ok(None) };
        if bytes > CELL_BYTES_MAX && !may_be_long {
            return Err(wrong("a name is too long"));
        }
        let (text, left) = self.left.split_at_checked(bytes).ok_or_else(|| wrong("a text is cut off"))?;
        self.left = left;
        let text: &'a str = std::str::from_utf8(text).map_err(|_| wrong("a text is no UTF-8"))?;
        Ok(Some(text.to_owned()))
    }
}

/// Rows come sorted: objects in another order would take time that grows with the square of their number.
struct Order {
    last: Option<u32>,
    same: usize,
}

impl Order {
    fn check(&mut self, form: &Form, row: &[Option<String>]) -> Result<(), CatalogueError> {
        let Some(at) = form.sorted_by else { return Ok(()) };
        let oid = row.get(at).and_then(|cell| cell.as_ref()?.parse::<u32>().ok());
        let oid = oid.ok_or_else(|| wrong("an oid is none"))?;
        let is_same = self.last == Some(oid);
        self.same = if is_same { self.same + 1 } else { 1 };
        if self.last.is_some_and(|last| oid < last) || (is_same && form.once) || self.same > form.same_max {
            return Err(wrong("rows are not in order"));
        }
        self.last = Some(oid);
        Ok(())
    }
}
