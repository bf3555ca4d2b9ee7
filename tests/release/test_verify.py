"""``llmsafe verify``: a release is what was signed, down to the last file, or it is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from safetensors.torch import load_file, save_file

from llmsafe.artifacts import Audit, Release
from llmsafe.errors import EvidenceError
from llmsafe.release import signing
from llmsafe.release.verify import verify_release, verify_served


@pytest.fixture
def copy(released, tmp_path):
    """Under another name and elsewhere, as a receiver has it."""
    return shutil.copytree(released, tmp_path / "received")


def test_a_received_release_is_what_was_signed(llmsafe, copy, keys):
    code, out, err = llmsafe("verify", copy, "--key", keys[1])
    assert code == 0, err
    assert "every file is as it was signed" in err
    assert "PASS by policy 'ward'" in out
    assert signing.read_public_key(keys[1]) in out
    code, out, _ = llmsafe("verify", copy, "--key", keys[1], "--json")
    said = json.loads(out)
    assert (said["status"], said["unit"], said["remarks"]) == ("ok", "patient", [])
    assert Release.model_validate(said["release"]) == Release.load(copy / "release.json")


def test_a_receiver_judges_by_a_policy_of_its_own(llmsafe, copy, keys, tmp_path):
    def verified(text):
        (tmp_path / "ours.yaml").write_text(f"name: ours\n{text}\n")
        return llmsafe("verify", copy, "--key", keys[1], "--policy", tmp_path / "ours.yaml")

    code, out, err = verified("max_claimed_epsilon: 1000")
    assert code == 0, err
    assert "PASS by policy 'ours'" in out
    code, out, err = verified("max_claimed_epsilon: 0.01")
    assert code == 1
    assert "FAIL by policy 'ours'" in out
    assert "at most 0.01" in err
    code, out, _ = verified("max_membership_tpr: 0.5\nrequire: [membership]")
    assert code == 3  # too few patients to tell
    (tmp_path / "bad.yaml").write_text("nonsense: 1\n")
    assert llmsafe("verify", copy, "--key", keys[1], "--policy", tmp_path / "bad.yaml")[0] == 2


def test_the_library_that_defines_the_format_agrees(copy, keys):
    """Its own program, and not ours, checks the very same file."""
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(copy),
               "--signature", str(copy / "model.sig"), "--public_key", str(keys[1])]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (copy / "README.md").write_text("mine")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap(folder, one, other):
    a, b = (folder / one).read_bytes(), (folder / other).read_bytes()
    (folder / one).write_bytes(b)
    (folder / other).write_bytes(a)


def nudge(folder):
    """A weight moved by its last bit; everything else the very same."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    first = min(tensors)
    tensors[first].view(-1).view(dtype=__import__("torch").int32)[0] ^= 1
    save_file(tensors, path, metadata={"format": "pt"})


def add(folder, name):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("x")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (nudge, "model.safetensors"),
        *(
            (lambda folder, name=name: flip(folder / name), name)
            for name in (
                "README.md", "privacy.json", "audit.json", "audit.html", "parent-audit.json",
                "parent-audit.html", "release.json", "compliance.md", "sbom.cdx.json",
                "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
            )
        ),
        *(
            (lambda folder, name=name: (folder / name).unlink(), name)
            for name in ("model.safetensors", "audit.json", "compliance.md")
        ),
        *(
            (lambda folder, name=name: add(folder, name), name)
            for name in (
                "pytorch_model.bin", ".hidden", ".gitignore", ".gitattributes", ".git/config",
                ".github/x", "sub/dir/file", "model.sig.bak", "modeling_llama.py",
            )
        ),
        (lambda f: (f / "README.md").rename(f / "README.txt"), "README.txt"),
        (lambda f: (f / "audit.json").rename(f / "AUDIT.JSON"), "AUDIT.JSON"),
        (lambda f: swap(f, "audit.json", "parent-audit.json"), "audit.json"),
        (lambda f: (f / "README.md").write_bytes(b""), "README.md"),
        (lambda f: (f / "empty").mkdir(), "empty"),
        (lambda f: (f / "model.sig").unlink(), "model.sig"),
        (lambda f: (f / "model.sig").write_text("{}"), "not what was signed"),
        (lambda f: (f / "model.sig").write_text("nonsense"), "not what was signed"),
        (lambda f: (f / "model.sig").write_bytes(b""), "not what was signed"),
    ],
)  # fmt: skip
def test_whatever_is_changed_is_refused_and_named(copy, keys, change, named):
    from llmsafe.errors import EvidenceError

    verify_release(copy, keys[1])
    change(copy)
    with pytest.raises(EvidenceError) as refused:
        verify_release(copy, keys[1])
    assert named in str(refused.value)


