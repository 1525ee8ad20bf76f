"""Labels for texts, with any sequence classifier of transformers."""

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from genai_cli.content.content import Content
from genai_cli.content.labels import Labels
from genai_cli.device.workload import Work
from genai_cli.errors import GenaiError, ModelError, ResultError
from genai_cli.events import Emit, Notice, tag_item
from genai_cli.hub.catalog import ModelKind
from genai_cli.modality.decoding.batch_invariance import make_batch_invariant
from genai_cli.modality.encoding.windows import find_window, restore_attention
from genai_cli.modality.known_models import LABELS
from genai_cli.modality.modality import TINY, Modality, Result
from genai_cli.request.option import Option
from genai_cli.request.request import QuantizableRequest, Request

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import BatchEncoding, PretrainedConfig

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

OVERLAP = 0.25  # of a window, shared with the next
WINDOWS_AT_ONCE = 64
NO_TOKEN = -1


@dataclass(frozen=True, kw_only=True)
class ClassifyRequest(QuantizableRequest):
    """One text to classify; `top` is how many labels to keep, all with 0."""

    task: ClassVar[str] = "classify"
    default_model: ClassVar[str] = "sst2"

    top: Annotated[int, Option("--top", help="How many labels to show, best first; 0 for all.", low=0)] = 1

    def length(self) -> int:
        return len(self.prompt)


class Classify(Modality[ClassifyRequest]):
    """A sequence classifier, its tokenizer, and its window in tokens (special ones included)."""

    request: ClassVar[type[Request]] = ClassifyRequest
    content: ClassVar[type[Content]] = Labels
    models: ClassVar[ModelKind] = ModelKind(
        task="classify",
        words="a text classifier",
        library="transformers",
        class_suffixes=("ForSequenceClassification",),
        mapping="SEQUENCE_CLASSIFICATION",
        known=LABELS,
        built_in=TINY / "classify",
    )
    work: ClassVar[Work | None] = Work.READING
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    example: ClassVar[str] = 'genai classify "This movie is disgustingly good !"'
    argument: ClassVar[str] = "What to classify"
    draws: ClassVar[bool] = False
    mark: ClassVar[str | None] = None
    # Measured on a 2-core AVX-512 machine; on a GPU a starting point, which is halved where it does not fit.
    batch_sizes: ClassVar[dict[str, int]] = {"cpu": 64, "cuda": 256, "mps": 64}
    chunk_sizes: ClassVar[tuple[int, int]] = (64, 512)

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the classifier and its tokenizer. Raises ModelError where the tokenizer cannot cut windows."""
        from genai_cli.device.loading import load_companion, load_model

        self.tokenizer = load_companion("AutoTokenizer", files)
        self.model = load_model("AutoModelForSequenceClassification", files, placement)
        if placement.device == "cpu":
            make_batch_invariant(self.model)
        if not self.tokenizer.is_fast:
            raise ModelError(f"{files.reference.id} has no tokenizer that can cut a text into windows (tokenizer.json)")
        self.window = find_window(self.model, self.tokenizer)
        self.inputs = list(inspect.signature(self.model.forward).parameters)
        read_last_token(self.model.config.get_text_config())

    def generate(self, requests: Sequence[ClassifyRequest], emit: Emit) -> list[Result | GenaiError]:
        """Labels for each text; a long one is read in overlapping windows, whose scores are averaged."""
        encoded = self.tokenizer(
            [request.prompt for request in requests],
            truncation=True,
            max_length=self.window,
            stride=int((self.window - self.tokenizer.num_special_tokens_to_add()) * OVERLAP),
            return_overflowing_tokens=True,
        )
        owners = encoded.pop("overflow_to_sample_mapping")
        windows: list[list[Tensor]] = [[] for _ in requests]
        for owner, scores in zip(owners, self.score_windows(encoded), strict=True):
            windows[owner].append(scores)
        results: list[Result | GenaiError] = []
        for place, (request, scores) in enumerate(zip(requests, windows, strict=True)):
            if len(scores) > 1:
                say = tag_item(emit, place)
                say(Notice(f"a text is longer than the model reads at once: {len(scores)} windows averaged"))
            average = (sum(scores) / len(scores)).tolist()
            results.append(self.build_result(request, average, len(scores)))
        return results

    def build_result(self, request: ClassifyRequest, scores: list[float], windows: int) -> Result | GenaiError:
        """The best labels, or all values of a regression in the model's order."""
        if not all(map(math.isfinite, scores)):
            return ResultError("the model's scores are not finite (NaN)", hint="try --dtype float32, or another text")
        config = self.model.config
        if is_regression(config):
            labels = Labels.list_values(tuple(zip(name_values(config), scores, strict=True)))
        else:
            labels = Labels.rank(rank_labels(scores, config.id2label, request.top))
        return Result(labels, request.parameters() | {"windows": windows})

    def score_windows(self, encoded: "BatchEncoding") -> "list[Tensor]":
        """Scores of shape (labels,) for each window of the tokenizer's output, in its order.

        Windows of one length go through the model together: without padding, no score depends on what is beside it.
        """
        import torch

        scores: dict[int, Tensor] = {}
        for alike in group_windows(encoded["input_ids"], self.model.config):
            for first in range(0, len(alike), WINDOWS_AT_ONCE):
                positions = alike[first : first + WINDOWS_AT_ONCE]
                inputs = {
                    name: torch.tensor([values[position] for position in positions], device=self.model.device)
                    for name, values in encoded.items()
                    if name in self.inputs
                }
                restore_attention(self.model)
                with torch.inference_mode():
                    logits = self.model(**inputs).logits
                scores.update(zip(positions, compute_scores(logits.float().cpu(), self.model.config), strict=True))
        return [scores[position] for position in range(len(scores))]


