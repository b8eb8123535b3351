"""Granted databases."""

from wit_world.imports import database as contract

from .check import check
from .failure import hosted


def open(name):
    """Open a granted connection by name; `with` closes it."""
    return Connection(hosted(contract.Connection.open, check("database.open", "name", str, name)))


class Connection:
    """One connection. During `plan` only `query` works."""

    def __init__(self, connection):
        self._connection = connection

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close it; what is open then is rolled back."""
        self._connection.__exit__(None, None, None)

    def engine(self):
        """`sqlite`, `postgresql`, `mysql` or `mariadb`."""
        return self._connection.engine().name.lower()

    def version(self):
        """What the server calls itself."""
        return self._connection.version()

    def execute(self, sql, parameters=()):
        """Run one statement; the rows that it changed."""
        return hosted(self._connection.execute, sql, [_value_for(one) for one in parameters])

    def query(self, sql, parameters=()):
        """Run one statement that returns rows, each a dictionary by column."""
        answer = hosted(self._connection.query, sql, [_value_for(one) for one in parameters])
        values = [[getattr(value, "value", None) for value in row] for row in answer.rows]
        return [dict(zip(answer.columns, row)) for row in values]

    def script(self, sql):
        """Run statements as they stand in a file."""
        hosted(self._connection.script, sql)


def _value_for(value):
    if value is None:
        return contract.Value_Null()
    if isinstance(value, bool):
        return contract.Value_Boolean(value)
    if isinstance(value, int):
        return contract.Value_Integer(value)
    if isinstance(value, float):
        return contract.Value_Real(value)
    if isinstance(value, str):
        return contract.Value_Text(value)
    return contract.Value_Bytes(bytes(value))
