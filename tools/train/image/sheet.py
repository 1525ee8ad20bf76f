"""The contact sheet: a grid of pictures by an exported pipeline, each over its prompt."""

import math
from pathlib import Path

from PIL import Image, ImageDraw

from tools.train.image.export import load_pipeline
from tools.train.image.figures import generate

SHEET_PROMPTS = (
    "a large red circle on a blue background", "yellow background, small purple star on the left", "two green hearts",
    "a red star above a green ring", "a huge pink heart", "a tiny black cross at the bottom on an orange background",
    "small, cyan diamond, right, purple background", "a big yellow triangle at the top on a black background",
    "two small white rings on a red background", "a blue square next to an orange circle", "a white star",
    "an orange ring against a green background", "green square on the right, pink background", "a violet plus sign",
    "a pair of large red diamonds, white background", "a large blue heart on the left on a cyan background",
    "please draw a small green triangle in the middle, black background", "a yellow heart below a purple square",
    "two big black stars on yellow", "a cyan disc at the top", "a small orange heart on a blue background",
    "a large white cross on a purple background", "an astronaut riding a horse", "a red dog on a yellow background",
)  # fmt: skip


def write_contact_sheet(folder: Path, path: Path, columns: int = 6, scale: int = 2) -> None:
    """Draw SHEET_PROMPTS with the exported pipeline and save them in a grid, each over its prompt."""
    pictures = generate(load_pipeline(folder), list(SHEET_PROMPTS), seed=1)
    side, text_height, gap = pictures[0].width * scale, 40, 8
    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new("RGB", (columns * (side + gap) + gap, rows * (side + text_height + gap) + gap), "#dddddd")
    pen = ImageDraw.Draw(sheet)
    for index, (picture, prompt) in enumerate(zip(pictures, SHEET_PROMPTS, strict=True)):
        x, y = gap + index % columns * (side + gap), gap + index // columns * (side + text_height + gap)
        sheet.paste(picture.resize((side, side), Image.Resampling.LANCZOS), (x, y))
        pen.multiline_text((x, y + side + 2), _wrap(prompt, 22), fill="black", font_size=10, spacing=1)
    sheet.save(path)


def _wrap(text: str, width: int) -> str:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
