"""Ordinary work with SQLAlchemy: `begin_nested`, core and ORM. See ../README.md."""

import json
import sys

from sqlalchemy import (
    URL,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload

from talk import say

dsn = json.loads(sys.argv[1])
engine = create_engine(
    URL.create(
        "postgresql+psycopg", dsn["user"], dsn["password"], dsn["host"], dsn["port"], dsn["database"]
    )
)


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "alchemy_authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    books: Mapped[list["Book"]] = relationship(back_populates="author", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "alchemy_books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(40))
    pages: Mapped[int] = mapped_column(Integer, default=0)
    author_id: Mapped[int] = mapped_column(ForeignKey("alchemy_authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")


def sqlstate(error):
    return error.orig.sqlstate


def reads():
    with engine.connect() as connection:
        customers = Table("customers", MetaData(), autoload_with=connection)
        yield "reflected columns", [(column.name, str(column.type)) for column in customers.columns]
        few = select(customers.c.id, customers.c.name).order_by(customers.c.id).limit(5)
        yield "core", [list(row) for row in connection.execute(few)]
        cities = select(customers.c.city, func.count()).group_by(customers.c.city).order_by(customers.c.city).limit(5)
        yield "a group", [list(row) for row in connection.execute(cities)]
        yield "a text", connection.execute(text("SELECT :a + 1"), {"a": 41}).scalar_one()
        streamed = connection.execution_options(yield_per=30).execute(select(customers.c.id))
        yield "a stream", sum(1 for _ in streamed)
    with engine.begin() as connection:
        nested = connection.begin_nested()
        yield "a read in a savepoint", connection.execute(few).first().id
        nested.rollback()
        try:
            with connection.begin_nested():
                connection.execute(text("SELECT 1/0"))
        except DBAPIError as error:
            yield "a failed read in a savepoint", sqlstate(error)
        yield "a read behind it", connection.execute(few).first().id
    yield "tables", sorted(name for name in inspect(engine).get_table_names() if name in ("customers", "orders"))
    with Session(engine) as session:
        yield "a session", session.scalar(select(func.count()).select_from(customers))


def writes():
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add(Author(name="one", books=[Book(title="a", pages=10), Book(title="b", pages=20)]))
        session.flush()
        try:
            with session.begin_nested():
                session.add(Author(name="one"))
                session.flush()
        except IntegrityError as error:
            yield "a duplicate in a savepoint", sqlstate(error)
        with session.begin_nested():
            session.add(Author(name="two", books=[Book(title="c", pages=30)]))
            with session.begin_nested() as undone:
                session.add(Author(name="three"))
                session.flush()
                undone.rollback()
    with Session(engine) as session:
        authors = session.scalars(select(Author).options(selectinload(Author.books)).order_by(Author.name)).all()
        yield "what savepoints left", [[one.name, [book.title for book in one.books]] for one in authors]
        authors[0].books[0].pages += 5
        session.delete(authors[1])
        session.commit()
        yield "a change and a cascade", [list(row) for row in session.execute(select(Book.title, Book.pages).order_by(Book.id))]
        session.execute(insert(Author), [{"name": f"bulk {n}"} for n in range(20)])
        changed = session.execute(update(Author).where(Author.name.like("bulk 1%")).values(name=Author.name + "!"))
        yield "an update of many", changed.rowcount
        session.rollback()
        yield "a rollback", session.scalar(select(func.count()).select_from(Author))
    with engine.begin() as connection:
        made = connection.execute(
            insert(Author).returning(Author.name, sort_by_parameter_order=True),
            [{"name": f"returned {n}"} for n in range(5)],
        )
        yield "inserts that return", [list(row) for row in made]
        connection.execute(text("SET LOCAL statement_timeout = '5s'"))
        yield "behind a setting", connection.execute(select(func.count()).select_from(Author)).scalar_one()
    with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
        yield "serializable", connection.execute(text("SHOW transaction_isolation")).scalar_one()
        connection.commit()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield "autocommit", connection.execute(text("SELECT count(*) FROM alchemy_authors")).scalar_one()
    yield "foreign keys", [key["referred_table"] for key in inspect(engine).get_foreign_keys("alchemy_books")]
    Base.metadata.drop_all(engine)


for name, found in {"reads": reads, "writes": writes}[sys.argv[2]]():
    say({"name": name, "found": found})
engine.dispose()
