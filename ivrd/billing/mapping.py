"""The mapping file: read, and checked in itself."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from ivrd import resources
from ivrd.billing.mapping_checks import problems_in
from ivrd.billing.tables import BillingMapping
from ivrd.errors import MappingError, Problem, nearest
from ivrd.toml_file import TomlFile
from ivrd.toml_model import problems_of

__all__ = ["BillingMapping", "load_mapping"]


def load_mapping(path: Path) -> BillingMapping:
    """Read a mapping file. Raises `MappingError` with every problem found in it."""
    if not path.exists() and path.parent == resources.PROFILES:
        ready = sorted(profile.stem for profile in path.parent.glob("*.toml"))
        expected = f"{' or '.join(ready)}, or a file by its name with .toml"
        what, near = f"no ready mapping {path.stem!r}", nearest(path.stem, ready)
        raise MappingError([Problem(what, expected=expected, nearest=near, rule="no-file")])
    toml = TomlFile(path, MappingError)
    try:
        mapping = BillingMapping.model_validate(toml.data)
    except ValidationError as exc:
        raise MappingError(problems_of(exc, BillingMapping, toml)) from None
    mapping.read_from(toml)
    problems = list(problems_in(mapping))
    if problems:
        raise MappingError(problems)
    return mapping
