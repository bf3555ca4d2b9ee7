"""One tiny trained run for all audit tests; nobody may change its files (copy them first)."""

import importlib.util
import sys
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("audit_tiny", Path(__file__).with_name("tiny.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
tiny_module = importlib.util.module_from_spec(_SPEC)
sys.modules["audit_tiny"] = tiny_module  # dataclasses look their module up
_SPEC.loader.exec_module(tiny_module)


@pytest.fixture(scope="session")
def tiny():
    return tiny_module


@pytest.fixture(scope="session")
def world(tmp_path_factory, tiny):
    return tiny.make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def target(world):
    from llmsafe.audit.target import open_target

    return open_target(world.run, device="cpu")
