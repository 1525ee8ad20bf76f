"""Models that tell no language and take no prompt: CTC (Wav2Vec2, HuBERT, Parakeet), Moonshine, and their kin."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, cast

from genai_cli.content.segments import Segment
from genai_cli.modality.hearing.hearer import Said, Wish, join_words
from genai_cli.modality.hearing.voice import RATE
from genai_cli.modality.hearing.windows import Window
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from genai_cli.device.placement import Placement
    from genai_cli.events import Emit
    from genai_cli.hub.fetching import ModelFiles

WINDOW = 20.0  # seconds; their memory grows with the square of it
GROUPS = {"cpu": 4, "cuda": 16, "mps": 4}
TOKENS_PER_SECOND = 6.5  # more are a loop: https://huggingface.co/UsefulSensors/moonshine-tiny
LEAST_TOKENS = 8
EDGE = 0.25  # seconds of silence around a window, without which a word at its very edge is lost
SPACES = ("|", "\u2581")  # how tokens of Wav2Vec2 and of SentencePiece write a space


class Other:
    """What these models share: a tokenizer, a feature extractor, and a window for each stretch of speech."""

    packs = False
    length = WINDOW

    def __init__(self, class_name: str, files: "ModelFiles", placement: "Placement") -> None:
        """Load them."""
        from genai_cli.device.loading import load_companion, load_model

        self.extractor = load_companion("AutoFeatureExtractor", files)
        self.tokenizer = cast("PreTrainedTokenizerBase", load_companion("AutoTokenizer", files))
        self.model: PreTrainedModel = load_model(class_name, files, placement)
        self.device = placement.device.partition(":")[0]
        # Where no mask hides it, padding would change what is heard beside a longer window.
        self.masks = bool(getattr(self.extractor, "return_attention_mask", True))

    def choose_group(self, wish: Wish) -> int:
        """How many windows to take at once."""
        del wish
        return GROUPS[self.device] if self.masks else 1

    def prepare(self, windows: Sequence[Window], wishes: Sequence[Wish]) -> list[str | None]:
        """They tell no language."""
        del windows
        return [None for _ in wishes]

    def read_inputs(self, sounds: "Sequence[NDArray[np.float32]]") -> JsonObject:
        """What the model takes for samples at RATE."""
        inputs = self.extractor(
            list(sounds),
            sampling_rate=RATE,
            return_tensors="pt",
            padding=True,
            return_attention_mask=self.masks,
        )
        device, dtype = self.model.device, self.model.dtype
        return {
            name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for name, value in inputs.items()
            if hasattr(value, "is_floating_point")
        }


class Framewise(Other):
    """A model with a token for each frame (CTC): the frames of a word are its times."""

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load it."""
        super().__init__("AutoModelForCTC", files, placement)

    def hear(self, windows: Sequence[Window], wishes: Sequence[Wish], emit: "Emit") -> list[Said]:
        """What is said in the windows."""
        import numpy as np
        import torch

        del emit
        sounds = [np.pad(window.samples, round(EDGE * RATE)) for window in windows]
        with torch.inference_mode():
            tokens = self.model(**self.read_inputs(sounds)).logits.argmax(dim=-1).cpu()
        longest = max(map(len, sounds))
        return [
            self.place(row, longest / RATE / len(row), window, wish)
            for row, window, wish in zip(tokens, windows, wishes, strict=True)
        ]

    def place(self, row: "Tensor", step: float, window: Window, wish: Wish) -> Said:
        """The words of a window, whose frames are `step` seconds apart."""
        frames = row.tolist()[: max(1, round((window.seconds + 2 * EDGE) / step))]

        def locate(frame: int, later: float = 0.0) -> float:
            return window.locate(min(max(0.0, frame * step - EDGE), window.seconds) + later)

        pieces: list[tuple[str, float, float]] = []
        blank, at, spaced = self.tokenizer.pad_token_id, 0, False
        for token, run in groupby(frames):
            first, at = at, at + len(list(run))
            if token == blank or token in self.tokenizer.all_special_ids:
                continue
            text = str(self.tokenizer.convert_ids_to_tokens(token))
            for space in SPACES:
                text = text.replace(space, " ")
            if not text.strip():
                spaced = True
                continue
            text = f" {text.lstrip()}" if spaced or text[0] == " " or not pieces else text
            spaced = False
            pieces.append((text, locate(first, 1e-6), locate(at)))
        words = join_words(pieces)
        if not words:
            return Said(())
        text = "".join(word.text for word in words)
        kept = words if wish.word_timestamps else ()
        return Said((Segment(words[0].start, words[-1].end, text, kept),))


class Spoken(Other):
    """A model that writes a text for what it heard (Moonshine, Speech2Text, transducers), and tells no times."""

    def __init__(self, class_name: str, files: "ModelFiles", placement: "Placement") -> None:
        """Load it."""
        super().__init__(class_name, files, placement)

    def hear(self, windows: Sequence[Window], wishes: Sequence[Wish], emit: "Emit") -> list[Said]:
        """What is said in the windows."""
        import torch

        del emit, wishes
        inputs = self.read_inputs([window.samples for window in windows])
        longest = max(window.seconds for window in windows)
        limits = {}
        if self.model.config.is_encoder_decoder:
            limits = {"max_new_tokens": LEAST_TOKENS + int(TOKENS_PER_SECOND * longest), "do_sample": False}
        with torch.inference_mode():
            tokens = self.model.generate(**inputs, **limits)
        rows = getattr(tokens, "sequences", tokens)
        texts = [str(self.tokenizer.decode(row, skip_special_tokens=True)).strip() for row in rows]
        return [
            Said((Segment(window.locate(1e-6), window.locate(window.seconds), f" {text}"),) if text else ())
            for window, text in zip(windows, texts, strict=True)
        ]
