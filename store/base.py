"""What all tables share: ids, names of constraints, and which column type a Python type becomes."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Float, MetaData
from sqlalchemy.orm import DeclarativeBase

from store.columns import CleanJson, CleanText, Instant


def new_id(prefix: str) -> str:
    """A fresh id: a prefix that names the kind (`inc`, `apr`, `clm`, `art`, `sig`, `tok`), and 96 random bits."""
    return f"{prefix}_{secrets.token_hex(12)}"


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """A check constraint that `column` holds one of `values`."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class Base(DeclarativeBase):
    """Names of constraints are fixed, so that migrations can address them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: CleanText,
        datetime: Instant,
        int: BigInteger,
        bool: Boolean,
        float: Float,
        dict[str, Any]: CleanJson,
        list[Any]: CleanJson,
    }
