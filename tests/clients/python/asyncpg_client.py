"""Does what it is told with asyncpg. See ../README.md."""

import asyncio
import io
import json
import sys

import asyncpg

from talk import parameters, rows, say, told, value


def diagnosis(message):
    return {
        "sqlstate": getattr(message, "sqlstate", None),
        "severity": getattr(message, "severity", None),
        "message": getattr(message, "message", None) or str(message),
        "detail": getattr(message, "detail", None),
        "hint": getattr(message, "hint", None),
    }


class Client:
    def __init__(self, dsn):
        self.dsn = dsn
        self.notifications = asyncio.Queue()

    async def connect(self):
        self.connection = await asyncpg.connect(
            host=self.dsn["host"],
            port=self.dsn["port"],
            user=self.dsn["user"],
            password=self.dsn["password"],
            database=self.dsn["database"],
        )
        self.connection.add_log_listener(lambda _, message: say({"notice": diagnosis(message)}))

    async def query(self, op):
        return {"tag": await self.connection.execute(op["sql"])}

    async def params(self, op):
        # A statement that asyncpg does not keep: parsed, bound and executed for this once.
        statement = await self.connection.prepare(op["sql"], name="")
        found = await statement.fetch(*parameters(op["params"]))
        return {"tag": statement.get_statusmsg(), "rows": rows(found)}

    async def prepared(self, op):
        statement = await self.connection.prepare(op["sql"])
        types = [[a.name, a.type.oid] for a in statement.get_attributes()]
        runs = [rows(await statement.fetch(*parameters(run))) for run in op["runs"]]
        return {"types": types, "runs": runs}

    async def binary(self, op):
        return await self.params(op)  # asyncpg asks for binary results always

    async def pipeline(self, op):
        await self.connection.executemany(op["sql"], [parameters(run) for run in op["runs"]])
        return {}

    async def copy_out(self, op):
        data = io.BytesIO()
        tag = await self.connection.copy_from_query(op["query"], output=data)
        return {"data": value(data.getvalue().decode()), "tag": tag}

    async def copy_in(self, op):
        source = io.BytesIO(op["data"].encode())
        return {"tag": await self.connection.copy_to_table(op["table"], source=source)}

    async def cursor(self, op):
        parts, all_rows = [], []
        async with self.connection.transaction():
            cursor = await self.connection.cursor(op["sql"])
            while part := await cursor.fetch(op["fetch"]):
                parts.append(len(part))
                all_rows += rows(part)
        return {"parts": parts, "digest": value(json.dumps(all_rows).ljust(201))}

    async def transaction(self, op):
        async with self.connection.transaction():
            return {"tags": [await self.connection.execute(sql) for sql in op["statements"]]}

    async def listen(self, op):
        await self.connection.add_listener(
            op["channel"], lambda _c, *said: self.notifications.put_nowait(said)
        )
        return {}

    async def notification(self, _):
        try:
            pid, channel, payload = await asyncio.wait_for(self.notifications.get(), 5)
        except asyncio.TimeoutError:
            return {}
        return {"channel": channel, "payload": payload, "own": pid == self.connection.get_server_pid()}

    async def cancel(self, op):
        try:
            await asyncio.wait_for(self.connection.execute(op["sql"]), op["after_ms"] / 1000)
        except asyncio.TimeoutError:
            return {"error": {"sqlstate": "57014", "message": "cancelled"}}
        return {}

    async def reconnect(self, _):
        await self.connection.close()
        await self.connect()
        return {}


async def main():
    client = Client(json.loads(sys.argv[1]))
    try:
        await client.connect()
    except (asyncpg.PostgresError, OSError) as error:
        say({"connected": False, "error": diagnosis(error)})
        return
    say({"connected": True})
    lines = told()
    # Reading happens on another thread, so that the connection is served meanwhile.
    while (op := await asyncio.to_thread(next, lines, None)) is not None:
        try:
            answer = await getattr(client, op["op"])(op)
        except Exception as error:  # asyncpg fails on an empty query with an AttributeError
            answer = {"error": diagnosis(error)}
        say({"answer": answer})


asyncio.run(main())
