"""Pictures of other tools: what they say is shown in one form, and made again with a model that the user names.

tests/foreign_pictures.py builds the files as the tools build them.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from adapter_files import write_kohya
from conftest import RunMain
from foreign_pictures import (
    A1111,
    EDITOR,
    FOOOCUS,
    INVOKE,
    MFLUX,
    NEGATIVE,
    NODES,
    PNGS,
    PROMPT,
    REQUEST,
    SWARM,
    THINGS,
    comment,
    exif,
    save_png,
    xmp,
)
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from readers import record_of
from safetensors.torch import load_file, save_file

from genai_cli.content.foreign import parse_settings, read_parameters
from genai_cli.content.parameters_text import SAMPLER_NAMES
from genai_cli.content.samplers import find_scheduler
from genai_cli.hub.hashes import hash_after, hash_file
from genai_cli.hub.weights_file import read_header


def shown(run_main: RunMain, name: str) -> dict[str, Any]:
    done = run_main("show", name, "--json")
    assert done.code == 0, done.stderr
    return dict(json.loads(done.stdout))


# Where the web UI's form stands: modules/images.py, save_image_with_geninfo (piexif: UTF-16 of high byte first)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("code", ["utf-16-be", "utf-16-le", "utf-16", "utf-8", "none"])
def test_a_user_comment_in_every_encoding(run_main: RunMain, suffix: str, order: str, code: str) -> None:
    Image.new("RGB", (64, 32)).save(f"x{suffix}", exif=comment(A1111, code, order))
    assert shown(run_main, f"x{suffix}") == {
        "parameters": A1111,
        "tool": "A1111 form",
        "model": "a: b",
        "sampler": "DPM++ 2M Karras",
        "request": REQUEST,
    }


def test_a_user_comment_without_any_ascii_is_no_parameters(run_main: RunMain) -> None:
    for text in (
        "東京の写真です",
        "",
        "Screenshot",
        "{}",
        '{"width": 1, "height": 2, "steps": 3}',
        "a photo: with, text: in, it: all",
    ):
        Image.new("RGB", (8, 8)).save("x.jpg", exif=comment(text, "utf-16-be", "<"))
        assert "has no genai record" in run_main("show", "x.jpg").stderr, text


@pytest.mark.parametrize("raw", [A1111, A1111.encode()])
def test_the_texts_of_a_png(run_main: RunMain, raw: str | bytes) -> None:
    assert shown(run_main, save_png({"parameters": raw}))["request"] == REQUEST


def test_show_prints_the_text_and_what_is_told(run_main: RunMain) -> None:
    done = run_main("show", save_png({"parameters": A1111}))
    assert done.lines == [
        *A1111.split("\n"),
        "",
        "tool                         A1111 form",
        f"prompt                       {PROMPT}",
        "model                        a: b",
        "sampler                      DPM++ 2M Karras",
        f"parameters.negative_prompt   {NEGATIVE}",
        "parameters.num_inference_steps 3",
        "parameters.guidance_scale    5.5",
        "parameters.width             64",
        "parameters.height            32",
        "parameters.seed              123456789012",
        "parameters.scheduler         dpm++2m-karras",
    ]


# Other tools


@pytest.mark.parametrize("name", PNGS)
def test_the_texts_of_other_tools(run_main: RunMain, name: str) -> None:
    texts, tool, changed = PNGS[name]
    told = shown(run_main, save_png(dict(texts)))
    expected = {key: value for key, value in {**REQUEST, **changed}.items() if value is not None}
    assert (told["tool"], told["request"]) == (tool, expected)
    assert all(
        str(text if isinstance(text, str) else text.decode()) in told["parameters"]
        for key, text in texts.items()
        if key in ("prompt", "workflow", "parameters", "Comment")
    )


USER_COMMENTS = {
    "SwarmUI": (SWARM, {}),
    "Fooocus": (FOOOCUS, {}),
    "mflux": (MFLUX, {"scheduler": None}),
    "Draw Things": (THINGS, {}),
}


@pytest.mark.parametrize("name", USER_COMMENTS)
@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png"])
@pytest.mark.parametrize(("code", "nested"), [("none", False), ("utf-16-be", True)])
def test_json_in_a_user_comment(run_main: RunMain, name: str, suffix: str, code: str, nested: bool) -> None:
    values, changed = USER_COMMENTS[name]
    Image.new("RGB", (64, 32)).save(f"x{suffix}", exif=comment(json.dumps(values), code, "<", nested))
    told = shown(run_main, f"x{suffix}")
    expected = {key: value for key, value in {**REQUEST, **changed}.items() if value is not None}
    assert (told["tool"], told["request"]) == (name, expected)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_comfyui_in_exif(run_main: RunMain, suffix: str) -> None:
    """Its nodes for WebP use the names of a camera's maker and model."""
    values = {0x010F: f"Workflow:{json.dumps(EDITOR)}\0", 0x0110: f"Prompt:{json.dumps(NODES)}\0"}
    data = exif({tag: (2, text.encode()) for tag, text in values.items()}, nested=False)
    Image.new("RGB", (64, 32)).save(f"x{suffix}", exif=data)
    told = shown(run_main, f"x{suffix}")
    assert (told["tool"], told["request"]) == ("ComfyUI", REQUEST)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png"])
