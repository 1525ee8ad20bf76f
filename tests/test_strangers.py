"""Models from strangers: nothing of theirs runs, nothing of theirs reaches the terminal raw, no licence goes unsaid."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from checkpoint_parts import update_json
from conftest import Genai, RunMain, copy_of
from loopback_hub import LoopbackHub

from genai_cli.hub.license import explain_license, name_license

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


def test_no_request_leaves_while_a_model_is_loaded(run_main: RunMain) -> None:
    from huggingface_hub.errors import OfflineModeIsEnabled
    from huggingface_hub.utils import get_session

    assert run_main("text", "It was", "-m", "tiny", "--max-new-tokens", "2").code == 0
    with pytest.raises(OfflineModeIsEnabled, match="no request is made while a model is loaded"):
        get_session().get("http://127.0.0.1:9/api/models/kernels-community/x")


def test_names_that_lead_out_of_a_repository_are_no_files_of_it(
    genai: Genai, hub: LoopbackHub, stable_diffusion: Path, environment: Path, tmp_path: Path
) -> None:
    mine = environment / "mine" / "config.json"
    mine.parent.mkdir()
    mine.write_text("{}")
    folder = copy_of(stable_diffusion, tmp_path)
    out = "../" * 6 + "mine"
    update_json(folder / "model_index.json", **{out: ["diffusers", "UNet2DConditionModel"]})
    commit = hub.add("owner/stranger", folder)
    files = hub.commits["owner/stranger"][commit].files
    for name in (f"{out}/config.json", str(mine)):
        files[name] = replace(files["unet/config.json"], path=name)  # type: ignore[index]
    done = genai("models", "pull", "owner/stranger")
    assert done.code == 4
    assert "its weights are not complete" in done.stderr
    assert mine.read_text() == "{}"


# Licences


def test_the_licence_of_a_model_is_said_once(run_main: RunMain, musicgen: Path, gpt2: Path, tmp_path: Path) -> None:
    sound = ["audio", "rock", "-m", musicgen, "--duration", "0.2", "-n", "2", "-o", "made/"]
    told = run_main(*sound).stderr.splitlines()
    assert [line for line in told if "cc-by-nc-4.0" in line] == [
        f"genai: {musicgen} is under cc-by-nc-4.0, which does not allow commercial use"
    ]
    assert run_main(*sound, "-q").stderr == ""
    folder = copy_of(gpt2, tmp_path)
    (folder / "README.md").unlink()
    text = ["text", "It was", "--max-new-tokens", "2", "-m"]
    assert "states no licence: whether its results may be used is not known" in run_main(*text, folder).stderr
    assert "licence" not in run_main(*text, gpt2).stderr


def test_only_some_licences(run_main: RunMain) -> None:
    hello = ["text", "It was", "-m", "tiny", "--max-new-tokens", "2", "--require-license"]
    assert run_main(*hello, "mit,Apache-2.0").code == 0
    refused = run_main(*hello, "mit,bsd-3-clause")
    assert refused.code == 9
    assert refused.stderr.splitlines()[0] == (
        "genai: error: tiny is under apache-2.0, and only bsd-3-clause, mit may be used"
    )
    assert run_main(*hello, " , ").code == 2


@pytest.mark.parametrize(
    ("identifier", "name", "is_told"),
    [
        ("mit", None, False),
        ("apache-2.0", None, False),
        ("creativeml-openrail-m", None, False),
        ("openrail++", None, False),
        ("llama3.1", None, False),
        ("unlicense", None, False),
        (["mit", "apache-2.0"], None, False),
        ("cc-by-nc-4.0", None, True),
        ("cc-by-nc-sa-4.0", None, True),
        (["mit", "cc-by-nc-nd-3.0"], None, True),
        ("other", "flux-1-dev-non-commercial-license", True),
        ("other", "stabilityai-nc-research-community", True),
        ("other", "encore-license", False),
        ("apple-amlr", None, True),
        ("other", None, True),
        ("unknown", None, True),
        (None, None, True),
    ],
)
def test_which_licences_are_told(identifier: object, name: str | None, is_told: bool) -> None:
    assert (explain_license("m", name_license(identifier, name)) is not None) is is_told


# Control characters


ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m"


def test_names_from_a_model_drive_no_terminal(run_main: RunMain, distilbert: Path, tmp_path: Path) -> None:
    folder = copy_of(distilbert, tmp_path)
    labels = {"0": f"BAD{ESCAPES}", "1": f"GOOD{ESCAPES}"}
    update_json(folder / "config.json", id2label=labels, label2id={label: int(key) for key, label in labels.items()})
    card = f'---\nlicense: other\nlicense_name: "nc {ESCAPES!r}"\npipeline_tag: "x{ESCAPES!r}"\n---\n'
    card = card.replace("'", "") + f"## Intended uses{ESCAPES}\nNone.{ESCAPES}\n"
    (folder / "README.md").write_text(card)
    labelled = run_main("classify", "great", "-m", folder)
    shown = run_main("models", "show", folder)
    update_json(folder / "config.json", architectures=[f"{ESCAPES}ForMaskedLM"])
    wrong = run_main("classify", "great", "-m", folder, "--debug")
    update_json(folder / "config.json", auto_map={"AutoConfig": ESCAPES})
    refused = run_main("classify", "great", "-m", folder, "--debug")
    assert [done.code for done in (labelled, shown, wrong, refused)] == [0, 0, 2, 9]
    for done in (labelled, shown, wrong, refused):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", done.stdout + done.stderr)
    assert "None." in shown.stdout


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", "[" * 100_000),
        ("config.json", '{"architectures": {"a": 1}}'),
        ("config.json", '{"architectures": []'),
        ("config.json", "\udcff"),
        ("model.safetensors", "x" * 50),
        ("model.safetensors", "\xff" * 8),
    ],
)
def test_broken_files_are_the_model_s_fault(
    run_main: RunMain, gpt2: Path, tmp_path: Path, file: str, content: str
) -> None:
    folder = copy_of(gpt2, tmp_path)
    (folder / file).write_bytes(content.encode("latin-1", errors="replace"))
    done = run_main("text", "It was", "-m", folder)
    assert done.code == 4, done.stderr
    assert len(done.stderr.splitlines()) <= 2
