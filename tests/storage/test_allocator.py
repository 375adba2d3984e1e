"""A step must not ask the kernel again for the memory that the step before it has freed."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from cliplite_core.storage.allocator import OPTIONS, keep_freed_memory

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is no glibc here")
STEPS = """
import ctypes, resource
import numpy as np
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: how many huge pages the kernel has left would decide
def step():
    np.ones(2**23)  # 64 MiB, freed at once
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
KEEP = "from cliplite_core.storage.allocator import keep_freed_memory; assert keep_freed_memory()\n"
CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {STEPS!r}], check=True)"


def page_faults(program: str, **environment: str) -> int:
    """Run a program in a process of its own, whose allocator is as it was before a test changed ours."""
    clean = {name: value for name, value in os.environ.items() if name not in OPTIONS}
    done = subprocess.run(
        [sys.executable, "-c", program], env=clean | environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@glibc
def test_freed_memory_serves_the_next_step_of_the_process_and_not_of_those_it_starts():
    usual = page_faults(STEPS)
    assert page_faults(KEEP + STEPS) < usual / 10
    assert page_faults(KEEP + CHILD) > usual / 2


@glibc
def test_the_command_line_keeps_freed_memory_and_an_import_does_not():
    usual = page_faults(STEPS)
    asked = "from cliplite_core.__main__ import main; main(['nonsense'])\n" + STEPS
    assert page_faults(asked) < usual / 10
    assert page_faults("import torch, cliplite_core.runs, cliplite_core.storage.allocator\n" + STEPS) > usual / 2


@pytest.mark.parametrize("name", [*OPTIONS, "GLIBC_TUNABLES"])
def test_what_the_environment_says_of_the_allocator_is_left_alone(name, monkeypatch):
    for option in OPTIONS:
        monkeypatch.delenv(option, raising=False)
    monkeypatch.setenv(name, "")
    assert not keep_freed_memory()