def test_xmp_of_other_tools(run_main: RunMain, suffix: str) -> None:
    text = json.dumps(THINGS).replace("&", "&amp;")
    things = xmp(
        f'<exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></exif:UserComment>'
    )
    words = f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{PROMPT}</rdf:li></rdf:Alt></dc:description>'
    mflux = xmp(f"{words}<m:seed>123456789012</m:seed><m:steps>3</m:steps><m:guidance>5.5</m:guidance>")
    photo = xmp(words)
    for name, packet in (("things", things), ("mflux", mflux), ("photo", photo)):
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        more = {"pnginfo": info} if suffix == ".png" else {"xmp": packet}
        Image.new("RGB", (64, 32)).save(f"{name}{suffix}", **more)
    assert shown(run_main, f"things{suffix}")["request"] == REQUEST
    told = {key: REQUEST[key] for key in ("prompt", "num_inference_steps", "guidance_scale", "seed")}
    assert shown(run_main, f"mflux{suffix}") | {"parameters": ""} == {
        "parameters": "",
        "tool": "mflux",
        "request": told,
    }
    assert run_main("show", f"photo{suffix}").code == 2


def test_a_repainted_picture_of_comfyui_tells_the_first_pass(run_main: RunMain) -> None:
    first = NODES["3"]["inputs"]
    second = {**first, "seed": 1, "steps": 99, "denoise": 0.5, "latent_image": ["21", 0]}  # type: ignore[dict-item]
    nodes = {
        **NODES,
        "20": {"class_type": "KSampler", "inputs": second},
        "21": {"class_type": "LatentUpscale", "inputs": {"samples": ["3", 0], "width": 128, "height": 64}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["20", 0]}},
        "7": {"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["6", 0]}},
    }
    told = shown(run_main, save_png({"prompt": json.dumps(nodes)}))["request"]
    assert told == {name: value for name, value in REQUEST.items() if name != "negative_prompt"}


# Hostile and damaged ones


@pytest.mark.parametrize(
    "texts",
    [
        {"prompt": json.dumps({"1": {"class_type": "KSampler", "inputs": {"steps": ["1", 0], "positive": ["1", 0]}}})},
        {"prompt": "{" * 100_000},
        {"prompt": '{"a":' * 100_000},
        {"workflow": json.dumps({"nodes": [1, {"id": [], "inputs": 3}], "links": [[], [1, 2, 3], "x", [[], [], []]]})},
        {"invokeai_metadata": json.dumps({"positive_prompt": 3, "steps": True, "seed": 1.5, "model": [], "size": {}})},
        {"sd-metadata": json.dumps({"image": {"prompt": [3], "steps": "x", "seed": "9" * 5000, "cfg_scale": "nan"}})},
        {"parameters": json.dumps({"sui_image_params": [1]})},
        {"parameters": "Steps: , Seed: -1, CFG scale: inf, Size: x, Sampler: "},
        {"parameters": 'Steps: "\\ud800", Seed: 1e5, a: "' + 'b: "c' * 1000},
        {"Dream": '"a [b" -s -S x -A'},
        {"Software": "NovelAI"},
        {"parameters": ""},
    ],
    ids=range(12),
)
def test_strange_texts_do_no_harm(run_main: RunMain, texts: dict[str, str]) -> None:
    name = save_png(dict(texts))
    done = run_main("show", name)
    assert done.code in (0, 2), done.stderr
    assert "bug" not in done.stderr
    again = run_main("rerun", name, "-m", "tiny", "--dry-run")
    assert (again.code, "bug" in again.stderr) in ((0, False), (2, False)), again.stderr


