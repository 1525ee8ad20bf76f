"""genai image --lora, --embedding, --weights and --clip-skip, on checkpoints in the layouts of SD and SDXL."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from adapter_files import merge_kohya, write_kohya, write_peft
from conftest import Build, Genai, RunMain, copy_of, write_rows
from loopback_hub import LoopbackHub
from PIL import Image
from readers import pixels, png_texts, record_of
from safetensors.torch import load_file, save_file

from genai_cli.errors import ModelError, RefusedError
from genai_cli.hub.hashes import hash_file

QUICK = ["--steps", "2", "--seed", "1", "--dtype", "float32", "--variant", "none", "--no-safety"]


@pytest.fixture(scope="module")
def xl(build: Build) -> Path:
    """SDXL whose two text encoders have different widths."""
    return build("sdxl", second=48)


@pytest.fixture(scope="module")
def loras(stable_diffusion: Path, xl: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of LoRAs and embeddings for both."""
    place = tmp_path_factory.mktemp("loras")
    write_kohya(stable_diffusion, place / "kohya.safetensors")
    write_peft(stable_diffusion, place / "peft.safetensors")
    write_kohya(stable_diffusion, place / "locon.safetensors", rank=2, convolutions=True)
    write_kohya(stable_diffusion, place / "dora.safetensors", dora=True)
    write_kohya(xl, place / "xl.safetensors")
    torch.manual_seed(0)
    save_file({"<cat>": torch.randn(32)}, place / "word.safetensors")
    save_file({"emb_params": torch.randn(3, 32)}, place / "ThreeOf.safetensors")
    save_file({"clip_l": torch.randn(2, 32), "clip_g": torch.randn(2, 48)}, place / "pair.safetensors")
    return place


def draw(run_main: RunMain, model: Path, prompt: str, *options: object) -> "torch.Tensor":
    """The pixels that a command makes."""
    name = f"{len(list(Path().iterdir()))}.png"
    done = run_main("image", prompt, "-m", model, *QUICK, *map(str, options), "-o", name)
    assert (done.code, done.stderr) == (0, ""), done.stderr
    return torch.from_numpy(pixels(Path(name)).astype("int16"))


def differ(one: torch.Tensor, other: torch.Tensor) -> int:
    """The largest difference of two pictures."""
    return int((one - other).abs().max())


@pytest.mark.parametrize("kind", ["stable_diffusion", "xl"])
def test_a_lora_adds_what_it_is_defined_to_add(
    run_main: RunMain, stable_diffusion: Path, xl: Path, loras: Path, tmp_path: Path, kind: str
) -> None:
    model, file = (xl, "xl") if kind == "xl" else (stable_diffusion, "kohya")
    plain = draw(run_main, model, "a cat")
    made = draw(run_main, model, "a cat", "--lora", f"{loras / file}.safetensors=0.8")
    assert differ(made, plain) > 10
    merged = copy_of(model, tmp_path)
    merge_kohya(merged, loras / f"{file}.safetensors", 0.8)
    assert differ(made, draw(run_main, merged, "a cat")) <= 2


def test_both_layouts_are_the_same_and_every_part_counts(
    run_main: RunMain, stable_diffusion: Path, loras: Path
) -> None:
    kohya = draw(run_main, stable_diffusion, "a cat", "--lora", loras / "kohya.safetensors")
    assert differ(kohya, draw(run_main, stable_diffusion, "a cat", "--lora", loras / "peft.safetensors")) <= 1
    tensors = load_file(loras / "kohya.safetensors")
    for part in ("lora_te_", "lora_unet_"):
        save_file({name: it for name, it in tensors.items() if name.startswith(part)}, f"{part}.safetensors")
        alone = draw(run_main, stable_diffusion, "a cat", "--lora", f"{part}.safetensors")
        assert differ(alone, kohya) > 5, part
    done = run_main("image", "a cat", "-m", stable_diffusion, *QUICK, "--lora", loras / "dora.safetensors", "-v")
    assert "LoRA dora.safetensors, a DoRA" in done.stderr
    for name in ("dora", "locon"):
        assert differ(kohya, draw(run_main, stable_diffusion, "a cat", "--lora", loras / f"{name}.safetensors")) > 5


