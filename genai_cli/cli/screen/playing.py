"""Sounds on the loudspeaker: by sounddevice, where it is installed, else by a program of the system."""

import shutil
import subprocess
from pathlib import Path

from genai_cli.errors import InputError

# Each with the file types that it plays; () is all.
PLAYERS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"), ()),
    (("aplay", "--quiet"), (".wav",)),
    (("afplay",), ()),
)


def play_file(file: Path) -> None:
    """Play a sound, and return when it has ended. Raises InputError where nothing can play it."""
    if play_by_library(file):
        return
    for words, suffixes in PLAYERS:
        if shutil.which(words[0]) and (not suffixes or file.suffix.lower() in suffixes):
            path = str(file.absolute())  # never taken for an option
            if subprocess.run([*words, path], stdin=subprocess.DEVNULL, check=False).returncode:
                raise InputError(f"{words[0]} cannot play {file}")
            return
    hint = "pip install 'genai-cli[play]', or install ffmpeg"
    raise InputError(f"nothing here plays {file}: {hint}", hint=hint)


def play_by_library(file: Path) -> bool:
    """Play by sounddevice; False where it, PortAudio or a loudspeaker is missing."""
    try:
        import sounddevice
    except (ImportError, OSError):  # OSError: without PortAudio
        return False
    from genai_cli.content.sound import Sound
    from genai_cli.events import ignore
    from genai_cli.request.input import Input

    sound = Sound.read(Input.read(file, file.name), ignore)
    try:
        sounddevice.play(sound.samples, sound.sampling_rate)
        sounddevice.wait()
    except sounddevice.PortAudioError:
        return False
    finally:
        sounddevice.stop()
    return True
