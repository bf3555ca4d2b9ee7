"""The primitives under the seal against Wycheproof's published vectors.

The vectors are not part of this project: ``WYCHEPROOF=testvectors_v1 pytest tests/seal`` reads them
from a checkout of github.com/C2SP/wycheproof. Applied are all that the format can meet: AES-GCM of
256-bit keys, 96-bit nonces and 128-bit tags, and HKDF-SHA256 of up to 32 bytes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from llmsafe.seal.segments import derive


def vectors(name: str, **sizes: int) -> list[dict[str, Any]]:
    """The tests of the groups that have these sizes (bits), bytes decoded."""
    folder = os.environ.get("WYCHEPROOF")
    if not folder:
        pytest.skip("WYCHEPROOF names no folder of test vectors")
    groups = json.loads((Path(folder) / name).read_text())["testGroups"]
    tests = [
        test
        for group in groups
        if all(group[key] == value for key, value in sizes.items())
        for test in group["tests"]
    ]
    parts = ("key", "iv", "aad", "msg", "ct", "tag", "ikm", "salt", "info", "okm")
    return [
        test | {part: bytes.fromhex(test[part]) for part in parts if part in test} for test in tests
    ]


def test_aes_gcm():
    tests = vectors("aes_gcm_test.json", keySize=256, ivSize=96, tagSize=128)
    assert {test["result"] for test in tests} == {"valid", "invalid"}
    for test in tests:
        cipher, sealed = AESGCM(test["key"]), test["ct"] + test["tag"]
        if test["result"] == "valid":
            assert cipher.decrypt(test["iv"], sealed, test["aad"]) == test["msg"]
            assert cipher.encrypt(test["iv"], test["msg"], test["aad"]) == sealed
        else:
            with pytest.raises(InvalidTag):
                cipher.decrypt(test["iv"], sealed, test["aad"])
    print(f"{len(tests)} vectors")


def test_hkdf_sha256():
    tests = [test for test in vectors("hkdf_sha256_test.json") if test["result"] == "valid"]
    assert len(tests) > 50
    for test in tests:
        made = derive(test["ikm"], test["salt"], test["info"])
        size = min(32, test["size"])
        assert made[:size] == test["okm"][:size]
    print(f"{len(tests)} vectors")
