"""Text that goes on from a prompt, with any causal language model of transformers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from genai_cli.errors import GenaiError, InputError, RefusedError, ResultError
from genai_cli.events import Emit, Event, Notice, TextPiece
from genai_cli.modality.request import QuantizableRequest
from genai_cli.modality.sampling import FiniteRows, OwnChance, WithoutPadding, sampling_processors
from genai_cli.modality.streaming import EndOfRows, PieceStream, incremental_decoder
from genai_cli.model.compiling import CompiledCall, compile_decoding
from genai_cli.model.device import Placement
from genai_cli.model.hub import ModelFiles
from genai_cli.model.loading import load_companion, load_model

DEFAULT_NEW_TOKENS = 256
LONGEST_PINNED = 2048  # tokens in a static cache, unless a text needs more
# What transformers' own text-generation pipeline takes where a checkpoint states no sampling.
DEFAULT_TEMPERATURE = 0.7
ROLES = ("user", "assistant", "system")


@dataclass(frozen=True, kw_only=True)
class TextRequest(QuantizableRequest):
    """One text. `chat` None means: the chat template where the model has one.

    `messages` are the turns before the prompt, each {"role": "user" | "assistant" | "system", "content": text}.
    """

    task: ClassVar[str] = "text"
    default_model: ClassVar[str] = "gpt2"
    suffixes: ClassVar[tuple[str, ...]] = (".txt",)

    max_new_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    stop: tuple[str, ...] = ()
    system: str | None = None
    messages: tuple[dict[str, str], ...] = ()
    chat: bool | None = None
    echo: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("max_new_tokens", low=1)
        self.check_range("temperature", low=0, high=100)
        self.check_range("top_p", low=0, high=1, above=True)
        self.check_range("top_k", low=0)
        self.check_range("repetition_penalty", low=0, above=True)
        if not all(self.stop):
            raise InputError("--stop is empty")
        if self.system is not None and self.chat is False:
            raise InputError("--system needs a chat, and --no-chat asks for none")
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
class TextResult:
    """The whole text as shown, what of it the model made, and every option that shaped it.

    `finish_reason` is `stop` (an end token or stop text) or `length`; `tokens` counts those of prompt and completion.
    """

    text: str
    made: str
    parameters: dict[str, Any]
    finish_reason: str
    tokens: dict[str, int]


@dataclass(frozen=True)
class LoadedText:
    """A language model, its tokenizer, its context in tokens (None where it has no limit), and its compiled step."""

    model: Any
    tokenizer: Any
    context: int | None
    compiled: CompiledCall | None = None

    @property
    def takes_groups(self) -> bool:
        """Whether padding and neighbours change nothing for an item, as the model's kind goes.

        Recurrent models read the padding, and these rotary embeddings are stretched to the longest row.
        """
        config = self.model.config.get_text_config()
        rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type")
        return not getattr(self.model, "_is_stateful", False) and rope not in ("dynamic", "longrope")


def load(files: ModelFiles, placement: Placement) -> LoadedText:
    """Load the model and its tokenizer."""
    tokenizer = load_companion("AutoTokenizer", files)
    model = load_model("AutoModelForCausalLM", files, placement)
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if context is not None:
        keep_positions_below(model, context)
    compiled = compile_decoding(model, placement.on_cuda) if placement.compile else None
    return LoadedText(model, tokenizer, context, compiled)


def keep_positions_below(model: Any, context: int) -> None:
    """Rows that have ended are read on until the last of their group has, past the positions that the model knows.

    What comes of them there is thrown away; it only must not fail.
    """

    def hold(_model: Any, arguments: Any, options: dict[str, Any]) -> Any:
        if options.get("position_ids") is not None:
            options["position_ids"] = options["position_ids"].clamp(max=context - 1)
        return arguments, options

    model.register_forward_pre_hook(hold, with_kwargs=True)


@dataclass(frozen=True)
class Prepared:
    """A request with every option filled in, and its prompt as token ids."""

    used: TextRequest
    tokens: list[int]


def generate(loaded: LoadedText, requests: Sequence[TextRequest], emit: Emit) -> list[TextResult | GenaiError]:
    """A text for each request, or why there is none: a failure of one is no other's. Seeds must be set.

    The requests share their `batch_key`. The pieces of one alone are emitted as they are made.
    """
    if len(requests) > 1 and not loaded.takes_groups:
        return [result for request in requests for result in generate(loaded, [request], emit)]
    prepared = [prepare(loaded, request, emit) for request in requests]
    rows = [item for item in prepared if isinstance(item, Prepared)]
    made = iter(generate_rows(loaded, rows, emit if len(requests) == 1 else ignore) if rows else [])
    return [next(made) if isinstance(item, Prepared) else item for item in prepared]


def ignore(_event: Event) -> None:
    """The pieces of several texts at once are shown to nobody."""


def prepare(loaded: LoadedText, request: TextRequest, emit: Emit) -> Prepared | GenaiError:
    """What there is to know of a request before its group is made, or what is wrong with it."""
    try:
        chat = uses_chat(loaded, request)
        tokens = encode_prompt(loaded, request, chat)
        room = room_for(loaded, len(tokens))
    except GenaiError as error:
        return error
    asked = request.max_new_tokens or DEFAULT_NEW_TOKENS
    if request.max_new_tokens and room is not None and asked > room:
        emit(Notice(f"the context of {loaded.context} tokens leaves {room} new ones, not {asked}"))
    used = replace(
        with_sampling(loaded.model.generation_config, request),
        max_new_tokens=min(asked, room or asked),
        chat=chat,
        echo=request.echo and not chat,
    )
    return Prepared(used, tokens)


def generate_rows(loaded: LoadedText, rows: Sequence[Prepared], emit: Emit) -> list[TextResult | GenaiError]:
    """Run the model on a group, its prompts padded on the left."""
    import torch

    for row in rows:
        if row.used.echo:
            emit(TextPiece(row.used.prompt))
    config = generation_config(loaded, rows)
    streams = [
        PieceStream(
            incremental_decoder(loaded.tokenizer, row.tokens),
            row.used.stop,
            row.used.max_new_tokens or DEFAULT_NEW_TOKENS,
            lambda piece: emit(TextPiece(piece)),
        )
        for row in rows
    ]
    ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    tokens, mask = pad_left([row.tokens for row in rows], config.pad_token_id or 0)
    device = loaded.model.device
    finite = FiniteRows()
    with torch.inference_mode():
        loaded.model.generate(
            tokens.to(device),
            attention_mask=mask.to(device),
            generation_config=config,
            logits_processor=[finite, *processors(rows, (mask == 0).sum(dim=1, keepdim=True), device)],
            stopping_criteria=[EndOfRows(streams, frozenset(ends), finite)],
        )
    return [
        ResultError("the model's probabilities are not finite (NaN)", hint="try --dtype float32")
        if broken
        else result_of(row, stream)
        for row, stream, broken in zip(rows, streams, finite.broken.tolist(), strict=True)
    ]


def result_of(row: Prepared, stream: PieceStream) -> TextResult:
    """A row's text, as its stream took it."""
    return TextResult(
        text=(row.used.prompt if row.used.echo else "") + stream.text,
        made=stream.text,
        parameters=row.used.parameters(),
        finish_reason=stream.finish_reason,
        tokens={"prompt": len(row.tokens), "completion": stream.made},
    )


