"""A configuration that trains in a second, and captions that a tokenizer can learn from."""

from __future__ import annotations

# The smoke profile once more made smaller: a step takes some 20 ms.
TINY = {
    "folder": "tiny", "scenes_train": 48, "scenes_eval": 16, "image_size": 16, "vocab_size": 150,
    "image_width": 8, "text_hidden": 16, "text_pool": "pooler", "units": 16,
    "steps": 6, "batch_size": 8, "checkpoint_every": 3, "log_every": 1, "warmup_steps": 2,
    "novel_split": "", "probe": "",  # sixteen scenes a split leave none for these
}  # fmt: skip
CAPTIONS = ("a red dog left of a cat", "two birds on the grass", "a man rides a horse", "the moon", "a dog and a moon")
