"""What every file that passes between the parts has in common.

Every artifact carries ``schema_version``; an unknown key is an error, so a file written by a
newer version is refused rather than half understood; so is one that an older version wrote in
another form. An infinite ε is stored as ``null``: JSON has no infinity.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from llmsafe.errors import EvidenceError
from llmsafe.files import read_bytes, write_text

A = TypeVar("A", bound="Artifact")


class Record(BaseModel):
    """A frozen part of an artifact; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Artifact(Record):
    """A JSON file on disk."""

    schema_version: Literal[1] = 1

    def to_json(self) -> str:
        """Readable JSON, one trailing newline."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"

    def save(self, path: Path, *, private: bool = False) -> Path:
        """Write atomically; ``private`` for the vault."""
        return write_text(path, self.to_json(), private=private)

    @classmethod
    def load(cls: type[A], path: Path) -> A:
        """Read and validate.

        Raises:
            EvidenceError: the file is absent, no JSON, of another schema, or has unknown keys.
                The message names fields, never their values (a vault file may hold secrets).
        """
        try:
            return cls.model_validate_json(read_bytes(path))
        except OSError as error:
            raise EvidenceError(f"cannot read {path}: {error.strerror}") from error
        except ValidationError as error:
            raise EvidenceError(f"{path} {cls._fault(error)}") from error

    @classmethod
    def _fault(cls, error: ValidationError) -> str:
        """What is wrong with a file, without a word of its content."""
        found = error.errors(include_url=False)
        versions = [one["input"] for one in found if one["loc"] == ("schema_version",)]
        if versions and isinstance(versions[0], int):
            older = versions[0] < cls.model_fields["schema_version"].default
            age = "an older" if older else "a newer"
            return f"is of schema version {versions[0]}, made by {age} llmsafe; {cls._way_out()}"
        where = ".".join(str(part) for part in found[0]["loc"]) or "the file"
        return f"is no valid {cls.__name__}: {where}: {found[0]['msg']}; {cls._way_out()}"

    @classmethod
    def _way_out(cls) -> str:
        return "make it anew with this version of llmsafe"