def test_loras_of_rows_change_and_go_without_loading_again(
    run_main: RunMain, stable_diffusion: Path, loras: Path
) -> None:
    shutil.copy(loras / "kohya.safetensors", "a.safetensors")
    shutil.copy(loras / "locon.safetensors", "b.safetensors")
    rows: list[dict[str, object]] = [
        {"lora": ["a.safetensors=0.5", "b.safetensors"]},
        {},
        {"lora": "b.safetensors=0.2"},
        {"lora": ["a.safetensors=0.5", "b.safetensors"]},
        {"lora": [f"{loras / 'dora.safetensors'}"]},
        {},
    ]
    write_rows(Path("rows.jsonl"), [{"prompt": "a cat", **row} for row in rows])
    done = run_main("image", "--prompts", "rows.jsonl", "-m", stable_diffusion, *QUICK, "-o", "{index}.png", "-v")
    assert done.code == 0, done.stderr
    assert done.stderr.count("loaded in") == 1
    made = [torch.from_numpy(pixels(Path(f"{number}.png")).astype("int16")) for number in range(6)]
    two = ["--lora", "a.safetensors=0.5", "--lora", "b.safetensors"]
    for number, options in ((0, two), (1, []), (2, ["--lora", "b.safetensors=0.2"])):
        assert differ(made[number], draw(run_main, stable_diffusion, "a cat", *options)) == 0, number
    # Equal requests get other seeds: here they were given one, counted on.
    assert record_of(Path("3.png"))["adapters"] == record_of(Path("0.png"))["adapters"]
    stated = record_of(Path("0.png"))["adapters"]["lora"]
    assert [(one["name"], one["weight"]) for one in stated] == [("a.safetensors", 0.5), ("b.safetensors", 1.0)]
    assert stated[0]["sha256"] == hash_file(Path("a.safetensors"))
    again = run_main("image", "--prompts", "rows.jsonl", "-m", stable_diffusion, *QUICK, "-o", "{index}.png")
    assert "6 done earlier" in again.stderr, again.stderr


def test_two_loras_and_weights_verify(run_main: RunMain, stable_diffusion: Path, loras: Path) -> None:
    tags = "a (cat:1.3) BREAK <lora:locon:0.4> on ((mars))"
    lora = ["--lora", f"{loras / 'kohya.safetensors'}=0.5", "--lora-dir", loras, "--weights"]
    draw(run_main, stable_diffusion, tags, *lora, "--negative-prompt", "[fog]")
    record = record_of(Path("0.png"))
    assert [one["name"] for one in record["adapters"]["lora"]] == ["kohya.safetensors", "locon.safetensors"]
    assert (record["prompt"], record["parameters"]["weights"]) == (tags, True)
    lost = run_main("rerun", "--verify", "0.png")
    assert (lost.code, "--lora" in lost.stderr) == (2, True), lost.stderr
    options = ["--lora-dir", loras, "--dtype", "float32", "--variant", "none"]
    done = run_main("rerun", "--verify", "0.png", *options)
    assert (done.code, done.stdout) == (0, "0.png: the same\n"), done.stderr
    hashes = f'Lora hashes: "kohya: {record["adapters"]["lora"][0]["autov3"]}, locon: '
    text = png_texts(Path("0.png"))["parameters"]
    assert text.startswith(f"{tags} <lora:kohya:0.5>\nNegative prompt: [fog]\n")
    assert hashes in text


def test_an_edit_of_a_part_with_two_loras_and_weights_verifies(
    run_main: RunMain, stable_diffusion: Path, loras: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 32:] = 255
    Image.fromarray(noise).save("photo.png")
    Image.fromarray(mask).save("mask.png")
    edit = ["edit", "photo.png", "a (red:1.4) cat", "-m", stable_diffusion, "--mask", "mask.png", *QUICK, "--weights"]
    two = ["--lora", f"{loras / 'kohya.safetensors'}=0.8", "--lora", f"{loras / 'locon.safetensors'}=0.5"]
    for name, options in {"plain.png": [], "made.png": two}.items():
        done = run_main(*edit, *options, "-o", name)
        assert done.code == 0, done.stderr
    plain, made = pixels(Path("plain.png")).astype(int), pixels(Path("made.png")).astype(int)
    assert (made[:, :32] == noise[:, :32]).all()
    assert np.abs(made - plain)[:, 32:].max() > 10
    done = run_main("rerun", "made.png", "--verify", "--lora-dir", loras)
    assert done.code == 0, done.stderr


