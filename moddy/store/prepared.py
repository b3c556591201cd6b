"""Statements that run past SQLAlchemy: each is compiled once, and then only its values change.

To have SQLAlchemy execute a statement costs several times as much as the statement itself, so
those that every request needs are prepared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

# The values of the statement's columns, in their order.
Row = tuple[Any, ...]


class Form:
    """A statement in one database's words."""

    def __init__(self, statement: Prepared, dialect: sa.Dialect) -> None:
        compiled = cast(
            "SQLCompiler",
            statement.clause.compile(dialect=dialect, column_keys=statement.writes),
        )
        self.sql = str(compiled)
        self._binds = [
            _Bind(compiled.binds[name], compiled.params[name], dialect)
            for name in compiled.positiontup or ()
        ]
        self._results: list[Callable[[Any], Any] | None] = [
            column.type.dialect_impl(dialect).result_processor(dialect, None)
            for column in statement.columns
        ]
        self._is_plain = not any(self._results)

    def bind(self, values: Mapping[str, Any]) -> Row:
        """Return the driver's values from those of the parameters, by name."""
        return tuple([bind.take(values) for bind in self._binds])

    def read(self, rows: Iterable[Sequence[Any]]) -> list[Row]:
        """Return the columns' values from the driver's."""
        if self._is_plain:
            return [tuple(row) for row in rows]
        return [
            tuple(
                [
                    value if process is None else process(value)
                    for process, value in zip(self._results, row, strict=True)
                ]
            )
            for row in rows
        ]


class _Bind:
    """A parameter: a value that the statement itself holds, or one that is given each time."""

    __slots__ = ("_constant", "_name", "_process")

    def __init__(
        self, parameter: sa.BindParameter[Any], constant: object, dialect: sa.Dialect
    ) -> None:
        self._name = parameter.key if parameter.required else None
        self._process = parameter.type.dialect_impl(dialect).bind_processor(dialect)
        if self._name is None:
            self._constant = constant if self._process is None else self._process(constant)

    def take(self, values: Mapping[str, Any]) -> object:
        """Return what the driver is given."""
        if self._name is None:
            return self._constant
        value = values[self._name]
        return value if self._process is None else self._process(value)


class Prepared:
    """A statement whose parameters are all named, without expanding ones.

    An INSERT writes the columns named in `writes`, an UPDATE sets them; their parameters have
    these names. `told_by` names columns of the result that are parameters as well: several
    executions at once are told apart by them, unless each is executed for itself.
    """

    def __init__(
        self,
        clause: ClauseElement,
        *,
        writes: Sequence[str] | None = None,
        told_by: Sequence[str] = (),
    ) -> None:
        self.clause = clause
        self.writes = None if writes is None else list(writes)
        self.columns: list[sa.ColumnElement[Any]] = list(
            getattr(clause, "exported_columns", ()) or ()
        )
        self.names = tuple(str(getattr(column, "key", "")) for column in self.columns)
        self.told_by = tuple((name, self.names.index(name)) for name in told_by)
        self._forms: dict[str, Form] = {}

    def on(self, dialect: sa.Dialect) -> Form:
        """Return it in this database's words."""
        form = self._forms.get(dialect.name)
        if form is None:
            form = self._forms[dialect.name] = Form(self, dialect)
        return form

    def tell_apart(
        self, rows: Iterable[Row], asked: Sequence[Mapping[str, Any]]
    ) -> list[list[Row]]:
        """Return the rows of each execution, from those of all and the values of each."""
        by_values: dict[Row, list[Row]] = {}
        for row in rows:
            by_values.setdefault(tuple([row[place] for _, place in self.told_by]), []).append(row)
        return [
            by_values.get(tuple([values[name] for name, _ in self.told_by]), []) for values in asked
        ]
