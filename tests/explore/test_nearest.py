"""Search among embeddings beside plain numpy, and within little memory; FAISS beside the exact search."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from cliplite_core.explore.nearest import build_faiss, nearest, nearest_faiss, open_faiss


def unit_vectors(count: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("block", [1, 7, 100, 1000])
@pytest.mark.parametrize("k", [1, 5, 99, 100, 250])
def test_blocks_of_any_size_find_what_one_sort_of_all_products_finds(block, k):
    embeddings, queries = unit_vectors(100).astype(np.float16), unit_vectors(3, seed=1)
    rows, products = nearest(embeddings, queries, k, block)
    all_products = queries @ embeddings.astype(np.float32).T
    expected = np.argsort(-all_products, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(products, np.take_along_axis(all_products, expected, 1), atol=1e-6)


@pytest.mark.parametrize("block", [2, 3, 16])
def test_of_equals_the_lower_row_comes_first_also_across_blocks(block):
    embeddings = np.tile(np.eye(2, dtype=np.float16), (4, 1))  # rows 0, 2, 4, 6 are alike, and 1, 3, 5, 7
    rows, products = nearest(embeddings, np.array([[0.0, 1.0]], dtype=np.float32), 6, block)
    assert rows.tolist() == [[1, 3, 5, 7, 0, 2]] and products.tolist() == [[1, 1, 1, 1, 0, 0]]


def test_an_index_larger_than_memory_allows_is_read_a_block_at_a_time(tmp_path):
    path = tmp_path / "many.npy"
    np.save(path, np.zeros((100_000, 64), dtype=np.float16))  # 12.8 MB, as float32 25.6
    tracemalloc.start()
    nearest(np.load(path, mmap_mode="r"), unit_vectors(1, 64), 10, block=1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6


def test_a_query_of_another_width_and_a_k_of_none_are_refused():
    with pytest.raises(ValueError, match=r"queries: found shape \(1, 8\), expected \(·, 16\)"):
        nearest(unit_vectors(4), unit_vectors(1, 8), 1)
    with pytest.raises(ValueError, match="k: got 0"):
        nearest(unit_vectors(4), unit_vectors(1), 0)


def test_faiss_finds_nearly_all_of_what_the_exact_search_finds(tmp_path):
    pytest.importorskip("faiss", reason="faiss-cpu is not installed (extra faiss)")
    centres = unit_vectors(20, seed=1)
    vectors = centres[np.arange(2000) % 20] + 0.3 * unit_vectors(2000, seed=2)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    build_faiss(vectors.astype(np.float16), tmp_path / "cells.faiss", block=300)
    rows, products = nearest_faiss(open_faiss(tmp_path / "cells.faiss"), vectors[:50], 10)
    exact = nearest(vectors.astype(np.float16), vectors[:50], 10)[0]
    found = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows, exact, strict=True)])
    assert found > 0.8 and (rows[:, 0] == np.arange(50)).all()
    np.testing.assert_allclose(products, (vectors[rows] * vectors[:50, None]).sum(axis=2), atol=2e-3)


def test_faiss_gives_no_made_up_rows_where_the_cells_hold_too_few(tmp_path):
    pytest.importorskip("faiss", reason="faiss-cpu is not installed (extra faiss)")
    build_faiss(unit_vectors(300), tmp_path / "cells.faiss")
    rows, _ = nearest_faiss(open_faiss(tmp_path / "cells.faiss"), unit_vectors(2, seed=3), 300)
    assert 0 < rows.shape[1] < 300 and rows.min() >= 0