def test_long_texts_take_no_time() -> None:
    for text in (
        "a" * 5_000_000,
        "a, " * 1_000_000,
        'a: "' * 500_000,
        "a: b, " * 500_000,
        ": " * 1_000_000,
        "[" * 10**6,
    ):
        assert len(parse_settings(text)) <= 200
        read_parameters(f"a cat\n{text}")


def test_damaged_exif_does_no_harm(run_main: RunMain) -> None:
    whole = comment(A1111, "utf-16-be", "<")
    for at in range(60):
        data = bytearray(whole)
        data[at] ^= 0xFF
        for piece in (bytes(data), whole[:at]):
            Image.new("RGB", (8, 8)).save("x.jpg", exif=piece or b"x")
            done = run_main("show", "x.jpg")
            assert done.code in (0, 2), (at, done.stderr)
            assert "bug" not in done.stderr


# Samplers


@pytest.mark.parametrize("short", SAMPLER_NAMES)
def test_every_scheduler_is_known_by_its_names(short: str) -> None:
    assert find_scheduler(SAMPLER_NAMES[short]) == (short, True)
    assert find_scheduler(short) == (short, True)


@pytest.mark.parametrize(
    ("sampler", "schedule", "expected"),
    [
        ("Euler a", "Automatic", ("euler-a", True)),
        ("k_euler_a", None, ("euler-a", True)),
        ("k_euler_ancestral", "native", ("euler-a", True)),
        ("euler_ancestral", "normal", ("euler-a", True)),
        ("DPM++ 2M", "Karras", ("dpm++2m-karras", True)),
        ("dpmpp_2m", "karras", ("dpm++2m-karras", True)),
        ("dpmpp_2m_k", None, ("dpm++2m-karras", True)),
        ("uni_pc_bh2", "simple", ("unipc", True)),
        ("plms", None, ("pndm", True)),
        ("dpmpp_sde_gpu", "normal", ("dpm++sde", True)),
        ("DPM++ SDE Karras", None, ("dpm++sde", False)),
        ("euler_k", None, ("euler", False)),
        ("Euler", "SGM Uniform", ("euler-trailing", True)),
        ("DPM++ 2M", "Exponential", ("dpm++2m", False)),
        ("euler", "beta", ("euler", False)),
        ("DDIM", "DDIM", ("ddim", True)),
        ("DPM++ 2M SDE Karras", None, (None, True)),
        ("k_lms", None, (None, True)),
        ("", None, (None, True)),
        ("x" * 10**6, None, (None, True)),
    ],
)
def test_spellings_of_samplers(sampler: str, schedule: str | None, expected: tuple[str | None, bool]) -> None:
    assert find_scheduler(sampler, schedule) == expected


# rerun


def test_rerun_makes_it_with_the_model_that_is_named(run_main: RunMain, stable_diffusion: Path) -> None:
    Image.new("RGB", (64, 32)).save("theirs.jpg", exif=comment(A1111, "utf-16-be", "<"))
    done = run_main("rerun", "theirs.jpg", "-m", stable_diffusion, "-o", "mine.png")
    assert (done.code, done.lines) == (0, ["mine.png"]), done.stderr
    record = record_of(Path("mine.png"))
    assert {"prompt": record["prompt"], **record["parameters"]} == {**REQUEST, "safety": True, "weights": True}
    asked = ["--weights", "--steps", "3", "--guidance", "5.5", "--size", "64x32", "--seed", "123456789012"]
    asked += ["--scheduler", "dpm++2m-karras", "--negative-prompt", NEGATIVE]
    run_main("image", PROMPT, "-m", stable_diffusion, *asked, "-o", "asked.png")
    assert record_of(Path("asked.png"))["content_sha256"] == record["content_sha256"]
    assert run_main("rerun", "mine.png", "--verify").stdout == "mine.png: the same\n"


