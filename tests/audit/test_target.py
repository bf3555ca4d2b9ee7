"""Opening a model: every kind of input, and every way in which it can be the wrong one."""

import importlib.util
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from llmsafe.artifacts import Lineage, LineageStep
from llmsafe.audit.forward import Text, encode, score_batch
from llmsafe.audit.target import open_target
from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.files import sha256_file
from llmsafe.models import load_model, load_tokenizer


@pytest.fixture
def run(world, tmp_path):
    """A copy of the run that a test may break."""
    return shutil.copytree(world.run, tmp_path / "run")


def bare_adapter(world, folder):
    folder.mkdir()
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        shutil.copy(world.run / "release" / name, folder)
    return folder


def likelihood(target, model):
    item = encode(target.tokenizer, Text("t", "t", "member", "patient seen today"), 64)
    return float(score_batch(model, [item], 0)[0].logp.sum())


def test_run_and_release_give_the_same_evidence(world):
    a, b = open_target(world.run), open_target(world.run / "release")
    assert (a.kind, b.kind) == ("run", "release")
    assert a.name == b.name == "run"
    assert a.evidence == b.evidence
    assert a.privacy == b.privacy
    assert a.evidence.split is not None
    assert a.evidence.max_tokens == 64
    assert a.unmeasured == ()
    assert a.weights_digest == b.weights_digest
    assert a.max_tokens() == 64
    assert 0 < a.adapter_parameters < a.parameters


def test_bare_adapter_says_what_it_cannot_know(world, tmp_path):
    found = open_target(bare_adapter(world, tmp_path / "mine"))
    assert (found.kind, found.name, found.privacy) == ("adapter", "mine", None)
    assert found.has_base
    assert {u.what for u in found.unmeasured} == {"privacy claim", "training evidence"}
    assert all(u.why for u in found.unmeasured)
    assert found.max_tokens() == 128  # 512, but not more than the context


def test_full_model_alone_and_with_its_base(world, tiny, tmp_path):
    merged = tmp_path / "merged"
    opened = open_target(world.run)
    opened.model.merge_and_unload().save_pretrained(merged)
    opened.tokenizer.save_pretrained(merged)
    alone = open_target(merged)
    assert (alone.kind, alone.has_base, alone.adapter_parameters) == ("model", False, None)
    with pytest.raises(EvidenceError, match="--base"), alone.base():
        pass
    both = open_target(merged, base=str(world.base))
    assert both.has_base
    adapter = open_target(world.run)
    assert likelihood(both, both.model) == pytest.approx(
        likelihood(adapter, adapter.model), abs=1e-3
    )
    with both.base() as base, adapter.base() as disabled:
        assert likelihood(both, base) == pytest.approx(likelihood(adapter, disabled), abs=1e-4)
    assert abs(likelihood(both, both.model) - likelihood(alone, base)) > 0.1


def test_no_local_path_in_what_is_published(world, tmp_path):
    described = open_target(world.run).described()
    assert str(tmp_path.parent.parent) not in described.model_dump_json()
    assert described.base == "base"


def test_base_option_replaces_the_named_base(world, tmp_path):
    adapter = bare_adapter(world, tmp_path / "adapter")
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(tmp_path / "gone")
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"gone.*--base PATH"):
        open_target(adapter)
    assert open_target(adapter, base=str(world.base)).has_base
    with pytest.raises(InputError, match=r"^--base: .*does not exist"):
        open_target(adapter, base="nowhere")
    del config["base_model_name_or_path"]
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="names no base model"):
        open_target(adapter)


