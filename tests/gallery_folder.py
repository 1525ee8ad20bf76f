"""A folder of results for the tests of the gallery: real files of genai, hostile ones, failures, and a lineage."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

GOLDEN = Path(__file__).parent / "golden"
BREAKOUTS = (
    '</script><script>window.hit="script"</script>',
    '"><img src=x onerror="window.hit=\'attribute\'">',
    "javascript:window.hit='url'",
    "</style><style>*{display:none}</style>",
    "{{ 7 * 7 }}{% raw %} <!-- \u2028 & <b>bold</b>",
)


def write_picture(path: Path, record: dict[str, Any], colour: str = "red", size: tuple[int, int] = (48, 32)) -> Path:
    """A PNG with a record of genai."""
    texts = PngInfo()
    texts.add_itxt("genai", json.dumps(record))
    Image.new("RGB", size, colour).save(path, pnginfo=texts)
    return path


def make_record(prompt: str, **more: Any) -> dict[str, Any]:
    """A record as genai writes it."""
    model = {"id": "tiny", "revision": None, "variant": None, "license": "Apache-2.0"}
    parameters = {"seed": 7, "num_inference_steps": 20}
    made = {"created": "2026-11-28T10:00:00Z", "content_sha256": "0" * 64}
    return {
        "genai": "0.2.0",
        "task": "image",
        "prompt": prompt,
        "model": model,
        "parameters": parameters,
        **made,
        **more,
    }


def fill_folder(folder: Path) -> Path:
    """Golden files, a failed item, packed labels, an original with two results, and hostile records and names."""
    shutil.copytree(GOLDEN / "files", folder)
    Image.new("RGB", (64, 48), "teal").save(folder / "photo.jpg")
    photo = {"name": "photo.jpg", "sha256": hashlib.sha256((folder / "photo.jpg").read_bytes()).hexdigest()}
    for number in (1, 2):
        record = make_record("", task="tint", inputs={"picture": photo})
        del record["prompt"]
        write_picture(folder / f"tinted-{number}.png", record, "navy")
    lines: list[dict[str, Any]] = [{"genai": "0.2.0", "base_seed": 1}]
    lines.append({"task": "image", "prompt": "a failed cat", "key": "f1", "id": "f1", "status": "failed", "file": None})
    lines[-1]["error"] = "the picture is a single colour"
    label = make_record("what a film", task="classify", labels=[{"label": "POSITIVE", "score": 0.9}], text="POSITIVE")
    lines.append(label | {"key": "l1", "id": "l1", "status": "done", "file": None})
    for number, text in enumerate(BREAKOUTS):
        name = text.replace("/", "_")[:60] + ".png"
        record = make_record(text, model={"id": text, "revision": text, "license": text})
        write_picture(folder / name, record | {"parameters": {"seed": text, text: text}}, "orange")
        lines.append({"task": text, "prompt": text, "key": f"h{number}", "id": text, "status": text, "error": text})
    # A manifest that leads elsewhere.
    for name in ("../secret.png", "/etc/hostname", "x\0y", ["list"]):
        lines.append(make_record("elsewhere") | {"key": str(name), "status": "done", "file": name})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def fill_beside(folder: Path) -> Path:
    """Results that stand beside what they are about: boxes (hostile ones, too), words, labels, and a transcript."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (600, 400), "teal")
    picture.paste("white", (60, 80, 210, 180))
    picture.save(folder / "street.jpg")
    Image.new("RGB", (40, 60), "navy").save(folder / "room.bmp")
    shutil.copy(GOLDEN / "files" / "piano.wav", folder / "talk.wav")
    street, room, talk = (state_input(folder / name) for name in ("street.jpg", "room.bmp", "talk.wav"))
    boxes = [{"label": "car", "score": 0.97, "box": [60, 80, 150, 100]}]
    boxes += [{"label": text, "score": 0.5, "box": [450, 0, 150, 100]} for text in BREAKOUTS]
    found = make_about("detect", {"picture": street}, boxes=[*boxes, *BAD_BOXES], size=[600, 400])
    nothing = make_about("detect", {"picture": room}, boxes=[], size=[40, 60])
    labels = [{"label": "indoors", "score": 0.8}, {"label": "outdoors", "score": 0.2}]
    sorted_out = make_about("classify", {"picture": room}, labels=labels, text="indoors")
    (folder / "found.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (found, nothing, sorted_out)))
    write_words(folder / "street.txt", make_about("describe", {"picture": street}, text="a white van"))
    both = {"picture": street, "also": room}
    write_words(folder / "both.txt", make_about("describe", both, text="one is dark"))
    said = make_about("transcribe", {"sound": talk}, text="the train leaves", segments=[], duration=0.25)
    for suffix in (".srt", ".txt", ".vtt"):
        write_words(folder / f"talk{suffix}", said)
    (folder / "talk.json").write_text(json.dumps({"text": said["text"], "genai": said}))
    return folder


def fill_unknown(folder: Path) -> Path:
    """Words about files of types that a browser may not know: HEIC, a damaged one, AIFF, and M4A."""
    import av
    import numpy
    import soundfile

    folder.mkdir(parents=True)
    heic = (Path(__file__).parent / "pictures" / "two-colours.heic").read_bytes()
    (folder / "photo.heic").write_bytes(heic)
    (folder / "broken.heic").write_bytes(heic[:-100])
    samples = (numpy.sin(numpy.arange(8000) / 5) * 9000).astype(numpy.int16)
    soundfile.write(folder / "talk.aiff", samples, 16000)
    with av.open(folder / "gap.m4a", "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame) + stream.encode(None))
    about = {"photo.heic": "two colours", "broken.heic": "nothing to see"}
    for name, text in about.items():
        words = make_about("describe", {"picture": state_input(folder / name)}, text=text)
        write_words(folder / f"{name}.txt", words)
    for name, text in {"talk.aiff": "the train leaves", "gap.m4a": "mind the gap"}.items():
        stated = {"sound": state_input(folder / name)}
        words = make_about("transcribe", stated, text=text, segments=[], duration=0.5)
        write_words(folder / f"{name}.txt", words)
    return folder


# What is not a box, or none in its picture, and numbers that cannot be reckoned with.
BAD_BOXES: tuple[Any, ...] = (
    "box",
    {"label": "short", "score": 0.5, "box": [1, 2, 3]},
    {"label": "words", "score": 0.5, "box": ["1", "2", "3", "4"]},
    {"label": "none", "score": None, "box": [1, 2, 3, 4]},
    {"label": "outside", "score": 0.5, "box": [700, 500, 10, 10]},
    {"label": "inverted", "score": 0.5, "box": [50, 50, -20, -20]},
    {"label": "huge", "score": 10**400, "box": [1, 2, 3, 4]},
    {"label": "wide", "score": 0.5, "box": [0, 0, 10**400, 4]},
    {"label": "true", "score": True, "box": [1, 2, 3, 4]},
)


def make_about(task: str, inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A record of a result about files."""
    record = make_record("", task=task, inputs=inputs, **more)
    del record["prompt"]
    return record


def state_input(file: Path) -> dict[str, Any]:
    """A file as records state it."""
    return {"name": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


def write_words(file: Path, record: dict[str, Any]) -> None:
    """A text with its record beside it."""
    file.write_text(record["text"])
    file.with_name(f"{file.name}.json").write_text(json.dumps(record))
