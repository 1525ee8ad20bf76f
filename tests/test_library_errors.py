"""What a library cannot do is the model's or the request's fault: exit 2, 4 or 7, with a remedy. Exit 1 is genai's."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from checkpoint_parts import SIZES, changed_weights, update_json, write_json
from checkpoints_classifiers import build_classifier
from conftest import Genai, RunMain, copy_of

from genai_cli.device.failures import explain_device, explain_run, find_missing_package, first_line, is_from_library
from genai_cli.errors import DeviceError, GenaiError, InputError

OWN = frozenset({"genai_cli"})


def only_sentencepiece(folder: Path) -> None:
    """T5's tokenizer as its old repositories have it, without tokenizer.json."""
    (folder / "vocab.txt").unlink()
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "T5Tokenizer"})
    (folder / "spiece.model").write_bytes(b"\x0a\x00" * 30)


def slow_sentencepiece(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "SpeechT5Tokenizer"})
    (folder / "spm_char.model").write_bytes(b"\x0a\x00" * 30)


def scheduler(name: str) -> Callable[[Path], None]:
    return lambda folder: update_json(folder / "model_index.json", scheduler=["diffusers", name])


def phonemes(folder: Path) -> None:
    update_json(folder / "tokenizer_config.json", phonemize=True)


MISSING = {
    "sentencepiece": ("distilbert", "classify", only_sentencepiece),
    "sentencepiece (slow)": ("distilbert", "classify", slow_sentencepiece),
    "torchsde": ("stable_diffusion", "image", scheduler("DPMSolverSDEScheduler")),
    "scipy": ("stable_diffusion", "image", scheduler("LMSDiscreteScheduler")),
    "phonemizer": ("vits", "audio", phonemes),
}


@pytest.mark.parametrize("case", MISSING)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    run_main: RunMain, request: pytest.FixtureRequest, tmp_path: Path, case: str
) -> None:
    package = case.partition(" ")[0]
    if find_missing_package(ModuleNotFoundError(f"No module named {package!r}", name=package)) is None:
        pytest.skip(f"{package} is installed here")
    checkpoint, task, change = MISSING[case]
    folder = copy_of(request.getfixturevalue(checkpoint), tmp_path)
    change(folder)
    done = run_main(task, "a calm day", "-m", folder, "-o", "made/")
    assert done.code == 4, done.stderr
    assert f"needs the package {package}, which is not installed" in done.stderr
    assert f"hint: pip install {package}" in done.stderr.splitlines()


def test_the_words_of_a_checkpoint_name_no_package() -> None:
    """A class name in a configuration is repeated in the text of a ValueError."""
    assert find_missing_package(ValueError("Tokenizer class `pip install evil` does not exist")) is None
    assert find_missing_package(ValueError("install it with `pip install sentencepiece`")) == "sentencepiece"
    assert find_missing_package(ImportError("X requires the Beautiful Soup library but")) == "beautifulsoup4"
    assert find_missing_package(ImportError("with pip: `pip\ninstall python-Levenshtein`")) == "python-Levenshtein"
    assert find_missing_package(ImportError("with:\n```\npip install -U scikit-learn\n```")) == "scikit-learn"
    assert find_missing_package(ModuleNotFoundError("No module named 'skimage.x'", name="skimage.x")) == "scikit-image"
    newer = ModuleNotFoundError("No module named 'torch.later'", name="torch.later")
    assert find_missing_package(newer) is None


BROKEN = {
    "tokenizer.json without its parts": lambda folder: (folder / "tokenizer.json").write_text("{}"),
    "tokenizer.json of another kind": lambda folder: update_json(folder / "tokenizer.json", model={"type": "Later"}),
    "a size that is a word": lambda folder: update_json(folder / "config.json", hidden_size="x"),
    "heads that do not divide": lambda folder: update_json(folder / "config.json", num_attention_heads=5),
    "labels that are a list": lambda folder: update_json(folder / "config.json", id2label=["a", "b"]),
    "a model that is not known": lambda folder: update_json(folder / "config.json", model_type="later"),
    "a size of other weights": lambda folder: update_json(folder / "config.json", hidden_size=64),
}


@pytest.mark.parametrize("case", BROKEN)
def test_files_that_a_library_cannot_load_are_the_models_fault(run_main: RunMain, tmp_path: Path, case: str) -> None:
    folder = build_classifier(tmp_path / "model", "Bert", **SIZES)
    BROKEN[case](folder)
    done = run_main("classify", "good", "-m", folder)
    assert done.code == 4, done.stderr
    assert f"model {folder} could not be loaded: " in done.stderr
    assert not done.stderr.splitlines()[0].endswith(":")
    assert "Traceback" not in done.stderr


def test_a_token_that_the_model_does_not_have_costs_the_item(run_main: RunMain, tmp_path: Path) -> None:
    folder = build_classifier(tmp_path / "model", "Bert", **SIZES)
    name = "bert.embeddings.word_embeddings.weight"
    with changed_weights(folder / "model.safetensors") as tensors:
        tensors[name] = tensors[name][:200].clone()
    update_json(folder / "config.json", vocab_size=200)
    done = run_main("classify", "a", "the film was good", "-m", folder, "--json")
    lines = [json.loads(line) for line in done.lines]
    assert [line["status"] for line in lines] == ["done", "failed"]
    alone = run_main("classify", "the film was good", "-m", folder)
    assert alone.code == 2
    assert "the model failed: IndexError: index out of range in self" in alone.stderr
    assert f"hint: {folder} does not take this prompt or one of its options" in alone.stderr


