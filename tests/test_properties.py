"""What holds for any text and any bytes: names, records in every carrier, the manifest (hypothesis)."""

import json
import re
import shutil
import string
import subprocess
import unicodedata
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from readers import GENERATED, parse_parameters

from genai_cli.content.picture import Picture
from genai_cli.content.reading import PICTURES, read_provenance
from genai_cli.content.record import to_json
from genai_cli.content.sound import Sound
from genai_cli.content.text import Text
from genai_cli.errors import InputError
from genai_cli.store.manifest import MANIFEST, Manifest, read_manifest_lines
from genai_cli.store.names import fill_template, parse_destination, slugify

# The same examples in every run, so that a failure is one of the change at hand.
settings.register_profile(
    "bounded", derandomize=True, max_examples=100, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile("bounded")
few = settings(max_examples=25)

# A prompt is UTF-8 without NUL (see Request).
prompts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1).filter(str.strip)
DIFFICULT = [
    "../../x",
    "-rf",
    "🦄🌈",
    "x" * 5000,
    'a "cat", with\nSteps: 99, Seed: 1\r\nNegative prompt: no\n',
    "Steps: 20",
    "\x01\x1b[31m \x7f\x85\u2028 \u202e  ]]> <!DOCTYPE x> &amp; </genai:record>",
    "word " * 1000 + "𝄞",
]
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | prompts, lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


def record_with(prompt: str, negative: str = "", more: Any = None) -> dict[str, Any]:
    parameters = {"seed": 7, "num_inference_steps": 20, "guidance_scale": 7.5, "negative_prompt": negative}
    parameters |= {"width": 16, "height": 16, "scheduler": "euler-a", "more": more}
    model = {"id": "owner/name", "revision": "0" * 40, "variant": None, "license": "mit"}
    return {"genai": "0.1.0", "task": "image", "prompt": prompt, "model": model, "parameters": parameters}


# Names


@given(st.text())
def test_a_slug_is_a_safe_name(text: str) -> None:
    slug = slugify(text)
    assert all(character == "-" or unicodedata.category(character)[0] in "LMN" for character in slug)
    assert unicodedata.category(slug[0])[0] in "LN"
    assert unicodedata.is_normalized("NFC", slug)
    assert len(slug.encode()) <= 61  # with the dash behind a name that Windows reserves
    assert slug.partition(".")[0] not in {"con", "prn", "aux", "nul"}
    assert slugify(slug).rstrip("-") == slug.rstrip("-")


@given(st.lists(st.sampled_from(["{slug}", "{id}", "{key}", "{seed}", "{index:04}", "/", ".", "-", "a"])), st.text())
@example(["{id}"], "../../x")
@example(["{id}", "/", "{slug}"], "..")
@example(["{id}", "{id}"], ".")
def test_a_filled_template_stays_in_its_folder(parts: list[str], text: str) -> None:
    fields: dict[str, str | int] = {"slug": slugify(text), "seed": 1, "index": 2, "key": "0f", "id": text}
    try:
        destination = parse_destination("out/" + "".join([*parts, "{seed}"]) + ".png", PICTURES, 2)
    except InputError:
        return
    name = PurePosixPath(fill_template(destination.template, fields))
    assert not name.is_absolute()
    assert ".." not in name.parts
    assert not any(part.startswith(("-", ".")) for part in name.parts)


@given(st.text(string.ascii_letters + "{}.[]()_!:0'\"", max_size=30))
@example("{x.__class__}")
@example("{slug.__class__.__mro__}")
def test_a_template_knows_its_fixed_fields_only(template: str) -> None:
    try:
        destination = parse_destination(f"out/{template}.png", PICTURES, 2)
    except InputError:
        return
    fields: dict[str, str | int] = {"slug": "s", "seed": 1, "index": 2, "key": "k", "id": "i"}
    assert "class" not in fill_template(destination.template, fields).replace(template, "")


# The record in every carrier


def test_the_prompt_survives_in_every_carrier() -> None:
    for prompt in DIFFICULT:
        for suffix in ENCODERS:
            assert told(record_with(prompt, prompt), suffix) == record_with(prompt, prompt), (prompt, suffix)


PIXELS = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
SAMPLES = (np.sin(np.arange(1600) / 10) * 20000).astype(np.int16)[:, None]
ENCODERS = {
    **dict.fromkeys((".png", ".jpg", ".webp"), Picture(PIXELS)),
    **dict.fromkeys((".wav", ".flac", ".ogg", ".opus", ".mp3"), Sound(SAMPLES, 16000)),
    ".txt": Text("what was made"),
}