def test_what_does_not_fit_is_said_and_never_half_used(run_main: RunMain, stable_diffusion: Path, loras: Path) -> None:
    done = run_main("image", "a cat", "-m", stable_diffusion, *QUICK, "--lora", loras / "xl.safetensors", "-o", "x.png")
    assert (done.code, done.stdout) == (2, "")
    assert f"xl.safetensors does not fit {stable_diffusion}" in done.stderr
    zeros, others = torch.zeros(4, 4), torch.zeros(4, 4)
    save_file(
        {"lora_unet_no_such.lora_down.weight": zeros, "lora_unet_no_such.lora_up.weight": others}, "none.safetensors"
    )
    done = run_main("image", "a cat", "-m", stable_diffusion, *QUICK, "--lora", "none.safetensors")
    assert (done.code, "none of its 2 keys" in done.stderr) == (2, True), done.stderr
    save_file({"lora_unet_mid_block_attentions_0_proj_in.hada_w1_a": zeros}, "loha.safetensors")
    done = run_main("image", "a cat", "-m", stable_diffusion, *QUICK, "--lora", "loha.safetensors")
    assert (done.code, "a LoHa" in done.stderr) == (2, True), done.stderr
    more = load_file(loras / "kohya.safetensors") | {"lora_unet_no_such.lora_down.weight": zeros}
    save_file(more, "more.safetensors")
    done = run_main("image", "a cat", "-m", stable_diffusion, *QUICK, "--lora", "more.safetensors", "-o", "x.png")
    assert done.code == 0
    assert f"1 of {len(more)} keys are not used: lora_unet_no_such.lora_down.weight" in done.stderr
    for name in (loras / "word.safetensors", "none", "loras/none.safetensors", f"{loras / 'kohya.safetensors'}=x"):
        assert run_main("image", "a cat", "-m", stable_diffusion, *QUICK, "--lora", name).code == 2, name
    torch.save(more, "pickle.safetensors")
    assert run_main("image", "a cat", "-m", stable_diffusion, *QUICK, "--lora", "pickle.safetensors").code == 9
    assert run_main("image", "a cat", "-m", "tiny", "--lora", loras / "kohya.safetensors").code == 2


def test_a_lora_from_the_hub(
    genai: Genai, hub: LoopbackHub, stable_diffusion: Path, loras: Path, tmp_path: Path
) -> None:
    """By its usual name, by a file's, and without a network afterwards; what is not clear is asked back."""
    folder = tmp_path / "repository"
    (folder / "more").mkdir(parents=True)
    shutil.copy(loras / "kohya.safetensors", folder / "pytorch_lora_weights.safetensors")
    shutil.copy(loras / "peft.safetensors", folder / "more" / "peft.safetensors")
    commit = hub.add("owner/style", folder)
    rows = [{"prompt": "a cat", "lora": name} for name in ("owner/style=0.5", "owner/style:more/peft.safetensors=0.5")]
    write_rows(genai.cwd / "rows.jsonl", rows)
    options = ["-m", stable_diffusion, *QUICK, "--keep", "off", "-o", "{index}.png"]
    done = genai("image", "--prompts", "rows.jsonl", *options)
    assert done.code == 0, done.stderr
    made = [torch.from_numpy(pixels(genai.cwd / f"{number}.png").astype("int16")) for number in range(2)]
    assert differ(made[0], made[1]) <= 1
    first, second = (record_of(genai.cwd / f"{number}.png")["adapters"]["lora"][0] for number in range(2))
    assert (first["name"], first["revision"], first["weight"]) == ("owner/style", commit, 0.5)
    assert second["name"] == "owner/style:more/peft.safetensors"
    hub.requests.clear()
    done = genai("rerun", "--verify", "1.png", "--offline", "--dtype", "float32", "--variant", "none", "--keep", "off")
    assert (done.code, done.stdout, hub.requests) == (0, "1.png: the same\n", []), done.stderr


