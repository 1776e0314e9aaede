//! Frameworks, and modes of drivers that put savepoints around statements: what they find is the same directly and through
//! a gateway, for those who may do everything and for those who only read.

use countersign_testkit::{Program, Terms};

use crate::stage::Stage;

/// Plays a part directly and through the gateway, one after the other.
fn same(stage: &Stage, program: Program, part: &str) {
    let direct = program.play(&stage.server.dsn(), part).unwrap();
    assert!(direct.len() > 5, "{direct:?}");
    let through = program.play(&stage.agent, part).unwrap();
    for (expected, got) in direct.iter().zip(&through) {
        assert_eq!(got, expected);
    }
    assert_eq!(through.len(), direct.len());
}

fn all(program: Program) {
    let stage = Stage::allow_all();
    same(&stage, program, "reads");
    same(&stage, program, "writes");
}

fn reader(program: Program) {
    same(&Stage::example(&Terms::default()), program, "reads");
}

#[test]
fn django_works_as_directly() {
    all(Program::Django);
}

#[test]
fn django_reads_as_directly_for_a_reader() {
    reader(Program::Django);
}

#[test]
fn sqlalchemy_works_as_directly() {
    all(Program::SqlAlchemy);
}

#[test]
fn sqlalchemy_reads_as_directly_for_a_reader() {
    reader(Program::SqlAlchemy);
}

#[test]
fn jdbc_with_autosave_works_as_directly() {
    all(Program::JdbcAutosave);
}

#[test]
fn jdbc_with_autosave_reads_as_directly_for_a_reader() {
    reader(Program::JdbcAutosave);
}