@pytest.mark.parametrize(
    ("arguments", "changed"),
    [
        (["--steps", "2"], {"num_inference_steps": 2}),
        (["--size", "32x32"], {"width": 32, "height": 32}),
        (["--scheduler", "euler", "--seed", "1"], {"scheduler": "euler", "seed": 1}),
        (["--negative-prompt", ""], {"negative_prompt": ""}),
    ],
)
def test_options_override_what_the_file_states(
    run_main: RunMain, stable_diffusion: Path, arguments: list[str], changed: dict[str, Any]
) -> None:
    name = save_png({"parameters": A1111})
    done = run_main("rerun", name, "-m", stable_diffusion, *arguments, "-o", "mine.png")
    assert done.code == 0, done.stderr
    weighted = {"weights": True} if changed.get("negative_prompt") != "" else {}
    assert (
        record_of(Path("mine.png"))["parameters"]
        == {key: value for key, value in REQUEST.items() if key != "prompt"} | changed | {"safety": True} | weighted
    )


def test_rerun_says_what_is_missing(run_main: RunMain) -> None:
    name = save_png({"prompt": json.dumps(NODES)})
    done = run_main("rerun", name)
    assert done.code == 2
    assert done.stderr.splitlines() == [
        "genai: error: x.png was written by another tool (ComfyUI), and genai does not know its model",
        "hint: -m MODEL makes it with the prompt and the parameters that the file states; "
        "it names the model sd.safetensors",
    ]
    assert run_main("rerun", name, "--verify").stderr.startswith("genai: error: x.png was written by another tool\n")
    done = run_main("rerun", name, "-m", "tiny", "--input", name)
    assert (done.code, "--input names one file, and x.png was made from none" in done.stderr) == (2, True)
    wordless = save_png({"parameters": "of some kind"}, "y.png")
    done = run_main("rerun", wordless, "-m", "tiny")
    assert (done.code, "y.png was written by another tool, and its prompt is not known" in done.stderr) == (2, True)
    done = run_main("rerun", name, "-m", "tiny", "--duration", "3")
    assert (done.code, "has no option --duration" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("sampler", "said"),
    [
        ("DPM++ SDE Karras", "genai has no sampler like 'DPM++ SDE Karras'; dpm++sde is used"),
        ("Restart", "genai has no sampler like 'Restart'; the model's own scheduler is used"),
        ("Euler a", None),
    ],
)
def test_another_scheduler_is_said(run_main: RunMain, stable_diffusion: Path, sampler: str, said: str | None) -> None:
    name = save_png({"parameters": f"a cat\nSteps: 2, Sampler: {sampler}, Seed: 3, Size: 64x64"})
    done = run_main("rerun", name, "-m", stable_diffusion, "-o", "mine.png")
    assert done.code == 0, done.stderr
    assert ("genai has no sampler" in done.stderr) == (said is not None)
    assert said is None or said in done.stderr
    assert said is None or "Restart" not in said or record_of(Path("mine.png"))["parameters"]["seed"] == 3
    assert (
        "genai has no sampler"
        not in run_main("rerun", name, "-m", stable_diffusion, "--scheduler", "ddim", "--dry-run").stderr
    )