def test_which_file_of_a_repository_is_meant() -> None:
    from genai_cli.hub.adapters import choose_file
    from genai_cli.request.adapter import Lora

    lora = Lora(wanted="owner/name", name="owner/name")
    names = ["README.md", "pytorch_lora_weights.safetensors", "other.safetensors"]
    assert choose_file(lora, "", names) == "pytorch_lora_weights.safetensors"
    assert choose_file(lora, "other.safetensors", names) == "other.safetensors"
    assert choose_file(lora, "", ["a.safetensors", "b.bin"]) == "a.safetensors"
    with pytest.raises(ModelError, match="2 files"):
        choose_file(lora, "", ["a.safetensors", "b.safetensors"])
    with pytest.raises(ModelError, match="no file c"):
        choose_file(lora, "c.safetensors", names)
    for file, listed in (("a.bin", ["a.bin"]), ("", ["pytorch_lora_weights.bin"])):
        with pytest.raises(RefusedError):
            choose_file(lora, file, listed)


def test_embeddings(run_main: RunMain, stable_diffusion: Path, xl: Path, loras: Path) -> None:
    word, three = ["--embedding", loras / "word.safetensors"], ["--embedding", loras / "ThreeOf.safetensors"]
    plain = draw(run_main, stable_diffusion, "a <cat>")
    assert differ(plain, draw(run_main, stable_diffusion, "a <cat>", *word)) > 5
    assert differ(plain, draw(run_main, stable_diffusion, "a <cat>", *three)) == 0  # whose word is not in the prompt
    other = draw(run_main, stable_diffusion, "a dog9", "--embedding", f"{loras / 'word.safetensors'}=dog9")
    assert differ(other, draw(run_main, stable_diffusion, "a <cat>", *word)) == 0
    weighted = draw(run_main, stable_diffusion, "a <cat>", *word, "--weights")
    assert differ(weighted, draw(run_main, stable_diffusion, "a <cat>", *word)) == 0
    negative = ["--negative-prompt", "ThreeOf", *three]
    made = draw(run_main, stable_diffusion, "a cat", *negative)
    assert differ(made, draw(run_main, stable_diffusion, "a cat", *negative[:2])) > 5
    assert 'TI hashes: "ThreeOf: ' in png_texts(Path(f"{len(list(Path().iterdir())) - 2}.png"))["parameters"]
    assert differ(draw(run_main, xl, "pair"), draw(run_main, xl, "pair", "--embedding", loras / "pair.safetensors")) > 5
    done = run_main("image", "a", "-m", xl, *QUICK, *word)
    assert (done.code, "32 features, not 32 and 48" in done.stderr) == (2, True), done.stderr
    done = run_main("image", "a", "-m", stable_diffusion, *QUICK, "--embedding", f"{loras / 'word.safetensors'}=a</w>")
    assert (done.code, "has a meaning already" in done.stderr) == (2, True), done.stderr
    rows = [{"prompt": "a <cat>", "embedding": f"{loras / 'word.safetensors'}"}, {"prompt": "a <cat>"}]
    write_rows(Path("rows.jsonl"), rows)
    assert run_main("image", "--prompts", "rows.jsonl", "-m", stable_diffusion, *QUICK, "-o", "r{index}.png").code == 0
    assert differ(torch.from_numpy(pixels(Path("r1.png")).astype("int16")), plain) == 0


