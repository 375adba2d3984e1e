"""CIFAR-10 and CIFAR-100 as distributed for Python: pickled arrays of 32 px photos (Krizhevsky 2009).

Source: https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from torchvision.datasets import CIFAR10, CIFAR100

from cliplite_core.data.labelled.layouts import cifar_folder


def read_cifar(root: str | Path, split: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Read a split of CIFAR-10, or of CIFAR-100 with its 100 fine labels.

    The files are pickles, and unpickling runs whatever code a pickle holds. So this leaves the reading to torchvision,
    which unpickles no file before its MD5 is that of the published one: only bytes that are known are ever read.

    Args:
        root: the folder `cifar-10-batches-py` or `cifar-100-python`, or the one that holds it.
        split: "train" or "test".

    Returns:
        The N images, uint8 of shape (N, 32, 32, 3); labels of shape (N,), int64; the class names.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: no such split, or a file is missing or is not the published one.
    """
    folder = cifar_folder(Path(root))
    if folder is None:
        raise FileNotFoundError(f"{root}: neither cifar-10-batches-py nor cifar-100-python is there")
    if split not in ("train", "test"):
        raise ValueError(f"{folder}: found no split {split!r}; CIFAR has 'train' and 'test'")
    kind = next(kind for kind in (CIFAR10, CIFAR100) if kind.base_folder == folder.name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy on its own pickles of 2009
            data = kind(folder.parent, train=split == "train")
    except RuntimeError as error:
        raise ValueError(
            f"{folder}: a file is missing or differs from the published one; unpack {kind.filename} again"
        ) from error
    return data.data, np.array(data.targets, dtype=np.int64), [name.replace("_", " ") for name in data.classes]
