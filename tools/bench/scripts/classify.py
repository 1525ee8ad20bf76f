"""The example of a classifier's model card: pipeline("text-classification")."""

import sys
from pathlib import Path

from transformers import pipeline

device, dtype, checkpoint, output = sys.argv[1:]
classifier = pipeline("text-classification", model=checkpoint, dtype=dtype, device=device)
result = classifier("This movie is disgustingly good !")[0]
Path(output).write_text(f"{result['label']}\t{result['score']:.4f}\n", encoding="utf-8")