def pad_left(rows: Sequence[Sequence[int]], padding: int) -> tuple[Any, Any]:
    """Token ids and attention mask of shape (rows, longest)."""
    import torch

    longest = max(map(len, rows))
    tokens = torch.full((len(rows), longest), padding)
    mask = torch.zeros_like(tokens)
    for position, row in enumerate(rows):
        tokens[position, longest - len(row) :] = torch.tensor(row)
        mask[position, longest - len(row) :] = 1
    return tokens, mask


def processors(rows: Sequence[Prepared], padding: Any, device: Any) -> list[Any]:
    """What turns the model's scores into each row's choice; `padding` is how much each row has, of shape (rows, 1)."""
    from transformers import RepetitionPenaltyLogitsProcessor

    shared = rows[0].used
    chosen: list[Any] = []
    if shared.repetition_penalty not in (None, 1):
        penalty = RepetitionPenaltyLogitsProcessor(float(shared.repetition_penalty))
        chosen.append(WithoutPadding(penalty, padding.to(device)))
    if shared.temperature:
        chosen += sampling_processors(shared.temperature, shared.top_k, shared.top_p)
        chosen.append(OwnChance([row.used.seed or 0 for row in rows], device))
    return chosen


def uses_chat(loaded: LoadedText, request: TextRequest) -> bool:
    """Whether the prompt goes through the model's chat template. Raises InputError where it has none to use."""
    has_template = bool(loaded.tokenizer.chat_template)
    if not has_template and (request.chat or request.system is not None or request.messages):
        option = "--chat" if request.chat else "--system" if request.system is not None else "a list of messages"
        raise InputError(
            f"{request.model} has no chat template, so {option} cannot work", hint="put it into the prompt"
        )
    return has_template if request.chat is None else request.chat


