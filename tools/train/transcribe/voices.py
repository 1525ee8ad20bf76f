"""Voices: those that the model hears while it is trained, and those that it never heard."""

from __future__ import annotations

import numpy as np

from tools.train.shared.speech import Order

ACCENTS = ("en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-029", "en-us-nyc")
VARIANTS = (
    "m1",
    "m2",
    "m3",
    "m4",
    "m6",
    "m7",
    "m8",
    "f1",
    "f2",
    "f4",
    "f5",
    "adam",
    "Alex",
    "Alicia",
    "Andrea",
    "Andy",
    "Annie",
    "aunty",
    "belinda",
    "benjamin",
    "boris",
    "caleb",
    "david",
    "Denis",
    "ed",
    "edward",
    "Gene",
    "grandma",
    "grandpa",
    "gustave",
    "Henrique",
    "Hugo",
    "iven",
    "iven3",
    "Jacky",
    "john",
    "kaukovalta",
    "klatt",
    "klatt2",
    "klatt4",
    "Lee",
    "marcelo",
    "Marco",
    "Mario",
    "max",
    "michel",
    "miguel",
    "norbert",
    "pablo",
    "paul",
    "pedro",
    "quincy",
    "rob",
    "robert",
    "shelby",
    "steph",
    "steph3",
    "travis",
    "UniRobot",
    "victor",
    "zac",
    "anika",
    "sandro",
)
HELD_OUT_VARIANTS = ("m5", "f3", "linda", "Michael", "Mike", "steph2", "Diogo", "klatt3")
FLITE = ("rms", "awb", "kal16")
HELD_OUT_FLITE = "slt"
"""the only voice of a woman"""
FLITE_SHARE, HELD_OUT_FLITE_SHARE = 0.35, 0.12
FLITE_PITCHES, HEADS = (0, 99), (0.9, 1.4)
"""flite's voices to train on are men's: heads of many sizes make others of them."""
SPEEDS, HELD_OUT_SPEEDS = (95, 200), (115, 200)
PITCHES, HELD_OUT_PITCHES = (10, 90), (25, 75)


def order(text: str, rng: np.random.Generator, held_out: bool = False) -> Order:
    """The text by a voice drawn at random, at a speed and a pitch drawn at random."""
    of_flite = rng.random() < (HELD_OUT_FLITE_SHARE if held_out else FLITE_SHARE)
    speed = int(rng.integers(*(HELD_OUT_SPEEDS if held_out else SPEEDS)))
    if of_flite and held_out:
        return Order(text, "flite", HELD_OUT_FLITE, min(speed, 190))
    if of_flite:
        pitch, head = int(rng.integers(*FLITE_PITCHES)), float(rng.uniform(*HEADS))
        return Order(text, "flite", str(rng.choice(FLITE)), min(speed, 190), pitch, head)
    accent = ACCENTS[int(rng.choice(len(ACCENTS), p=_ACCENT_SHARES))]
    variant = str(rng.choice(HELD_OUT_VARIANTS if held_out else VARIANTS))
    pitch = int(rng.integers(*(HELD_OUT_PITCHES if held_out else PITCHES)))
    return Order(text, "espeak-ng", f"{accent}+{variant}", speed, pitch)


_ACCENT_SHARES = (0.4, 0.2, 0.08, 0.1, 0.08, 0.04, 0.1)
