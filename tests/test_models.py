"""What a model may be called, what kind it is, and which of its files are chosen, without any network."""

from dataclasses import replace
from pathlib import Path

import pytest
from checkpoint_parts import write_json

from genai_cli.device.placement import select_dtype
from genai_cli.errors import GenaiError, InputError, ModelError
from genai_cli.hub.card import parse_card
from genai_cli.hub.catalog import Catalog, KnownModel, ModelKind
from genai_cli.hub.fetching import ModelFiles
from genai_cli.hub.files import select_files
from genai_cli.hub.kinds import check_kind
from genai_cli.hub.names import parse_name
from genai_cli.hub.reference import ModelReference

SD = "stable-diffusion-v1-5/stable-diffusion-v1-5"
LCM = KnownModel("lcm", "owner/lcm", "", 1, 1, "mit")
# A catalog of these tests' own: the room `hub` takes whatever kinds it is given.
IMAGE = ModelKind("image", "a text-to-image model", "diffusers", known=(KnownModel("sd15", SD, "", 1, 1, "mit"), LCM))
TEXT = ModelKind(
    "text",
    "a text model",
    "transformers",
    ("ForCausalLM",),
    "CAUSAL_LM",
    (KnownModel("gpt2", "openai-community/gpt2", "", 1, 1, "mit"),),
)
CLASSIFY = ModelKind("classify", "a text classifier", "transformers", ("ForSequenceClassification",))
AUDIO = ModelKind(
    "audio", "a text-to-audio model", "transformers", ("MusicgenForConditionalGeneration",), "TEXT_TO_WAVEFORM"
)
CATALOG = Catalog.hold(IMAGE, TEXT, CLASSIFY, AUDIO)


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
    reference = parse_name(name, "image", CATALOG)
    assert (reference.id, reference.revision, reference.folder) == (repository, revision, None)


