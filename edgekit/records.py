"""Strict typed records from TOML, shared by board profiles and ``edgekit.toml``."""

from __future__ import annotations

import tomllib
import typing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edgekit.errors import UnknownNameError, UsageError


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every record that is read from a file: immutable, and an unknown key is an error."""


RecordType = TypeVar("RecordType", bound=Record)

_LARGEST_FILE_BYTES = 1 << 20


def read_toml(path: Path, record: type[RecordType], kind: str) -> RecordType:
    """Reads ``path`` as ``record``; ``kind`` says in errors what the file is ("board profile").

    Raises UsageError naming the file and the place; an unknown key names the nearest valid one.
    """
    source = f"the {kind} {path}"
    try:
        values = tomllib.loads(_read(path, source).decode())
    except OSError as error:
        raise UsageError(f"cannot read {source}: {error.strerror}.") from error
    except ValueError as error:  # also text that is not UTF-8, and numbers of thousands of digits
        raise UsageError(f"{source} is not valid TOML: {error}.") from error
    except RecursionError as error:
        raise UsageError(f"{source} is nested too deeply.") from error
    _refuse_unknown_keys(values, record, source, "")
    try:
        return msgspec.convert(values, record)
    except msgspec.ValidationError as error:
        raise UsageError(f"{source} is not valid: {error}.") from error
    except UsageError as error:  # from a record's own check, which does not know the file
        raise UsageError(f"{source} is not valid: {error}") from error


def _read(path: Path, source: str) -> bytes:
    """The bytes of a file of a person's size; a pipe would be waited for, a device never ends."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UsageError(f"{source} is not a file.")
    with path.open("rb") as file:
        content = file.read(_LARGEST_FILE_BYTES + 1)
    if len(content) > _LARGEST_FILE_BYTES:
        raise UsageError(f"{source} is larger than {_LARGEST_FILE_BYTES:,} bytes, so it is none.")
    return content


def _refuse_unknown_keys(values: dict[str, Any], record: type[Record], source: str, prefix: str) -> None:
    fields = typing.get_type_hints(record)
    for key, value in values.items():
        place = f"{prefix}{key}"
        if key not in fields:
            raise UnknownNameError("key", key, fields, f"(at '{place}' in {source})")
        for nested, entries, nested_place in _nested_records(fields[key], value, place):
            _refuse_unknown_keys(entries, nested, source, f"{nested_place}.")


def _nested_records(hint: Any, value: Any, place: str) -> list[tuple[type[Record], dict[str, Any], str]]:
    """The records that a TOML ``value`` of type ``hint`` holds: itself, or the values of a table."""
    if not isinstance(value, dict):
        return []
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is dict:
        return [
            found
            for name, entry in value.items()
            for found in _nested_records(arguments[1], entry, f"{place}.{name}")
        ]
    candidates = [hint, *arguments]
    return [
        (candidate, value, place)
        for candidate in candidates
        if isinstance(candidate, type) and issubclass(candidate, Record)
    ]
