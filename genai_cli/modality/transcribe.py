"""Speech as text, with Whisper and the other recognisers of transformers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from genai_cli.content.content import Content
from genai_cli.content.segments import order_segments
from genai_cli.content.sound_reading import measure_sound
from genai_cli.content.subtitles import Shape
from genai_cli.content.transcript import FORMATS, Transcript, split_formats
from genai_cli.device.workload import Work
from genai_cli.errors import GenaiError
from genai_cli.events import Emit, Notice, TextPiece, tag_item
from genai_cli.hub.catalog import ModelKind
from genai_cli.modality.hearing.choosing import check_wish, find_language, load_hearer
from genai_cli.modality.hearing.endpoints import SERVICE, make_endpoint
from genai_cli.modality.hearing.hearer import Wish
from genai_cli.modality.hearing.kept_parts import KeptParts
from genai_cli.modality.hearing.listening import Listening, listen
from genai_cli.modality.known_models import SPEECH
from genai_cli.modality.modality import TINY, Modality, Result
from genai_cli.modality.service import Service
from genai_cli.request.input import Input
from genai_cli.request.openai_rows import Endpoint
from genai_cli.request.option import Option
from genai_cli.request.request import QuantizableRequest, Request

if TYPE_CHECKING:
    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

AIMS = ("transcribe", "translate")
MOST_SOUNDS = 16  # that are open at once


@dataclass(frozen=True, kw_only=True)
class TranscribeRequest(QuantizableRequest):
    """One sound, how it is heard, and how its text is written."""

    task: ClassVar[str] = "transcribe"
    default_model: ClassVar[str] = "whisper"
    subject: ClassVar[str] = "sound"

    sound: Input
    language: Annotated[
        str | None,
        Option("--language", help="What is spoken: en, de, zh, or a name in English.", default="found, and said"),
    ] = None
    aim: Annotated[
        str, Option("--task", help="transcribe, or translate into English.", metavar="|".join(AIMS), choices=AIMS)
    ] = "transcribe"
    word_timestamps: Annotated[bool, Option("--word-timestamps", help="Tell the times of words too.")] = False
    initial_prompt: Annotated[
        str | None, Option("--initial-prompt", help="Names and terms that may be spoken, to have them spelt so.")
    ] = None
    temperature: Annotated[
        float | None,
        Option(
            "--temperature",
            help="How much chance takes part in what is heard.",
            default="0, and more where a text repeats itself",
            low=0,
            high=1,
        ),
    ] = None
    vad: Annotated[
        bool, Option("--vad/--no-vad", help="Listen to speech alone: silence and noise give no invented text.")
    ] = True
    format: Annotated[
        str | None,
        Option("--format", metavar=",".join(FORMATS), help="The files to write, several with commas.", default="txt"),
    ] = None
    max_line_width: Annotated[
        int, Option("--max-line-width", help="Columns of a subtitle's line.", low=8, high=1000)
    ] = 42
    max_line_count: Annotated[int, Option("--max-line-count", help="Lines of a subtitle.", low=1, high=10)] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        split_formats(self.format)

    @property
    def title(self) -> str:
        return Path(self.sound.name).stem

    def wish(self, language: str | None = None) -> Wish:
        """How its windows are heard."""
        return Wish(
            language or self.language,
            self.aim == "translate",
            self.word_timestamps,
            self.initial_prompt,
            self.temperature,
        )

    def batch_key(self) -> tuple[object, ...]:
        # Sounds of about one length go together, so that a short one need not wait for an hour.
        alike = self.sound.size.bit_length() // 2
        return (self.aim, self.word_timestamps, self.initial_prompt, self.temperature, alike)

    def length(self) -> int:
        return self.sound.size


class Transcribe(Modality[TranscribeRequest]):
    """A recogniser of speech."""

    request: ClassVar[type[Request]] = TranscribeRequest
    content: ClassVar[type[Content]] = Transcript
    models: ClassVar[ModelKind] = ModelKind(
        task="transcribe",
        words="a speech recogniser",
        library="transformers",
        class_suffixes=(
            "WhisperForConditionalGeneration",
            "MoonshineForConditionalGeneration",
            "Speech2TextForConditionalGeneration",
            "ForCTC",
            "ForTDT",
            "ForRNNT",
        ),
        known=SPEECH,
        built_in=TINY / "transcribe",
    )
    work: ClassVar[Work | None] = Work.HEARING
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "soundfile", "soxr")
    example: ClassVar[str] = "genai transcribe talk.mp3 --format srt"
    argument: ClassVar[str] = "The sounds to write down"
    draws: ClassVar[bool] = False
    streams: ClassVar[bool] = True
    resumes: ClassVar[bool] = True
    mark: ClassVar[str | None] = None
    joins_words: ClassVar[bool] = False
    chunk_sizes: ClassVar[tuple[int, int]] = (1, 4)
    service: ClassVar[Service | None] = SERVICE
    endpoints: ClassVar[tuple[Endpoint, ...]] = tuple(map(make_endpoint, ("transcriptions", "translations"), AIMS))

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the model."""
        self.hearer = load_hearer(files, placement)
        self.files = files
        self.placement = placement

    @classmethod
    def check(cls, folder: Path, request: TranscribeRequest) -> None:
        """Raise InputError for what is not a sound, and for what the model cannot do."""
        measure_sound(request.sound)
        check_wish(folder, request.wish(), request.model)
        find_language(folder, request.language)

    def choose_batch_size(self, request: TranscribeRequest, device: str, free_bytes: int) -> int:
        """As many sounds as fill the windows that the model takes at once."""
        del device, free_bytes
        try:
            seconds = measure_sound(request.sound).seconds
        except GenaiError:
            return 1
        room = self.hearer.choose_group(request.wish()) * self.hearer.length
        return max(1, min(MOST_SOUNDS, int(room / seconds))) if seconds else 1

    def generate(self, requests: Sequence[TranscribeRequest], emit: Emit) -> list[Result | GenaiError]:
        """A transcript for each sound. Its text is emitted as it is known."""
        sounds = [self.open(request, tag_item(emit, place)) for place, request in enumerate(requests)]
        opened = [sound for sound in sounds if isinstance(sound, Listening)]
        if opened:
            listen(self.hearer, opened, "transcribe", emit)
        return [
            self.build_result(request, sound) if isinstance(sound, Listening) else sound
            for request, sound in zip(requests, sounds, strict=True)
        ]

    def open(self, request: TranscribeRequest, say: Emit) -> Listening | GenaiError:
        """A sound that is listened to, from where an earlier run was interrupted; or what is wrong with it."""
        reference = self.files.reference
        name = str(reference.folder.resolve()) if reference.folder else reference.id
        shaping = {**request.parameters(), **dict.fromkeys(("format", "max_line_width", "max_line_count"))}
        where = (self.placement.device, self.placement.dtype)
        try:
            language = find_language(self.files.folder, request.language)
            parts = KeptParts(request.sound.sha256, name, reference.revision, shaping, where)
            sound = Listening(request, request.wish(language), self.hearer, parts, say)
        except GenaiError as error:
            return error
        sound.shows = split_formats(request.format)[:1] in ((), ("txt",))
        return sound

    def build_result(self, request: TranscribeRequest, sound: Listening) -> Result | GenaiError:
        """The transcript of a sound that was heard."""
        if sound.error is not None:
            return sound.error
        segments = tuple(order_segments(sound.list_segments()))
        if not segments:
            sound.say(Notice(f"{request.sound.name}: nobody speaks in it, as far as is heard"))
        sound.parts.remove()
        transcript = Transcript.join(
            segments,
            language=sound.wish.language,
            seconds=sound.seconds or sound.reached,
            shape=Shape(request.max_line_width, request.max_line_count),
            formats=split_formats(request.format),
        )
        if not sound.shows:
            sound.say(TextPiece(transcript.write(transcript.formats[0]).rstrip("\n")))
        return Result(transcript, {**request.parameters(), "language": sound.wish.language})
