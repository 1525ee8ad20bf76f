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