def test_plain_words_are_the_same_with_weights(run_main: RunMain, stable_diffusion: Path, xl: Path) -> None:
    for model in (stable_diffusion, xl):
        plain = draw(run_main, model, "a cat", "--negative-prompt", "fog")
        assert differ(plain, draw(run_main, model, "a cat", "--negative-prompt", "fog", "--weights")) == 0
        assert differ(plain, draw(run_main, model, "a (cat:1.5)", "--negative-prompt", "fog", "--weights")) > 2
        assert differ(plain, draw(run_main, model, "a cat", "--negative-prompt", "(fog:2)", "--weights")) > 2
        skipped = ["a cat", "--negative-prompt", "fog", "--clip-skip", "2" if model == stable_diffusion else "1"]
        assert differ(draw(run_main, model, *skipped), plain) > 2
        assert differ(draw(run_main, model, *skipped), draw(run_main, model, *skipped, "--weights")) == 0
    assert (
        differ(draw(run_main, stable_diffusion, "a cat", "--clip-skip", "1"), draw(run_main, stable_diffusion, "a cat"))
        == 0
    )
    long = "cat " * 100
    assert (
        differ(
            draw(run_main, stable_diffusion, f"{long}horse", "--weights"),
            draw(run_main, stable_diffusion, long, "--weights"),
        )
        > 0
    )


def test_prompts_that_are_not_read_are_said(run_main: RunMain, stable_diffusion: Path, flow_pipeline: Path) -> None:
    done = run_main("image", "a (cat:1.3)", "-m", stable_diffusion, *QUICK, "-o", "x.png")
    assert (done.code, "--weights" in done.stderr) == (0, True)
    quiet = run_main("image", "a cat (with fog)", "-m", stable_diffusion, *QUICK, "-o", "x.png")
    assert quiet.stderr == ""
    for prompt in ("a [cat:dog:0.5]", "a [cat|dog]", "a (cat:x)", "<lora:none:0.5>"):
        done = run_main("image", prompt, "-m", stable_diffusion, *QUICK, "--weights")
        expected = 0 if prompt == "a (cat:x)" else 2
        assert done.code == expected, prompt
    done = run_main("image", "a cat AND a dog", "-m", stable_diffusion, *QUICK, "--weights")
    assert (done.code, "joins several with AND" in done.stderr) == (2, True), done.stderr
    for options in (["--weights"], ["--clip-skip", "2"]):
        done = run_main("image", "a cat", "-m", flow_pipeline, "--steps", "1", "--size", "64x64", *options)
        assert (done.code, options[0] in done.stderr) == (2, True), done.stderr
    done = run_main("image", "a cat", "-m", stable_diffusion, *QUICK, "--clip-skip", "9")
    assert (done.code, "1 to 2" in done.stderr) == (2, True)


PROMPTS: dict[str, Sequence[tuple[str, float]]] = {
    "a cat": [("a cat", 1.0)],
    "a (cat)": [("a ", 1.0), ("cat", 1.1)],
    "a ((cat))": [("a ", 1.0), ("cat", 1.21)],
    "a [cat]": [("a ", 1.0), ("cat", 0.909)],
    "a (cat:1.3) on mars": [("a ", 1.0), ("cat", 1.3), (" on mars", 1.0)],
    "(a (cat:2):0.5)": [("a ", 0.5), ("cat", 1.0)],
    "a \\(cat\\)": [("a (cat)", 1.0)],
    "a (cat": [("a ", 1.0), ("cat", 1.1)],
    "a cat)": [("a cat)", 1.0)],
    "a: b": [("a: b", 1.0)],
    "a BREAK b": [("a", 1.0), ("", 1.0), ("b", 1.0)],
    "(a BREAK b:1.2)": [("a", 1.2), ("", 1.0), ("b", 1.2)],
    "BREAKFAST": [("BREAKFAST", 1.0)],
    "SAND and LAND": [("SAND and LAND", 1.0)],
    "a <lora:x:0.5> b": [("a b", 1.0)],
    "": [],
}


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_form_of_weighted_prompts(prompt: str) -> None:
    from genai_cli.modality.diffusion.weighted_prompts import parse_weighted

    found = [(piece.text, round(piece.weight, 3)) for piece in parse_weighted(prompt)]
    assert found == list(PROMPTS[prompt])


