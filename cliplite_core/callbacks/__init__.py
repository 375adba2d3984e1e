"""What is watched during training, on held-out pairs: their scores, their recall, and the best weights so far."""

from cliplite_core.callbacks.best import BEST, KeepBest
from cliplite_core.callbacks.curves import CUTOFFS, HALVES, RetrievalCurve, ScoreSnapshots, gallery_ranks, recall_of
from cliplite_core.callbacks.gallery import Gallery

__all__ = [
    "BEST",
    "CUTOFFS",
    "HALVES",
    "Gallery",
    "KeepBest",
    "RetrievalCurve",
    "ScoreSnapshots",
    "gallery_ranks",
    "recall_of",
]
