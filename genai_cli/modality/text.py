"""Text that continues a prompt, with any causal language model of transformers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from genai_cli.content import text as content
from genai_cli.content.content import Content
from genai_cli.content.openai_answers import CHAT, COMPLETION, answer_chat, answer_completions
from genai_cli.device.compile_decision import Times
from genai_cli.device.compiling import CompiledCall
from genai_cli.device.openvino_decoding import OpenVinoDecoding
from genai_cli.device.private import compile_on_all_devices, is_stateful
from genai_cli.device.workload import Work
from genai_cli.errors import GenaiError, InputError
from genai_cli.events import Emit, Notice, TextPiece, shift_items, tag_item
from genai_cli.hub.catalog import ModelKind
from genai_cli.modality.decoding.chat import render_chat
from genai_cli.modality.decoding.context import find_context, list_ropes
from genai_cli.modality.decoding.group import Group
from genai_cli.modality.decoding.incremental import IncrementalDecoder, list_special_tokens
from genai_cli.modality.decoding.inputs import keep_positions_below, list_ends, pad_left
from genai_cli.modality.decoding.likeliest import Likeliest
from genai_cli.modality.decoding.loading import load_language_model
from genai_cli.modality.decoding.reading import find_unread, report_words
from genai_cli.modality.decoding.sampling import FiniteScores, OwnChance, build_sampling_processors
from genai_cli.modality.decoding.service import SERVICE
from genai_cli.modality.decoding.settings import (
    DRAWING,
    SHAPING,
    ProcessorProbe,
    StatedSettings,
    find_new_tokens,
    find_stop_strings,
    resolve_sampling,
    take_settings,
)
from genai_cli.modality.decoding.streaming import PieceStream, StopEndedItems
from genai_cli.modality.known_models import TEXTS
from genai_cli.modality.modality import TINY, Modality, Result
from genai_cli.modality.seeing.eyes import Eyes, check_sight, place_seen
from genai_cli.modality.service import Service
from genai_cli.request.input import Input
from genai_cli.request.openai_rows import CONVERSATION, PROMPTS, Endpoint, read_conversation, read_prompts
from genai_cli.request.option import Option
from genai_cli.request.request import PromptRequest, QuantizableRequest, Request
from genai_cli.request.sampling import DEFAULT_NEW_TOKENS, MaxNewTokens, Temperature, TopK, TopP
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from transformers import GenerationConfig

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles
    from genai_cli.modality.decoding.sampling import Processor

LONGEST_PINNED = 2048  # tokens in a static cache, unless a text needs more
# What transformers' own text-generation pipeline takes where a checkpoint states no sampling.
DEFAULT_TEMPERATURE = 0.7
ROLES = ("user", "assistant", "system")
# What OpenAI's API calls the options of a text, and what they are called here.
OPENAI_NAMES = {
    **{name: name for name in ("temperature", "top_p", "top_k", "repetition_penalty", "stop", "seed")},
    "n": "num",
    "max_tokens": "max_new_tokens",
}


@dataclass(frozen=True, kw_only=True)
class TextRequest(PromptRequest, QuantizableRequest):
    """One text. `chat` None means: the chat template where the model has one.

    `messages` are the turns before the prompt, each {"role": "user" | "assistant" | "system", "content": text}.
    """

    task: ClassVar[str] = "text"
    default_model: ClassVar[str] = "gpt2"

    max_new_tokens: MaxNewTokens = None
    temperature: Temperature = None
    top_p: TopP = None
    top_k: TopK = None
    repetition_penalty: Annotated[
        float | None, Option("--repetition-penalty", help="Above 1 makes repeating less likely.", low=0, above=True)
    ] = None
    stop: Annotated[tuple[str, ...], Option("--stop", help="End before this text; may be given several times.")] = ()
    system: Annotated[str | None, Option("--system", help="The system message of a chat model.")] = None
    messages: tuple[dict[str, str], ...] = ()
    chat: Annotated[
        bool | None, Option("--chat/--no-chat", help="Use the model's chat template.", default="where it has one")
    ] = None
    picture: Annotated[
        Input | None,
        Option("--picture", metavar="FILE", help="What the prompt is about, for models that see."),
    ] = None
    echo: Annotated[bool, Option("--echo/--no-echo", help="Show the prompt before what a base model adds.")] = True
    probabilities: Annotated[
        bool,
        Option("--probabilities", help="Show the likeliest next words at each step, with shares.", omit_default=True),
    ] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(self.stop):
            raise InputError("--stop is empty")
        if self.system is not None and self.chat is False:
            raise InputError("--system needs a chat, and --no-chat asks for none")
        if self.picture is not None and self.chat is False:
            raise InputError("--picture needs a chat, and --no-chat asks for none")
        if self.messages and self.chat is False:
            raise InputError("messages are a chat, and --no-chat asks for none")
        for message in self.messages:
            texts = message.keys() == {"role", "content"} and isinstance(message["content"], str)
            if not texts or message["role"] not in ROLES:
                raise InputError(f'a message is {{"role": one of {", ".join(ROLES)}, "content": text}}')

    def batch_key(self) -> tuple[object, ...]:
        return (self.max_new_tokens, self.temperature, self.top_p, self.top_k, self.repetition_penalty)

    def pace(self) -> str:
        return f"{self.max_new_tokens or DEFAULT_NEW_TOKENS} tokens"

    def length(self) -> int:
        return len(self.prompt)


@dataclass(frozen=True)
class Prepared:
    """A request with every option filled in, and its prompt as token ids."""

    used: TextRequest
    tokens: list[int]
    seen: JsonObject
    """What else the model reads: tensors of its picture."""


class Text(Modality[TextRequest]):
    """A causal language model, its tokenizer, and its context in tokens (None where it has no limit)."""

    request: ClassVar[type[Request]] = TextRequest
    content: ClassVar[type[Content]] = content.Text
    models: ClassVar[ModelKind] = ModelKind(
        task="text",
        words="a text model",
        library="transformers",
        class_suffixes=("LMHeadModel", "ForCausalLM"),
        mapping="CAUSAL_LM IMAGE_TEXT_TO_TEXT",
        known=TEXTS,
        built_in=TINY / "text",
    )
    work: ClassVar[Work | None] = Work.TOKENS
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    example: ClassVar[str] = 'genai text "It was a dark and stormy"'
    takes_chapters: ClassVar[bool] = True
    streams: ClassVar[bool] = True
    converses: ClassVar[bool] = True
    # On purpose slow to compile and little to gain, before anything was seen on a machine.
    compile_times: ClassVar[Times | None] = Times(4.0, 3.0, 60.0)
    # Measured on a 2-core AVX-512 machine; on a GPU a starting point, which is halved where it does not fit.
    batch_sizes: ClassVar[dict[str, int]] = {"cpu": 16, "cuda": 32, "mps": 8}
    chunk_sizes: ClassVar[tuple[int, int]] = (16, 64)
    endpoints: ClassVar[tuple[Endpoint, ...]] = (
        Endpoint(
            "/v1/completions",
            names={**OPENAI_NAMES, "echo": "echo"},
            read=read_prompts,
            answer=answer_completions,
            defaults={"echo": False},
            served={"chat": False},
            takes=PROMPTS,
            gives=COMPLETION,
            streams=True,
        ),
        Endpoint(
            "/v1/chat/completions",
            names={**OPENAI_NAMES, "max_completion_tokens": "max_new_tokens"},
            read=read_conversation,
            answer=answer_chat,
            defaults={"echo": False},
            takes=CONVERSATION,
            gives=CHAT,
            streams=True,
        ),
    )
    service: ClassVar[Service | None] = SERVICE

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the model and its tokenizer."""
        from genai_cli.device.loading import load_companion

        self.tokenizer = load_companion("AutoTokenizer", files)
        self.model, self.compiled = load_language_model(files, placement)
        self.eyes = Eyes(files)
        config = self.model.config.get_text_config()
        self.context = find_context(config)
        self.ends = list_ends(self.model.generation_config, self.tokenizer)
        applies = (*DRAWING, *SHAPING)
        self.stated = take_settings(self.model, applies, ProcessorProbe(config.vocab_size, self.ends))
        self.special = list_special_tokens(self.tokenizer)
        if self.context is not None:
            keep_positions_below(self.model, self.context)

    @property
    def takes_several(self) -> bool:
        """Whether padding and neighbours change nothing for an item, as the model's kind goes.

        Recurrent models read the padding, and these rotary embeddings are stretched to the longest item.
        """
        ropes = {rope.get("rope_type") for rope in list_ropes(self.model.config.get_text_config())}
        return not is_stateful(self.model) and not ropes & {"dynamic", "longrope"}

    @classmethod
    def check(cls, folder: Path, request: TextRequest) -> None:
        """Raise InputError for a picture that cannot be read, or that the model cannot see."""
        if request.picture is not None:
            check_sight(folder, request.picture, request.model)

    def generate(self, requests: Sequence[TextRequest], emit: Emit) -> list[Result | GenaiError]:
        """A text for each request, or why there is none. Their pieces are emitted as they are made."""
        if len(requests) > 1 and (not self.takes_several or any(request.picture for request in requests)):
            alone = [self.generate([request], shift_items(emit, place)) for place, request in enumerate(requests)]
            return [result for (result,) in alone]
        says = [tag_item(emit, place) for place in range(len(requests))]
        prepared = [self.prepare(request, say) for request, say in zip(requests, says, strict=True)]
        items = [(item, say) for item, say in zip(prepared, says, strict=True) if isinstance(item, Prepared)]
        made = iter(self.generate_prepared(*zip(*items, strict=True)) if items else [])
        return [next(made) if isinstance(item, Prepared) else item for item in prepared]

    def prepare(self, request: TextRequest, emit: Emit) -> Prepared | GenaiError:
        """What is known of a request before anything is generated, or what is wrong with it."""
        try:
            chat = self.uses_chat(request)
            tokens, seen = self.encode_prompt(request, chat, emit)
            room = self.find_room(len(tokens))
        except GenaiError as error:
            return error
        self.stated.report(emit)
        if self.tokenizer.unk_token_id in tokens:
            report_words(find_unread(self.tokenizer, request.prompt.split()), request.model, emit)
        asked = request.max_new_tokens or find_new_tokens(self.stated, DEFAULT_NEW_TOKENS)
        if request.max_new_tokens and room is not None and asked > room:
            emit(Notice(f"the context of {self.context} tokens leaves {room} new ones, not {asked}"))
        used = replace(
            fill_settings(self.stated, request),
            max_new_tokens=min(asked, room or asked),
            chat=chat,
            echo=request.echo and not chat,
        )
        return Prepared(used, tokens, seen)

    def uses_chat(self, request: TextRequest) -> bool:
        """Whether the prompt goes through the model's chat template. Raises InputError where it has none to use."""
        if request.picture is not None:
            return True  # its processor has the template
        has_template = bool(self.tokenizer.chat_template)
        if not has_template and (request.chat or request.system is not None or request.messages):
            option = "--chat" if request.chat else "--system" if request.system is not None else "a list of messages"
            raise InputError(
                f"{request.model} has no chat template, so {option} cannot work", hint="put it into the prompt"
            )
        return has_template if request.chat is None else request.chat

    def encode_prompt(self, request: TextRequest, chat: bool, emit: Emit) -> tuple[list[int], JsonObject]:
        """The prompt as token ids, and what the model reads of its picture."""
        if not chat:
            return list(self.tokenizer(request.prompt).input_ids), {}
        system = [{"role": "system", "content": request.system}] if request.system is not None else []
        messages = [*system, *request.messages, {"role": "user", "content": request.prompt}]
        if request.picture is not None:
            return self.eyes.encode(messages, request.picture, emit)
        # The template writes its own special tokens.
        return list(self.tokenizer(render_chat(self.tokenizer, messages, emit), add_special_tokens=False).input_ids), {}

    def find_room(self, length: int) -> int | None:
        """How many new tokens the context leaves (None: no limit). Raises InputError where the prompt fills it."""
        if self.context is None:
            return None
        if length >= self.context:
            raise InputError(
                f"the prompt has {length} tokens and the model's context is {self.context}",
                hint=f"shorten the prompt to fewer than {self.context} tokens, or take a model with a longer context",
            )
        return self.context - length

    def generate_prepared(self, items: Sequence[Prepared], says: Sequence[Emit]) -> list[Result | GenaiError]:
        """Run the model on several items at once, their prompts padded on the left; each has an `emit` of its own."""
        import torch

        for item, say in zip(items, says, strict=True):
            if item.used.echo:
                say(TextPiece(item.used.prompt))
        config = self.configure(items)
        streams = [
            PieceStream(
                IncrementalDecoder(self.tokenizer, item.tokens),
                item.used.stop,
                item.used.max_new_tokens or DEFAULT_NEW_TOKENS,
                partial(say_piece, say),
                self.special,
            )
            for item, say in zip(items, says, strict=True)
        ]
        tokens, mask = pad_left([item.tokens for item in items], config.pad_token_id or 0)
        device = self.model.device
        if isinstance(self.compiled, OpenVinoDecoding):
            self.compiled.begin(says[0])
        finite, likeliest = FiniteScores(), Likeliest()
        is_watched = any(item.used.probabilities for item in items)
        with torch.inference_mode():
            self.model.generate(
                tokens.to(device),
                attention_mask=mask.to(device),
                **place_seen(items[0].seen, self.model),
                generation_config=config,
                logits_processor=[
                    finite,
                    *([likeliest.watch_scores] if is_watched else []),
                    *self.choose_processors(items),
                ],
                stopping_criteria=[
                    *([likeliest.watch_tokens] if is_watched else []),
                    StopEndedItems(streams, frozenset(self.ends), finite),
                ],
            )
        facts: list[JsonObject] = [
            {"logprobs": likeliest.describe(place, stream.made, self.tokenizer)} if item.used.probabilities else {}
            for place, (item, stream) in enumerate(zip(items, streams, strict=True))
        ]
        ends = zip(items, streams, facts, finite.find_broken_items(len(items)), strict=True)
        return [
            finite.describe() if broken else build_result(item, stream, self.stated.applied, more)
            for item, stream, more, broken in ends
        ]

    def choose_processors(self, items: Sequence[Prepared]) -> "list[Processor]":
        """What turns the model's scores into each item's choice."""
        used = items[0].used
        group = Group([len(item.tokens) for item in items], self.ends, self.model.device)
        chosen = group.shape_scores(used.repetition_penalty, self.stated.applied)
        if used.temperature:
            chosen += build_sampling_processors(used.temperature, used.top_k, used.top_p, self.stated.applied)
            chosen.append(OwnChance([item.used.seed or 0 for item in items], group.device))
        return chosen

    def configure(self, items: Sequence[Prepared]) -> "GenerationConfig":
        """The library's configuration for several items: it takes the likeliest token of what the processors give."""
        from transformers import GenerationConfig

        stated = self.model.generation_config
        padding = stated.pad_token_id if stated.pad_token_id is not None else self.tokenizer.pad_token_id
        first_end = self.ends[0] if self.ends else None
        return GenerationConfig(
            max_new_tokens=max(item.used.max_new_tokens or DEFAULT_NEW_TOKENS for item in items),
            do_sample=False,
            bos_token_id=stated.bos_token_id,
            eos_token_id=self.ends or None,
            pad_token_id=first_end if padding is None else padding,
            **(self.configure_static_cache(items) if isinstance(self.compiled, CompiledCall) else {}),
        )

    def configure_static_cache(self, items: Sequence[Prepared]) -> JsonObject:
        """A cache of one length for all texts, since a step is compiled for the length of its cache."""
        new = max(item.used.max_new_tokens or DEFAULT_NEW_TOKENS for item in items)
        needed = max(len(item.tokens) for item in items) + new
        length = max(needed, min(self.context or LONGEST_PINNED, LONGEST_PINNED))
        everywhere = compile_on_all_devices()
        return {"cache_implementation": "static", "max_cache_len": length, "compile_config": everywhere}


def say_piece(say: Emit, piece: str) -> None:
    """Emit the next piece of an item's text."""
    say(TextPiece(piece))


def build_result(item: Prepared, stream: PieceStream, applied: JsonObject, facts: JsonObject) -> Result:
    """An item's text, as its stream took it; `applied` is what else the checkpoint states and is done."""
    text = (item.used.prompt if item.used.echo else "") + stream.text
    tokens = {"prompt": len(item.tokens), "completion": stream.made}
    parameters = item.used.parameters()
    if applied:
        parameters["generation_config"] = dict(applied)
    return Result(content.Text(text, stream.text, stream.finish_reason, tokens), parameters, facts)


def fill_settings(stated: StatedSettings, request: TextRequest) -> TextRequest:
    """The request with its options filled in from the checkpoint, else with the usual ones."""
    draws = request.top_p is not None or request.top_k is not None
    filled = resolve_sampling(stated, DEFAULT_TEMPERATURE, draws)
    unset = {name: value for name, value in filled.items() if getattr(request, name) is None}
    return replace(request, stop=request.stop or find_stop_strings(stated), **unset)
