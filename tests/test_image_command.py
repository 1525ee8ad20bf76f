"""genai image, on checkpoints in the layouts of Stable Diffusion, SDXL and a flow-matching pipeline."""

import hashlib
import json
from pathlib import Path

import pytest
from conftest import RunMain, write_rows
from PIL import Image
from readers import GENERATED, embedded_xmp, pixels, png_texts, record_of, source_type

QUICK = ["--steps", "2"]


def test_a_picture_with_its_record(run_main: RunMain, stable_diffusion: Path) -> None:
    done = run_main("image", "A cat, sitting", "-m", str(stable_diffusion), "--dtype", "auto", "--seed", "7", *QUICK)
    assert (done.code, done.stdout) == (0, "a-cat-sitting-7.png\n")
    image = pixels(Path("a-cat-sitting-7.png"))
    assert image.shape == (64, 64, 3)
    assert image.std() > 1
    record = record_of(Path("a-cat-sitting-7.png"))
    assert record["prompt"] == "A cat, sitting"
    assert record["model"] == {
        "id": str(stable_diffusion),
        "revision": None,
        "variant": "fp16",
        "license": "creativeml-openrail-m",
    }
    parameters = record["parameters"]
    assert (parameters["seed"], parameters["num_inference_steps"], parameters["guidance_scale"]) == (7, 2, 7.5)
    assert (parameters["width"], parameters["height"], parameters["scheduler"]) == (64, 64, "pndm")
    assert parameters["safety"] is True
    assert (record["device"], set(record["libraries"])) == ("cpu", {"torch", "diffusers"})
    assert record["dtype"] in ("float32", "bfloat16")  # as suits the processor
    assert record["content_sha256"] == hashlib.sha256(image.tobytes()).hexdigest()


def test_the_other_two_carriers_of_a_png(run_main: RunMain, stable_diffusion: Path) -> None:
    arguments = ["--negative-prompt", "fog", "--seed", "7", "--scheduler", "euler-a", *QUICK]
    run_main("image", "A cat", "-m", str(stable_diffusion), *arguments, "-o", "cat.png")
    texts = png_texts(Path("cat.png"))
    settings = f"Steps: 2, Sampler: Euler a, CFG scale: 7.5, Seed: 7, Size: 64x64, Model: {stable_diffusion}"
    assert texts["parameters"] == f"A cat\nNegative prompt: fog\n{settings}"
    assert source_type(texts["XML:com.adobe.xmp"]) == GENERATED


def test_an_image_of_several_can_be_made_alone(run_main: RunMain, stable_diffusion: Path) -> None:
    both = run_main("image", "a cat", "-m", str(stable_diffusion), "-n", "2", "--seed", "5", "-o", "both/", *QUICK)
    assert both.stdout.splitlines() == ["both/a-cat-5.png", "both/a-cat-6.png"]
    run_main("image", "a cat", "-m", str(stable_diffusion), "--seed", "6", "-o", "alone.png", *QUICK)
    assert (pixels(Path("both/a-cat-6.png")) == pixels(Path("alone.png"))).all()
    assert (pixels(Path("both/a-cat-5.png")) != pixels(Path("alone.png"))).any()


def test_a_drawn_seed_makes_the_picture_again(run_main: RunMain, stable_diffusion: Path) -> None:
    first = run_main("image", "a cat", "-m", str(stable_diffusion), "--json", *QUICK)
    line = json.loads(first.stdout)
    assert (line["status"], line["task"]) == ("done", "image")
    seed = str(line["parameters"]["seed"])
    again = run_main("image", "a cat", "-m", str(stable_diffusion), "--seed", seed, "--json", *QUICK)
    assert json.loads(again.stdout)["content_sha256"] == line["content_sha256"]


@pytest.mark.parametrize(("name", "kind"), [("cat.jpg", "JPEG"), ("cat.webp", "WEBP")])
def test_jpeg_and_webp_by_the_name_given(run_main: RunMain, stable_diffusion: Path, name: str, kind: str) -> None:
    done = run_main("image", "a 'cat' & 🐈 <b>", "-m", str(stable_diffusion), "-o", name, *QUICK)
    assert done.stdout == f"{name}\n"
    with Image.open(name) as image:
        assert image.format == kind
    packet = embedded_xmp(Path(name))
    assert source_type(packet) == GENERATED
    import xml.etree.ElementTree as ElementTree

    element = next(ElementTree.fromstring(packet[packet.index("<x:") : packet.rindex("<?")]).iter("{urn:genai:}record"))
    assert json.loads(str(element.text))["prompt"] == "a 'cat' & 🐈 <b>"


