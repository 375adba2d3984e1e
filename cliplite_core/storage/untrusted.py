"""Files of a model directory, which may come from anywhere: read within limits, or refused in one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as short
from typing import Any, NoReturn

from safetensors import SafetensorError, safe_open

MOST_JSON = 2**20  # bytes of a configuration; those written have some 2,000
MOST_HEADER = 2**23  # bytes of names and shapes; a ResNet-152 beside a BERT-large has some 200,000

Shapes = Mapping[str, tuple[int, ...]]


def refuse(path: Path, field: str, found: Any, expected: str) -> NoReturn:
    """Raise a ValueError of one line: the file, its field ("" = the whole file), what is there and what should be."""
    where = f"{path}: {field}" if field else str(path)
    raise ValueError(f"{where}: found {short(found)}, expected {expected}; save the model again with CLIPLite.save")


def expect_file(path: Path, most: int | None = None) -> None:
    """Check that there is a plain file, of at most so many bytes.

    Raises:
        FileNotFoundError: there is none; a pipe or a device, which could be read forever, does not count.
        ValueError: it is too long.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} not found; a model directory is written by CLIPLite.save")
    size = path.stat().st_size
    if most is not None and size > most:
        refuse(path, "", size, f"at most {most} bytes")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object, however long or deep its text is.

    Raises:
        FileNotFoundError: as `expect_file`.
        ValueError: it is too long, not JSON, or no object.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "config.json"
        >>> _ = path.write_text("[" * 100_000)
        >>> read_json(path)
        Traceback (most recent call last):
        ValueError: ...config.json: no configuration of CLIPLite.save: nested too deep; save the model again with it
    """
    expect_file(path, MOST_JSON)
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
        reason = "" if isinstance(content, dict) else f"found {short(content)}, expected a JSON object"
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
    if reason:
        raise ValueError(f"{path}: no configuration of CLIPLite.save: {reason}; save the model again with it")
    return content


def read_header(path: Path) -> Shapes:
    """Read the shapes of a safetensors file, but no tensor.

    Returns:
        Tensor name to shape, no axis empty and every element within the file.

    Raises:
        FileNotFoundError: as `expect_file`.
        ValueError: it is no such file, cut short, or has an empty tensor.
    """
    expect_file(path)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if MOST_HEADER < length < path.stat().st_size:  # a longer one is named below: the file is cut short
        refuse(path, "header", length, f"at most {MOST_HEADER} bytes")
    try:
        with safe_open(path, framework="pt") as file:  # holds the tensors' extent against the file's length
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path}: not a file of tensors alone ({error}); save the model again") from error
    for name, shape in shapes.items():
        if 0 in shape:  # beside an empty axis, another of any length costs no byte
            refuse(path, name, shape, "no empty axis")
    return shapes


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"found {name}, expected a number")