def told(record: dict[str, Any], suffix: str) -> Any:
    """The record that a file of this type tells after it was written with this one."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        path.write_bytes(ENCODERS[suffix].encode(record, suffix, GENERATED))
        if suffix == ".txt":
            path.with_name("x.txt.json").write_text(to_json(record), encoding="utf-8")
        return read_provenance(path).record


@pytest.mark.parametrize("suffix", ENCODERS)
@given(prompt=prompts, negative=prompts | st.just(""), more=values)
@few
def test_a_record_survives_in_every_carrier(suffix: str, prompt: str, negative: str, more: Any) -> None:
    record = record_with(prompt, negative, more)
    assert told(record, suffix) == record


@given(prompts.map(str.strip), prompts.map(str.strip) | st.just(""))
@example("a cat", 'fog, "rain"')
@example('a "cat",\nsitting', "")
def test_the_parameters_of_a_png_follow_their_grammar(prompt: str, negative: str) -> None:
    """Where the prompt itself does not look like the form's own lines, which the form cannot tell apart."""
    from genai_cli.content.parameters_text import parameters_text

    parsed = parse_parameters(parameters_text(record_with(prompt, negative)))
    settings = {"Steps": "20", "Sampler": "Euler a", "CFG scale": "7.5", "Seed": "7", "Size": "16x16"}
    assert parsed.settings == {**settings, "Model": "owner/name"}
    if not any(line.startswith("Negative prompt:") for line in [*prompt.split("\n"), *negative.split("\n")]):
        assert (parsed.prompt, parsed.negative) == (stripped_lines(prompt), stripped_lines(negative))


def stripped_lines(text: str) -> str:
    """Readers of the form strip each line."""
    return "\n".join(line.strip() for line in text.split("\n"))


EXIFTOOL = shutil.which("exiftool")


@pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed")
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("prompt", DIFFICULT, ids=range(len(DIFFICULT)))
def test_exiftool_reads_the_carriers(tmp_path: Path, suffix: str, prompt: str) -> None:
    path = tmp_path / f"x{suffix}"
    record = record_with(prompt)
    path.write_bytes(ENCODERS[suffix].encode(record, suffix, GENERATED))
    options = ["-json", "-G1", "-n", "-charset", "UTF8"]
    shown = subprocess.run([str(EXIFTOOL), *options, path], capture_output=True, check=True, text=True).stdout
    (tags,) = json.loads(shown)
    assert tags["XMP-iptcExt:DigitalSourceType"] == GENERATED
    assert tags["XMP-xmp:CreatorTool"] == "genai 0.1.0"
    assert "ExifTool:Warning" not in tags
    if suffix == ".png" and not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", prompt):  # exiftool shows controls as dots
        assert json.loads(tags["PNG:Genai"]) == record
        assert parse_parameters(tags["PNG:Parameters"]).settings["Seed"] == "7"


# Files of anyone's


@pytest.mark.parametrize("suffix", [*ENCODERS, ".json"])
@given(st.binary(max_size=300), st.integers(0, 2000), st.binary(max_size=8))
@few
def test_a_damaged_file_is_one_line_or_a_record(suffix: str, noise: bytes, at: int, other: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        whole = (
            ENCODERS[suffix].encode(record_with("a cat"), suffix, GENERATED)
            if suffix in ENCODERS
            else to_json(record_with("a cat")).encode()
        )
        for data in (noise, whole[:at], whole[:at] + other + whole[at + len(other) :], whole[:12] + noise):
            path.write_bytes(data)
            try:
                story = read_provenance(path)
            except InputError as error:
                assert str(path) in error.message
            else:
                to_json(story.record or {"parameters": story.parameters})


# The manifest


lines = st.dictionaries(st.sampled_from(["key", "status", "file", "base_seed"]), values, max_size=4)


@given(st.binary(max_size=400))
@example(b"[" * 100_000 + b"\n")
@example(b'{"key": "a", "status": "done", "file": "' + b"x" * 5000 + b'"}\n')
@example(b'{"key": "a", "status": "done", "file": "\\u0000"}\n')
@example(b'{"key": "a", "status": "done", "file": "\\ud800"}\n')
@example(b'{"base_seed": null}\n{"base_seed": 1e999}\n{"base_seed": "x"}\n')
def test_any_bytes_are_a_manifest(data: bytes) -> None:
    read_manifest(data)


def read_manifest(data: bytes) -> Manifest:
    with TemporaryDirectory() as folder:
        (Path(folder) / MANIFEST).write_bytes(data)
        (Path(folder) / "there").touch()
        manifest = Manifest(Path(folder), None)
        manifest.open()
        # Whatever stood there: the next line stands alone, and is read again.
        manifest.append({"key": "new", "status": "failed"})
        again = Manifest(Path(folder), None)
        again.open()
        assert again.finished == manifest.finished
        assert again.finished["new"] == "failed"
        assert again.base_seed == manifest.base_seed
        return manifest


@given(st.lists(lines, max_size=6), st.integers(0, 200))
def test_read_manifest_lines_count_and_a_torn_one_does_not(items: list[dict[str, Any]], cut: int) -> None:
    whole = [json.dumps(item).encode() + b"\n" for item in items]
    data = b"".join(whole)
    kept = data[: max(0, len(data) - cut)]
    complete = kept.count(b"\n")
    with TemporaryDirectory() as folder:
        path = Path(folder) / MANIFEST
        path.write_bytes(kept)
        assert list(read_manifest_lines(path)) == [json.loads(line) for line in whole[:complete]]
    read_manifest(kept)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["done", "failed", "filtered"])), max_size=12))
def test_of_several_lines_of_one_item_the_last_counts(ends: list[tuple[str, str]]) -> None:
    data = "".join(json.dumps({"key": key, "status": status, "file": "there"}) + "\n" for key, status in ends)
    finished = read_manifest(data.encode()).finished
    assert {**dict(ends), "new": "failed"} == finished