# What the web UI 1.10 writes beside: modules/processing.py (create_infotext), sd_hijack.py, networks.py
BESIDE = (
    "a (red:1.3) [castle], <lora:style:0.8> easyneg\nNegative prompt: fog\n"
    "Steps: 2, Sampler: DPM++ 2M, Schedule type: {schedule}, CFG scale: 7, Seed: 3, Size: 64x64, "
    "Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, VAE hash: 735e4c3a44, VAE: vae-ft-mse-840000.safetensors, "
    "Denoising strength: 0.7, Clip skip: 2, RNG: CPU, Hires upscale: 2, Hires steps: 15, Hires upscaler: Latent, "
    'Lora hashes: "style: 7c6bad76eb54", TI hashes: "easyneg: c74b4e810b03, other: aa", Version: v1.10.1'
)


def test_what_the_web_ui_states_beside_is_taken_over_or_named(run_main: RunMain, stable_diffusion: Path) -> None:
    name = save_png({"parameters": BESIDE.format(schedule="Karras")})
    model = ["-m", stable_diffusion, "--dtype", "float32", "--variant", "none", "--no-safety"]
    done = run_main("rerun", name, *model, "-o", "mine.png")
    assert done.code == 0, done.stderr
    assert done.stderr.splitlines() == [
        "genai: the file names the LoRAs style, which are not used; --lora-dir FOLDER says where they lie",
        "genai: the file names the VAE vae-ft-mse-840000.safetensors (hash 735e4c3a44), which is not used; "
        "--vae FILE_OR_NAME names it",
        "genai: the file names the embeddings easyneg, other, which are not used; --embedding FILE names one",
        "genai: the file also states Denoising strength 0.7, Hires upscale 2, Hires steps 15, "
        "Hires upscaler Latent, which genai leaves out; genai edit --upscale enlarges",
    ]
    record = record_of(Path("mine.png"))
    assert record["prompt"] == "a (red:1.3) [castle], easyneg"
    parameters = record["parameters"]
    shaped = {"scheduler": "dpm++2m-karras", "clip_skip": 2, "weights": True, "negative_prompt": "fog"}
    assert {key: parameters[key] for key in shaped} == shaped
    asked = ["--steps", "2", "--guidance", "7", "--size", "64x64", "--seed", "3", "--scheduler", "dpm++2m-karras"]
    asked += ["--clip-skip", "2", "--weights", "--negative-prompt", "fog"]
    assert run_main("image", record["prompt"], *model, *asked, "-o", "asked.png").code == 0
    assert record_of(Path("asked.png"))["content_sha256"] == record["content_sha256"]
    done = run_main("rerun", name, *model, "--no-weights", "--clip-skip", "1", "-o", "plain.png")
    assert done.code == 0, done.stderr
    parameters = record_of(Path("plain.png"))["parameters"]
    assert (parameters["clip_skip"], parameters.get("weights", False)) == (1, False)


