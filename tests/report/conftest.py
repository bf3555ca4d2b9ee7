"""Audits to render, as fixtures."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from llmsafe.artifacts import Audit


@pytest.fixture(scope="session")
def example() -> ModuleType:
    """The module of example audits beside this file."""
    return load("example")


@pytest.fixture(scope="session")
def everything() -> Audit:
    """A private run of which everything was measured."""
    example = load("example")
    return load("example_full").full(example.audit(), example, shift=0.18)


@pytest.fixture(scope="session")
def everything_leaks() -> Audit:
    """Its control without noise."""
    example, full = load("example"), load("example_full")
    return full.full(example.control(), example, shift=3.4, leak=full.MUCH)


@pytest.fixture(scope="session")
def page() -> ModuleType:
    """The module that checks pages."""
    return load("page")


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        f"report_{name}", Path(__file__).parent / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