def test_without_metadata_the_mark_stays(run_main: RunMain, stable_diffusion: Path) -> None:
    run_main("image", "a secret", "-m", str(stable_diffusion), "--no-metadata", "-o", "x.png", *QUICK)
    texts = png_texts(Path("x.png"))
    assert "parameters" not in texts
    assert b"secret" not in Path("x.png").read_bytes()
    assert source_type(texts["XML:com.adobe.xmp"]) == GENERATED
    assert json.loads(texts["genai"])["task"] == "image"


def test_difficult_prompts_survive_in_the_record(run_main: RunMain, stable_diffusion: Path) -> None:
    prompt = 'a "cat",\nSteps: 99, Seed: 1\n\x01 🦄 é \\n ' + "word " * 1000
    done = run_main("image", prompt, "-m", str(stable_diffusion), "-o", "x.png", *QUICK)
    assert done.code == 0, done.stderr
    assert record_of(Path("x.png"))["prompt"] == prompt
    assert "cut off" in done.stderr


def test_a_prompt_past_the_text_encoder_is_said_with_what_is_cut(run_main: RunMain, stable_diffusion: Path) -> None:
    done = run_main("image", "cat " * 100 + "zebra", "-m", str(stable_diffusion), "-o", "x.png", *QUICK)
    assert "the model reads 77" in done.stderr
    assert "zebra" in done.stderr
    quiet = run_main("image", "cat " * 100, "-m", str(stable_diffusion), "-o", "x.png", "-q", *QUICK)
    assert quiet.stderr == ""


def test_a_size_that_cannot_be_names_the_nearest(run_main: RunMain, stable_diffusion: Path) -> None:
    done = run_main("image", "a cat", "-m", str(stable_diffusion), "--size", "100x64")
    assert done.code == 2
    assert "genai: error: --width must be a multiple of 8" in done.stderr
    assert "96 and 104" in done.stderr
    assert list(Path().iterdir()) == []
    done = run_main("image", "a cat", "-m", str(stable_diffusion), "--size", "72x40", "-o", "x.png", *QUICK)
    assert pixels(Path("x.png")).shape == (40, 72, 3)


def test_every_scheduler_runs_and_is_recorded(run_main: RunMain, stable_diffusion: Path) -> None:
    from genai_cli.modality.diffusion.schedulers import SCHEDULERS

    rows = write_rows(Path("rows.jsonl"), [{"prompt": "a cat", "scheduler": name, "seed": 1} for name in SCHEDULERS])
    options = ["--prompts", rows, "-m", stable_diffusion, "--steps", "4", "-o", "{index}.png"]
    done = run_main("image", *options)
    assert done.code == 0, done.stderr
    made = set()
    for index, name in enumerate(SCHEDULERS):
        assert record_of(Path(f"{index}.png"))["parameters"]["scheduler"] == name
        made.add(pixels(Path(f"{index}.png")).tobytes())
    assert len(made) >= len(SCHEDULERS) - 1


def test_a_scheduler_that_does_not_fit_is_refused(run_main: RunMain, flow_pipeline: Path) -> None:
    done = run_main("image", "a cat", "-m", str(flow_pipeline), "--scheduler", "ddim", "--size", "64x64")
    assert done.code == 2
    assert "cannot take the scheduler ddim" in done.stderr


