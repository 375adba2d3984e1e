"""Read the command line: `cliplite VERB …`, or `python -m cliplite_core VERB …`.

Here is the one end of every error: a line on stderr and an exit status.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool

from cliplite_core.commands.parser import parse
from cliplite_core.storage.allocator import keep_freed_memory

STARTER = "CLIPLITE_STARTED_BY"  # as `storage.watch` has it, which costs an import


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        arguments: the words behind `cliplite`. None = those the process was started with.

    Returns:
        The exit status: 0 = done, 1 = something is missing or broken, or a notebook's cell failed, 2 = an error, which
        one line on stderr explains, 130 = stopped by Ctrl-C, 141 = whoever read the output has gone.
    """
    # Read when torch is loaded, which is later. Threads that wait actively are ten times slower beside another load.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    keep_freed_memory()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a file name that the terminal cannot show must not end a scan
    if STARTER in os.environ:
        from cliplite_core.storage.watch import end_with_starter

        end_with_starter()
    try:
        options = parse(sys.argv[1:] if arguments is None else list(arguments))
        with warnings.catch_warnings():
            warnings.showwarning = _one_line
            status = options.run(options)
        sys.stdout.flush()  # here, where a closed pipe is caught
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere
        return 141
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenProcessPool:
        print("error: a worker was killed, perhaps for its memory; give fewer --workers", file=sys.stderr)
    except (OSError, ValueError) as error:  # ConfigError and ParameterError are ValueErrors
        print(f"error: {error}", file=sys.stderr)
    except (MemoryError, RuntimeError) as error:
        if type(error).__name__.endswith("MemoryError") or "can't allocate memory" in str(error):
            print(f"error: {_no_memory(error)}", file=sys.stderr)
        elif type(error).__module__.startswith("cliplite_core"):
            print(f"error: {error}", file=sys.stderr)
        else:  # torch's own are bugs: show where
            raise
    return 2


def _no_memory(error: Exception) -> str:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return f"memory ran out ({reason:.150}); lower batch_size, image_size, image_width or text_hidden, or free some"


def _one_line(message: Warning | str, category: type, filename: str, lineno: int, *_: object) -> None:
    """Show a warning in one line, without the line of code that raised it."""
    text = " ".join(str(message).split())
    where = "" if os.path.dirname(__file__) in filename else f" ({category.__name__}, {filename}:{lineno})"
    print(f"note: {text}{where}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
