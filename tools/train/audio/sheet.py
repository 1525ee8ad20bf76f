"""Spectrograms of sounds in one picture, each under its prompt."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tools.train.audio.figures import Shown
from tools.train.audio.hearing import Sound

WINDOW, STEP = 512, 160  # samples
RANGE = 70.0  # dB that the colours cover
COLUMNS = 2
TEXT_HEIGHT, GAP = 18, 8
# Dark to bright, as RGB at equal distances.
COLOURS = np.array([(4, 5, 20), (62, 20, 100), (160, 40, 90), (240, 110, 40), (252, 250, 170)], np.float64)


def spectrogram(sound: Sound) -> NDArray[np.uint8]:
    """An RGB picture (bins, frames, 3) of the levels, lowest frequency at the bottom."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::STEP] * np.hanning(WINDOW)
    level = 20 * np.log10(np.abs(np.fft.rfft(frames, axis=1)[:, :-1]).T[::-1] + 1e-9)
    place = np.clip(1 + (level - level.max()) / RANGE, 0, 1) * (len(COLOURS) - 1)
    channels = [np.interp(place, np.arange(len(COLOURS)), COLOURS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def write_sheet(shown: Sequence[Shown], path: Path) -> None:
    """Save the spectrograms of sounds of one length in a grid, each under its prompt."""
    pictures = [spectrogram(one.sound) for one in shown]
    height, width, _ = pictures[0].shape
    rows = -(-len(shown) // COLUMNS)
    size = (COLUMNS * (width + GAP) + GAP, rows * (height + TEXT_HEIGHT + GAP) + GAP)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for index, (one, picture) in enumerate(zip(shown, pictures, strict=True)):
        x, y = GAP + index % COLUMNS * (width + GAP), GAP + index // COLUMNS * (height + TEXT_HEIGHT + GAP)
        pen.text((x, y), one.prompt, fill="black", font_size=13)
        sheet.paste(Image.fromarray(picture), (x, y + TEXT_HEIGHT))
    sheet.save(path)