@pytest.mark.parametrize("fixture", ["sdxl", "flow_pipeline"])
def test_other_pipelines_run(run_main: RunMain, fixture: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(fixture)
    done = run_main("image", "a cat", "-m", str(folder), "--size", "64x64", "-o", "x.png", *QUICK)
    assert done.code == 0, done.stderr
    assert pixels(Path("x.png")).shape == (64, 64, 3)


def test_a_filtered_picture_is_not_saved(run_main: RunMain, flagging_stable_diffusion: Path) -> None:
    done = run_main("image", "a cat", "-m", str(flagging_stable_diffusion), "-o", "x.png", "--json", *QUICK)
    assert done.code == 8
    assert "safety checker" in done.stderr
    assert json.loads(done.stdout)["status"] == "filtered"
    assert list(Path().iterdir()) == []
    done = run_main("image", "a cat", "-m", str(flagging_stable_diffusion), "-o", "x.png", "--no-safety", *QUICK)
    assert done.code == 0
    assert record_of(Path("x.png"))["parameters"]["safety"] is False


def test_float32_by_name_takes_the_plain_files(run_main: RunMain, stable_diffusion: Path) -> None:
    run_main("image", "a cat", "-m", str(stable_diffusion), "--dtype", "float32", "-o", "x.png", *QUICK)
    assert record_of(Path("x.png"))["model"]["variant"] is None
    run_main("image", "a cat", "-m", str(stable_diffusion), "--variant", "none", "-o", "x.png", *QUICK)
    assert record_of(Path("x.png"))["model"]["variant"] is None


def test_a_missing_variant_is_an_error(run_main: RunMain, stable_diffusion: Path) -> None:
    done = run_main("image", "a cat", "-m", str(stable_diffusion), "--variant", "int8")
    assert done.code == 4
    assert "no complete set of 'int8' files" in done.stderr
    assert "fp16" in done.stderr


def test_an_incomplete_variant_is_never_mixed(run_main: RunMain, stable_diffusion: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "incomplete"
    shutil.copytree(stable_diffusion, folder)
    (folder / "vae" / "diffusion_pytorch_model.fp16.safetensors").unlink()
    run_main("image", "a cat", "-m", str(folder), "-o", "x.png", *QUICK)
    assert record_of(Path("x.png"))["model"]["variant"] is None
    assert run_main("image", "a cat", "-m", str(folder), "--variant", "fp16").code == 4


def test_nan_weights_give_no_file(run_main: RunMain, stable_diffusion: Path, tmp_path: Path) -> None:
    import shutil

    from checkpoint_parts import changed_weights

    folder = tmp_path / "broken"
    shutil.copytree(stable_diffusion, folder)
    for weights in (folder / "vae").glob("*.safetensors"):
        with changed_weights(weights) as tensors:
            tensors["decoder.conv_out.weight"].fill_(float("nan"))
    for dtype, fits in (("float32", False), ("bfloat16", True)):  # a hint never names what is already so
        options = ["--dtype", dtype, "-o", "x.png", "--no-safety"]
        done = run_main("image", "a cat", "-m", str(folder), *options, *QUICK)
        assert done.code == 8
        assert "not finite (NaN)" in done.stderr
        assert ("--dtype float32" in done.stderr) is fits
        assert not Path("x.png").exists()


def test_a_folder_that_is_no_model(run_main: RunMain, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run_main("image", "a cat", "-m", str(tmp_path / "empty"))
    assert done.code == 4
    assert "no model_index.json" in done.stderr
    assert run_main("image", "a cat", "-m", str(tmp_path / "none")).code == 4


def test_broken_weights_are_said(run_main: RunMain, stable_diffusion: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "truncated"
    shutil.copytree(stable_diffusion, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.fp16.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    done = run_main("image", "a cat", "-m", str(folder), "--dtype", "auto")  # which takes the fp16 files
    assert done.code == 4
    assert done.stderr.count("\n") == 2, done.stderr


def test_a_model_of_another_kind_says_what_it_is(run_main: RunMain, gpt2: Path, distilbert: Path) -> None:
    done = run_main("image", "a cat", "-m", str(distilbert))
    assert done.code == 2
    assert "a classifier (DistilBertForSequenceClassification), not a text-to-image model" in done.stderr
    assert "genai text takes it" in run_main("image", "a cat", "-m", str(gpt2)).stderr


def test_rows_override_options(run_main: RunMain, stable_diffusion: Path) -> None:
    Path("rows.jsonl").write_text('{"prompt": "a cat", "seed": 3}\n{"prompt": "a dog", "size": "32x64", "id": "dog"}\n')
    options = ["--prompts", "rows.jsonl", "--seed", "9", "-o", "out/{id}.png"]
    done = run_main("image", "-m", str(stable_diffusion), *options, *QUICK)
    assert done.code == 0, done.stderr
    assert record_of(Path("out/dog.png"))["parameters"]["seed"] == 9
    assert pixels(Path("out/dog.png")).shape == (64, 32, 3)
    assert len(list(Path("out").glob("*.png"))) == 2


def test_one_item_that_fails_does_not_stop_the_others(run_main: RunMain, stable_diffusion: Path) -> None:
    Path("rows.jsonl").write_text('{"prompt": "a cat", "width": 60}\n{"prompt": "a dog"}\n')
    done = run_main("image", "-m", str(stable_diffusion), "--prompts", "rows.jsonl", "-o", "out/", *QUICK)
    assert done.code == 3
    assert "multiple of 8" in done.stderr
    assert [path.name[:5] for path in Path("out").glob("*.png")] == ["a-dog"]


def test_fast_is_a_scheduler_and_steps_by_name(run_main: RunMain, stable_diffusion: Path) -> None:
    folder = str(stable_diffusion)
    Path("rows.jsonl").write_text('{"prompt": "a cat", "fast": true, "seed": 1}\n')
    run_main("image", "a cat", "-m", folder, "--fast", "--seed", "1", "-o", "fast.png")
    run_main("image", "-m", folder, "--prompts", "rows.jsonl", "-o", "row.png")
    named = ["--scheduler", "dpm++2m-karras", "--steps", "20"]
    spelt = run_main("image", "a cat", "-m", folder, *named, "--seed", "1", "--json", "-o", "spelt.png")
    record = record_of(Path("fast.png"))
    assert (record["parameters"]["scheduler"], record["parameters"]["num_inference_steps"]) == ("dpm++2m-karras", 20)
    assert record["parameters"] == json.loads(spelt.stdout)["parameters"]
    assert (pixels(Path("fast.png")) == pixels(Path("spelt.png"))).all()
    assert (pixels(Path("row.png")) == pixels(Path("spelt.png"))).all()
    assert run_main("rerun", "fast.png", "--verify").stdout == "fast.png: the same\n"


def test_steps_and_scheduler_beside_fast_change_their_part(run_main: RunMain, stable_diffusion: Path) -> None:
    for options, wanted in ((["--steps", "3"], ("dpm++2m-karras", 3)), (["--scheduler", "ddim"], ("ddim", 20))):
        run_main("image", "a cat", "-m", str(stable_diffusion), "--fast", *options, "-o", "x.png")
        parameters = record_of(Path("x.png"))["parameters"]
        assert (parameters["scheduler"], parameters["num_inference_steps"]) == wanted


def test_fast_is_refused_before_the_weights_load(
    run_main: RunMain, stable_diffusion: Path, flow_pipeline: Path, tmp_path: Path
) -> None:
    import shutil

    flow, few = tmp_path / "flow", tmp_path / "few"
    shutil.copytree(flow_pipeline, flow)
    shutil.copytree(stable_diffusion, few)
    (few / "generation_config.json").write_text('{"num_inference_steps": 4}')
    for folder in (flow, few):
        for weights in folder.rglob("*.safetensors"):
            weights.write_bytes(b"\2" + bytes(7) + b"{}")  # a header without tensors: loading it would fail
    done = run_main("image", "a cat", "-m", str(flow), "--fast")
    assert done.code == 2
    assert "cannot take the scheduler dpm++2m-karras" in done.stderr
    done = run_main("image", "a cat", "-m", str(few), "--fast")
    assert done.code == 2
    assert "takes 4 by its own settings" in done.stderr
    assert list(Path().iterdir()) == []


def test_fast_makes_a_picture_where_the_first_timesteps_are_the_same(run_main: RunMain) -> None:
    """So they are of the built-in model's steep noise schedule, after rounding."""
    from PIL import Image

    done = run_main(
        "image", "a large red circle on a blue background", "-m", "tiny", "--fast", "--seed", "1", "-o", "x.png"
    )
    assert done.code == 0, done.stderr
    with Image.open("x.png") as picture:
        red, _, blue = picture.getpixel((32, 32))
        assert red > 200 > 100 > blue
        red, _, blue = picture.getpixel((3, 3))
        assert blue > 200 > 100 > red
