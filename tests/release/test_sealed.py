"""A sealed run: its vault stays sealed, what leaves is clear, and a failure leaves it readable."""

from __future__ import annotations

import pytest

from llmsafe.artifacts import Lineage, Release
from llmsafe.seal.keys import FILE, new_key
from llmsafe.seal.store import sealed_file


@pytest.fixture
def sealed_run(llmsafe, run, tmp_path, monkeypatch):
    key, path = new_key(), tmp_path / "keys" / "seal.key"
    path.parent.mkdir(mode=0o700)
    path.write_text(key.to_text())
    path.chmod(0o600)
    monkeypatch.setenv(FILE, str(path))
    assert llmsafe("seal", run)[0] == 0
    return run


def test_a_sealed_run_is_released_in_clear_and_its_vault_stays_sealed(
    llmsafe, sealed_run, policy, keys, monkeypatch
):
    code, _, err = llmsafe("release", sealed_run, "--policy", policy, "--key-file", keys[0])
    assert code == 0, err
    vault, out = sealed_run / "vault", sealed_run.with_name("mine-release")
    kept = [p for p in vault.rglob("*") if p.is_file()]
    assert {"scores.parquet", "release.json"} <= {p.name for p in kept}
    assert [p for p in kept if not sealed_file(p)] == []
    assert [p for p in out.rglob("*") if p.is_file() and sealed_file(p)] == []
    assert Release.load(out / "release.json").checks["access: policy and log"] == "ok"
    monkeypatch.delenv(FILE)  # the receiver has none of the keys
    assert llmsafe("verify", out, "--key", keys[1])[0] == 0


def test_a_failure_at_the_very_end_leaves_a_sealed_lineage_readable(
    llmsafe, sealed_run, policy, keys, monkeypatch
):
    import os

    before, real = Lineage.load(sealed_run / "vault" / "lineage.json"), os.replace

    def replace(source, target):
        if str(target).endswith("mine-release"):
            raise OSError(28, "No space left on device")
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", replace)
        args = ("release", sealed_run, "--policy", policy, "--key-file", keys[0])
        assert llmsafe(*args)[0] == 4
    assert Lineage.load(sealed_run / "vault" / "lineage.json") == before


def test_a_release_is_not_put_where_all_is_sealed(llmsafe, sealed_run, policy, keys):
    args = ("--policy", policy, "--key-file", keys[0], "--out", sealed_run.parent / "new")
    assert llmsafe("seal", sealed_run.parent)[0] == 0  # the folder that the run lies in
    code, _, err = llmsafe("release", sealed_run, *args)
    assert (code, "where all is sealed" in err) == (2, True), err
    assert not (sealed_run.parent / "new").exists()