def raised(act: Callable[[], object]) -> Exception:
    try:
        act()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def explain(act: Callable[[], object], own: frozenset[str] = OWN) -> GenaiError:
    return explain_run(raised(act), "m", "cpu", own)


def test_a_fault_is_that_of_the_code_that_raised_it() -> None:
    shape = lambda: torch.nn.Linear(2, 3)(torch.zeros(1, 5))  # noqa: E731
    assert is_from_library(raised(shape))
    assert isinstance(explain(shape), InputError)
    mine = frozenset({__name__.partition(".")[0]})
    own = explain(lambda: {}["x"], mine)
    assert (type(own), own.exit_code) == (GenaiError, 1)
    assert "please report it" in str(own.hint)
    in_python_for_us = explain(lambda: json.loads("{"), mine)
    assert type(in_python_for_us) is GenaiError


def test_what_a_class_does_not_do_is_the_requests_fault() -> None:
    error = explain(lambda: torch.nn.Module()(torch.zeros(1)))
    assert isinstance(error, InputError)
    assert "NotImplementedError" in error.message
    assert "--scheduler" in str(error.hint)


@pytest.mark.parametrize("setting", [{"beta_schedule": "later"}, {"timestep_spacing": "later"}])
def test_a_scheduler_that_does_not_know_its_settings_is_no_bug(
    run_main: RunMain, stable_diffusion: Path, tmp_path: Path, setting: dict[str, str]
) -> None:
    folder = copy_of(stable_diffusion, tmp_path)
    update_json(folder / "scheduler" / "scheduler_config.json", **setting)
    done = run_main("image", "a cat", "-m", folder, "--steps", "2", "-o", "a.png")
    assert done.code in (2, 4), done.stderr
    assert "later" in done.stderr
    assert "please report" not in done.stderr


def test_what_torch_does_not_have_in_a_dtype_is_the_devices_fault() -> None:
    half = torch.eye(2, dtype=torch.float16)
    for act in (torch.linalg.inv, torch.linalg.qr, torch.fft.fft):
        explained = explain_device(raised(lambda act=act: act(half)), "cpu")  # type: ignore[misc]
        assert isinstance(explained, DeviceError)
        assert explained.hint == "try --dtype float32"
    apple = NotImplementedError("The operator 'aten::x' is not currently implemented for the MPS device.")
    assert str(explain_device(apple, "mps").hint) == "try --device cpu"  # type: ignore[union-attr]
    lost = explain_device(RuntimeError("CUDA error: device-side assert triggered\nmore"), "cuda")
    assert isinstance(lost, DeviceError) and lost.message == "cuda failed: CUDA error: device-side assert triggered"
    assert explain_device(RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "cpu") is None


@pytest.mark.parametrize("template", ["{{ 1 + 'a' }}", "{{ messages | sum }}", "{{ 1 / 0 }}", "{{ [] | min + 1 }}"])
def test_an_error_in_a_chat_template_is_the_templates(
    run_main: RunMain, llama_chat: Path, tmp_path: Path, template: str
) -> None:
    folder = copy_of(llama_chat, tmp_path)
    (folder / "chat_template.jinja").write_text(template)
    done = run_main("text", "It was", "-m", folder)
    assert done.code == 2, done.stderr
    assert "the model's chat template failed: " in done.stderr
    assert "--no-chat" in done.stderr


def test_a_reason_that_goes_on_in_the_next_line_is_whole() -> None:
    assert first_line(ValueError("field 'dim':\n    expected int\nmore")) == "field 'dim': expected int"
    assert first_line(ImportError("\n\n")) == "ImportError"


def test_a_broken_torch_is_named_with_a_remedy(genai: Genai, tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise OSError('libcudart.so.13: cannot open shared object file')")
    done = genai("text", "a", "-m", "tiny", env={"PYTHONPATH": str(tmp_path)})
    assert done.code == 7, done.stderr
    assert "torch cannot be imported: libcudart.so.13: cannot open shared object file" in done.stderr
    assert "hint: pip install --force-reinstall torch" in done.stderr.splitlines()


@pytest.mark.parametrize(
    ("checkpoint", "task", "file", "name"),
    [
        ("gpt2", "text", "model.safetensors", "h.0.mlp.c_fc.weight"),
        ("distilbert", "classify", "model.safetensors", "classifier.weight"),
        ("musicgen", "audio", "model.safetensors", "decoder.model.decoder.layers.0.fc1.weight"),
        ("stable_diffusion", "image", "text_encoder/model.safetensors", "fc1.weight"),
        ("stable_diffusion", "image", "unet/diffusion_pytorch_model.safetensors", "conv_in.weight"),
        ("stable_diffusion", "image", "vae/diffusion_pytorch_model.safetensors", "decoder.conv_in.weight"),
    ],
)
def test_weights_that_are_missing_are_not_made_up(
    run_main: RunMain, request: pytest.FixtureRequest, tmp_path: Path, checkpoint: str, task: str, file: str, name: str
) -> None:
    folder = copy_of(request.getfixturevalue(checkpoint), tmp_path)
    with changed_weights(folder / file) as tensors:
        del tensors[next(key for key in tensors if key.endswith(name))]
    done = run_main(task, "a calm day", "-m", folder, "-o", "made/")
    assert (done.code, done.stdout) == (4, ""), done.stderr
    assert "lacks weights of " in done.stderr
    assert name in done.stderr