@pytest.mark.parametrize(
    "name", ["gpt", "a/b/c", "owner/..", "owner/na me", "../../x", "sd15@", "owner/n@../x", "o/n@a b"]
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(GenaiError) as raised:
        parse_name(name, "image", CATALOG)
    assert raised.value.exit_code in (2, 4)


def test_an_alias_is_not_hijacked_by_a_folder_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gpt2").mkdir()
    (tmp_path / "mine").mkdir()
    assert parse_name("gpt2", "text", CATALOG).folder is None
    assert parse_name("./gpt2", "text", CATALOG).folder == Path("gpt2")
    assert parse_name("mine", "text", CATALOG).folder == Path("mine")


def test_a_model_in_a_folder_goes_before_an_alias_that_is_no_task_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("gpt2", "lcm"):
        (tmp_path / name).mkdir()
    assert parse_name("lcm", "image", CATALOG).id == "owner/lcm"  # a folder of results, perhaps
    for name in ("gpt2", "lcm"):
        write_json(tmp_path / name / "config.json", {})
    assert parse_name("lcm", "image", CATALOG).folder == Path("lcm")
    assert parse_name("lcm@main", "image", CATALOG).id == "owner/lcm"
    assert parse_name("gpt2", "text", CATALOG).folder is None


@pytest.mark.parametrize(
    ("index", "kind"),
    [
        ({"architectures": ["Gemma3ForConditionalGeneration"]}, TEXT),
        ({"architectures": ["GPTNeoForCausalLM"]}, TEXT),
        ({"architectures": ["MusicgenForConditionalGeneration"]}, AUDIO),
        ({"architectures": ["VitsModel"]}, AUDIO),
        ({"architectures": ["RobertaForSequenceClassification"]}, CLASSIFY),
        ({"_class_name": "FluxPipeline"}, IMAGE),
        ({}, TEXT),
    ],
)
def test_models_of_the_right_kind(index: dict[str, object], kind: ModelKind) -> None:
    check_kind(index, kind, CATALOG, "m")
    check_kind(index, None, CATALOG, "m")
    for other in CATALOG.kinds if index else ():
        if other is not kind:
            with pytest.raises(InputError, match=f"not {other.words}"):
                check_kind(index, other, CATALOG, "m")


def test_the_error_says_what_the_model_is_and_which_command_takes_it() -> None:
    with pytest.raises(
        InputError, match=r"m is a text model \(LlamaForCausalLM\), not a text-to-image model"
    ) as raised:
        check_kind({"architectures": ["LlamaForCausalLM"]}, IMAGE, CATALOG, "m")
    assert raised.value.hint == "genai text takes it"
    with pytest.raises(InputError, match="a masked language model") as raised:
        check_kind({"architectures": ["BertForMaskedLM"]}, TEXT, CATALOG, "m")
    assert raised.value.hint is not None and "models list" in raised.value.hint


def test_a_fetched_model_may_turn_out_to_be_of_another_kind() -> None:
    files = ModelFiles(
        ModelReference("m"), Path(), None, "ShapEPipeline", None, frozenset(), kind=IMAGE, catalog=CATALOG
    )
    error = files.wrong_kind("a diffusers pipeline of another kind")
    assert error.message == "m is a diffusers pipeline of another kind (ShapEPipeline), not a text-to-image model"


def test_two_tasks_may_take_the_same_models() -> None:
    chat = ModelKind("chat", "a chat model", "transformers", TEXT.class_suffixes)
    for kind in (TEXT, chat):
        check_kind({"architectures": ["LlamaForCausalLM"]}, kind, Catalog.hold(TEXT, chat), "m")


def test_an_encoder_decoder_is_no_text_model() -> None:
    with pytest.raises(InputError, match="T5ForConditionalGeneration"):
        check_kind({"architectures": ["T5ForConditionalGeneration"]}, TEXT, CATALOG, "m")
    with pytest.raises(InputError, match="not a text-to-audio model"):
        check_kind({"architectures": ["SpeechT5ForTextToSpeech"]}, AUDIO, CATALOG, "m")


def test_the_built_in_models_of_a_catalog(tmp_path: Path) -> None:
    catalog = Catalog.hold(replace(TEXT, built_in=tmp_path), replace(AUDIO, built_in=tmp_path / "missing"), IMAGE)
    assert catalog.built_in_tasks() == ["text"]
    assert parse_name("tiny", "text", catalog).folder == tmp_path
    for task in ("audio", "image", None):
        with pytest.raises(ModelError, match="built"):
            parse_name("tiny", task, catalog)
    assert catalog.kind("image") is IMAGE
    assert catalog.aliases == {"gpt2": "openai-community/gpt2", "sd15": SD, "lcm": "owner/lcm"}
    assert catalog.own == {"gpt2", "sd15"}
    for name in ("lcm", "owner/lcm"):
        assert catalog.find_known(name) == (IMAGE, LCM)
    assert catalog.find_known("owner/other") is None


PIPELINE = {"_class_name": "P", "unet": ["diffusers", "U"], "scheduler": ["diffusers", "S"], "vae": [None, None]}


def read_pipeline(name: str) -> dict[str, object]:
    return {"model_index.json": PIPELINE, "unet/x.json": {}}.get(name) or {
        "weight_map": {"a": "diffusion_pytorch_model.fp16-00001-of-00002.safetensors"}
    }


def chosen(names: set[str], variant: str = "auto", wants_float32: bool = False) -> tuple[tuple[str, ...], str | None]:
    base = {"model_index.json", "scheduler/scheduler_config.json", "unet/config.json"}
    choice = select_files(base | names, read_pipeline, variant, wants_float32, frozenset())
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
        select_files({"model_index.json"}, read_pipeline, "auto", False, frozenset())


def test_the_dtype_for_each_device() -> None:
    assert select_dtype("cuda", asks_bfloat16=False)[0] == "float16"
    assert select_dtype("cuda:1", asks_bfloat16=True)[0] == "bfloat16"
    assert select_dtype("mps", asks_bfloat16=True)[0] == "float16"
    assert select_dtype("cpu", asks_bfloat16=True)[0] == "float32"


def test_a_licence_with_a_name_of_its_own_is_shown_by_it() -> None:
    card = parse_card("---\nlicense: other\nlicense_name: flux-1-dev\n---\n# a model\n")
    assert card.license == "flux-1-dev"


def test_a_card_s_sections_on_use_and_limits() -> None:
    card = parse_card(
        "---\nlicense: mit\npipeline_tag: text-generation\n---\n# Model\nIntro\n## Intended uses\nFun.\n"
        "```\n# not a heading\n```\n## Training\nLong.\n### Limitations and bias\nMany.\n"
    )
    assert (card.license, card.task) == ("mit", "text-generation")
    titles = [title for title, _ in card.sections]
    assert titles == ["Intended uses", "Limitations and bias"]
    assert "# not a heading" in card.sections[0][1]