def test_names_of_sgms_unet(xl: Path) -> None:
    """kohya's files for SDXL name the blocks by running numbers: 3 of 2 layers, where the real one has 9 of 3."""
    from types import SimpleNamespace

    from genai_cli.device.loras import name_from_sgm

    pipeline = SimpleNamespace(unet=SimpleNamespace(config=SimpleNamespace(layers_per_block=2)))
    names = {
        "input_blocks_4_1_transformer_blocks_0_ff": "down_blocks_1_attentions_0_transformer_blocks_0_ff",
        "input_blocks_1_0_in_layers_2": "down_blocks_0_resnets_0_conv1",
        "input_blocks_3_0_op": "down_blocks_0_downsamplers_0_conv",
        "middle_block_1_proj_in": "mid_block_attentions_0_proj_in",
        "middle_block_2_out_layers_3": "mid_block_resnets_1_conv2",
        "output_blocks_5_1_proj_out": "up_blocks_1_attentions_2_proj_out",
        "output_blocks_2_2_conv": "up_blocks_0_upsamplers_0_conv",
        "output_blocks_8_0_skip_connection": "up_blocks_2_resnets_2_conv_shortcut",
        "label_emb_0_2": "add_embedding_linear_2",
        "down_blocks_1_attentions_0_proj_in": "down_blocks_1_attentions_0_proj_in",
    }
    for sgm, expected in names.items():
        assert name_from_sgm(pipeline, f"lora_unet_{sgm}") == f"lora_unet_{expected}"


def test_a_row_may_name_them_as_a_list_or_a_text(loras: Path) -> None:
    from genai_cli.modality.image import ImageRequest

    name = str(loras / "kohya.safetensors")
    one = ImageRequest.from_fields({"prompt": "a", "model": "m", "lora": f"{name}=0.5"})
    several = ImageRequest.from_fields({"prompt": "a", "model": "m", "lora": [f"{name}=0.5"]})
    bare = ImageRequest.from_fields({"prompt": "a", "model": "m", "lora": "kohya=0.5", "lora_dir": str(loras)})
    assert one.lora == several.lora == bare.lora
    assert json.dumps(one.parameters()) == json.dumps(ImageRequest(prompt="a", model="m").parameters())


def test_fast_knows_loras_for_few_steps(run_main: RunMain, stable_diffusion: Path, loras: Path) -> None:
    from genai_cli.modality.diffusion.distilled import find_distilled
    from genai_cli.request.adapter import Lora

    shutil.copy(loras / "kohya.safetensors", "lcm-lora-sdv1-5.safetensors")
    options = ["--seed", "1", "--dtype", "float32", "--variant", "none", "--no-safety", "--fast", "-o", "x.png"]
    lora = ["--lora", "lcm-lora-sdv1-5.safetensors"]
    done = run_main("image", "a cat", "-m", stable_diffusion, *options, *lora)
    assert done.code == 0, done.stderr
    assert "--fast with lcm-lora-sdv1-5.safetensors (LCM): scheduler lcm, 4 steps, guidance 1" in done.stderr
    parameters = record_of(Path("x.png"))["parameters"]
    assert [parameters[name] for name in ("scheduler", "num_inference_steps", "guidance_scale")] == ["lcm", 4, 1.0]
    names = {
        "Hyper-SD15-8steps-CFG-lora": ("ddim-trailing", 8),
        "ByteDance/SDXL-Lightning:sdxl_lightning_2step_lora.safetensors": ("euler-trailing", 2),
        "sd_xl_turbo_lora_v1": ("euler-trailing", 4),
        "latent-consistency/lcm-lora-sdxl": ("lcm", 4),
    }
    for name, expected in names.items():
        found = find_distilled([Lora(name=name)])
        assert found and (found.kind.scheduler, found.kind.steps) == expected, name
    assert find_distilled([Lora(name="detail"), Lora(name="falcmon"), Lora(name="hyperrealism")]) is None


