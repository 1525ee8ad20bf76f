"""A WAV that is written while it is made: its length is not known when its head is written.

https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html
"""

import struct

UNKNOWN = 0xFFFFFFFF  # the length that programs which read a stream take for "to the end"
LARGEST = 2**16  # of a note


def make_head(sampling_rate: int, notes: dict[str, str]) -> bytes:
    """The head of a WAV of one channel in 16 bits; `notes` are chunks of LIST INFO by their four letters."""
    form = struct.pack("<HHIIHH", 1, 1, sampling_rate, 2 * sampling_rate, 2, 16)
    info = b"INFO" + b"".join(make_chunk(name.encode(), text.encode() + b"\0") for name, text in notes.items())
    head = b"WAVE" + make_chunk(b"fmt ", form) + make_chunk(b"LIST", info)
    return b"RIFF" + struct.pack("<I", UNKNOWN) + head + b"data" + struct.pack("<I", UNKNOWN)


def make_chunk(name: bytes, data: bytes) -> bytes:
    """A chunk; its data is filled up to an even length."""
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
