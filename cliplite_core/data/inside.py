"""Image names of a caption file, which may come from anywhere: a path inside the image folder, or one refused."""

from __future__ import annotations

import os
from pathlib import Path, PurePath


class ImageFolder:
    """The folder that a caption file's image names are relative to.

    A name that leads out of it would let a caption file read any picture on the machine into a model: an absolute path,
    one with "..", or a link. Links are found by listing each folder once, far cheaper than a look at each file.

    Args:
        folder: need not exist, and may itself be a link.
        source: the caption file, for messages.

    Example:
        >>> ImageFolder(Path("images"), Path("captions.csv")).path("a/b.jpg", "line 2").as_posix()
        'images/a/b.jpg'
        >>> ImageFolder(Path("images"), Path("captions.csv")).path("../b.jpg", "line 3")
        Traceback (most recent call last):
        ValueError: captions.csv, line 3: found '../b.jpg', which leads out of the image folder images; expected ...
    """

    def __init__(self, folder: Path, source: Path) -> None:
        self.folder, self.source = folder, source
        self._links: dict[Path, set[str]] = {}  # of each folder that a name led through: its links

    def path(self, name: str, where: str) -> Path:
        """Return the path of an image by its name.

        Args:
            name: as the caption file has it.
            where: the row or entry that names it, for messages.

        Raises:
            ValueError: the name leads out of the folder; the message names both.
        """
        named, path = PurePath(name), self.folder / name
        if named.anchor or ".." in named.parts or self._linked_out(named):
            raise ValueError(
                f"{self.source}, {where}: found {name!r:.200}, which leads out of the image folder {self.folder}; "
                "expected a file below it: put the file there, or drop the row"
            )
        return path

    def _linked_out(self, name: PurePath) -> bool:
        """Whether a link on the way from the folder to the file leads out of it."""
        parent = self.folder
        for part in name.parts:
            if part in self._links_in(parent):
                return not (self.folder / name).resolve().is_relative_to(self.folder.resolve())
            parent = parent / part
        return False

    def _links_in(self, folder: Path) -> set[str]:
        if folder not in self._links:
            try:
                with os.scandir(folder) as entries:
                    self._links[folder] = {entry.name for entry in entries if entry.is_symlink()}
            except OSError:  # not there, or no folder: what is missing is said by whoever opens the image
                self._links[folder] = set()
        return self._links[folder]