def test_fast_knows_loras_by_their_cards(
    genai: Genai, hub: LoopbackHub, stable_diffusion: Path, loras: Path, tmp_path: Path
) -> None:
    """Of the same commit as the weights, and without a network once they are here; prose tells nothing."""
    cards = (
        "---\ntags:\n- lora\n- sdxl-lightning\n- 2 steps\n---\nTrained for LCM.\n",
        "---\ntags: [lora]\nlicense: mit\n---\nTrained for LCM, Hyper-SD and SDXL-Lightning.\n",
    )
    commits = []
    for number, card in enumerate(cards):
        folder = tmp_path / f"commit-{number}"
        folder.mkdir()
        shutil.copy(loras / "kohya.safetensors", folder / "pytorch_lora_weights.safetensors")
        (folder / "README.md").write_text(card)
        commits.append(hub.add("owner/quick", folder))
    first = commits[0]
    model = ["-m", stable_diffusion, "--seed", "1", "--dtype", "float32", "--no-safety", "--keep", "off", "--fast"]
    of_first = ["--lora", f"owner/quick@{first}=0.5"]
    expected = {"scheduler": "euler-trailing", "num_inference_steps": 2, "guidance_scale": 1.0}
    for name, more in (("x.png", []), ("y.png", ["--offline"])):
        hub.requests.clear()
        done = genai("image", "a cat", *model, *of_first, *more, "-o", name)
        assert done.code == 0, done.stderr
        said = "owner/quick (Lightning, as its card says): scheduler euler-trailing, 2 steps, guidance 1"
        assert f"--fast with {said}" in done.stderr
        record = record_of(genai.cwd / name)
        assert {key: record["parameters"][key] for key in expected} == expected
        assert record["adapters"]["lora"][0]["revision"] == first
        assert not more or hub.requests == []
    done = genai("image", "a cat", *model, "--lora", "owner/quick", "-o", "z.png")
    assert (done.code, "--fast with" in done.stderr) == (0, False), done.stderr
    assert record_of(genai.cwd / "z.png")["parameters"]["num_inference_steps"] == 20


def test_fast_reads_the_card_beside_a_lora(
    run_main: RunMain, stable_diffusion: Path, loras: Path, tmp_path: Path
) -> None:
    shutil.copy(loras / "kohya.safetensors", tmp_path / "mine.safetensors")
    options = ["--seed", "1", "--no-safety", "--fast", "--lora", tmp_path / "mine.safetensors", "--steps", "3"]
    cards = {
        "---\nbase_model: [latent-consistency/lcm-lora-sdv1-5]\n---\n": ("lcm", 3, 1.0),
        "---\ntags: [lightning, porsche turbo, hyperrealism, 3]\n---\nlcm": ("dpm++2m-karras", 3, 7.5),
        "---\n- [\n---\nlcm": ("dpm++2m-karras", 3, 7.5),
        "# lcm": ("dpm++2m-karras", 3, 7.5),
    }
    for card, expected in cards.items():
        (tmp_path / "README.md").write_text(card)
        done = run_main("image", "a cat", "-m", stable_diffusion, *options, "-o", "x.png")
        assert done.code == 0, done.stderr
        parameters = record_of(Path("x.png"))["parameters"]
        found = tuple(parameters[name] for name in ("scheduler", "num_inference_steps", "guidance_scale"))
        assert found == expected, card


def test_a_picture_of_another_tool_asks_for_its_loras(run_main: RunMain, stable_diffusion: Path, loras: Path) -> None:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("parameters", "a (cat:1.2) <lora:kohya:0.5>\nSteps: 2, Sampler: DDIM, Seed: 3, Size: 64x64")
    Image.new("RGB", (64, 64)).save("theirs.png", pnginfo=texts)
    model = ["-m", stable_diffusion, "--dtype", "float32", "--variant", "none", "--no-safety"]
    done = run_main("rerun", "theirs.png", *model, "-o", "without.png")
    assert (done.code, "names the LoRAs kohya" in done.stderr) == (0, True), done.stderr
    done = run_main("rerun", "theirs.png", *model, "--lora-dir", loras, "-o", "with.png")
    assert done.code == 0, done.stderr
    record = record_of(Path("with.png"))
    assert [(one["name"], one["weight"]) for one in record["adapters"]["lora"]] == [("kohya.safetensors", 0.5)]
    assert record["parameters"]["weights"] is True
    done = run_main("rerun", "theirs.png", *model, "--lora-dir", stable_diffusion, "-o", "x.png")
    assert (done.code, "no LoRA 'kohya'" in done.stderr) == (2, True), done.stderr
