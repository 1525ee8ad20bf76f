"""Speech from text, a sentence or a few at a time: VITS and MMS, SpeechT5, Bark, Pocket TTS, Dia, CSM and others."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from genai_cli.content.content import Content
from genai_cli.content.sound import Sound
from genai_cli.device.workload import Work
from genai_cli.errors import GenaiError, InputError, ResultError
from genai_cli.events import Emit, Notice, Progress, SoundPiece, tag_item
from genai_cli.hub.catalog import ModelKind
from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.decoding.reading import find_unread, reads_some, report_words
from genai_cli.modality.decoding.seeding import seed_generators
from genai_cli.modality.known_models import VOICES
from genai_cli.modality.modality import TINY, Modality, Result
from genai_cli.modality.service import Service
from genai_cli.modality.speaking.endpoints import ENDPOINT, SERVICE
from genai_cli.modality.speaking.families import COMPANION_FILES, FAMILIES, REFUSED
from genai_cli.modality.speaking.health import Comparison, check_speech
from genai_cli.modality.speaking.languages import shorten_code
from genai_cli.modality.speaking.read_out import ReadOut, read_out
from genai_cli.modality.speaking.sentences import Piece
from genai_cli.modality.speaking.speaker import Manner
from genai_cli.modality.speaking.voices import CONSENT, find_voice_file, is_file_name
from genai_cli.request.input import Input
from genai_cli.request.openai_rows import Endpoint
from genai_cli.request.option import Option
from genai_cli.request.request import PROMPT, PromptRequest, QuantizableRequest, Request
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*")
PROBES = ("no", "yes")  # what a model says beside a text of one sentence, to tell that it heeds the text


@dataclass(frozen=True, kw_only=True)
class SpeakRequest(PromptRequest, QuantizableRequest):
    """One text that is spoken. `voice` is a name, `voice_file` somebody's voice in a file."""

    task: ClassVar[str] = "speak"
    default_model: ClassVar[str] = VOICES[0].alias
    synonyms: ClassVar[Mapping[str, str]] = {"text": PROMPT}

    voice: Annotated[
        str | None,
        Option(
            "--voice",
            metavar="NAME_OR_FILE",
            help="A voice of the model, or a file with somebody's: a vector (.npy, .safetensors) or a sound.",
            default="the model's first",
        ),
    ] = None
    speed: Annotated[
        float, Option("--speed", help="How fast; 2 is twice as fast, where the model can.", low=0.25, high=4)
    ] = 1.0
    language: Annotated[
        str | None,
        Option("--language", help="The text's language: en, de, fra, ...", default="the model's own"),
    ] = None
    consent: Annotated[
        bool, Option("--consent", help="Say that the person agrees whose voice --voice FILE holds; it is recorded.")
    ] = False
    voice_file: Input | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.voice is not None and is_file_name(self.voice):
            raise InputError(f"{self.voice!r} is a file", hint="a row names it as voice_file")
        if self.voice_file is not None and not self.consent:
            raise InputError(f"{self.voice_file.name} holds somebody's voice", hint=CONSENT)
        if self.language is not None and not LANGUAGE.fullmatch(self.language):
            raise InputError(f"{self.language!r} is not the code of a language", hint="such as en, de or fra")

    @classmethod
    def from_fields(cls, values: Mapping[str, object], folder: Path = Path()) -> Self:
        """As all requests; a voice may be named by its file."""
        found = dict(values)
        word = found.get("voice")
        if isinstance(word, str) and is_file_name(word):
            found["voice_file"] = find_voice_file(word, folder)
            del found["voice"]
        return super().from_fields(found, folder)

    def manner(self) -> Manner:
        """How the text is said."""
        return Manner(self.voice, self.voice_file, self.speed, self.language)


