"""Every scheduler makes a sensible picture at any number of steps, or is refused before the weights load."""

import json
import shutil
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from checkpoints_pictures import build_pixart
from conftest import RunMain
from PIL import Image
from readers import record_of

from genai_cli.errors import InputError
from genai_cli.events import Event, Progress
from genai_cli.modality.diffusion.pipelines import PICTURE, make_callback
from genai_cli.modality.diffusion.scheduler_choice import MOST_GAIN, choose_scheduler, find_spacing, measure_gain
from genai_cli.modality.diffusion.schedulers import SCHEDULERS, OwnScheduler, describe_scheduler, read_own_scheduler
from genai_cli.modality.modality import TINY
from tools.train.image.measure import measure_picture
from tools.train.image.scenes import Item, Scene

# What diffusers' own code meets in new versions of numpy, and says of configurations that are made here on purpose.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:diffusers.*"),
]

PROMPT = "a large red circle on a blue background"
SCENE = Scene((Item("circle", "red"),), "large", "centre", "blue")
STEPS = (1, 2, 3, 4, 5, 6, 8, 20, 50)
# Where noise levels would be so far apart that the picture is wrong.
REFUSED = {"heun": {2, 3, 4, 5, 6, 8}, "dpm++2m-karras": {4, 5, 6}}
SCALED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
ZERO_SNR = {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}
FLOW = {"use_flow_sigmas": True, "flow_shift": 3.0, "prediction_type": "flow_prediction"}


def make_pictures(run_main: RunMain, model: str | Path, names: list[str], steps: tuple[int, ...]) -> list[Any]:
    """The JSON lines of a picture for each scheduler and number of steps, all by one loaded model."""
    rows = [
        {"id": f"{name}-{count}", "prompt": PROMPT, "scheduler": name, "steps": count, "seed": 1}
        for name in names
        for count in steps
    ]
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = run_main("image", "--prompts", "rows.jsonl", "-m", str(model), "--json", "-o", "out/{id}.png")
    lines = {line["id"]: line for line in map(json.loads, done.lines)}
    assert len(lines) == len(rows), done.stderr
    return [(row, lines[row["id"]]) for row in rows]


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_built_in_model_draws_what_was_asked_for_with_every_scheduler(run_main: RunMain, name: str) -> None:
    for row, line in make_pictures(run_main, "tiny", [name], STEPS):
        assert (line["status"] == "failed") is (row["steps"] in REFUSED.get(name, ())), row
        if line["status"] == "failed":
            assert f"{name} does not work with this model" in line["error"]
            continue
        with Image.open(line["file"]) as image:
            measured = measure_picture(image, SCENE)
        assert measured.background and measured.colour and measured.shape, row


