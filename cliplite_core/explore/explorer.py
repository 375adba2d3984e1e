"""What the page asks a model: pictures for words, sentences and names for a picture, and where in it the words are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image
from torchvision.transforms.v2.functional import to_pil_image

from cliplite_core.data.images import read_image
from cliplite_core.data.transforms import eval_transform
from cliplite_core.evaluation.heat import grad_cam, upsample
from cliplite_core.evaluation.zero_shot import load_prompts
from cliplite_core.explore.embed import embed_images, embed_texts
from cliplite_core.explore.index import ImageIndex
from cliplite_core.explore.naming import name_image
from cliplite_core.explore.nearest import nearest
from cliplite_core.explore.words import expect_known_words
from cliplite_core.model import CLIPLite

FINER = 2  # times the side at which the model was trained: a heat map with four times the cells
Found = tuple[Path, float]  # an image and its cosine


class Explorer:
    """A model, the pictures of a folder, and sentences to describe them with.

    Args:
        model: of `load_searchable`.
        index: of the same model, from `update_index`.
        sentences: M different sentences; a picture is described by those nearest to it.
    """

    def __init__(self, model: CLIPLite, index: ImageIndex, sentences: Sequence[str]) -> None:
        self.model, self.index, self.sentences = model, index, list(sentences)
        embedded = [embed_texts(model, self.sentences[at : at + 256]) for at in range(0, len(self.sentences), 256)]
        self.embedded = np.concatenate(embedded) if embedded else np.empty((0, model.critic.units), np.float32)
        self.prompts = load_prompts()[0]["ensemble"]

    def pictures(self, words: str, k: int) -> list[Found]:
        """Return the k pictures nearest to words, best first."""
        expect_known_words(self.model.tokenizer, [words])
        return self._nearest(embed_texts(self.model, [words]), k)

    def pictures_like(self, path: Path, k: int) -> list[Found]:
        """Return the k pictures nearest to a picture, itself among them."""
        return self._nearest(self._embedding(path), k)

    def describe(self, path: Path, k: int) -> list[tuple[str, float]]:
        """Return the k sentences nearest to a picture with their cosines, best first."""
        rows, cosines = nearest(self.embedded, self._embedding(path), k)
        return [(self.sentences[row], float(cosine)) for row, cosine in zip(rows[0], cosines[0], strict=True)]

    def name(self, path: Path, names: Sequence[str]) -> list[tuple[str, float]]:
        """Return names with their cosines, best first, see `name_image`."""
        return name_image(self.model, path, names, self.prompts)

    def heat(self, path: Path, words: str) -> np.ndarray:
        """Return where the score of a picture and words comes from, by Grad-CAM.

        Args:
            path: an image file.
            words: what to look for.

        Returns:
            (H, W) float32 in [0, 1], in pixels of the upright image; zeros where no place raises the score.
        """
        expect_known_words(self.model.tokenizer, [words])
        image = to_pil_image(read_image(path))
        side = FINER * self.model.config.data.image_size
        square = eval_transform(side)(image.resize((side, side)))  # squeezed: a centre crop would lose the ends
        return upsample(grad_cam(self.model, square[None], [words]).cpu(), image.size[::-1])[0].numpy()

    def _nearest(self, query: np.ndarray, k: int) -> list[Found]:
        rows, cosines = self.index.search(query, k)
        names = (self.index.names[row] for row in rows[0])
        return [(self.index.folder / name, float(c)) for name, c in zip(names, cosines[0], strict=True)]

    def _embedding(self, path: Path) -> np.ndarray:
        embedding, (why,) = embed_images(self.model, [path])
        if why:
            raise ValueError(f"{path.name}: {why}")
        return embedding


@lru_cache(maxsize=2048)
def thumbnail(path: Path, side: int) -> Image.Image:
    """Return an image file as RGB, upright, at most `side` pixels wide and high."""
    image = to_pil_image(read_image(path))
    image.thumbnail((side, side))
    return image


def heated(image: Image.Image, heat: np.ndarray) -> Image.Image:
    """Lay a heat map over a picture, the opaquer the hotter.

    Args:
        image: RGB.
        heat: (H, W) in [0, 1], of any size.
    """
    mask = np.asarray(Image.fromarray(heat).resize(image.size, Image.Resampling.BILINEAR))[..., None]
    colors = 255 * matplotlib.colormaps["magma"](mask[..., 0])[..., :3]  # shape: (H, W, 3)
    opacity = 0.25 + 0.5 * mask
    return Image.fromarray(((1 - opacity) * np.asarray(image) + opacity * colors).astype(np.uint8))
