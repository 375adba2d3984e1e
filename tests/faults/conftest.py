"""Own data that a test may spoil, beside a finished run that it must not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fault import Fault, Own, must_be_seen, write_own

from cliplite_core.profiles import load_profile
from cliplite_core.runs import train


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Own, Path]:
    """The own data as it should be, and a finished run on it, whose seed no case has."""
    own = write_own(tmp_path_factory.mktemp("own"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLIPLITE_DATA", str(own.root / "data"))
        patch.setenv("CLIPLITE_RUNS", str(own.root / "runs"))
        return own, train(load_profile(str(own.profile), seed=99))


@pytest.fixture
def own_data(whole: tuple[Own, Path], tmp_path: Path) -> tuple[Own, Path]:
    """A copy of both, where the environment says that data and runs lie."""
    shutil.copytree(whole[0].root, tmp_path, dirs_exist_ok=True)
    return Own(tmp_path), tmp_path / whole[1].relative_to(whole[0].root)


@pytest.fixture
def met(own_data: tuple[Own, Path], capsys: pytest.CaptureFixture) -> Callable[[Fault], None]:
    """Does what a fault says, on data of its own, and looks."""
    return lambda fault: must_be_seen(fault, *own_data, capsys)
