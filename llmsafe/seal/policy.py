"""``access.json``: who may open what in a folder.

A file is sealed for the keys whose role may open it and for no other: the policy is kept by
cryptography, not by good manners. The policy file is itself sealed, so that nobody who lacks a key
can add one to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from llmsafe.errors import InputError
from llmsafe.seal.keys import Key, check_id

POLICY, LOG = "access.json", "access.log"


class Role(BaseModel):
    """Key ids, and the files that they may open: patterns on paths inside the folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: list[str]
    may_open: list[str] = ["*"]


class AccessPolicy(BaseModel):
    """Roles by name. ``reason_required`` refuses to open anything without a stated reason."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    roles: dict[str, Role]
    reason_required: bool = False

    def key_ids(self) -> list[str]:
        """Every key of every role, once."""
        return list(dict.fromkeys(name for role in self.roles.values() for name in role.keys))

    def recipients(self, place: str) -> list[str]:
        """The keys that may open the file at ``place``, a path inside the folder.

        Policy and log are open to every role.
        """
        if place in (POLICY, LOG):
            return self.key_ids()
        allowed = [
            name
            for role in self.roles.values()
            if any(fnmatchcase(place, pattern) for pattern in role.may_open)
            for name in role.keys
        ]
        return list(dict.fromkeys(allowed))

    def role_of(self, key: str) -> str | None:
        """The roles of a key, as text; ``None`` where it has none."""
        return ", ".join(name for name, role in self.roles.items() if key in role.keys) or None

    def with_key(self, key: str, role: str) -> AccessPolicy:
        """With one key more, in a role that is there or new (and may then open everything)."""
        old = self.roles.get(role, Role(keys=[]))
        new = old.model_copy(update={"keys": [*(k for k in old.keys if k != key), check_id(key)]})
        return self.model_copy(update={"roles": {**self.roles, role: new}})

    def replacing(self, old: str, new: str | None) -> AccessPolicy:
        """With ``new`` in the place of ``old``, or without ``old``; roles without a key go."""
        roles: dict[str, Role] = {}
        for name, role in self.roles.items():
            keys = [new if k == old else k for k in role.keys]
            kept = list(dict.fromkeys(k for k in keys if k is not None))
            if kept:
                roles[name] = role.model_copy(update={"keys": kept})
        return self.model_copy(update={"roles": roles})


def simple_policy(key: Key, others: Iterable[str]) -> AccessPolicy:
    """The owner's key and others, who may open everything."""
    ids = list(dict.fromkeys([key.id, *map(check_id, others)]))
    return AccessPolicy(roles={"recipients": Role(keys=ids)})


def check_policy(data: Any, place: str) -> AccessPolicy:
    """A policy from JSON or YAML.

    Raises:
        InputError: an unknown field, a role without a key, an id that is none.
    """
    try:
        policy = AccessPolicy.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"{place} is no access policy: {where}: {first['msg']}") from None
    if not policy.roles or not all(role.keys for role in policy.roles.values()):
        raise InputError(f"{place}: give at least one role, and every role at least one key id")
    for name in policy.key_ids():
        check_id(name)
    return policy
