"""Models from strangers: nothing of theirs runs, nothing of theirs reaches the terminal raw, no licence goes unsaid."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from checkpoint_parts import update_json
from conftest import Genai, RunMain
from loopback_hub import LoopbackHub

# Python that leaves a file behind when it is run or imported.
CODE = "open({canary!r}, 'w').write('ran')\nclass Mine:\n    pass\n"
COMMANDS = {"stable_diffusion": "image", "gpt2": "text", "distilbert": "classify", "musicgen": "audio"}
Change = Callable[[Path, str], None]


@dataclass(frozen=True)
class Stranger:
    """A checkpoint with something in it that asks for code, and the file that the refusal names."""

    checkpoint: str
    change: Change
    named: str


def auto_map(file: str, **values: str) -> Change:
    """An `auto_map` in a settings file, and the code that it names beside it."""

    def change(folder: Path, code: str) -> None:
        update_json(folder / file, auto_map=values)
        (folder / "mine.py").write_text(code)

    return change


def nested_auto_map(folder: Path, code: str) -> None:
    update_json(folder / "config.json", text_config={"parts": [{"auto_map": {"AutoConfig": "mine.Mine"}}]})
    (folder / "mine.py").write_text(code)


def custom_pipeline(folder: Path, code: str) -> None:
    update_json(folder / "model_index.json", _class_name=["my_pipeline", "Mine"])
    (folder / "my_pipeline.py").write_text(code)


def code_file(name: str) -> Change:
    """A Python file that a library looks for by its name."""

    def change(folder: Path, code: str) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(code)

    return change


def custom_component(folder: Path, code: str) -> None:
    update_json(folder / "model_index.json", unet=["my_unet", "Mine"])
    (folder / "unet" / "my_unet.py").write_text(code)


def foreign_component(folder: Path, code: str) -> None:
    update_json(folder / "model_index.json", unet=["antigravity", "Mine"])


def setting(file: str, **values: object) -> Change:
    """Settings that ask for something."""
    return lambda folder, _code: update_json(folder / file, **values)


def pickled_shards(folder: Path, code: str) -> None:
    (folder / "model.safetensors").unlink()
    shards = {"weight_map": {"wte.weight": "pytorch_model.bin"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(shards))


KERNEL = "kernels-community/flash-attn2"
STRANGERS = {
    "config": Stranger("gpt2", auto_map("config.json", AutoConfig="mine.Mine"), "config.json"),
    "config of a classifier": Stranger(
        "distilbert", auto_map("config.json", AutoModelForSequenceClassification="mine.Mine"), "config.json"
    ),
    "tokenizer": Stranger(
        "gpt2", auto_map("tokenizer_config.json", AutoTokenizer="mine.Mine"), "tokenizer_config.json"
    ),
    "processor": Stranger(
        "musicgen", auto_map("preprocessor_config.json", AutoFeatureExtractor="mine.Mine"), "preprocessor_config.json"
    ),
    "part of a configuration": Stranger("gpt2", nested_auto_map, "config.json"),
    "component's config": Stranger(
        "stable_diffusion", auto_map("unet/config.json", AutoModel="mine.Mine"), "unet/config.json"
    ),
    "pipeline class": Stranger("stable_diffusion", custom_pipeline, "model_index.json"),
    "pipeline.py": Stranger("stable_diffusion", code_file("pipeline.py"), "pipeline.py"),
    "None.py": Stranger("stable_diffusion", code_file("None.py"), "None.py"),
    "component class": Stranger("stable_diffusion", custom_component, "unet/my_unet.py"),
    "component file": Stranger("stable_diffusion", code_file("vae/autoencoder.py"), "vae/autoencoder.py"),
    "component of any module": Stranger("stable_diffusion", foreign_component, "model_index.json"),
    "generate.py": Stranger("gpt2", code_file("custom_generate/generate.py"), "custom_generate/generate.py"),
    "attention kernel": Stranger("gpt2", setting("config.json", attn_implementation=KERNEL), "config.json"),
    "attention kernel by part": Stranger(
        "gpt2", setting("config.json", _attn_implementation={"": "eager", "text": KERNEL}), "config.json"
    ),
    "kernels": Stranger("gpt2", setting("config.json", use_kernels=True), "config.json"),
    "adapter": Stranger("gpt2", code_file("adapter_config.json"), "adapter_config.json"),
    "weights by name": Stranger(
        "gpt2", setting("config.json", transformers_weights="pytorch_model.bin"), "config.json"
    ),
    "pickled shards": Stranger("gpt2", pickled_shards, "model.safetensors.index.json"),
}


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """The file that appears where code of a model runs."""
    return tmp_path / "canary"


def copy_of(checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint to change."""
    return Path(shutil.copytree(checkpoint, tmp_path / "stranger"))


