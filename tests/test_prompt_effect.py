"""What of a prompt shapes a picture: a negative prompt that cannot work and words that are not known are said."""

import json
from pathlib import Path

import pytest
from checkpoints_pictures import build_distilled, build_pixart
from conftest import RunMain
from readers import pixels, record_of

QUICK = ("--steps", "2", "--seed", "1", "--size", "64x64")


def negate(run_main: RunMain, folder: Path, *options: str) -> tuple[str, str, bool]:
    """What was said and recorded of a negative prompt, and whether it changed the picture."""
    arguments = ("-m", str(folder), *QUICK, *options)
    plain = run_main("image", "a horse", *arguments, "-o", "plain.png")
    done = run_main("image", "a horse", *arguments, "--negative-prompt", "fog", "-o", "negative.png")
    assert (plain.code, done.code) == (0, 0), done.stderr
    assert "no effect" not in plain.stderr
    changed = bool((pixels("plain.png") != pixels("negative.png")).any())
    return done.stderr, record_of(Path("negative.png"))["parameters"]["negative_prompt"], changed


@pytest.mark.parametrize("model", ["stable_diffusion", "sdxl"])
@pytest.mark.parametrize(("guidance", "works"), [("0", False), ("1", False), ("1.5", True), ("7", True)])
def test_a_negative_prompt_is_recorded_where_it_works(
    run_main: RunMain, request: pytest.FixtureRequest, model: str, guidance: str, works: bool
) -> None:
    said, recorded, changed = negate(run_main, request.getfixturevalue(model), "--guidance", guidance)
    assert ("no effect" not in said, recorded == "fog", changed) == (works, works, works), said
    if not works:
        assert f"guidance is {guidance}, and it works above 1" in said
        assert recorded == ""


def test_models_without_a_negative_prompt_say_so(run_main: RunMain, flow_pipeline: Path, tmp_path: Path) -> None:
    for folder in (flow_pipeline, build_distilled(tmp_path / "distilled")):
        said, recorded, changed = negate(run_main, folder)
        assert "the negative prompt has no effect: this model uses none" in said
        assert (recorded, changed) == ("", False)


def test_several_negative_prompts_are_each_recorded(run_main: RunMain, stable_diffusion: Path) -> None:
    Path("rows.jsonl").write_text(
        '{"prompt": "a cat", "negative_prompt": "fog"}\n{"prompt": "a dog", "negative_prompt": "rain"}\n'
        '{"prompt": "a horse"}\n'
    )
    done = run_main("image", "--prompts", "rows.jsonl", "-m", str(stable_diffusion), *QUICK, "--json", "-o", "out/")
    recorded = [json.loads(line)["parameters"]["negative_prompt"] for line in done.lines]
    assert (sorted(recorded), done.stderr.count("no effect")) == (["", "fog", "rain"], 0)


def test_guidance_that_a_model_has_no_input_for_is_said(run_main: RunMain, flow_pipeline: Path) -> None:
    for guidance in ("1", "9"):
        done = run_main(
            "image", "a cat", "-m", str(flow_pipeline), *QUICK, "--guidance", guidance, "-o", f"{guidance}.png"
        )
        assert "--guidance has no effect" in done.stderr
        assert record_of(Path(f"{guidance}.png"))["parameters"]["guidance_scale"] is None
    assert (pixels("1.png") == pixels("9.png")).all()
    assert "no effect" not in run_main("image", "a cat", "-m", str(flow_pipeline), *QUICK, "-o", "x.png").stderr


def test_what_the_built_in_model_does_not_know_is_said_once(run_main: RunMain) -> None:
    done = run_main("image", "an astronaut riding a Horse", "-m", "tiny", "-n", "2", "-o", "out/", "--seed", "1")
    assert done.code == 0
    (notice,) = [line for line in done.stderr.splitlines() if "does not know" in line]
    assert "draws flat shapes only: circle, square, triangle" in notice
    assert "it does not know 'astronaut', 'riding', 'horse'. -m sd15 draws anything" in notice
    for prompt in ("red", "🦄"):
        assert "the prompt names none of them" in run_main("image", prompt, "-m", "tiny", "-o", "x.png").stderr
    for prompt in ("two green hearts", "please draw a Rhombus!", "an astronaut on a star"):
        assert run_main("image", prompt, "-m", "tiny", "-o", "x.png").stderr == ""
    assert run_main("image", "a cat", "-m", "tiny", "-q", "-o", "x.png").stderr == ""


def test_words_that_no_tokenizer_knows_are_said(run_main: RunMain, tmp_path: Path, flow_pipeline: Path) -> None:
    folder = str(build_pixart(tmp_path / "pixart"))
    done = run_main("image", "a red 圆 and 圆 horse", "-m", folder, *QUICK, "-o", "x.png")
    assert done.code == 0, done.stderr
    assert "the model cannot read these words of the prompt: '圆'\n" in done.stderr
    assert "cannot read" not in run_main("image", "a red circle", "-m", folder, *QUICK, "-o", "x.png").stderr
    # CLIP, which Flux has beside T5, reads every character as bytes.
    assert "cannot read" not in run_main("image", "圆", "-m", str(flow_pipeline), *QUICK, "-o", "x.png").stderr