def test_links_are_refused(llmsafe, copy, keys, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes((copy / "README.md").read_bytes())
    (copy / "README.md").unlink()
    (copy / "README.md").symlink_to(elsewhere)  # the same bytes today
    code, _, err = llmsafe("verify", copy, "--key", keys[1])
    assert code == 3
    assert "README.md" in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("part", ["payload", "sig"])
def test_a_forged_bundle_is_refused(llmsafe, copy, keys, part):
    """The payload says other digests, or the signature is another one."""
    import base64

    path = copy / "model.sig"
    bundle = json.loads(path.read_text())
    envelope = bundle["dsseEnvelope"]
    if part == "payload":
        statement = json.loads(base64.b64decode(envelope["payload"]))
        statement["predicate"]["resources"].pop()
        envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    else:
        data = bytearray(base64.b64decode(envelope["signatures"][0]["sig"]))
        data[-1] ^= 1
        envelope["signatures"][0]["sig"] = base64.b64encode(data).decode()
    path.write_text(json.dumps(bundle))
    code, _, err = llmsafe("verify", copy, "--key", keys[1])
    assert code == 3
    assert "was changed, or was made with another key" in err


def test_a_signature_nested_without_end_is_refused(keys, tmp_path):
    (tmp_path / "model.sig").write_text("[" * 200_000)
    with pytest.raises(EvidenceError, match="no signature"):
        signing.verify(tmp_path, keys[1])


def other_key(folder):
    private, public = folder / "other.pem", folder / "other.pub"
    made = ["openssl", "ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", str(private)]
    subprocess.run(made, check=True)
    private.chmod(0o600)
    return private, signing.write_public_key(private, public)


def test_another_key_is_refused(llmsafe, copy, keys, tmp_path):
    private, public = other_key(tmp_path)
    code, _, err = llmsafe("verify", copy, "--key", public)
    assert code == 3
    assert "key" in err.lower()
    # Signed anew by a stranger it is the stranger's, and the hospital's key says so.
    (copy / "model.sig").unlink()
    signing.sign(copy, private)
    assert llmsafe("verify", copy, "--key", keys[1])[0] == 3


@pytest.mark.parametrize(
    ("key", "code", "said"),
    [("PRIVATE", 2, "no public key"), ("nowhere.pub", 2, "cannot read public key"),
     ("README.md", 2, "no public key")],
)  # fmt: skip
def test_what_is_no_key_is_wrong_input(llmsafe, copy, keys, key, code, said):
    path = keys[0] if key == "PRIVATE" else copy / key
    found, _, err = llmsafe("verify", copy, "--key", path)
    assert (found, said in err) == (code, True), err
    assert llmsafe("verify", copy / "nowhere", "--key", keys[1])[0] == 2


def resigned(folder, private, **files):
    """What someone with the key could sign by hand, past the gate."""
    for name, data in files.items():
        (folder / name.replace("_json", ".json")).write_text(json.dumps(data))
    (folder / "model.sig").unlink()
    signing.sign(folder, private)


def test_what_is_signed_must_also_belong_together(llmsafe, copy, keys):
    audit = json.loads((copy / "audit.json").read_text())
    other = audit | {"model": audit["model"] | {"weights_digest": "sha256:0"}}
    failed = audit | {"verdict": audit["verdict"] | {"status": "fail"}}
    claimed = audit | {"privacy": audit["privacy"] | {"epsilon": 0.01}}
    strict = audit | {"policy": audit["policy"] | {"max_claimed_epsilon": 1e-3}}
    for changed, said in (
        (other, "other weights"),
        (failed, "did not pass a policy"),
        (claimed, "another privacy statement"),
        (strict, "does not follow from its figures"),
    ):
        resigned(copy, keys[0], audit_json=changed)
        code, _, err = llmsafe("verify", copy, "--key", keys[1])
        assert code == 3
        assert said in err


def test_an_expired_policy_and_an_old_audit_are_told_and_not_refused(llmsafe, copy, keys):
    audit = json.loads((copy / "audit.json").read_text())
    audit["policy"]["expires"] = "2021-06-30"
    audit["measured_on"] = "2020-01-01"
    resigned(copy, keys[0], audit_json=audit)
    code, _, err = llmsafe("verify", copy, "--key", keys[1])
    assert code == 0, err
    assert "note: policy 'ward' expired on 2021-06-30" in err
    assert "days old, at most 30 are allowed: ask for a new release" in err
    found = verify_release(copy, keys[1])
    assert len(found.remarks) == 2
    assert isinstance(found.audit, Audit)


def test_a_key_with_a_passphrase_signs(released, tmp_path, monkeypatch):
    from llmsafe.errors import InputError

    plain, public = other_key(tmp_path)
    locked = tmp_path / "locked.pem"
    command = ["openssl", "ec", "-in", str(plain), "-aes256", "-passout", "pass:correct horse"]
    subprocess.run([*command, "-out", str(locked)], check=True, capture_output=True)
    locked.chmod(0o600)
    with pytest.raises(InputError, match="LLMSAFE_SIGNING_PASSPHRASE"):
        signing.check_signing_key(locked)
    monkeypatch.setenv("LLMSAFE_SIGNING_PASSPHRASE", "correct horse")
    assert signing.check_signing_key(locked) == signing.read_public_key(public)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_text("x")
    signing.sign(folder, locked)
    signing.verify(folder, public)


def test_a_release_is_served_as_it_was_signed_or_not_at_all(llmsafe, copy, keys, quiet_run, world):
    assert verify_served(str(copy), keys[1], base=None) == ()
    code, _, err = llmsafe("serve", copy)  # signed, and nobody says by whom
    assert (code, "--signed-by" in err) == (2, True), err
    code, _, err = llmsafe("serve", quiet_run, "--signed-by", keys[1])  # a run is no release
    assert (code, "no signature" in err) == (3, True), err
    assert verify_served(str(quiet_run), None, base=None) == ()
    config = copy / "config.json"
    config.write_text(config.read_text() + " ")
    code, _, err = llmsafe("serve", copy, "--signed-by", keys[1])
    assert (code, "config.json" in err) == (3, True), err
    (copy / "model.sig").unlink()  # its note still says that it was signed
    assert llmsafe("serve", copy)[0] == 2


def test_an_adapter_is_served_on_the_base_it_was_made_for(
    llmsafe, run, policy, keys, world, released
):
    assert llmsafe("release", run, "--policy", policy, "--key-file", keys[0])[0] == 0
    adapter = run.with_name("mine-release")
    assert verify_served(str(adapter), keys[1], base=str(world.base)) == ()
    args = ("serve", adapter, "--signed-by", keys[1], "--base", released)  # same shape, other words
    code, _, err = llmsafe(*args)
    assert (code, "not the one that was trained on" in err) == (3, True), err
