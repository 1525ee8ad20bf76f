"""What a checkpoint's generation_config states, resolved once: the option, else the checkpoint's value, else ours.

transformers fills every setting that is left out from that file. So the file's settings are taken from the loaded
model, and what genai does of them is built here: nothing reaches the library behind genai's back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from genai_cli.device.failures import first_line
from genai_cli.events import Emit, Notice
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig, PreTrainedModel

    from genai_cli.modality.decoding.sampling import Processor

SPECIAL_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
# What follows the scores of one step alone, where tokens are drawn.
DRAWING = ("top_h", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")
# What changes the scores, drawn or not, by the tokens before and by their number.
SHAPING = (
    "sequence_bias",
    "no_repeat_ngram_size",
    "bad_words_ids",
    "min_length",
    "min_new_tokens",
    "exponential_decay_length_penalty",
    "suppress_tokens",
    "begin_suppress_tokens",
)
# Ways to look for a text that make several, or need more than the model.
SEARCHES = (
    "num_beams",
    "num_beam_groups",
    "diversity_penalty",
    "num_return_sequences",
    "penalty_alpha",
    "dola_layers",
    "constraints",
    "force_words_ids",
)
SHORTCUTS = ("assistant_early_exit", "prompt_lookup_num_tokens", "use_mtp")
# Other ways to generate, which genai does not have: it draws one token after the other.
OTHER_WAYS = (
    *SEARCHES,
    "guidance_scale",
    "watermarking_config",
    "encoder_repetition_penalty",
    "encoder_no_repeat_ngram_size",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "remove_invalid_values",
    "token_healing",
    "max_time",
    *SHORTCUTS,
)
# What transformers' own generate cannot do without help, or gives several results for.
NEEDS_HELP = ("stop_strings", "max_time", "token_healing", *SEARCHES, *SHORTCUTS)
# Settings that do nothing at 1; the others do nothing at 0, or empty.
IDLE_AT_ONE = (
    "top_p",
    "typical_p",
    "num_beams",
    "num_beam_groups",
    "num_return_sequences",
    "guidance_scale",
    "encoder_repetition_penalty",
    "repetition_penalty",
)
Probe = Callable[[str, object], None]


@dataclass(frozen=True)
class StatedSettings:
    """A checkpoint's settings: `values` for the options, `applied` beside them, and `ignored` in words."""

    values: JsonObject
    applied: JsonObject = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    def report(self, emit: Emit) -> None:
        """Say once what the checkpoint states and genai does not do."""
        if self.ignored:
            stated = ", ".join(self.ignored)
            emit(Notice(f"not used of what the model's generation_config states: {stated}", once=True))

    def choose(self, name: str, default: float, low: float, high: float) -> float:
        """The checkpoint's number if it is one within its range, else the default."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return default
        return value if low <= value <= high else default


def take_settings(
    model: "PreTrainedModel", applies: Sequence[str], probe: Probe, others: Sequence[str] = OTHER_WAYS
) -> StatedSettings:
    """Take the settings out of a loaded model, which keeps its special tokens.

    Those in `applies` are probed first. `others` are those that are never done.
    """
    from transformers import GenerationConfig

    stated = list_stated(model.generation_config)
    model.generation_config = GenerationConfig(**{name: stated.get(name) for name in SPECIAL_TOKENS})
    applied: JsonObject = {}
    ignored = []
    for name in dict.fromkeys((*DRAWING, *SHAPING, *others)):
        if name not in stated or is_idle(name, stated[name]):
            continue
        if name not in applies:
            ignored.append(describe(name, stated[name]))
            continue
        try:
            probe(name, stated[name])
        except (ValueError, TypeError, IndexError, KeyError, AttributeError, RuntimeError) as error:
            ignored.append(f"{describe(name, stated[name])} ({first_line(error)[:100]})")
        else:
            applied[name] = stated[name]
    return StatedSettings(stated, applied, (*ignored, *list_unusable(stated)))


def drop_unsupported(config: "GenerationConfig | JsonObject") -> list[str]:
    """Take out of a configuration what the library's generate cannot do without help. Returns it in words.

    Bark's stages have theirs as plain dicts.
    """
    values = config if isinstance(config, dict) else vars(config)
    stated = {name: values[name] for name in NEEDS_HELP if values.get(name) is not None}
    for name in stated:
        values[name] = None
    return [describe(name, value) for name, value in stated.items() if not is_idle(name, value)]


def list_stated(config: "GenerationConfig") -> JsonObject:
    """What a generation_config states, without what it leaves open."""
    return {name: value for name, value in config.to_dict().items() if value is not None}


def is_idle(name: str, value: object) -> bool:
    """Whether a setting does nothing at this value."""
    return not value or (value == 1 and not isinstance(value, bool) and name in IDLE_AT_ONE)


def describe(name: str, value: object) -> str:
    """A setting in a few words."""
    text = str(value)
    return f"{name} {text}" if len(text) <= 20 else name


RANGES = {"temperature": (0, 100), "top_p": (1e-9, 1e9), "top_k": (-1, 2**31), "repetition_penalty": (1e-9, 1e9)}


def list_unusable(stated: Mapping[str, object]) -> list[str]:
    """The values for options that are not a number within their range."""
    kept = StatedSettings(dict(stated))
    return [
        describe(name, stated[name])
        for name, (low, high) in RANGES.items()
        if name in stated and kept.choose(name, -2, low, high) == -2
    ]


def resolve_sampling(stated: StatedSettings, default_temperature: float, draws: bool) -> JsonObject:
    """Temperature, top_p, top_k and repetition_penalty where the user names none.

    `draws` is true where another option asks for chance. Else a checkpoint that says outright that it does not sample
    takes the likeliest token always.
    """
    numbers = {name: stated.choose(name, default, *RANGES[name]) for name, default in DEFAULTS.items()}
    greedy = stated.values.get("do_sample") is False and not draws
    temperature = stated.choose("temperature", default_temperature, *RANGES["temperature"])
    return {
        "temperature": 0.0 if greedy else temperature,
        "top_p": min(1.0, numbers["top_p"]),
        "top_k": max(0, int(numbers["top_k"])),
        "repetition_penalty": numbers["repetition_penalty"],
    }


DEFAULTS = {"top_p": 1.0, "top_k": 50, "repetition_penalty": 1.0}


def find_stop_strings(stated: StatedSettings) -> tuple[str, ...]:
    """The checkpoint's stop texts."""
    value = stated.values.get("stop_strings")
    texts = [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
    return tuple(text for text in texts if isinstance(text, str) and text)


def find_new_tokens(stated: StatedSettings, default: int) -> int:
    """How many tokens to make where the user names no number."""
    return int(stated.choose("max_new_tokens", default, 1, 2**31))


def build_shaping(name: str, value: object, ends: Sequence[int], width: int, device: "torch.device") -> "Processor":
    """The library's processor for a setting in SHAPING; `width` tokens are in front of the new ones."""
    from transformers import (
        ExponentialDecayLengthPenalty,
        NoBadWordsLogitsProcessor,
        NoRepeatNGramLogitsProcessor,
        SequenceBiasLogitsProcessor,
        SuppressTokensAtBeginLogitsProcessor,
        SuppressTokensLogitsProcessor,
    )

    builders: dict[str, Callable[[object], Processor]] = {
        "sequence_bias": SequenceBiasLogitsProcessor,
        "no_repeat_ngram_size": NoRepeatNGramLogitsProcessor,
        "bad_words_ids": lambda words: NoBadWordsLogitsProcessor(words, list(ends) or None),
        "exponential_decay_length_penalty": lambda pair: ExponentialDecayLengthPenalty(pair, list(ends), width),
        "suppress_tokens": lambda tokens: SuppressTokensLogitsProcessor(tokens, device=device),
        "begin_suppress_tokens": lambda tokens: SuppressTokensAtBeginLogitsProcessor(tokens, width, device=device),
    }
    return builders[name](value)


def build_drawing(name: str, value: object) -> "Processor":
    """The library's processor for a setting in DRAWING."""
    from transformers import (
        EpsilonLogitsWarper,
        EtaLogitsWarper,
        MinPLogitsWarper,
        TopHLogitsWarper,
        TypicalLogitsWarper,
    )

    builders: dict[str, Callable[[object], Processor]] = {
        "top_h": TopHLogitsWarper,
        "min_p": MinPLogitsWarper,
        "typical_p": TypicalLogitsWarper,
        "epsilon_cutoff": EpsilonLogitsWarper,
        "eta_cutoff": EtaLogitsWarper,
    }
    return builders[name](value)


@dataclass(frozen=True)
class ProcessorProbe:
    """Tries a setting on scores of the model's vocabulary. Raises what the library raises for one that cannot work."""

    vocabulary: int
    ends: Sequence[int]

    def __call__(self, name: str, value: object) -> None:
        import torch

        if name in ("min_length", "min_new_tokens"):
            if not isinstance(value, int):
                raise TypeError("it is not a whole number")
            return
        cpu = torch.device("cpu")
        processor = build_drawing(name, value) if name in DRAWING else build_shaping(name, value, self.ends, 1, cpu)
        processor(torch.zeros((1, 1), dtype=torch.long), torch.zeros((1, self.vocabulary)))
