"""The one table from errors to HTTP status, and back from a problem body to the error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glasslock import errors
from glasslock.wire.api import Problem

STATUS: Final = (
    (errors.WireError, 400),
    (errors.BadSignature, 401),
    (errors.Denied, 403),
    (errors.Conflict, 409),
    (errors.VerificationError, 422),
    (errors.StateError, 409),
    (errors.StorageError, 507),
    (errors.TransportError, 502),
)


def status_of(error: errors.GlasslockError) -> int:
    """Return the HTTP status of an error; 500 for those that are never shown."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def problem_of(error: errors.GlasslockError) -> Problem:
    """Return the body that carries an error."""
    return Problem(error.slug, error.rule, str(error))


def error_of(slug: str, rule: str | None, message: str) -> errors.GlasslockError:
    """Return the error a problem body or a refused frame carries."""
    kind = _by_slug().get(slug, errors.GlasslockError)
    error = kind(message)
    error.rule = rule
    return error


def _by_slug() -> dict[str, type[errors.GlasslockError]]:
    return {kind.slug: kind for kind in _kinds(errors.GlasslockError)}


def _kinds(kind: type[errors.GlasslockError]) -> Iterator[type[errors.GlasslockError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _kinds(child)