class Speak(Modality[SpeakRequest]):
    """A model that speaks, whatever its family."""

    request: ClassVar[type[Request]] = SpeakRequest
    content: ClassVar[type[Content]] = Sound
    models: ClassVar[ModelKind] = ModelKind(
        task="speak",
        words="a text-to-speech model",
        library="transformers",
        class_suffixes=(*FAMILIES, *REFUSED),
        known=VOICES,
        built_in=TINY / "speak",
    )
    takes_chapters: ClassVar[bool] = True
    streams_sound: ClassVar[bool] = True
    work: ClassVar[Work | None] = Work.TOKENS
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    example: ClassVar[str] = 'genai speak "The train leaves at 9:40." -o train.wav'
    argument: ClassVar[str] = "What to say"
    companion_files: ClassVar[tuple[str, ...]] = COMPANION_FILES
    service: ClassVar[Service | None] = SERVICE
    endpoints: ClassVar[tuple[Endpoint, ...]] = (ENDPOINT,)

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the model with its tokenizer, and what turns its spectrograms into sound."""
        self.speaker = FAMILIES[files.architecture](files, placement)
        self.name = files.reference.id
        self.companions = {
            name: {"revision": other.reference.revision, "license": other.license}
            for name, other in files.companions.items()
        }
        self.is_probed = False

    @classmethod
    def find_companions(cls, folder: Path) -> tuple[str, ...]:
        family = FAMILIES.get(read_class(folder))
        return family.find_companions(folder) if family else ()

    @classmethod
    def check(cls, folder: Path, request: SpeakRequest) -> None:
        """Raise InputError for a family that genai does not run, and for what this one cannot do."""
        name = read_class(folder)
        if name not in FAMILIES:
            raise InputError(f"genai does not run {name}", hint=f"what it runs: {', '.join(FAMILIES)}")
        FAMILIES[name].check(folder, request.manner())

    def generate(self, requests: Sequence[SpeakRequest], emit: Emit) -> list[Result | GenaiError]:
        """Say each text, a sentence at a time: memory grows with the sound alone, in 16 bits."""
        return [self.speak(request, tag_item(emit, place)) for place, request in enumerate(requests)]

    def speak(self, request: SpeakRequest, emit: Emit) -> Result | GenaiError:
        """The speech of one text, or what is wrong with it."""
        import numpy

        language = self.choose_language(request)
        if isinstance(language, InputError):
            return language
        pieces = self.speaker.split(request.prompt, request.manner(), language)
        speech, spoken = Spoken(language), bytearray()  # which grows without a copy of itself
        try:
            for data in self.say_pieces(pieces, request, speech, emit):
                spoken.extend(data)
        except (InputError, ResultError) as error:
            return error
        if not spoken:
            return InputError(f"{self.name} can read nothing of the text")
        samples = numpy.frombuffer(spoken, dtype=numpy.int16)[:, None]
        cloned = {"cloned_voice": True} if request.voice_file is not None else {}
        seconds = round(len(samples) / self.speaker.rate, 3)
        facts: JsonObject = {"speech": speech.record(seconds) | cloned}
        facts |= {"companions": self.companions} if self.companions else {}
        return Result(Sound(samples, self.speaker.rate), request.parameters(), facts)

    def choose_language(self, request: SpeakRequest) -> str | InputError | None:
        """The language of a text, in two letters, or what is wrong with the one that was asked for."""
        own, asked = shorten_code(self.speaker.find_language()), shorten_code(request.language)
        if own and asked and own != asked:
            return InputError(
                f"{self.name} speaks {own}, not {asked}", hint="choose another model, or another language"
            )
        return asked or own

    def say_pieces(
        self, pieces: Sequence[Piece], request: SpeakRequest, speech: "Spoken", emit: Emit
    ) -> Iterator[bytes]:
        """The samples in 16 bits of each sentence and of the pause after it. Raises InputError, ResultError."""
        import numpy

        manner, comparison = request.manner(), Comparison()
        rate = self.speaker.rate
        if not self.is_probed and self.speaker.probes and len(pieces) == 1:
            for word in PROBES:
                if word != pieces[0].text:
                    comparison.take(word, self.say(word, request, manner))
                    break
        self.is_probed = True
        for place, piece in enumerate(pieces):
            text = self.prepare(piece.text, speech)
            if text is not None:
                samples = self.say(text, request, manner)
                check_speech(samples, rate, text, manner.speed)
                comparison.take(text, samples)
                pause = numpy.zeros(round(piece.pause / manner.speed * rate), dtype=numpy.float32)
                made = to_int16(numpy.concatenate([samples, pause])).tobytes()
                emit(SoundPiece(made, rate))
                yield made
                speech.sentences += piece.sentences
            emit(Progress("speech", place + 1, len(pieces)))
        report_words(speech.unread, self.name, emit)
        if speech.changes:
            emit(Notice(f"{len(speech.changes)} numbers, signs or abbreviations are read out; the record says how"))

    def prepare(self, text: str, speech: "Spoken") -> str | None:
        """A sentence as the model reads it; None where it can read none of it."""
        read = read_out(text, speech.language) if self.speaker.reads_letters else ReadOut(text)
        speech.changes += read.changes
        words = read.text.split()
        speech.note_unread(find_unread(self.speaker.tokenizer, words))
        return read.text if any(reads_some(self.speaker.tokenizer, word) for word in words) else None

    def say(self, text: str, request: SpeakRequest, manner: Manner) -> "NDArray[np.float32]":
        """One sentence. Each of a text has the same seed, so that the voice stays the same."""
        with seed_generators(request.seed):
            return self.speaker.say(text, manner)


@dataclass
class Spoken:
    """What is known of a text's speech while it is made."""

    language: str | None
    sentences: int = 0
    changes: tuple[tuple[str, str], ...] = ()
    unread: list[str] = field(default_factory=list)

    def note_unread(self, words: Sequence[str]) -> None:
        """Remember what the model cannot read, each once."""
        self.unread += [word for word in words if word not in self.unread]

    def record(self, seconds: float) -> JsonObject:
        """What a record holds of it."""
        changes = [{"written": written, "spoken": spoken} for written, spoken in self.changes]
        known: JsonObject = {"sentences": self.sentences, "seconds": seconds}
        known |= {"language": self.language} if self.language else {}
        known |= {"read_out": changes} if changes else {}
        return known | ({"unread": self.unread} if self.unread else {})


def read_class(folder: Path) -> str:
    """The class that a checkpoint names."""
    stated = read_optional_json(folder / "config.json").get("architectures")
    return str(stated[0]) if isinstance(stated, list) and stated else ""


def to_int16(samples: "NDArray[np.float32]") -> "NDArray[np.int16]":
    """Samples in 16 bits; those past full scale are turned down together."""
    import numpy

    peak = float(numpy.abs(samples).max(initial=0.0))
    scaled = samples / peak if peak > 1 else samples
    return (scaled * 32768).round().clip(-32768, 32767).astype(numpy.int16)
