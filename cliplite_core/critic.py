"""Critics T(x, y): how strongly do an image and a caption belong together? (paper, section 3.2 and appendix)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MAX_SCALE = 100.0  # as CLIP clamps it: beyond this the softmax is one-hot in float16


class ProjectionBlock(nn.Module):
    """Features into the joint space: LayerNorm(MLP(x) + shortcut(x)), the shortcut starting as a noisy copy.

    Args:
        in_dim: width of the features.
        units: width of the joint space.
    """

    def __init__(self, in_dim: int, units: int) -> None:
        super().__init__()
        self.nonlinear = nn.Sequential(
            nn.Linear(in_dim, units, bias=False), nn.BatchNorm1d(units), nn.ReLU(), nn.Linear(units, units)
        )
        self.shortcut = nn.Linear(in_dim, units)
        self.norm = nn.LayerNorm(units)
        with torch.no_grad():
            self.shortcut.weight.uniform_(-0.01, 0.01).fill_diagonal_(1.0)

    def forward(self, features: Tensor) -> Tensor:
        """Return the projected features: (B, in_dim) -> (B, units)."""
        return self.norm(self.nonlinear(features) + self.shortcut(features))


class _Critic(nn.Module):
    """What both critics share: features are embedded once, then scored for aligned pairs or for all pairs."""

    image_dim: int
    text_dim: int

    def embed(self, image_features: Tensor, text_features: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `aligned` and `cross` compare."""
        raise NotImplementedError

    def aligned(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the scores of the pairs (a_i, b_i): two embeddings of B items -> (B,)."""
        raise NotImplementedError

    def cross(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the scores of all pairs (a_i, b_j): embeddings of N and of M items -> (N, M)."""
        raise NotImplementedError

    def forward(self, image_features: Tensor, text_features: Tensor) -> Tensor:
        """Return the scores of aligned pairs: (B, image_dim), (B, text_dim) -> (B,) float32.

        Raises:
            ValueError: the two batches differ in length, or a width is not the critic's.
        """
        if len(image_features) != len(text_features):
            raise ValueError(
                f"{len(image_features)} images for {len(text_features)} captions: aligned pairs need as many"
            )
        self._check(image_features, text_features)
        return self.aligned(*self.embed(image_features, text_features))

    def pairwise(self, image_features: Tensor, text_features: Tensor) -> Tensor:
        """Return the scores of every image with every caption: (N, image_dim), (M, text_dim) -> (N, M) float32."""
        self._check(image_features, text_features)
        return self.cross(*self.embed(image_features, text_features))

    def _check(self, image_features: Tensor, text_features: Tensor) -> None:
        for name, features, dim in (("image", image_features, self.image_dim), ("text", text_features, self.text_dim)):
            if features.ndim != 2 or features.shape[1] != dim:
                raise ValueError(f"{name}_features: got shape {tuple(features.shape)}, expected (·, {dim})")


class DotCritic(_Critic):
    """The paper's critic: T(x, y) = exp(t) · <a, b> (+ bias), a and b being L2-normalised projections.

    Args:
        image_dim, text_dim: widths of the two features.
        units: width of the joint space (paper: 2048).
        scale: exp(t) at the start (paper: 1 / 0.07), learned, at most 100.
        bias: learned offset at the start, as SigLIP needs one; None = no offset (the paper).

    Example:
        >>> critic = DotCritic(image_dim=8, text_dim=6, units=16)
        >>> critic.pairwise(torch.randn(4, 8), torch.randn(3, 6)).shape
        torch.Size([4, 3])
    """

    def __init__(
        self, image_dim: int, text_dim: int, units: int = 2048, scale: float = 1 / 0.07, bias: float | None = None
    ) -> None:
        super().__init__()
        if not 0 < scale <= MAX_SCALE:
            raise ValueError(f"score_scale: got {scale}, expected a value in (0, {MAX_SCALE:g}]")
        self.image_dim, self.text_dim, self.units = image_dim, text_dim, units
        self.image_block = ProjectionBlock(image_dim, units)
        self.text_block = ProjectionBlock(text_dim, units)
        self.temperature = nn.Parameter(torch.tensor(math.log(scale)))
        self.bias = None if bias is None else nn.Parameter(torch.tensor(float(bias)))

    @property
    def scale(self) -> Tensor:
        """exp(t), at most 100, a scalar tensor."""
        return self.temperature.clamp(max=math.log(MAX_SCALE)).exp()

    def project_image(self, image_features: Tensor) -> Tensor:
        """Return the image embedding: (B, image_dim) -> (B, units), L2-normalised float32."""
        return F.normalize(self.image_block(image_features.float()), dim=-1)

    def project_text(self, text_features: Tensor) -> Tensor:
        """Return the caption embedding: (B, text_dim) -> (B, units), L2-normalised float32."""
        return F.normalize(self.text_block(text_features.float()), dim=-1)

    def embed(self, image_features: Tensor, text_features: Tensor) -> tuple[Tensor, Tensor]:
        """Return both embeddings: (N, units) and (M, units)."""
        return self.project_image(image_features), self.project_text(text_features)

    def aligned(self, a: Tensor, b: Tensor) -> Tensor:
        """Return exp(t) · <a_i, b_i> (+ bias): (B, units), (B, units) -> (B,)."""
        return self._affine((a * b).sum(dim=-1))

    def cross(self, a: Tensor, b: Tensor) -> Tensor:
        """Return exp(t) · <a_i, b_j> (+ bias): (N, units), (M, units) -> (N, M)."""
        return self._affine(a @ b.T)

    def _affine(self, cosine: Tensor) -> Tensor:
        scores = self.scale * cosine
        return scores if self.bias is None else scores + self.bias

    def load_released(self, state: Mapping[str, Tensor]) -> None:
        """Load the dot critic of the released implementation (github.com/4m4n5/CLIP-Lite, `loss.py`).

        Args:
            state: its `state_dict()`, the `global_d.` prefix of the loss module removed.

        Raises:
            RuntimeError: a weight is missing, unknown or of another shape (from `load_state_dict`).
        """
        renamed = {}
        for key, value in state.items():
            key = key.replace("img_block.", "image_block.").replace("feature_nonlinear", "nonlinear")
            renamed[key.replace("feature_shortcut", "shortcut").replace("feature_block_ln", "norm")] = value
        self.load_state_dict(renamed)


class ConcatCritic(_Critic):
    """The ablation's critic: an MLP on the concatenation, T(x, y) = MLP([x; y]) with layers 512, 512, 1.

    It has no joint space: every pair costs a pass through the MLP, so retrieval is O(N · M) passes.

    Args:
        image_dim, text_dim: widths of the two features.
        hidden: width of the two hidden layers.
    """

    def __init__(self, image_dim: int, text_dim: int, hidden: int = 512) -> None:
        super().__init__()
        self.image_dim, self.text_dim = image_dim, text_dim
        self.l0 = nn.Linear(image_dim + text_dim, hidden)
        self.l1 = nn.Linear(hidden, hidden)
        self.l2 = nn.Linear(hidden, 1)

    def embed(self, image_features: Tensor, text_features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features as they are: this critic has no projection of one modality alone."""
        return image_features.float(), text_features.float()

    def aligned(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the MLP's score of each pair: (B, image_dim), (B, text_dim) -> (B,)."""
        h = F.relu(self.l0(torch.cat([a, b], dim=-1)))
        return self.l2(F.relu(self.l1(h))).squeeze(-1)

    def cross(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the score of all pairs, one row of images at a time: -> (N, M)."""
        return torch.stack([self.aligned(row.expand(len(b), -1), b) for row in a])


class PriorDiscriminator(nn.Module):
    """Tell features from uniform noise: an MLP in -> 1000 -> 200 -> 1 (Deep InfoMax; paper, section 3.3).

    The release ends in a sigmoid and takes log(1 - sigmoid), which overflows; this one returns the logit, and the
    loss uses softplus. Parameter names and shapes are the release's.

    Args:
        dim: width of the features.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.l0 = nn.Linear(dim, 1000)
        self.l1 = nn.Linear(1000, 200)
        self.l2 = nn.Linear(200, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits of "this is noise": (B, dim) -> (B,) float32."""
        return self.l2(F.relu(self.l1(F.relu(self.l0(features.float()))))).squeeze(-1)
