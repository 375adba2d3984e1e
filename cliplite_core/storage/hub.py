"""Something of transformers by name: from a folder, a package or the cache, and only then asked of the hub, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import HfApi, try_to_load_from_cache
from huggingface_hub.constants import is_offline_mode
from huggingface_hub.errors import HfHubHTTPError

from cliplite_core.storage.packages import weights_source

PATIENCE = 2.0  # seconds the hub has to answer; its own client tries five times, waiting longer each time

Read = TypeVar("Read")


def read_pretrained(read: Callable[..., Read], name: str, field: str, **options: Any) -> Read:
    """Call a `from_pretrained` so that without a network it ends at once, in a line that names the field.

    Args:
        read: a `from_pretrained` of transformers.
        name: a directory, a hub id, or "package:NAME/FOLDER" in an installed Python package.
        field: of the configuration that holds `name`.
        **options: further ones of `read`.

    Returns:
        What `read` returns. A hub id that the cache holds is read from there, without a look at the hub.

    Raises:
        FileNotFoundError: it is nowhere, or the hub cannot be reached.
        ValueError: it is a folder that `read` cannot read.
    """
    source = weights_source(name)
    if Path(source).exists():
        try:
            return read(source, local_files_only=True, **options)
        except (OSError, ValueError) as error:
            raise ValueError(f"{field}: {source} cannot be read ({_line(error)}); save it there again") from error
    try:
        return read(source, local_files_only=True, **options)
    except (OSError, ValueError):
        _expect_answer(name, field)
    return read(source, **options)


def is_here(name: str) -> bool:
    """Whether something of transformers can be read without a network: a folder, a package's, or in the cache.

    Args:
        name: as for `read_pretrained`.
    """
    try:
        if Path(weights_source(name)).exists():
            return True
        cached = (try_to_load_from_cache(name, file) for file in ("tokenizer_config.json", "config.json"))
        return any(isinstance(path, str) for path in cached)
    except (OSError, ValueError):  # no such package, or no name of the hub
        return False


def _expect_answer(name: str, field: str) -> None:
    """Ask the hub once whether it has a model of this name."""
    if is_offline_mode():
        reason = "must not be asked (HF_HUB_OFFLINE)"
    else:
        try:
            HfApi().model_info(name, timeout=PATIENCE)
            return
        except HfHubHTTPError as error:
            reason = f"gives no such model ({_line(error)})"
        except ValueError:  # no name that a model could have, e.g. a path
            reason = "has no such names"
        except Exception:  # of whichever HTTP library the hub's client has
            reason = "cannot be reached"
    kind = "AutoTokenizer" if field == "tokenizer" else "AutoModel"
    raise FileNotFoundError(
        f"{field}: {name!r} is neither a local folder nor in the cache, and the hub {reason}; save it where there is a "
        f"network (transformers.{kind}.from_pretrained({name!r}).save_pretrained('FOLDER')) and set {field} = 'FOLDER'"
    )


def _line(error: Exception) -> str:
    return f"{' '.join(str(error).split()):.120}" or type(error).__name__
