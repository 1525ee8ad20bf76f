"""The figures of an exported model: shares of correct attributes on held-out prompts, faults, size, speed."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import (
    AutoProcessor,
    AutoTokenizer,
    EncodecModel,
    MusicgenForConditionalGeneration,
    TextToAudioPipeline,
    set_seed,
)

from tools.train.audio.captions import Captioned, draw_captioned
from tools.train.audio.codec import FADE_SAMPLES, signal_to_distortion
from tools.train.audio.hearing import Sound
from tools.train.audio.measure import FAULTS, Heard, measure_sound
from tools.train.audio.networks import CODEBOOKS
from tools.train.audio.pool import every_piece
from tools.train.audio.synthesis import render
from tools.train.audio.world import FRAME_RATE, INSTRUMENTS, SAMPLING_RATE, Piece

ATTRIBUTES = ("instrument", "register", "tempo", "mode")
BARS = {"instrument": 0.90, "register": 0.95, "tempo": 0.85}
SEED = 30_000
SECONDS = 5.0
CEILING_MELODY = 1
# Extra sets without a bar, by name: the number of prompts, and the seconds of sound. The second set ends within notes.
EXTRA = {"10 s": (20, 10.0), "3.35 s, cut within a note": (20, 3.35)}
MAIN = "5 s"
SETS = {MAIN: (60, SECONDS)} | EXTRA
SHOWN_PROMPTS = (
    "a slow high flute melody in a minor key", "electric rock solo", "drums, fast", "calm piano",
    "deep bass line, medium tempo", "a cheerful fast melody on high bells", "slow church organ, low and sad",
    "fast high piano, happy", "slow drums", "low distorted guitar riff, medium tempo, dark",
)  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A sound to show: its prompt, its samples, and its measurements."""

    prompt: str
    sound: Sound
    heard: Heard


@dataclass(frozen=True)
class Shares:
    """For `count` sounds: by attribute, how many are right of how many that state it; and the faults."""

    count: int
    right: dict[str, tuple[int, int]]
    faults: dict[str, int]


@dataclass(frozen=True)
class Ceiling:
    """Shares of the codec alone and of the synthesiser, and the codec's mean signal-to-distortion ratio in dB."""

    codec: Shares
    synthesis: Shares
    distortion: dict[str, float]


@dataclass(frozen=True)
class Figures:
    """All measurements. `wrong` has the prompts of the main set that went wrong, and what was heard."""

    sets: dict[str, Shares]
    ceiling: Ceiling
    wrong: list[tuple[str, str]]
    shown: list[Shown]
    megabytes: float
    seconds_a_sound: float
    temperature: float
    guidance_scale: float


def load_pipeline(folder: Path) -> TextToAudioPipeline:
    """The exported model in float32, as its configuration says, in the library's pipeline."""
    model = MusicgenForConditionalGeneration.from_pretrained(folder)
    tokenizer, processor = AutoTokenizer.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    return TextToAudioPipeline(model=model, tokenizer=tokenizer, processor=processor, device="cpu")


def generate(pipeline: TextToAudioPipeline, prompt: str, seconds: float, seed: int) -> Sound:
    """A sound (samples,) at the model's own temperature and guidance scale."""
    set_seed(seed)
    tokens = round(seconds * FRAME_RATE) + CODEBOOKS - 1
    output = pipeline(prompt, generate_kwargs={"max_new_tokens": tokens})
    return np.asarray(output["audio"], np.float32).reshape(-1)


def held_out_prompts(count: int, seed: int) -> list[Captioned]:
    """Held-out prompts that state instrument, tempo and, if there is one, register. The instruments take turns."""
    rng = np.random.default_rng(seed)
    prompts: list[Captioned] = []
    while len(prompts) < count:
        drawn = draw_captioned(rng, held_out=True)
        asked = {"tempo", "register"} if drawn.piece.has_register else {"tempo"}
        in_turn = drawn.piece.instrument == INSTRUMENTS[len(prompts) % len(INSTRUMENTS)]
        if in_turn and asked <= drawn.stated:
            prompts.append(drawn)
    return prompts


