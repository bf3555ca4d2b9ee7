"""The files of the endpoint: hashed API keys, hashed secrets of canaries."""

from __future__ import annotations

from llmsafe.artifacts.base import Artifact, Record


class ApiKey(Record):
    """One key of the endpoint: its public ``key_id`` and the SHA-256 of the key as hex.

    A key has 256 random bits, so a plain hash cannot be searched.
    """

    key_id: str
    sha256: str
    made: str


class ApiKeys(Artifact):
    """The file of ``llmsafe serve --keys`` (0600). A key is taken back by deleting its entry."""

    keys: list[ApiKey] = []


class TripwireFile(Artifact):
    """Hashes of canary secrets: by length, BLAKE2b under ``key`` of their letters and digits.

    ``left_out`` counts planted canaries whose secret a model may say by chance.
    """

    manifest_id: str
    key: str
    digests: dict[int, list[str]]
    left_out: int = 0
