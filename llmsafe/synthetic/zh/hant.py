"""stub"""
from __future__ import annotations


def spell(text: str, place: str) -> str:
    return text