def test_files_that_are_given_are_held_against_the_stated_hashes(
    run_main: RunMain, stable_diffusion: Path, tmp_path: Path
) -> None:
    write_kohya(stable_diffusion, tmp_path / "style.safetensors")
    vae = stable_diffusion / "vae"
    name = save_png({"parameters": BESIDE.format(schedule="Exponential")})
    given = ["--lora-dir", tmp_path, "--vae", vae, "-m", stable_diffusion, "--variant", "none", "--no-safety"]
    done = run_main("rerun", name, *given, "-o", "mine.png")
    assert done.code == 0, done.stderr
    record = record_of(Path("mine.png"))
    tensors, weights = record["adapters"]["lora"][0]["autov3"], record["adapters"]["vae"][0]["sha256"]
    assert f"the LoRA style is another one: its hash is {tensors}, and the file names 7c6bad76eb54" in done.stderr
    assert f"is another one: its hash is {weights[:10]}, and the file names 735e4c3a44" in done.stderr
    assert "genai has no sampler like 'DPM++ 2M Exponential'; dpm++2m is used" in done.stderr
    right = BESIDE.replace("7c6bad76eb54", tensors).replace("735e4c3a44", weights[:10])
    name = save_png({"parameters": right.format(schedule="Karras")})
    done = run_main("rerun", name, *given, "-o", "same.png")
    assert (done.code, "another one" in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize("known_by", ["tensors", "file", "itself"])
def test_a_lora_that_was_renamed_is_found_by_its_hash(
    run_main: RunMain, stable_diffusion: Path, tmp_path: Path, known_by: str
) -> None:
    """The web UI takes the hash that a file states of itself, else that of its tensors; others that of the file."""
    write_kohya(stable_diffusion, tmp_path / "another.safetensors", rank=2)
    file = write_kohya(stable_diffusion, tmp_path / "renamed.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    stated = {"tensors": hash_after(file, read_header(file).data_start)[:12], "file": hash_file(file)[:10]}
    if known_by == "itself":
        stated["itself"] = "abc123def456"
        save_file(load_file(file), file, metadata={"sshs_model_hash": "ABC123DEF456" + "0" * 52})
    words = 'a cat <lora:Style:0.5>\nSteps: 2, Sampler: DDIM, Seed: 3, Size: 64x64, Lora hashes: "Style: {}"'
    name = save_png({"parameters": words.format(stated[known_by])})
    model = ["-m", stable_diffusion, "--dtype", "float32", "--variant", "none", "--no-safety"]
    done = run_main("rerun", name, *model, "--lora-dir", tmp_path, "-o", "mine.png")
    assert (done.code, done.stderr) == (0, "genai: the LoRA Style is renamed.safetensors there, by its hash\n")
    record = record_of(Path("mine.png"))
    assert [(one["name"], one["weight"]) for one in record["adapters"]["lora"]] == [("renamed.safetensors", 0.5)]
    assert record["prompt"] == "a cat"
    name = save_png({"parameters": words.format("0123456789")})
    done = run_main("rerun", name, *model, "--lora-dir", tmp_path)
    assert (done.code, "there is no LoRA 'Style' in" in done.stderr) == (2, True), done.stderr


# What ComfyUI (nodes.py: LoraLoader, CLIPSetLastLayer, VAELoader) and InvokeAI 5 (invocations/metadata.py) state
LORA_NODES = {
    "10": {
        "class_type": "LoraLoader",
        "inputs": {
            "lora_name": "sd15\\style.safetensors",
            "strength_model": 0.5,
            "strength_clip": 1.0,
            "model": ["11", 0],
            "clip": ["4", 1],
        },
    },
    "11": {
        "class_type": "Power Lora Loader (rgthree)",
        "inputs": {
            "lora_1": {"on": True, "lora": "detail.safetensors", "strength": 0.25},
            "lora_2": {"on": False, "lora": "off.safetensors", "strength": 1},
            "model": ["4", 0],
        },
    },
    "12": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2, "clip": ["10", 1]}},
    "13": {"class_type": "VAELoader", "inputs": {"vae_name": "vae-ft.safetensors"}},
}


def make_comfy_nodes() -> dict[str, Any]:
    """ComfyUI's default workflow, with LoRAs, a layer of the text encoder, and a VAE."""
    nodes: dict[str, Any] = {**json.loads(json.dumps(NODES)), **LORA_NODES}
    nodes["3"]["inputs"] |= {"model": ["10", 0], "steps": 2, "width": 64}
    nodes["6"]["inputs"]["clip"] = nodes["7"]["inputs"]["clip"] = ["12", 0]
    nodes["8"]["inputs"]["vae"] = ["13", 0]
    return nodes


