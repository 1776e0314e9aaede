//! The catalogue of a server that runs.

use countersign_sql::Catalogue;
use countersign_sql::catalogue::Rows;
use countersign_sql::catalogue::refresh::{Draft, Scope};
use countersign_testkit::Postgres;

use super::cell;

fn rows(server: &Postgres, query: &str) -> Rows {
    let answer =
        server.sql(&format!("SET search_path = pg_catalog; COPY ({query}) TO STDOUT; SELECT 'end'")).unwrap();
    // The answer loses its trailing white space, which is a column.
    let lines = answer.lines().take_while(|line| *line != "end");
    lines.map(|line| line.split('\t').map(cell).collect()).collect()
}

/// The catalogue of a server, as the gateway reads it.
pub(crate) fn catalogue(server: &Postgres) -> Catalogue {
    let empty = Catalogue::empty();
    let plan = empty.plan(&Scope::All, &rows(server, &Scope::All.versions_query())).unwrap();
    let results = plan.queries().iter().map(|query| rows(server, query)).collect();
    let mut draft = Draft::new(plan, results).unwrap();
    for definition in draft.definitions().to_vec() {
        match rows(server, &definition.sql()).pop().and_then(|mut row| row.pop()).flatten() {
            Some(text) => draft.define(&definition, text),
            None => draft.define_nothing(&definition),
        }
    }
    empty.with(&draft).unwrap()
}