@pytest.fixture
def strange(request: pytest.FixtureRequest, tmp_path: Path, canary: Path) -> Callable[[Stranger], Path]:
    """The folder of a stranger."""

    def build(stranger: Stranger) -> Path:
        folder = copy_of(request.getfixturevalue(stranger.checkpoint), tmp_path)
        stranger.change(folder, CODE.format(canary=str(canary)))
        return folder

    return build


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
def test_a_folder_that_brings_code_is_refused(
    stranger: Stranger, strange: Callable[[Stranger], Path], run_main: RunMain, canary: Path
) -> None:
    folder = strange(stranger)
    before = sorted(folder.rglob("*"))
    done = run_main(COMMANDS[stranger.checkpoint], "a cat", "-m", folder, "-o", "made/")
    assert done.code == 9
    first = done.stderr.splitlines()[0]
    assert first.startswith(f"genai: error: model {folder}: {stranger.named} ")
    assert len(done.stderr.splitlines()) == 2
    assert not canary.exists()
    assert not Path("made").exists()
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("name", ["config", "tokenizer", "component's config", "pipeline class", "component class"])
def test_a_repository_that_brings_code_is_refused_before_its_weights(
    name: str, strange: Callable[[Stranger], Path], genai: Genai, hub: LoopbackHub, canary: Path
) -> None:
    stranger = STRANGERS[name]
    hub.add("owner/stranger", strange(stranger))
    done = genai(COMMANDS[stranger.checkpoint], "a cat", "-m", "owner/stranger", "-o", "made/")
    assert done.code == 9
    assert done.stderr.startswith(f"genai: error: model owner/stranger: {stranger.named} ")
    assert not [name for name in hub.fetched() if not name.endswith((".json", ".txt", ".md"))]
    assert not canary.exists()
    assert not (genai.cwd / "made").exists()


def test_a_script_that_nothing_refers_to_is_neither_fetched_nor_run(
    genai: Genai, hub: LoopbackHub, gpt2: Path, tmp_path: Path, canary: Path
) -> None:
    folder = copy_of(gpt2, tmp_path)
    for name in ("handler.py", "modeling_mine.py", "config.py"):
        (folder / name).write_text(CODE.format(canary=str(canary)))
    hub.add("owner/name", folder)
    done = genai("text", "It was", "-m", "owner/name", "--max-new-tokens", "2", "--seed", "1")
    assert done.code == 0, done.stderr
    assert not [name for name in hub.fetched() if name.endswith(".py")]
    assert not canary.exists()


def test_a_chat_template_reaches_nothing_outside_itself(
    run_main: RunMain, llama_chat: Path, tmp_path: Path, canary: Path
) -> None:
    folder = copy_of(llama_chat, tmp_path)
    (folder / "chat_template.jinja").write_text(
        "{{ cycler.__init__.__globals__.os.system('touch " + str(canary) + "') }}"
    )
    done = run_main("text", "It was", "-m", folder)
    assert done.code == 9, done.stderr
    assert "chat template" in done.stderr.splitlines()[0]
    assert not canary.exists()