def count_shares(measured: list[tuple[Piece, frozenset[str], Heard]]) -> Shares:
    """Count what is right in sounds. Each comes with the requested piece and the stated attributes."""
    right = {}
    for name in ATTRIBUTES:
        asked = [(piece, heard) for piece, stated, heard in measured if name in stated]
        right[name] = (sum(heard.matches(piece, name) for piece, heard in asked), len(asked))
    faults = {fault: sum(getattr(heard, fault) for _, _, heard in measured) for fault in FAULTS}
    return Shares(len(measured), right, faults)


def _all_stated(piece: Piece) -> frozenset[str]:
    return frozenset(ATTRIBUTES if piece.has_register else ("instrument", "tempo"))


@torch.no_grad()
def measure_ceiling(codec: EncodecModel) -> Ceiling:
    """Measure every piece once, through the codec alone and as synthesised. This is the best possible result."""
    coded, clean = [], []
    ratios: dict[str, list[float]] = {}
    for piece in every_piece():
        sound = render(piece, CEILING_MELODY)[: round(SECONDS * SAMPLING_RATE)]
        codes = codec.encode(torch.from_numpy(sound)[None, None])
        decoded = codec.decode(codes.audio_codes, codes.audio_scales).audio_values[0, 0].numpy()
        ends = slice(FADE_SAMPLES, -FADE_SAMPLES)
        ratio = signal_to_distortion(torch.from_numpy(decoded)[ends], torch.from_numpy(sound)[ends])
        ratios.setdefault(f"{piece.register} {piece.instrument}" if piece.has_register else "drums", []).append(ratio)
        coded.append((piece, _all_stated(piece), measure_sound(decoded, SAMPLING_RATE)))
        clean.append((piece, _all_stated(piece), measure_sound(sound, SAMPLING_RATE)))
    distortion = {name: sum(values) / len(values) for name, values in ratios.items()}
    return Ceiling(count_shares(coded), count_shares(clean), distortion)


def _measure_set(pipeline: TextToAudioPipeline, name: str) -> tuple[Shares, list[tuple[str, str]]]:
    """The shares of one of SETS, and its prompts that went wrong with what was heard instead."""
    count, seconds = SETS[name]
    measured, wrong = [], []
    for index, asked in enumerate(held_out_prompts(count, SEED + round(10 * seconds))):
        heard = measure_sound(generate(pipeline, asked.text, seconds, SEED + index), SAMPLING_RATE)
        measured.append((asked.piece, asked.stated, heard))
        wrong_names = [name for name in ATTRIBUTES if name in asked.stated and not heard.matches(asked.piece, name)]
        missed = [f"{name} {getattr(heard, name) or 'unclear'}" for name in wrong_names]
        missed += [fault for fault in FAULTS if getattr(heard, fault)]
        if missed:
            wrong.append((asked.text, ", ".join(missed)))
    return count_shares(measured), wrong


def measure_model(folder: Path) -> Figures:
    """Measure an exported model at its own temperature and guidance scale."""
    pipeline = load_pipeline(folder)
    started = time.process_time()
    main, wrong = _measure_set(pipeline, MAIN)
    seconds = (time.process_time() - started) / SETS[MAIN][0]
    shown = []
    for index, prompt in enumerate(SHOWN_PROMPTS):
        sound = generate(pipeline, prompt, SECONDS, SEED + index)
        shown.append(Shown(prompt, sound, measure_sound(sound, SAMPLING_RATE)))
    return Figures(
        sets={MAIN: main} | {name: _measure_set(pipeline, name)[0] for name in EXTRA},
        ceiling=measure_ceiling(pipeline.model.audio_encoder),
        wrong=wrong,
        shown=shown,
        megabytes=sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) / 1e6,
        seconds_a_sound=seconds,
        temperature=pipeline.model.generation_config.temperature,
        guidance_scale=pipeline.model.generation_config.guidance_scale,
    )
