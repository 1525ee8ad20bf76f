"""One picture of a folder of generated files: pictures with their prompts, a text, labels, a spectrogram."""

import argparse
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image, ImageDraw, ImageFont

WIDTH = 880  # pixels
MARGIN = 16
COLUMNS = 4
TILE = 128
INK, PAPER, FAINT = (32, 32, 32), (255, 255, 255), (110, 110, 110)


def picture_grid(files: Sequence[Path]) -> Image.Image:
    """The pictures, enlarged to tiles, each above its prompt."""
    rows = -(-len(files) // COLUMNS)
    cell, height = (WIDTH - MARGIN) // COLUMNS, TILE + 64
    sheet = Image.new("RGB", (WIDTH, rows * height + MARGIN), PAPER)
    for number, file in enumerate(files):
        x, y = MARGIN + number % COLUMNS * cell, MARGIN + number // COLUMNS * height
        with Image.open(file) as image:
            record = json.loads(image.text["genai"])
            prompt = f"{'edited: ' if 'inputs' in record else ''}{record['prompt']}"
            sheet.paste(image.convert("RGB").resize((TILE, TILE), Image.Resampling.NEAREST), (x, y))
        write_lines(sheet, textwrap.wrap(prompt, 27), x, y + TILE + 4, 13, FAINT)
    return sheet


def text_block(title: str, lines: Sequence[str]) -> Image.Image:
    """A title and lines of text."""
    sheet = Image.new("RGB", (WIDTH, 30 + 19 * len(lines) + MARGIN), PAPER)
    write_lines(sheet, [title], MARGIN, 4, 13, FAINT)
    write_lines(sheet, lines, MARGIN, 26, 15, INK)
    return sheet


def write_lines(sheet: Image.Image, lines: Sequence[str], x: int, y: int, size: int, colour: tuple[int, ...]) -> None:
    """Draw lines of text, top down."""
    font = ImageFont.load_default(size)
    for number, line in enumerate(lines):
        ImageDraw.Draw(sheet).text((x, y + number * (size + 4)), line, fill=colour, font=font)


def spectrogram(file: Path) -> Image.Image:
    """The loudness of a sound by time (left to right) and frequency (bottom up), 80 dB deep."""
    samples, _rate = soundfile.read(file, always_2d=True)
    mono, window = samples.mean(axis=1), 512
    hop = max(1, (len(mono) - window) // (WIDTH - 2 * MARGIN))
    frames = np.lib.stride_tricks.sliding_window_view(mono, window)[::hop] * np.hanning(window)
    level = 20 * np.log10(np.abs(np.fft.rfft(frames, axis=1)).T[::-1] + 1e-6)
    grey = np.clip((level - level.max() + 80) / 80 * 255, 0, 255).astype(np.uint8)
    picture = Image.new("RGB", (WIDTH, 160 + MARGIN), PAPER)
    picture.paste(Image.fromarray(255 - grey).resize((WIDTH - 2 * MARGIN, 160)), (MARGIN, 0))
    return picture


def label_lines(file: Path) -> list[str]:
    """`LABEL  score  text` for each record of a JSON Lines file."""
    records: list[dict[str, Any]] = [json.loads(line) for line in file.read_text().splitlines()]
    return [f"{record['label']}   {record['score']:.2f}   {record['prompt']}" for record in records]


def contact_sheet(folder: Path) -> Image.Image:
    """Everything in a folder, one block above the other."""
    pictures = [file for file in sorted(folder.glob("*.png")) if file.stem != "contact-sheet"]
    blocks = [picture_grid(pictures)] if pictures else []
    for file in sorted(folder.glob("*.txt")):
        paragraphs = file.read_text().strip().splitlines()
        blocks.append(text_block("text", [line for part in paragraphs for line in textwrap.wrap(part, 105)]))
    for file in sorted(folder.glob("labels.jsonl")):
        blocks.append(text_block("classify", label_lines(file)))
    for file in sorted(folder.glob("*.wav")):
        blocks += [text_block(f"audio: {file.stem}", []), spectrogram(file)]
    sheet = Image.new("RGB", (WIDTH, sum(block.height for block in blocks)), PAPER)
    y = 0
    for block in blocks:
        sheet.paste(block, (0, y))
        y += block.height
    return sheet


def main() -> None:
    """Draw the contact sheet of a folder into a PNG."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("sheet", type=Path)
    arguments = parser.parse_args()
    contact_sheet(arguments.folder).save(arguments.sheet, optimize=True)


if __name__ == "__main__":
    main()