@pytest.mark.parametrize("model", ["stable_diffusion", "sdxl", "pixart"])
def test_every_scheduler_makes_a_picture_with_other_models(
    run_main: RunMain, model: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = build_pixart(tmp_path / "pixart") if model == "pixart" else request.getfixturevalue(model)
    steps = (2, 3, 10) if model == "pixart" else (1, 2, 3, 10)  # PixArt's pipeline has a way of its own for one step
    for row, line in make_pictures(run_main, folder, list(SCHEDULERS), steps):
        if line["status"] == "failed":
            assert row["steps"] in (2, 3), line["error"]
            assert "does not work with this model" in line["error"], line["error"]
        else:
            assert Path(line["file"]).exists()


def test_noise_levels_that_are_too_far_apart_are_spaced_anew_and_said(run_main: RunMain) -> None:
    done = run_main("image", PROMPT, "-m", "tiny", "--scheduler", "heun", "--seed", "1", "-o", "x.png")
    assert (done.code, "takes karras noise levels" in done.stderr) == (0, True), done.stderr
    record = record_of(Path("x.png"))
    assert (record["parameters"]["scheduler"], record["noise_spacing"]) == ("heun", "karras")
    done = run_main("image", PROMPT, "-m", "tiny", "--scheduler", "heun", "--steps", "50", "-o", "y.png")
    assert "noise levels" not in done.stderr
    assert "noise_spacing" not in record_of(Path("y.png"))
    assert run_main("rerun", "x.png", "--verify").stdout == "x.png: the same\n"


def test_what_cannot_work_is_refused_before_the_weights_load(run_main: RunMain, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(TINY / "image", folder)
    for weights in folder.rglob("*.safetensors"):
        weights.write_bytes(b"\2" + bytes(7) + b"{}")  # a header without tensors: loading it would fail
    done = run_main("image", PROMPT, "-m", str(folder), "--scheduler", "heun", "--steps", "3")
    assert done.code == 2
    assert "heun does not work with this model at 3 steps" in done.stderr
    assert "--steps 9, or another --scheduler: pndm" in done.stderr
    done = run_main("image", PROMPT, "-m", str(folder), "--scheduler", "lcm", "--steps", "60")
    assert (done.code, "--steps 50" in done.stderr) == (2, True)


def own(scheduler: Any, *stated: str, latent: bool = True) -> OwnScheduler:
    return OwnScheduler(scheduler, frozenset(stated), latent)


@pytest.mark.parametrize(
    ("scheduler", "refused"),
    [
        (diffusers.DDIMScheduler(**SCALED, clip_sample=False), set()),
        # Classes that do not know these settings would drop them.
        (diffusers.DDIMScheduler(**SCALED, **ZERO_SNR), {"pndm", "heun", "dpm++sde"}),
        (diffusers.DPMSolverMultistepScheduler(**FLOW), set(SCHEDULERS) - {"dpm++2m", "dpm++sde", "unipc"}),
        # Classes that do not know this prediction raise an error at the first step.
        (diffusers.DDIMScheduler(**SCALED, prediction_type="sample", clip_sample=False), {"pndm", "euler-a"}),
        (diffusers.FlowMatchEulerDiscreteScheduler(), set(SCHEDULERS)),
    ],
)
def test_only_schedulers_that_keep_the_model_s_noise_replace_its_own(scheduler: Any, refused: set[str]) -> None:
    for name in SCHEDULERS:
        if name in refused:
            with pytest.raises(InputError):
                choose_scheduler(own(scheduler, "clip_sample"), name, 20)
        else:
            assert measure_gain(choose_scheduler(own(scheduler, "clip_sample"), name, 20)[0], 20) < MOST_GAIN


def test_what_the_checkpoint_does_not_state_is_as_latents_need_it() -> None:
    plain = diffusers.PNDMScheduler(**SCALED)
    ddim, _ = choose_scheduler(own(plain), "ddim", 20)
    settings = ddim.config
    assert (settings.clip_sample, settings.set_alpha_to_one, settings.steps_offset) == (False, False, 1)
    assert choose_scheduler(own(plain), "pndm", 20)[0].config.skip_prk_steps is True
    stated = diffusers.DDIMScheduler(**SCALED, clip_sample=True, steps_offset=0, set_alpha_to_one=True)
    kept = choose_scheduler(own(stated, "clip_sample", "steps_offset", "set_alpha_to_one"), "ddim", 20)[0].config
    assert (kept.clip_sample, kept.set_alpha_to_one, kept.steps_offset) == (True, True, 0)
    pixels = choose_scheduler(own(plain, latent=False), "ddim", 20)[0].config
    assert (pixels.clip_sample, pixels.set_alpha_to_one) == (True, True)


def test_the_model_s_own_scheduler_is_as_its_pipeline_sets_it(stable_diffusion: Path, tmp_path: Path) -> None:
    """Stable Diffusion's pipeline corrects what an old checkpoint does not state."""
    folder = tmp_path / "old"
    shutil.copytree(stable_diffusion, folder)
    old = {"_class_name": "DDIMScheduler", **SCALED}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(old))
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"scheduler": ["diffusers", "DDIMScheduler"]}))
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, safety_checker=None)
    copied = describe_scheduler(pipeline.scheduler, folder).copy()
    assert (copied.config.clip_sample, copied.config.steps_offset) == (False, 1)
    assert dict(copied.config) == dict(pipeline.scheduler.config)


def test_ancestral_steps_are_finite_however_far_apart_noise_levels_are() -> None:
    tiny = read_own_scheduler(TINY / "image")
    assert tiny is not None
    for steps in range(1, 61):
        assert measure_gain(tiny.build("euler-a", {}), steps) < MOST_GAIN, steps
    usual = own(diffusers.PNDMScheduler(**SCALED)).build("euler-a", {})
    usual.set_timesteps(3)
    assert usual.sigmas.dtype == torch.float32  # digits stay what they were where nothing was wrong


@pytest.mark.parametrize(("name", "evaluations"), [("pndm", 6), ("heun", 9), ("ddim", 5)])
def test_progress_counts_the_evaluations_of_the_model(stable_diffusion: Path, name: str, evaluations: int) -> None:
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(stable_diffusion, safety_checker=None)
    scheduler = describe_scheduler(pipeline.scheduler, stable_diffusion)
    pipeline.scheduler, _ = choose_scheduler(scheduler, name, 5)
    passes: list[object] = []
    pipeline.unet.register_forward_hook(lambda *_: passes.append(1))
    events: list[Event] = []
    callback = make_callback(5, 1, events.append)
    pipeline("a cat", num_inference_steps=5, output_type="latent", callback_on_step_end=callback)
    assert len(passes) == evaluations
    counted = [Progress(PICTURE, done, evaluations) for done in range(1, evaluations + 1)]
    assert events == [Progress(PICTURE, 0, 5), *counted]


def test_a_spacing_is_looked_for_once() -> None:
    """Two readings of one configuration are one scheduler; another configuration is another."""
    find_spacing.cache_clear()
    for _ in range(3):
        choose_scheduler(own(diffusers.DDIMScheduler(**SCALED)), "heun", 8)
    assert find_spacing.cache_info().misses == 1
    choose_scheduler(own(diffusers.DDIMScheduler(**SCALED, steps_offset=1)), "heun", 8)
    assert find_spacing.cache_info().misses == 2
