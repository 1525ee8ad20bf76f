"""Voices: those that the model hears while it is trained, and those that it never heard."""

from __future__ import annotations

import numpy as np

from tools.train.shared.speech import Order

ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-029", "en-us-nyc")
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
    "Mr",
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


def order(text: str, rng: np.random.Generator, held_out: bool = False) -> Order:
    """The text by a voice drawn at random, at a speed and a pitch drawn at random."""
    share = rng.random()
    speed = int(rng.integers(115, 200))
    if share < 0.12:
        return Order(text, "flite", HELD_OUT_FLITE if held_out else str(rng.choice(FLITE)), min(speed, 190))
    accent = ACCENTS[int(rng.choice(len(ACCENTS), p=_ACCENT_SHARES))]
    variant = str(rng.choice(HELD_OUT_VARIANTS if held_out else VARIANTS))
    return Order(text, "espeak-ng", f"{accent}+{variant}", speed, int(rng.integers(25, 75)))


_ACCENT_SHARES = (0.4, 0.2, 0.08, 0.1, 0.08, 0.04, 0.1)
