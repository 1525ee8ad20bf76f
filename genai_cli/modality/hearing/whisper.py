"""Whisper of every size: windows in groups, with time stamps, and again with chance where a text is no good.

Source: https://cdn.openai.com/papers/whisper.pdf, section 4.5. The thresholds are those of openai-whisper.
"""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, cast

from genai_cli.content.segments import Segment, Word
from genai_cli.device.private import keep_attention
from genai_cli.errors import ResultError
from genai_cli.modality.decoding.sampling import FiniteScores
from genai_cli.modality.hearing.confidence import Confidence
from genai_cli.modality.hearing.hearer import Said, Wish, join_words
from genai_cli.modality.hearing.voice import RATE
from genai_cli.modality.hearing.windows import Window
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import EncoderDecoderCache, PreTrainedModel, PreTrainedTokenizerBase

    from genai_cli.device.placement import Placement
    from genai_cli.events import Emit
    from genai_cli.hub.fetching import ModelFiles

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
MOST_COMPRESSION = 2.4  # a text that can be compressed further says the same again and again
LEAST_LOGPROB = -1.0
NO_SPEECH = 0.6
NO_SPEECH_TOKENS = ("<|nospeech|>", "<|nocaptions|>")
TIME_STEP = 0.02  # seconds of a time stamp
LEAST_REST = 0.5  # seconds that are worth another look
GROUPS = {"cpu": 8, "cuda": 16, "mps": 8}
GROUP_WITH_WORDS = 4  # all attentions are kept until the words' times are known


class Seen(NamedTuple):
    """What a model has seen of windows before it says anything."""

    encoded: "Tensor"
    """The encoder's output, of shape (windows, positions, width)."""
    mask: "Tensor"
    """The frames of each window."""
    scores: "Tensor"
    """Of the first token, which tell the language, and whether anybody speaks: (windows, tokens)."""
    cache: "EncoderDecoderCache | None"
    """What the decoder makes of the encoder's output, once for all tokens."""