@pytest.mark.parametrize("tool", ["ComfyUI", "InvokeAI"])
def test_what_other_tools_state_beside_the_prompt(
    run_main: RunMain, stable_diffusion: Path, tmp_path: Path, tool: str
) -> None:
    texts = {"prompt": json.dumps(make_comfy_nodes())}
    if tool == "InvokeAI":
        loras = [
            {"model": {"name": "style", "base": "sd-1", "type": "lora"}, "weight": 0.5},
            {"lora": {"model_name": "detail", "base_model": "sd-1"}, "weight": 0.25},
        ]
        beside = {"clip_skip": 1, "vae": {"name": "vae-ft.safetensors", "type": "vae"}, "loras": loras}
        texts = {"invokeai_metadata": json.dumps({**INVOKE, **beside, "steps": 2})}
    name = save_png(dict(texts))
    model = ["-m", stable_diffusion, "--dtype", "float32", "--variant", "none", "--no-safety"]
    done = run_main("rerun", name, *model, "-o", "without.png")
    assert done.code == 0, done.stderr
    said = done.stderr.splitlines()
    assert "the file names the LoRAs style, detail, which are not used" in said[0]
    assert "the file names the VAE vae-ft.safetensors, which is not used" in said[1]
    assert record_of(Path("without.png"))["parameters"]["clip_skip"] == 2
    write_kohya(stable_diffusion, tmp_path / "style.safetensors")
    write_kohya(stable_diffusion, tmp_path / "detail.safetensors", rank=2)
    given = ["--lora-dir", tmp_path, "--vae", stable_diffusion / "vae"]
    done = run_main("rerun", name, *model, *given, "-o", "with.png")
    assert (done.code, "not used" in done.stderr) == (0, False), done.stderr
    loras = record_of(Path("with.png"))["adapters"]["lora"]
    assert {one["name"]: one["weight"] for one in loras} == {"style.safetensors": 0.5, "detail.safetensors": 0.25}


def test_nodes_that_the_editor_switches_off_do_not_count(run_main: RunMain) -> None:
    editor = json.loads(json.dumps(EDITOR))
    for place, mode in (("20", 0), ("21", 4)):
        editor["nodes"].append(
            {
                "id": int(place),
                "type": "LoraLoaderModelOnly",
                "mode": mode,
                "inputs": [{"name": "model", "link": 1 if place == "21" else 99}],
                "widgets_values": [f"lora{place}.safetensors", 0.5],
            }
        )
    editor["links"].append([99, 21, 0, 20, 0, "MODEL"])
    editor["links"].append([98, 20, 0, 3, 0, "MODEL"])
    editor["nodes"][0]["inputs"][0]["link"] = 98
    name = save_png({"workflow": json.dumps(editor)})
    done = run_main("rerun", name, "-m", "tiny", "--steps", "1", "--size", "64x64", "-o", "x.png")
    assert (done.code, "names the LoRAs lora20, which" in done.stderr) == (0, True), done.stderr


def test_a_prompt_that_weights_cannot_be_read_from_is_said(run_main: RunMain, stable_diffusion: Path) -> None:
    last = "Steps: 2, Sampler: DDIM, Seed: 3, Size: 64x64, Clip skip: 1"
    for prompt in ("a [cat:dog:0.5]", "a cat AND a dog :1.2"):
        name = save_png({"parameters": f"{prompt}\n{last}"})
        done = run_main("rerun", name, "-m", stable_diffusion, "-o", "mine.png")
        assert (done.code, "the prompts are read as plain words" in done.stderr) == (0, True), done.stderr
    assert not {"weights", "clip_skip"} & set(record_of(Path("mine.png"))["parameters"])


def test_a_model_without_clip_is_told_how_to_leave_out_what_the_file_states(
    run_main: RunMain, flow_pipeline: Path
) -> None:
    name = save_png({"parameters": "a (cat:1.2)\nSteps: 1, Seed: 3, Size: 64x64, Clip skip: 2"})
    done = run_main("rerun", name, "-m", flow_pipeline)
    assert (done.code, "--no-weights" in done.stderr) == (2, True), done.stderr
    done = run_main("rerun", name, "-m", flow_pipeline, "--no-weights")
    assert (done.code, "--clip-skip 1" in done.stderr) == (2, True), done.stderr
    done = run_main("rerun", name, "-m", flow_pipeline, "--no-weights", "--clip-skip", "1", "-o", "mine.png")
    assert done.code == 0, done.stderr


def test_a_stated_value_out_of_range_is_told(run_main: RunMain) -> None:
    name = save_png({"parameters": "a cat\nSteps: 5000, Sampler: Euler a, Seed: 3, Size: 64x64"})
    done = run_main("rerun", name, "-m", "tiny")
    assert (done.code, "--steps must be 1 to 1000, not 5000" in done.stderr) == (2, True)
    assert run_main("rerun", name, "-m", "tiny", "--steps", "2", "--dry-run").code == 0
