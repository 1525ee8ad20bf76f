"""Words about pictures: captions, and answers to questions, with the models of transformers that see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from genai_cli.content.content import Content
from genai_cli.content.description import Description
from genai_cli.content.picture_reading import measure_picture
from genai_cli.device.workload import Work
from genai_cli.errors import GenaiError, InputError
from genai_cli.events import Emit, Notice, TextPiece, tag_item
from genai_cli.hub.catalog import ModelKind
from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.decoding.context import find_context
from genai_cli.modality.decoding.incremental import IncrementalDecoder
from genai_cli.modality.decoding.sampling import FiniteScores
from genai_cli.modality.decoding.settings import find_new_tokens, take_settings
from genai_cli.modality.decoding.streaming import PieceStream, StopEndedItems
from genai_cli.modality.known_models import DESCRIBERS
from genai_cli.modality.modality import TINY, Modality, Result
from genai_cli.modality.seeing.eyes import read_image
from genai_cli.modality.seeing.readers import ASKED, ChatReader, find_reader
from genai_cli.request.input import Input
from genai_cli.request.option import Option
from genai_cli.request.request import QuantizableRequest, Request
from genai_cli.request.sampling import DEFAULT_NEW_TOKENS, MaxNewTokens
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from transformers import GenerationConfig

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles


@dataclass(frozen=True, kw_only=True)
class DescribeRequest(QuantizableRequest):
    """A picture, and what is asked about it; without a question, what it shows."""

    task: ClassVar[str] = "describe"
    default_model: ClassVar[str] = "blip"
    subject: ClassVar[str] = "picture"

    picture: Input
    question: Annotated[
        str | None,
        Option("--question", metavar="TEXT", help="What to answer about the picture.", default="say what it shows"),
    ] = None
    also: Annotated[
        Input | None,
        Option("--also", metavar="FILE", help="A second picture that the question is about, for chat models that see."),
    ] = None
    max_new_tokens: MaxNewTokens = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.question is not None and not self.question.strip():
            raise InputError("--question is empty")
        if self.also is not None and self.question is None:
            raise InputError("--also is about a question, and none is asked", hint='--question "What differs?"')

    @property
    def pictures(self) -> list[Input]:
        """What the question is about."""
        return [self.picture] if self.also is None else [self.picture, self.also]

    def batch_key(self) -> tuple[object, ...]:
        return (self.max_new_tokens, self.question, len(self.pictures))

    def pace(self) -> str:
        return f"{self.max_new_tokens or DEFAULT_NEW_TOKENS} tokens"


class Describe(Modality[DescribeRequest]):
    """A model that looks at pictures and writes; `reader` knows how it takes them."""

    request: ClassVar[type[Request]] = DescribeRequest
    content: ClassVar[type[Content]] = Description
    models: ClassVar[ModelKind] = ModelKind(
        task="describe",
        words="a model that describes pictures",
        library="transformers",
        class_suffixes=("BlipForConditionalGeneration", "BlipForQuestionAnswering", "VisionEncoderDecoderModel"),
        mapping="IMAGE_TEXT_TO_TEXT",
        known=DESCRIBERS,
        built_in=TINY / "describe",
    )
    work: ClassVar[Work | None] = Work.TOKENS
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "pillow")
    example: ClassVar[str] = "genai describe photo.jpg"
    argument: ClassVar[str] = "The picture to describe"
    draws: ClassVar[bool] = False
    mark: ClassVar[str | None] = None
    streams: ClassVar[bool] = True
    batch_sizes: ClassVar[dict[str, int]] = {"cpu": 8, "cuda": 16, "mps": 4}
    chunk_sizes: ClassVar[tuple[int, int]] = (8, 32)

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the model with what prepares its pictures. Raises ModelError where that needs another package."""
        self.reader = find_reader(files.architecture)(files, placement)
        self.ends = self.reader.list_ends()
        self.hidden = self.reader.list_hidden() - set(self.ends)
        self.context = find_context(self.reader.config)
        # Always the likeliest word: the same picture gives the same text.
        self.stated = take_settings(self.reader.writer, (), lambda _name, _value: None)

    @classmethod
    def check(cls, folder: Path, request: DescribeRequest) -> None:
        """Raise InputError for what is not a picture, and for a question that the model cannot answer."""
        for picture in request.pictures:
            measure_picture(picture)
        config = read_optional_json(folder / "config.json")
        kind = find_reader(str((config.get("architectures") or [""])[0]))
        if request.question is not None and kind.captions:
            raise InputError(
                f"{request.model} says what a picture shows and answers no question",
                hint="-m blip-vqa answers in a few words, -m llava at length",
            )
        if request.also is not None and not kind.takes_several:
            raise InputError(f"{request.model} takes one picture", hint="-m llava takes two; leave --also out")
        if request.question is None and kind.needs_question:
            raise InputError(
                f"{request.model} answers questions, and none was asked", hint='--question "What colour is the car?"'
            )

    def generate(self, requests: Sequence[DescribeRequest], emit: Emit) -> list[Result | GenaiError]:
        """A text for each picture. All share a question. Raises InputError for what the model does not take."""
        says = [tag_item(emit, place) for place in range(len(requests))]
        images = [
            [read_image(picture, say) for picture in request.pictures]
            for request, say in zip(requests, says, strict=True)
        ]
        question = requests[0].question
        if question is None and isinstance(self.reader, ChatReader):
            question = ASKED
        inputs = self.reader.prepare([question] * len(requests), images)
        self.stated.report(emit)
        length = self.reader.count_prompt(inputs)
        limit = self.find_limit(requests[0], length, emit)
        used = [replace(request, question=question, max_new_tokens=limit) for request in requests]
        return self.write(used, inputs, length, says)

    def find_limit(self, request: DescribeRequest, length: int, emit: Emit) -> int:
        """How many tokens to make at most. Raises InputError where the picture and the question fill the context."""
        asked = request.max_new_tokens or find_new_tokens(self.stated, DEFAULT_NEW_TOKENS)
        if self.context is None:
            return asked
        if length >= self.context:
            what = f"picture and question have {length} tokens, and the model's context is {self.context}"
            raise InputError(what, hint="ask a shorter question, or take a model with a longer context")
        room = self.context - length
        if request.max_new_tokens and asked > room:
            emit(Notice(f"the context of {self.context} tokens leaves {room} new ones, not {asked}"))
        return min(asked, room)

    def write(
        self, used: Sequence[DescribeRequest], inputs: JsonObject, length: int, says: Sequence[Emit]
    ) -> list[Result | GenaiError]:
        """The texts, whose pieces are emitted as they are made. Every option of `used` is set."""
        import torch
        from transformers import BatchFeature

        model, limit = self.reader.model, used[0].max_new_tokens or DEFAULT_NEW_TOKENS
        streams = [PieceStream(self.make_decoder(), (), limit, partial(say_piece, say)) for say in says]
        finite = FiniteScores()
        with torch.inference_mode():
            model.generate(
                **BatchFeature(inputs).to(model.device, model.dtype),
                generation_config=self.configure(limit),
                logits_processor=[finite],
                stopping_criteria=[StopEndedItems(streams, frozenset(self.ends), finite)],
            )
        broken = finite.find_broken_items(len(used))
        results: list[Result | GenaiError] = []
        for request, stream, is_broken in zip(used, streams, broken, strict=True):
            tokens = {"prompt": length, "completion": stream.made}
            text = stream.text.strip()
            content = Description(text, text, stream.finish_reason, tokens)
            results.append(finite.describe() if is_broken else Result(content, request.parameters()))
        return results

    def make_decoder(self) -> "VisibleDecoder":
        """What makes text of one item's tokens."""
        return VisibleDecoder(IncrementalDecoder(self.reader.tokenizer, []), self.hidden)

    def configure(self, limit: int) -> "GenerationConfig":
        """The likeliest token always, so many at most."""
        from transformers import GenerationConfig

        stated = self.reader.writer.generation_config
        padding = stated.pad_token_id if stated.pad_token_id is not None else self.reader.tokenizer.pad_token_id
        start = getattr(self.reader.model.config, "decoder_start_token_id", None) or stated.decoder_start_token_id
        return GenerationConfig(
            max_new_tokens=limit,
            do_sample=False,
            bos_token_id=stated.bos_token_id,
            eos_token_id=self.ends or None,
            pad_token_id=(self.ends[0] if self.ends else 0) if padding is None else padding,
            decoder_start_token_id=start,
        )


class VisibleDecoder:
    """Tokens become text, which does not begin with spaces; those that begin a text or fill it up give none."""

    def __init__(self, decode: IncrementalDecoder, hidden: set[int]) -> None:
        self.decode = decode
        self.hidden = hidden
        self.has_begun = False

    def __call__(self, token: int) -> str | None:
        """Take the next token."""
        text = None if token in self.hidden else self.decode(token)
        if text is not None and not self.has_begun:
            text = text.lstrip()
            self.has_begun = bool(text)
        return text


def say_piece(say: Emit, piece: str) -> None:
    """Emit the next piece of a text."""
    say(TextPiece(piece))