class Whisper:
    """A Whisper model with its tokenizer and its feature extractor."""

    packs = True

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load them."""
        from genai_cli.device.loading import load_companion, load_model

        self.extractor = load_companion("AutoFeatureExtractor", files)
        self.tokenizer = cast("PreTrainedTokenizerBase", load_companion("AutoTokenizer", files))
        self.model: PreTrainedModel = load_model("AutoModelForSpeechSeq2Seq", files, placement)
        self.length = float(self.extractor.chunk_length)
        config = self.model.generation_config
        self.first_time = int(config.no_timestamps_token_id) + 1
        self.languages: dict[str, int] = dict(getattr(config, "lang_to_id", None) or {})
        self.is_multilingual = bool(getattr(config, "is_multilingual", bool(self.languages)))
        vocabulary = self.tokenizer.get_vocab()
        self.no_speech = next((vocabulary[name] for name in NO_SPEECH_TOKENS if name in vocabulary), None)
        self.device = placement.device.partition(":")[0]
        self.prepared: tuple[Sequence[Window], Seen] | None = None
        """The windows whose languages were asked for, until they are heard."""
        suppress_by_bias(self.model, self.ends())

    def choose_group(self, wish: Wish) -> int:
        """How many windows to take at once."""
        return GROUP_WITH_WORDS if wish.word_timestamps else GROUPS[self.device]

    def prepare(self, windows: Sequence[Window], wishes: Sequence[Wish]) -> list[str | None]:
        """The language of each window, as the model finds it where its wish names none."""
        if not self.is_multilingual or not self.languages:
            return [None for _ in wishes]
        if all(wish.language for wish in wishes):
            return [wish.language for wish in wishes]
        seen = self.see(windows)
        self.prepared = (windows, seen)
        names = list(self.languages)
        best = seen.scores[:, list(self.languages.values())].argmax(dim=-1).tolist()
        found = [names[place].strip("<|>") for place in best]
        return [wish.language or language for wish, language in zip(wishes, found, strict=True)]

    def see(self, windows: Sequence[Window]) -> Seen:
        """What the model sees of windows; those that were prepared have been seen."""
        prepared, self.prepared = self.prepared, None
        if prepared and [id(window) for window in prepared[0]] == [id(window) for window in windows]:
            return prepared[1]
        encoded, mask = self.encode(windows)
        return Seen(encoded, mask, *self.look(encoded))

    def encode(self, windows: Sequence[Window]) -> "tuple[Tensor, Tensor]":
        """The encoder's output of shape (windows, positions, width), and the frames of each window."""
        import torch

        inputs = self.extractor(
            [window.samples for window in windows], sampling_rate=RATE, return_tensors="pt", return_attention_mask=True
        )
        features = inputs.input_features.to(self.model.device, self.model.dtype)
        with torch.inference_mode():
            encoded = self.model.get_encoder()(features).last_hidden_state
        return encoded, inputs.attention_mask

    def look(self, encoded: "Tensor") -> "tuple[Tensor, EncoderDecoderCache]":
        """The scores of the first token, and what the decoder has made of the encoder's output, for the next ones."""
        import torch
        from transformers import DynamicCache, EncoderDecoderCache
        from transformers.modeling_outputs import BaseModelOutput

        start = torch.full((len(encoded), 1), self.model.generation_config.decoder_start_token_id)
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        with torch.inference_mode():
            output = self.model(
                encoder_outputs=BaseModelOutput(encoded),
                decoder_input_ids=start.to(encoded.device),
                past_key_values=cache,
            )
        logits: Tensor = output.logits[:, -1].float()
        return logits, EncoderDecoderCache(DynamicCache(), cache.cross_attention_cache)

    def hear(self, windows: Sequence[Window], wishes: Sequence[Wish], emit: "Emit") -> list[Said]:
        """What is said in the windows. Raises ResultError where the scores are not finite."""
        del emit
        encoded, mask, scores, cache = self.see(windows)
        silent = [0.0 for _ in windows]
        if self.no_speech is not None:
            silent = scores.softmax(dim=-1)[:, self.no_speech].tolist()
        asked = wishes[0].temperature
        found: dict[int, Said] = {}
        left = list(range(len(windows)))
        for temperature in TEMPERATURES if asked is None else (asked,):
            taken = [replace(wishes[place], temperature=temperature) for place in left]
            parts = self.decode(encoded[left], mask[left], taken, cache)
            cache = None
            again = []
            for place, part in zip(left, parts, strict=True):
                heard = [replace(one, no_speech_prob=silent[place]) for one in part]
                found[place] = self.place(heard, windows[place], wishes[place])
                if is_poor(heard):
                    again.append(place)
            left = again
            if not left:
                break
        return [found[place] for place in range(len(windows))]

    def decode(
        self, encoded: "Tensor", mask: "Tensor", wishes: Sequence[Wish], cache: "EncoderDecoderCache | None"
    ) -> list[list[Segment]]:
        """The segments of each window, with times within it and all that is known of them; `cache` is used up."""
        import torch
        from transformers.modeling_outputs import BaseModelOutput

        first = wishes[0]
        finite = FiniteScores()
        confidence = Confidence(first.temperature or 0, [wish.seed for wish in wishes], self.ends(), encoded.device)
        options: JsonObject = {}
        if self.is_multilingual:
            options["task"] = "translate" if first.translate else "transcribe"
            options["language"] = [str(wish.language) for wish in wishes]
        if first.initial_prompt:
            options["prompt_ids"] = self.encode_prompt(first.initial_prompt).to(encoded.device)
        if first.word_timestamps:
            options |= {"return_token_timestamps": True, "attention_mask": mask.to(encoded.device)}
        with torch.inference_mode(), keep_attention(self.model):
            output = self.model.generate(
                encoder_outputs=BaseModelOutput(encoded),
                return_timestamps=True,
                return_segments=True,
                force_unique_generate_call=True,
                temperature=0.0,
                logits_processor=[finite, confidence],
                past_key_values=cache,
                **options,
            )
        if any(finite.find_broken_items(len(wishes))):
            raise ResultError("the model's probabilities are not finite (NaN)", hint="try --dtype float32")
        means = confidence.average()
        return [
            [self.read_segment(one, mean, first.temperature or 0) for one in segments]
            for segments, mean in zip(output["segments"], means, strict=True)
        ]

    def ends(self) -> list[int]:
        """The tokens that end a text."""
        end = self.model.generation_config.eos_token_id
        return list(end) if isinstance(end, list) else [int(end)]

    def encode_prompt(self, text: str) -> "Tensor":
        """The tokens of an initial prompt: of one that is too long the end, as whisper takes it."""
        tokens: Tensor = self.tokenizer.get_prompt_ids(text, return_tensors="pt")
        most = int(self.model.config.max_target_positions) // 2 - 1
        import torch

        return torch.cat([tokens[:1], tokens[1:][-(most - 1) :]]) if len(tokens) > most else tokens

    def read_segment(self, stated: JsonObject, mean: float, temperature: float) -> Segment:
        """A segment of the library's; its times are within the window."""
        tokens: list[int] = stated["tokens"].tolist()
        text = self.read_tokens(tokens)
        start, end = float(stated["start"]), float(stated["end"])
        words: tuple[Word, ...] = ()
        if "token_timestamps" in stated:
            words = join_words(self.cut_tokens(tokens, stated["token_timestamps"].tolist(), end))
        return Segment(
            start,
            end,
            text,
            words,
            tuple(tokens),
            temperature,
            mean,
            len(text.encode()) / max(1, len(zlib.compress(text.encode()))),
        )

    def read_tokens(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without time stamps and marks."""
        plain = [token for token in tokens if token < self.first_time]
        return str(self.tokenizer.decode(plain, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def cut_tokens(self, tokens: Sequence[int], times: Sequence[float], end: float) -> list[tuple[str, float, float]]:
        """The texts of tokens with their times; those that are a part of a character go together."""
        pieces: list[tuple[str, float, float]] = []
        held: list[int] = []
        start = 0.0
        for place, token in enumerate(tokens):
            if token >= self.first_time:
                continue
            start = start if held else times[place]
            held.append(token)
            text = self.read_tokens(held)
            if "\ufffd" in text and place + 1 < len(tokens):
                continue
            until = times[place + 1] if place + 1 < len(times) else end
            pieces.append((text, min(start, end), min(max(start, until), end)))
            held = []
        return pieces

    def place(self, segments: Sequence[Segment], window: Window, wish: Wish) -> Said:
        """Segments where they belong in the sound, and the rest of a window whose end was not heard."""
        if is_silence(segments):
            return Said((), wish.language)
        rest = None
        if segments and self.is_unfinished(segments[-1]):
            at = segments[-1].end
            if at < LEAST_REST:  # nothing was heard at all
                at = window.seconds
            if window.seconds - at > LEAST_REST:
                rest = window.cut(at)
        most = window.seconds
        placed = tuple(
            replace(
                one,
                start=window.locate(min(one.start, most) + 1e-6),
                end=window.locate(min(max(one.end, one.start), most)),
                words=tuple(
                    replace(
                        word, start=window.locate(min(word.start, most) + 1e-6), end=window.locate(min(word.end, most))
                    )
                    for word in one.words
                ),
            )
            for one in segments
            if one.text.strip()
        )
        return Said(placed, wish.language, rest)

    def is_unfinished(self, last: Segment) -> bool:
        """Whether a window ends with two time stamps: then it goes on after what was heard."""
        return len(last.tokens) > 1 and min(last.tokens[-2:]) >= self.first_time


def suppress_by_bias(model: "PreTrainedModel", ends: Sequence[int]) -> None:
    """Have the tokens that a model never says suppressed by a bias, which is made once for a text.

    The library's way looks them up among all tokens at each step: a quarter of a small model's time. What a step
    chooses from is the same.
    """
    config = model.generation_config
    tokens = list(config.suppress_tokens or ())
    if tokens and all(0 <= token < model.config.vocab_size and token not in ends for token in tokens):
        config.bad_words_ids = [*(config.bad_words_ids or ()), *([token] for token in tokens)]
        config.suppress_tokens = None


def is_poor(segments: Sequence[Segment]) -> bool:
    """Whether a window is to be heard again: its text repeats itself, or the model is not sure of it."""
    if not segments or is_silence(segments):
        return False
    text = "".join(one.text for one in segments).encode()
    compression = len(text) / max(1, len(zlib.compress(text)))
    return compression > MOST_COMPRESSION or (segments[0].avg_logprob or 0) < LEAST_LOGPROB


def is_silence(segments: Sequence[Segment]) -> bool:
    """Whether the model itself says that nobody speaks, and is not sure of its text."""
    if not segments:
        return True
    first = segments[0]
    return (first.no_speech_prob or 0) > NO_SPEECH and (first.avg_logprob or 0) < LEAST_LOGPROB
