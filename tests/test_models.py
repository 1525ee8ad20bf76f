"""What a model may be called, what kind it is, and which of its files are chosen, without any network."""

from pathlib import Path

import pytest

from genai_cli.errors import GenaiError, InputError, ModelError
from genai_cli.model.card import parse_card
from genai_cli.model.device import select_dtype
from genai_cli.model.files import choose_files
from genai_cli.model.kinds import check_kind
from genai_cli.model.names import parse_name

SD = "stable-diffusion-v1-5/stable-diffusion-v1-5"


@pytest.mark.parametrize(
    ("name", "repository", "revision"),
    [
        ("sd15", SD, None),
        ("sd15@refs/pr/1", SD, "refs/pr/1"),
        ("runwayml/stable-diffusion-v1-5", SD, None),
        ("runwayml/stable-diffusion-v1-5@main", SD, "main"),
        ("owner/name", "owner/name", None),
        ("owner/name@v1.0", "owner/name", "v1.0"),
    ],
)
def test_names_on_the_hub(name: str, repository: str, revision: str | None) -> None:
    reference = parse_name(name, "image")
    assert (reference.id, reference.revision, reference.folder) == (repository, revision, None)


@pytest.mark.parametrize(
    "name", ["gpt", "a/b/c", "owner/..", "owner/na me", "../../x", "sd15@", "owner/n@../x", "o/n@a b"]
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(GenaiError) as raised:
        parse_name(name, "image")
    assert raised.value.exit_code in (2, 4)


def test_an_alias_is_not_hijacked_by_a_folder_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gpt2").mkdir()
    (tmp_path / "mine").mkdir()
    assert parse_name("gpt2", "text").folder is None
    assert parse_name("./gpt2", "text").folder == Path("gpt2")
    assert parse_name("mine", "text").folder == Path("mine")


@pytest.mark.parametrize(
    ("index", "task"),
    [
        ({"architectures": ["Gemma3ForConditionalGeneration"]}, "text"),
        ({"architectures": ["MusicgenForConditionalGeneration"]}, "audio"),
        ({"architectures": ["VitsModel"]}, "audio"),
        ({"architectures": ["RobertaForSequenceClassification"]}, "classify"),
        ({"_class_name": "FluxPipeline"}, "image"),
        ({}, "text"),
    ],
)
def test_models_of_the_right_kind(index: dict[str, object], task: str) -> None:
    check_kind(index, task, "m")
    others = {"text", "classify", "audio", "image"} - {task}
    for other in others if index else ():
        with pytest.raises(InputError):
            check_kind(index, other, "m")


def test_an_encoder_decoder_is_no_text_model() -> None:
    with pytest.raises(InputError, match="T5ForConditionalGeneration"):
        check_kind({"architectures": ["T5ForConditionalGeneration"]}, "text", "m")
    with pytest.raises(InputError, match="vocoder"):
        check_kind({"architectures": ["SpeechT5ForTextToSpeech"]}, "audio", "m")


PIPELINE = {"_class_name": "P", "unet": ["diffusers", "U"], "scheduler": ["diffusers", "S"], "vae": [None, None]}


def read_pipeline(name: str) -> dict[str, object]:
    return {"model_index.json": PIPELINE, "unet/x.json": {}}.get(name) or {
        "weight_map": {"a": "diffusion_pytorch_model.fp16-00001-of-00002.safetensors"}
    }


def chosen(names: set[str], variant: str = "auto", wants_float32: bool = False) -> tuple[tuple[str, ...], str | None]:
    base = {"model_index.json", "scheduler/scheduler_config.json", "unet/config.json"}
    choice = choose_files(base | names, read_pipeline, variant, wants_float32, frozenset())
    return tuple(name for name in choice.files if "safetensors" in name), choice.variant


PLAIN, HALF = "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors"
SHARD = "unet/diffusion_pytorch_model.fp16-00001-of-00002.safetensors"


def test_the_variant_that_is_chosen() -> None:
    assert chosen({PLAIN, HALF}) == ((HALF,), "fp16")
    assert chosen({PLAIN, HALF}, wants_float32=True) == ((PLAIN,), None)
    assert chosen({HALF}, wants_float32=True) == ((HALF,), "fp16")
    assert chosen({PLAIN}) == ((PLAIN,), None)
    assert chosen({PLAIN, HALF}, variant="none") == ((PLAIN,), None)
    with pytest.raises(ModelError):
        chosen({PLAIN}, variant="fp16")


@pytest.mark.parametrize("index", ["model.safetensors.index.fp16.json", "model.fp16.safetensors.index.json"])
def test_shards_of_a_variant_in_both_spellings(index: str) -> None:
    index = f"unet/diffusion_pytorch_{index}"
    assert chosen({SHARD, index}) == ((index, SHARD), "fp16")
    with pytest.raises(ModelError):
        chosen({index})


def test_components_without_a_library_are_left_out() -> None:
    with pytest.raises(ModelError, match="not complete"):
        choose_files({"model_index.json"}, read_pipeline, "auto", False, frozenset())


def test_the_dtype_for_each_device() -> None:
    assert select_dtype("cuda", asks_bfloat16=False)[0] == "float16"
    assert select_dtype("cuda:1", asks_bfloat16=True)[0] == "bfloat16"
    assert select_dtype("mps", asks_bfloat16=True)[0] == "float16"
    assert select_dtype("cpu", asks_bfloat16=True)[0] in ("float32", "bfloat16")


def test_a_card_s_sections_on_use_and_limits() -> None:
    card = parse_card(
        "---\nlicense: mit\npipeline_tag: text-generation\n---\n# Model\nIntro\n## Intended uses\nFun.\n"
        "```\n# not a heading\n```\n## Training\nLong.\n### Limitations and bias\nMany.\n"
    )
    assert (card.license, card.task) == ("mit", "text-generation")
    titles = [title for title, _ in card.sections]
    assert titles == ["Intended uses", "Limitations and bias"]
    assert "# not a heading" in card.sections[0][1]
