"""Sound as WAV, FLAC, Ogg Vorbis and MP3 that carry their record, and say that they were generated."""

import hashlib
import io
from dataclasses import dataclass
from typing import Any

from genai_cli.errors import OutputError
from genai_cli.output.record import DIGITAL_SOURCE_TYPE, Record, to_json

FORMATS = {
    ".wav": {"format": "WAV", "subtype": "PCM_16"},
    ".flac": {"format": "FLAC", "subtype": "PCM_16"},
    ".ogg": {"format": "OGG", "subtype": "VORBIS"},
    ".mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
}


@dataclass(frozen=True)
class Sound:
    """Samples of shape (samples, channels), int16, at `sampling_rate` samples a second."""

    samples: Any
    sampling_rate: int

    def sha256(self) -> str:
        """Of the samples, little-endian, channels interleaved."""
        return hashlib.sha256(self.samples.astype("<i2").tobytes()).hexdigest()

    def encode(self, record: Record, suffix: str) -> bytes:
        """The file's bytes in the format of the suffix. Raises OutputError where it cannot hold this sampling rate."""
        import soundfile

        stream = io.BytesIO()
        try:
            soundfile.write(stream, self.samples, self.sampling_rate, **FORMATS[suffix])
        except soundfile.LibsndfileError as error:
            raise OutputError(
                f"{suffix} cannot hold {self.sampling_rate} samples a second: {error.error_string}", hint="write .wav"
            ) from error
        write_tags(stream, record, suffix)
        return stream.getvalue()


def write_tags(stream: io.BytesIO, record: Record, suffix: str) -> None:
    """Put the record and the mark into the encoded file: ID3 in WAV and MP3, Vorbis comments in FLAC and Ogg."""
    tags = {"genai": to_json(record), "DigitalSourceType": DIGITAL_SOURCE_TYPE, "encoder": f"genai {record['genai']}"}
    stream.seek(0)
    if suffix in (".flac", ".ogg"):
        from mutagen.flac import FLAC
        from mutagen.oggvorbis import OggVorbis

        file = FLAC(stream) if suffix == ".flac" else OggVorbis(stream)
        if file.tags is None:
            file.add_tags()
        for name, text in tags.items():
            file.tags[name] = text
    else:
        from mutagen.id3 import TXXX
        from mutagen.mp3 import MP3
        from mutagen.wave import WAVE

        file = WAVE(stream) if suffix == ".wav" else MP3(stream)
        if file.tags is None:
            file.add_tags()
        for name, text in tags.items():
            file.tags.add(TXXX(encoding=3, desc=name, text=[text]))
    stream.seek(0)
    file.save(stream)
