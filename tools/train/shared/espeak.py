"""The library of espeak-ng, which tells when it begins each word. It is for training alone: nothing of it is shipped.

Its functions and their numbers: espeak-ng/speak_lib.h. Its licence, GPL 3, allows code with this file's to call it.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_int64, c_short, c_uint, c_void_p
from functools import cache

import numpy as np
from numpy.typing import NDArray

LIBRARY = "libespeak-ng.so.1"
SYNCHRONOUS = 2
SPEED, PITCH = 1, 3
WORD_BEGINS = 1
UTF8 = 1


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", c_int),
        ("identifier", c_uint),
        ("text_position", c_int),
        ("length", c_int),
        ("audio_position", c_int),
        ("sample", c_int),
        ("user_data", c_void_p),
        ("number", c_int64),
    ]


_Callback = ctypes.CFUNCTYPE(c_int, POINTER(c_short), c_int, POINTER(_Event))


class Espeak:
    """One synthesizer a process."""

    def __init__(self) -> None:
        """Load the library. Raises OSError if it is not installed."""
        self._library = ctypes.CDLL(LIBRARY)
        self._library.espeak_SetVoiceByName.argtypes = [c_char_p]
        self.rate: int = self._library.espeak_Initialize(SYNCHRONOUS, 0, None, 0)
        self._parts: list[NDArray[np.int16]] = []
        self._begins: dict[int, float] = {}
        self._kept = _Callback(self._take)
        self._library.espeak_SetSynthCallback(self._kept)

    def say(self, text: str, voice: str, speed: int, pitch: int) -> tuple[NDArray[np.int16], dict[int, float]]:
        """Mono samples at `rate`, and the second at which the word at each place in the text begins.

        Some words are said as one ("of the"): only the first of them has a beginning. Raises ValueError for a language
        that is not there; a variant that is not there changes nothing.
        """
        self._parts, self._begins = [], {}
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"espeak-ng has no voice {voice}")
        self._library.espeak_SetParameter(SPEED, speed, 0)
        self._library.espeak_SetParameter(PITCH, pitch, 0)
        told = text.encode()
        self._library.espeak_Synth(told, len(told) + 1, 0, 0, 0, UTF8, None, None)
        self._library.espeak_Synchronize()
        return np.concatenate([np.zeros(0, np.int16), *self._parts]), self._begins

    def _take(self, samples: ctypes._Pointer[c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        if count:
            self._parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        place = 0
        while events[place].type:
            event = events[place]
            if event.type == WORD_BEGINS and event.text_position > 0:
                self._begins.setdefault(event.text_position - 1, event.sample / self.rate)
            place += 1
        return 0


@cache
def load_espeak() -> Espeak:
    """The synthesizer of this process."""
    return Espeak()