def test_the_base_of_a_run_is_the_one_its_lineage_names(run, world, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where no folder is called as the public name says
    config = run / "release" / "adapter_config.json"
    public = {**json.loads(config.read_text()), "base_model_name_or_path": "clinical-base"}
    config.write_text(json.dumps(public))
    path = run / "vault" / "lineage.json"
    step = Lineage.load(path).steps[-1]
    with pytest.raises(InputError, match=r"clinical-base.*--base PATH"):
        open_target(run)
    settings = {**step.settings, "base": str(world.base)}
    Lineage(steps=[step.model_copy(update={"settings": settings})]).save(path)
    assert open_target(run).described().base == world.base.name
    copy = shutil.copytree(run / "release", tmp_path / "copy")
    with pytest.raises(InputError, match=r"clinical-base.*--base PATH"):
        open_target(copy)
    assert open_target(copy, base=str(world.base)).has_base
    # --base overrides the lineage.
    settings["base"] = str(tmp_path / "gone")
    Lineage(steps=[step.model_copy(update={"settings": settings})]).save(path)
    assert open_target(run, base=str(world.base)).has_base
    with pytest.raises(InputError, match=r"gone.*--base PATH"):
        open_target(run)


@pytest.mark.parametrize("release", ["none", "empty", "with a config"])
def test_an_unfinished_run_is_named_as_one(run, release):
    (run / "vault" / "ledger.jsonl").write_text("{}\n")
    assert open_target(run).kind == "run"
    (run / "release" / "adapter_model.safetensors").unlink()
    if release != "with a config":
        shutil.rmtree(run / "release")
    if release == "empty":
        (run / "release").mkdir()
    with pytest.raises(InputError, match=r"unfinished run: go on with --resume"):
        open_target(run)
    if release != "none":
        with pytest.raises(InputError, match=r"unfinished run"):
            open_target(run / "release")


@pytest.mark.parametrize("name", ["adapter_config.json", "split.json"])
def test_other_files_that_training_recorded_are_compared_too(run, name):
    file = run / ("vault" if name == "split.json" else "release") / name
    path = run / "vault" / "lineage.json"
    step = Lineage.load(path).steps[-1]
    outputs = {**step.outputs, file.stem: sha256_file(file)}
    audited = LineageStep(step="audit", version="0", inputs={}, outputs={})
    Lineage(steps=[step.model_copy(update={"outputs": outputs}), audited]).save(path)
    assert open_target(run).evidence.max_tokens == 64  # an audit step hides no training
    file.write_text(file.read_text() + " ")
    with pytest.raises(EvidenceError, match=rf"{name} is not the file that training wrote"):
        open_target(run)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt"])
def test_a_pickle_model_is_never_opened(world, tmp_path, name):
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(world.base / "config.json", folder)
    torch.save({"x": torch.zeros(1)}, folder / name)
    with pytest.raises(InputError, match=r"pickle.*only\s+safetensors.*convert"):
        open_target(folder)


def test_a_pickle_adapter_is_never_opened(world, tmp_path):
    folder = bare_adapter(world, tmp_path / "adapter")
    weights = load_file(folder / "adapter_model.safetensors")
    (folder / "adapter_model.safetensors").unlink()
    torch.save(weights, folder / "adapter_model.bin")
    with pytest.raises(InputError, match="pickle"):
        open_target(folder)


def test_a_pickle_that_would_run_code_does_not(world, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(world.base / "config.json", folder)
    mark = tmp_path / "ran"
    payload = f"cposix\nsystem\n(S'touch {mark}'\ntR.".encode()
    (folder / "pytorch_model.bin").write_bytes(payload)
    with pytest.raises(InputError):
        open_target(folder)
    assert not mark.exists()


def test_folders_without_a_model(world, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        open_target(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no weights.*needs"):
        open_target(tmp_path / "empty")
    with pytest.raises(InputError, match="is a file"):
        open_target(world.base / "config.json")
    with pytest.raises(InputError, match=r"cache.*HF_HUB_OFFLINE=0"):
        open_target("nobody-here/no-such-model")
    shutil.copy(world.base / "model.safetensors", tmp_path / "empty")
    with pytest.raises(InputError, match=r"config\.json"):
        open_target(tmp_path / "empty")


def test_a_folder_with_its_own_code_is_refused(world, tmp_path):
    folder = shutil.copytree(world.base, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "mine"
    config["auto_map"] = {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    mark = tmp_path / "ran"
    (folder / "mine.py").write_text(f"open({str(mark)!r}, 'w')\nclass Config: pass\n")
    with pytest.raises(InputError, match="no code of its own"):
        open_target(folder)
    assert not mark.exists()


def test_a_model_with_a_missing_tensor_is_refused(world, tmp_path):
    folder = shutil.copytree(world.base, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights.pop("model.layers.0.mlp.up_proj.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks 1 weights.*up_proj"):
        open_target(folder)


def test_an_encoder_is_no_causal_model(tmp_path):
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16,
    )  # fmt: skip
    BertModel(config).save_pretrained(tmp_path / "bert")
    with pytest.raises(InputError, match="encoder"):
        open_target(tmp_path / "bert")


def test_damaged_weights_are_one_line(world, tmp_path):
    folder = shutil.copytree(world.base, tmp_path / "model")
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError) as caught:
        open_target(folder)
    assert "\n" not in str(caught.value)


def test_a_model_without_tokenizer(world, tmp_path):
    folder = shutil.copytree(world.base, tmp_path / "model")
    for path in folder.glob("*token*"):
        path.unlink()
    with pytest.raises(InputError, match="tokenizer"):
        open_target(folder)


def test_an_adapter_of_another_base_is_refused(world, tiny, tmp_path):
    other = tmp_path / "other"
    tiny.make_model(other, vocabulary=300)
    shutil.copy(world.base / "tokenizer.json", other)
    shutil.copy(world.base / "tokenizer_config.json", other)
    with pytest.raises(EvidenceError, match="not the one that was trained on"):
        open_target(world.run, base=str(other))
    adapter = bare_adapter(world, tmp_path / "adapter")
    weights = load_file(adapter / "adapter_model.safetensors")
    first = next(iter(weights))
    save_file(
        {k: v for k, v in weights.items() if k != first}, adapter / "adapter_model.safetensors"
    )
    with pytest.raises(InputError, match="adapter tensors do not match"):
        open_target(adapter)
    weights["base_model.model.model.layers.7.mlp.up_proj.lora_A.weight"] = weights[first].clone()
    save_file(weights, adapter / "adapter_model.safetensors")
    with pytest.raises(InputError, match="adapter tensors do not match"):
        open_target(adapter)


def test_a_second_model_of_another_vocabulary_is_no_base(world, tiny, tmp_path):
    other = tmp_path / "other"
    tiny.make_model(other, vocabulary=300)
    with pytest.raises(InputError, match="300 tokens"):
        open_target(world.base, base=str(other))


def test_weights_or_claim_changed_after_training_are_noticed(run):
    statement = run / "release" / "privacy.json"
    text = statement.read_text()
    statement.write_text(text.replace('"delta": 1e-05', '"delta": 1e-09'))
    with pytest.raises(EvidenceError, match=r"privacy\.json is not the file that training wrote"):
        open_target(run)
    statement.unlink()
    with pytest.raises(EvidenceError, match=r"privacy\.json is missing"):
        open_target(run)
    statement.write_text(text)
    weights = load_file(run / "release" / "adapter_model.safetensors")
    save_file(
        {k: v * 1.01 for k, v in weights.items()}, run / "release" / "adapter_model.safetensors"
    )
    with pytest.raises(EvidenceError, match=r"adapter_model\.safetensors is not the file"):
        open_target(run)


def test_broken_evidence_is_an_error_missing_evidence_a_line(run):
    (run / "vault" / "split.json").write_text("{}")
    with pytest.raises(EvidenceError, match=r"split.json"):
        open_target(run)
    (run / "vault" / "split.json").unlink()
    (run / "vault" / "lineage.json").unlink()
    found = open_target(run)
    assert [u.doubt for u in found.unmeasured] == [None, "claim"]
    assert found.unmeasured[0].what == "lineage"
    shutil.rmtree(run / "vault")
    assert open_target(run).evidence.vault is None


def test_settings_of_a_wrong_type_are_refused(run):
    path = run / "vault" / "lineage.json"
    lineage = Lineage.load(path)
    for key, value in (("max_tokens", "64"), ("columns", {"colour": "x"})):
        step = lineage.steps[-1]
        changed = step.model_copy(update={"settings": {**step.settings, key: value}})
        Lineage(steps=[changed]).save(path)
        found = open_target(run)
        with pytest.raises(EvidenceError, match=key):
            _ = found.evidence.max_tokens, found.evidence.columns


def test_limits_of_tokens_and_devices(target):
    assert target.max_tokens(128) == 128
    for wanted in (4, 129):
        with pytest.raises(InputError, match=r"8\.\.128"):
            target.max_tokens(wanted)
    if not torch.cuda.is_available():
        with pytest.raises(SetupError, match="cpu"):
            open_target(target.release, device="cuda")


def test_cpu_computes_in_float32_whatever_is_stored(world, tmp_path):
    folder = shutil.copytree(world.base, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {k: v.bfloat16() for k, v in weights.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    assert open_target(folder).model.dtype == torch.float32
    assert open_target(folder, dtype="bfloat16").model.dtype == torch.bfloat16


QUANTISED = importlib.util.find_spec("bitsandbytes") is not None


@pytest.mark.skipif(QUANTISED, reason="bitsandbytes is there")
def test_a_quantised_model_without_its_package_says_so(world, tmp_path):
    shutil.copytree(world.base, tmp_path / "q")
    config = json.loads((tmp_path / "q" / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (tmp_path / "q" / "config.json").write_text(json.dumps(config))
    with pytest.raises(SetupError, match="bitsandbytes"):
        open_target(tmp_path / "q")


@pytest.mark.skipif(not QUANTISED, reason="no bitsandbytes")
def test_a_quantised_model_is_audited_as_it_is_stored(tmp_path):
    load_model("llmsafe:base-en", four_bit=True).save_pretrained(tmp_path / "q")
    load_tokenizer("llmsafe:base-en").save_pretrained(tmp_path / "q")
    both = open_target(tmp_path / "q", base="llmsafe:base-en")
    assert "Linear4bit" in {type(module).__name__ for module in both.model.modules()}
    with both.base() as base:
        assert likelihood(both, both.model) == pytest.approx(likelihood(both, base), rel=0.1)
        assert likelihood(both, both.model) != likelihood(both, base)
