"""The words of the captions."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wording:
    """Ways to say one value of an attribute: words before a noun, and phrases after it."""

    adjectives: tuple[str, ...]
    phrases: tuple[str, ...]


NAMES = {
    "piano": ("piano", "grand piano", "keyboard", "upright piano", "piano keys"),
    "flute": ("flute", "wooden flute", "woodwind", "recorder", "pan flute", "whistle"),
    "guitar": (
        "electric guitar", "distorted guitar", "guitar", "rock guitar", "distorted electric guitar", "heavy guitar",
        "metal guitar", "overdriven guitar", "electric guitar with distortion",
    ),
    "bass": ("bass", "bass guitar", "bassline", "electric bass", "upright bass", "double bass"),
    "organ": ("organ", "church organ", "pipe organ", "hammond organ", "electric organ"),
    "bells": ("bells", "bell", "chimes", "glockenspiel", "church bells", "tubular bells", "bell sounds"),
    "drums": ("drums", "drum", "percussion", "drum kit", "beats", "drum set", "snare drum", "drumming"),
}  # fmt: skip
ATTRIBUTE_WORDINGS = {
    "register": {
        "low": Wording(
            ("low", "deep", "low pitched", "low-pitched"),
            ("low notes", "in a low register", "in the lower octave", "with deep notes", "down low", "low in pitch"),
        ),
        "high": Wording(
            ("high", "high pitched", "high-pitched", "treble", "shrill"),
            ("high notes", "in a high register", "in the upper octave", "with high notes", "up high", "high in pitch"),
        ),
    },
    "tempo": {
        "slow": Wording(
            ("slow", "calm", "gentle", "relaxed", "peaceful", "quiet", "soft", "very slow", "dreamy", "sleepy"),
            ("slowly", "adagio", "at a slow tempo", "at a slow pace", "60 bpm", "calmly", "softly", "largo"),
        ),
        "medium": Wording(
            ("medium", "moderate", "mid-tempo", "steady", "medium tempo", "walking", "medium-paced"),
            ("moderately", "andante", "at a medium tempo", "at a walking pace", "120 bpm", "medium speed", "moderato"),
        ),
        "fast": Wording(
            ("fast", "quick", "energetic", "lively", "rapid", "upbeat", "very fast", "frantic", "exciting", "speedy"),
            ("quickly", "allegro", "at a fast tempo", "at a quick pace", "240 bpm", "fast and wild", "presto"),
        ),
    },
    "mode": {
        "major": Wording(
            ("major", "happy", "cheerful", "bright", "joyful", "merry", "sunny", "uplifting"),
            ("in a major key", "in major", "major scale", "in a happy mood", "cheerfully", "full of joy"),
        ),
        "minor": Wording(
            ("minor", "sad", "dark", "melancholic", "gloomy", "mournful", "sorrowful", "melancholy", "moody"),
            ("in a minor key", "in minor", "minor scale", "in a sad mood", "sadly", "full of sorrow"),
        ),
    },
}
TUNES = ("melody", "tune", "solo", "music", "song", "piece", "line", "track", "riff", "part", "theme", "")
BEATS = ("beat", "groove", "rhythm", "solo", "loop", "track", "pattern", "music", "")
OPENINGS = (
    "", "", "", "", "a ", "a ", "the ", "some ", "please play a ", "play ", "i want a ", "sound of a ", "an ",
    "give me ", "can you make a ", "generate ", "i would like to hear a ",
)  # fmt: skip
ENDINGS = (
    "", "", "", "", "", " please", " with feeling", " for a film", " by night", " in the rain", " for my friend", "!",
    ".", " in a big hall", " as background music", " for the morning", "?",
)  # fmt: skip
# Wordings that do not name an instrument or a tempo, and what they mean.
IDIOMS = (
    ("rock solo", {"instrument": "guitar", "tempo": "fast"}),
    ("electric rock solo", {"instrument": "guitar", "tempo": "fast"}),
    ("heavy metal riff", {"instrument": "guitar", "tempo": "fast", "register": "low"}),
    ("rock music", {"instrument": "guitar", "tempo": "fast"}),
    ("church hymn", {"instrument": "organ", "tempo": "slow"}),
    ("drum roll", {"instrument": "drums", "tempo": "fast"}),
    ("funky groove", {"instrument": "bass", "tempo": "medium"}),
    ("lullaby", {"instrument": "bells", "tempo": "slow"}),
    ("music box", {"instrument": "bells", "register": "high"}),
    ("dance beat", {"instrument": "drums", "tempo": "fast"}),
)
