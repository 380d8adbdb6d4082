"""Frames that keep a model's promise: the column names, types and nulls of a Pydantic model, checked on write."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, get_args, get_origin

import dataframely as dy
import polars as pl
from pydantic import BaseModel

from data_quality.contracts.errors import OurFault

_COLUMNS: dict[type, type[dy.Column]] = {
    str: dy.String,
    int: dy.Int64,
    float: dy.Float64,
    bool: dy.Bool,
    date: dy.Date,
}


def schema_of(model: type[BaseModel]) -> type[dy.Schema]:
    """The dataframely schema of a flat model: one column a field, nullable where None is allowed."""
    columns = {name: _column(field.annotation) for name, field in model.model_fields.items()}
    return type(f"{model.__name__}Frame", (dy.Schema,), columns)


def empty(model: type[BaseModel]) -> pl.DataFrame:
    """A frame of the model's columns and types without rows."""
    return schema_of(model).create_empty()


def enforce(frame: pl.DataFrame, model: type[BaseModel]) -> pl.DataFrame:
    """The frame with exactly the model's columns, types and nulls.

    Raises OurFault naming every broken rule: a frame that breaks its contract is a bug of ours.
    """
    schema = schema_of(model)
    try:
        return schema.validate(frame, cast=True)
    except (dy.exc.ValidationError, dy.exc.SchemaError, pl.exceptions.PolarsError) as error:
        raise OurFault(f"frame breaks the contract {model.__name__}: {error}") from error


def _column(annotation: Any) -> dy.Column:
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    if type(None) in get_args(annotation):
        return _column_of(arguments[0], nullable=True)
    return _column_of(annotation, nullable=False)


def _column_of(kind: Any, *, nullable: bool) -> dy.Column:
    if kind is datetime:
        # Microseconds: the finest that PostgreSQL and DuckDB keep in a timestamp with zone.
        return dy.Datetime(nullable=nullable, time_zone="UTC", time_unit="us")
    if kind is Decimal:
        # 38 digits are the widest decimal of DuckDB and Arrow; nine of them stand behind the mark, as the quantum does.
        return dy.Decimal(precision=38, scale=9, nullable=nullable)
    if get_origin(kind) is not None or kind not in _COLUMNS:
        raise OurFault(f"a frame column cannot be {kind!r}")
    return _COLUMNS[kind](nullable=nullable)