def read_last_token(config: "PretrainedConfig") -> None:
    """Have a decoder's classifier without a padding token read each window's last token, as it does for one alone.

    It looks for the last token that is no padding, and takes no group where none is stated. -1 is no token.
    """
    if getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = NO_TOKEN


def group_windows(windows: Sequence[Sequence[int]], config: "PretrainedConfig") -> list[list[int]]:
    """The positions of the windows that the model takes together: those of one length.

    BART's kin read the last end token and refuse a group in which a text holds more of them than another.
    """
    end = config.eos_token_id if config.is_encoder_decoder else None
    alike: dict[tuple[int, int], list[int]] = {}
    for position, tokens in enumerate(windows):
        alike.setdefault((len(tokens), tokens.count(end) if isinstance(end, int) else 0), []).append(position)
    return list(alike.values())


def is_regression(config: "PretrainedConfig") -> bool:
    """Whether the outputs are values, and not the scores of labels.

    A head of one output that states no problem and no name of its label is trained as a regression by transformers.
    """
    if config.problem_type is not None:
        return bool(config.problem_type == "regression")
    return config.num_labels == 1 and name_values(config) == [None]


def name_values(config: "PretrainedConfig") -> list[str | None]:
    """The names that a checkpoint gives its outputs; None for one that only has transformers' LABEL_0."""
    names = [str(config.id2label[index]) for index in range(config.num_labels)]
    return [None if name == f"LABEL_{index}" else name for index, name in enumerate(names)]


def compute_scores(logits: "Tensor", config: "PretrainedConfig") -> "Tensor":
    """Scores from logits of shape (windows, outputs): a regression's values, or probabilities of labels.

    Those are independent for a multi-label model and for a single label, else a softmax.
    """
    if is_regression(config):
        return logits
    independent = config.problem_type == "multi_label_classification" or logits.shape[-1] == 1
    return logits.sigmoid() if independent else logits.softmax(dim=-1)


def rank_labels(scores: Sequence[float], names: dict[int, str], top: int) -> tuple[tuple[str, float], ...]:
    """The `top` labels (all with 0) with their scores, best first."""
    ranked = sorted(((names[index], score) for index, score in enumerate(scores)), key=lambda pair: -pair[1])
    return tuple(ranked[: top or None])