def encode_prompt(loaded: LoadedText, request: TextRequest, chat: bool) -> list[int]:
    """The prompt as token ids."""
    if not chat:
        return list(loaded.tokenizer(request.prompt).input_ids)
    system = [{"role": "system", "content": request.system}] if request.system is not None else []
    messages = [*system, *request.messages, {"role": "user", "content": request.prompt}]
    text = apply_template(loaded.tokenizer, messages)
    # The template writes its own special tokens.
    return list(loaded.tokenizer(text, add_special_tokens=False).input_ids)


def apply_template(tokenizer: Any, messages: list[dict[str, str]]) -> str:
    """The messages in the model's chat template, which the library runs in a sandbox.

    Raises RefusedError where it reaches for what is outside, InputError where it takes no such messages.
    """
    from jinja2 import TemplateError
    from jinja2.exceptions import SecurityError

    try:
        return str(tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))
    except SecurityError as error:
        raise RefusedError(f"the model's chat template is unsafe: {error}", hint="--no-chat does without it") from error
    except TemplateError as error:
        raise InputError(
            f"the model's chat template failed: {error}", hint="--no-chat does without it; some take no --system"
        ) from error


def room_for(loaded: LoadedText, length: int) -> int | None:
    """How many new tokens the context leaves (None: no limit). Raises InputError where the prompt alone fills it."""
    if loaded.context is None:
        return None
    if length >= loaded.context:
        raise InputError(
            f"the prompt has {length} tokens and the model's context is {loaded.context}",
            hint=f"shorten the prompt to fewer than {loaded.context} tokens, or take a model with a longer context",
        )
    return loaded.context - length


def with_sampling(stated: Any, request: TextRequest) -> TextRequest:
    """The request with its sampling options filled in from the checkpoint's generation_config, else the usual ones."""
    samples = bool(getattr(stated, "do_sample", False))

    def default(name: str, otherwise: Any) -> Any:
        value = getattr(stated, name, None) if samples else None
        return otherwise if value is None else value

    filled = {
        "temperature": default("temperature", DEFAULT_TEMPERATURE),
        "top_p": default("top_p", 1.0),
        "top_k": default("top_k", 50),
        "repetition_penalty": default("repetition_penalty", 1.0),
    }
    return replace(request, **{name: value for name, value in filled.items() if getattr(request, name) is None})


def generation_config(loaded: LoadedText, rows: Sequence[Prepared]) -> Any:
    """The library's GenerationConfig for a group: it takes the likeliest token of what the processors give."""
    from transformers import GenerationConfig

    stated = loaded.model.generation_config
    end = stated.eos_token_id if stated.eos_token_id is not None else loaded.tokenizer.eos_token_id
    padding = stated.pad_token_id if stated.pad_token_id is not None else loaded.tokenizer.pad_token_id
    first_end = end[0] if isinstance(end, list) else end
    return GenerationConfig(
        max_new_tokens=max(row.used.max_new_tokens or DEFAULT_NEW_TOKENS for row in rows),
        do_sample=False,
        bos_token_id=stated.bos_token_id,
        eos_token_id=end,
        pad_token_id=first_end if padding is None else padding,
        **(static_cache(loaded, rows) if loaded.compiled else {}),
    )


def static_cache(loaded: LoadedText, rows: Sequence[Prepared]) -> dict[str, Any]:
    """A cache of one length for all texts, since a step is compiled for the length of its cache."""
    from transformers import CompileConfig

    everywhere = CompileConfig()
    everywhere._compile_all_devices = True  # by itself generate compiles on some devices only
    needed = max(len(row.tokens) for row in rows) + max(row.used.max_new_tokens or DEFAULT_NEW_TOKENS for row in rows)
    length = max(needed, min(loaded.context or LONGEST_PINNED, LONGEST_PINNED))
    return {"cache_implementation": "static", "max_cache_len": length, "compile_config": everywhere}
