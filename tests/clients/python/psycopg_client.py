"""Does what it is told with psycopg 3. See ../README.md."""

import json
import re
import sys
import threading

import psycopg

from talk import parameters, rows, say, told, value


def diagnosis(diag):
    return {
        "sqlstate": diag.sqlstate,
        "severity": diag.severity_nonlocalized,
        "message": diag.message_primary,
        "detail": diag.message_detail,
        "hint": diag.message_hint,
    }


def failure(error):
    if error.diag.sqlstate is None:
        return {"error": {"sqlstate": None, "severity": None, "message": str(error), "detail": None, "hint": None}}
    return {"error": diagnosis(error.diag)}


def placeholders(sql):
    return re.sub(r"\$\d+", "%s", sql.replace("%", "%%"))


class Client:
    def __init__(self, dsn):
        self.dsn = dsn
        self.connect()

    def connect(self):
        self.connection = psycopg.connect(
            host=self.dsn["host"],
            port=self.dsn["port"],
            user=self.dsn["user"],
            password=self.dsn["password"],
            dbname=self.dsn["database"],
            autocommit=True,
        )
        self.connection.add_notice_handler(lambda diag: say({"notice": diagnosis(diag)}))

    def results(self, cursor):
        """Every result of a multi-statement text."""
        results = []
        while True:
            found = rows(cursor.fetchall()) if cursor.description else []
            columns = [[c.name, c.type_code] for c in cursor.description or []]
            results.append({"tag": cursor.statusmessage, "columns": columns, "rows": found})
            if not cursor.nextset():
                return results

    def query(self, op):
        return {"results": self.results(self.connection.execute(op["sql"], prepare=False))}

    def params(self, op):
        cursor = self.connection.execute(placeholders(op["sql"]), parameters(op["params"]), prepare=False)
        return {"results": self.results(cursor)}

    def prepared(self, op):
        answers = []
        for run in op["runs"]:
            cursor = self.connection.execute(placeholders(op["sql"]), parameters(run), prepare=True)
            answers.append(self.results(cursor))
        return {"runs": answers}

    def binary(self, op):
        cursor = self.connection.cursor(binary=True)
        cursor.execute(placeholders(op["sql"]), parameters(op["params"]))
        return {"results": self.results(cursor)}

    def pipeline(self, op):
        cursors = []
        with self.connection.pipeline():
            for run in op["runs"]:
                cursors.append(self.connection.execute(placeholders(op["sql"]), parameters(run)))
        return {"runs": [self.results(cursor) for cursor in cursors]}

    def copy_out(self, op):
        with self.connection.cursor().copy(f"COPY ({op['query']}) TO STDOUT") as copy:
            return {"data": value(b"".join(bytes(part) for part in copy).decode())}

    def copy_in(self, op):
        cursor = self.connection.cursor()
        with cursor.copy(f"COPY {op['table']} FROM STDIN") as copy:
            for line in op["data"].splitlines(keepends=True):
                copy.write(line)
        return {"tag": cursor.statusmessage}

    def cursor(self, op):
        parts, all_rows = [], []
        with self.connection.transaction(), self.connection.cursor(name="parts") as cursor:
            cursor.execute(op["sql"])
            while part := cursor.fetchmany(op["fetch"]):
                parts.append(len(part))
                all_rows += rows(part)
        return {"parts": parts, "digest": value(json.dumps(all_rows).ljust(201))}

    def transaction(self, op):
        tags = []
        with self.connection.transaction():
            for sql in op["statements"]:
                tags.append(self.connection.execute(sql).statusmessage)
        return {"tags": tags}

    def listen(self, op):
        self.connection.execute(f"LISTEN {op['channel']}")
        return {}

    def notification(self, _):
        for notify in self.connection.notifies(timeout=5, stop_after=1):
            own = notify.pid == self.connection.info.backend_pid
            return {"channel": notify.channel, "payload": notify.payload, "own": own}
        return {}

    def cancel(self, op):
        timer = threading.Timer(op["after_ms"] / 1000, self.connection.cancel_safe)
        timer.start()
        try:
            return {"results": self.results(self.connection.execute(op["sql"]))}
        finally:
            timer.cancel()

    def reconnect(self, _):
        self.connection.close()
        self.connect()
        return {}


def main():
    try:
        client = Client(json.loads(sys.argv[1]))
    except psycopg.Error as error:
        say({"connected": False} | failure(error))
        return
    say({"connected": True})
    for op in told():
        try:
            answer = getattr(client, op["op"])(op)
        except psycopg.Error as error:
            answer = failure(error)
        say({"answer": answer})


main()
