"""Labels for texts, with any sequence classifier of transformers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from genai_cli.errors import ModelError
from genai_cli.events import Emit, Notice
from genai_cli.modality.request import QuantizableRequest
from genai_cli.modality.rows import keep_rows_apart
from genai_cli.model.device import Placement
from genai_cli.model.hub import ModelFiles
from genai_cli.model.loading import load_companion, load_model

OVERLAP = 0.25  # of a window, shared with the next
WINDOWS_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class ClassifyRequest(QuantizableRequest):
    """One text to classify; `top` is how many labels to keep, all with 0."""

    task: ClassVar[str] = "classify"
    default_model: ClassVar[str] = "sst2"
    suffixes: ClassVar[tuple[str, ...]] = (".txt",)

    top: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("top", low=0)

    def length(self) -> int:
        return len(self.prompt)


@dataclass(frozen=True)
class ClassifyResult:
    """The labels asked for with their scores in 0 to 1, best first."""

    labels: tuple[tuple[str, float], ...]
    parameters: dict[str, Any]


@dataclass(frozen=True)
class LoadedClassify:
    """A classifier, its tokenizer, and its window in tokens (special ones included)."""

    model: Any
    tokenizer: Any
    window: int


def load(files: ModelFiles, placement: Placement) -> LoadedClassify:
    """Load the classifier and its tokenizer. Raises ModelError where the tokenizer cannot cut windows."""
    tokenizer = load_companion("AutoTokenizer", files)
    model = load_model("AutoModelForSequenceClassification", files, placement)
    if placement.device == "cpu":
        keep_rows_apart(model)
    if not tokenizer.is_fast:
        raise ModelError(f"{files.reference.id} has no tokenizer that can cut a text into windows (tokenizer.json)")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return LoadedClassify(model, tokenizer, window_of(model.config, tokenizer))


def window_of(config: Any, tokenizer: Any) -> int:
    """How many tokens the model reads at once."""
    positions = getattr(config, "max_position_embeddings", None) or tokenizer.model_max_length
    # RoBERTa and its kin count positions from the padding index on.
    reserved = (config.pad_token_id or 0) + 1 if "roberta" in config.model_type else 0
    return int(min(tokenizer.model_max_length, positions - reserved))


def generate(loaded: LoadedClassify, requests: Sequence[ClassifyRequest], emit: Emit) -> list[ClassifyResult]:
    """Classify the texts; one longer than the window is read in overlapping windows, whose scores are averaged."""
    encoded = loaded.tokenizer(
        [request.prompt for request in requests],
        truncation=True,
        max_length=loaded.window,
        stride=int((loaded.window - loaded.tokenizer.num_special_tokens_to_add()) * OVERLAP),
        return_overflowing_tokens=True,
    )
    owners = encoded.pop("overflow_to_sample_mapping")
    of_texts: list[list[Any]] = [[] for _ in requests]
    for owner, scores in zip(owners, score_windows(loaded, encoded), strict=True):
        of_texts[owner].append(scores)
    results = []
    for request, of_text in zip(requests, of_texts, strict=True):
        if len(of_text) > 1:
            emit(Notice(f"a text is longer than the model reads at once: {len(of_text)} windows averaged"))
        average = sum(of_text) / len(of_text)
        labels = best_labels(average.tolist(), loaded.model.config.id2label, request.top)
        results.append(ClassifyResult(labels, request.parameters() | {"windows": len(of_text)}))
    return results


def score_windows(loaded: LoadedClassify, encoded: Any) -> list[Any]:
    """Scores of shape (labels,) for each window of the tokenizer's output, in its order.

    Windows of one length go through the model together: without padding, no score depends on what is beside it.
    """
    import torch

    by_length: dict[int, list[int]] = {}
    for position, tokens in enumerate(encoded["input_ids"]):
        by_length.setdefault(len(tokens), []).append(position)
    scores: list[Any] = [None] * len(encoded["input_ids"])
    for alike in by_length.values():
        for first in range(0, len(alike), WINDOWS_AT_ONCE):
            positions = alike[first : first + WINDOWS_AT_ONCE]
            inputs = {
                name: torch.tensor([values[position] for position in positions], device=loaded.model.device)
                for name, values in encoded.items()
            }
            with torch.inference_mode():
                logits = loaded.model(**inputs).logits
            made = scores_of(logits.float().cpu(), loaded.model.config)
            for position, of_window in zip(positions, made, strict=True):
                scores[position] = of_window
    return scores


def scores_of(logits: Any, config: Any) -> Any:
    """Probabilities from logits of shape (windows, labels): independent for a multi-label model, else a softmax."""
    independent = config.problem_type == "multi_label_classification" or logits.shape[-1] == 1
    return logits.sigmoid() if independent else logits.softmax(dim=-1)


def best_labels(scores: Sequence[float], names: dict[int, str], top: int) -> tuple[tuple[str, float], ...]:
    """The `top` labels (all with 0) with their scores, best first."""
    ranked = sorted(((names[index], score) for index, score in enumerate(scores)), key=lambda pair: -pair[1])
    return tuple(ranked[: top or None])
