"""Retrieval and neighbours: equal to the reference rows, whatever the memory; no tie and no absent class is silent."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.features.neighbours import nearest_centroid, nearest_neighbours
from evaluation.features.retrieval import average_precision, fgbmk_class_map, retrieve
from evaluation.features.similarity import normalised, similarity_blocks

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def rows():
    return dict(np.load(GOLDEN / "retrieval.dev.npz"))


@pytest.fixture(scope="module")
def total():
    return json.loads((GOLDEN / "retrieval.dev.total.json").read_text())


def of(rows):
    return rows["query"], rows["query_labels"], rows["gallery"], rows["gallery_labels"]


def test_average_precision_and_recall_agree_with_the_reference_rows(rows, total):
    found = retrieve(*of(rows))
    assert found.ap == pytest.approx(rows["expected_ap"], abs=1e-12)
    assert (found.has_positive == rows["expected_has_positive"]).all()
    assert found.ap[found.has_positive].mean() == pytest.approx(
        total["map_sklearn_over_queries_with_positive"], abs=1e-12
    )
    assert found.ap.mean() == pytest.approx(total["map_sklearn_absent_as_zero"], abs=1e-12)
    for k in (1, 5, 10):
        for policy, which in (("with_positive", found.has_positive), ("absent_as_zero", slice(None))):
            assert found.hit[k][which].mean() == pytest.approx(total["hit_at_k"][str(k)][policy], abs=1e-7)
            assert found.recall[k][which].mean() == pytest.approx(
                total["fraction_recall_at_k"][str(k)][policy], abs=1e-7
            )


def test_blocks_change_nothing_and_bound_the_memory(rows):
    whole = retrieve(*of(rows))
    queries, gallery = len(rows["query"]), len(rows["gallery"])
    blocks = [scores.shape for _, scores in similarity_blocks(rows["query"], rows["gallery"], memory=7 * 8 * gallery)]
    assert blocks[0] == (7, gallery)
    assert sum(count for count, _ in blocks) == queries
    small = retrieve(*of(rows), memory=1)  # one query at a time
    assert (small.ap == whole.ap).all()
    assert all((small.hit[k] == whole.hit[k]).all() for k in whole.hit)


def test_single_precision_gives_the_same_ranking_here(rows):
    assert retrieve(*of(rows), dtype=np.float32).ap == pytest.approx(rows["expected_ap"], abs=1e-6)


def test_tied_scores_are_taken_together_as_in_the_reference_rows():
    lines = (GOLDEN / "retrieval_ties.dev.jsonl").read_text().split("\n")
    tied = [json.loads(line) for line in lines if line]
    for row in tied:
        scores, relevant = np.array(row["scores"]), np.array(row["relevant"], bool)
        if row["expected"]["ap_sklearn_tie_grouped"] is None:
            assert not relevant.any()
            continue
        expected = pytest.approx(row["expected"]["ap_sklearn_tie_grouped"], abs=1e-12)
        assert average_precision(scores, scores[relevant]) == expected


def test_of_equal_pictures_the_first_in_the_gallery_ranks_first():
    gallery = np.array([[1.0, 0], [1, 0], [0, 1]])
    first = retrieve(np.array([[1.0, 0]]), [5], gallery, [5, 4, 4], ks=(1,))
    second = retrieve(np.array([[1.0, 0]]), [4], gallery, [5, 4, 4], ks=(1, 2))
    assert first.hit[1].all()
    assert not second.hit[1].any()
    assert second.hit[2].all()


def test_a_class_that_the_gallery_lacks_counts_as_nothing_found():
    found = retrieve(np.eye(2), [0, 9], np.eye(2), [0, 1])
    assert found.has_positive.tolist() == [True, False]
    assert found.ap.tolist() == [1.0, 0.0]


def test_a_query_never_finds_itself():
    pictures = np.random.default_rng(0).normal(size=(12, 5))
    labels = np.arange(12) // 2
    found = retrieve(pictures, labels, pictures, labels, itself=np.arange(12), ks=(1, 11))
    others = [np.delete(np.arange(12), query) for query in range(12)]
    alone = [retrieve(pictures[[q]], labels[[q]], pictures[o], labels[o]).ap[0] for q, o in enumerate(others)]
    assert found.ap == pytest.approx(alone)
    assert found.hit[11].all()
    single = retrieve(pictures[:1], [0], pictures[:1], [0], itself=[0])
    assert not single.has_positive.any()


@given(st.integers(0, 1000))
def test_order_and_length_of_features_change_nothing(seed):
    generator = np.random.default_rng(seed)
    query, gallery = generator.normal(size=(6, 4)), generator.normal(size=(15, 4))
    labels, answers = generator.integers(3, size=6), generator.integers(3, size=15)
    order, other = generator.permutation(6), generator.permutation(15)
    whole = retrieve(query, labels, gallery, answers)
    scaled = retrieve(
        3 * query[order], labels[order], gallery[other] * generator.uniform(1, 9, (15, 1)), answers[other]
    )
    assert scaled.ap == pytest.approx(whole.ap[order])
    assert (scaled.hit[5] == whole.hit[5][order]).all()


@pytest.mark.parametrize("kind", ["normalised", "raw"])
def test_the_released_class_ranking_agrees_where_it_does_not_break_ties_at_random(rows, total, kind):
    prepare = normalised if kind == "normalised" else np.asarray
    query, labels, gallery, answers = of(rows)
    classes = int(rows["num_classes"])
    found = fgbmk_class_map(prepare(query), labels, prepare(gallery), answers, classes=classes)
    sure = rows[f"fgbmk_true_class_in_top10_{kind}"]
    assert (found.among_neighbours == sure).all()
    assert found.ap[sure] == pytest.approx(rows[f"fgbmk_ap_{kind}"][sure], abs=1e-6)
    bounds = total["fgbmk_normalised_features" if kind == "normalised" else "fgbmk_raw_features"][
        "bounds_over_tie_orders"
    ]
    assert found.best.mean() == pytest.approx(bounds["optimistic"], abs=1e-6)
    assert found.worst.mean() == pytest.approx(bounds["pessimistic"], abs=1e-6)
    assert (found.worst <= found.ap + 1e-12).all()
    assert (found.ap <= found.best + 1e-12).all()
    blocked = fgbmk_class_map(prepare(query), labels, prepare(gallery), answers, classes=classes, memory=1)
    assert blocked.ap == pytest.approx(found.ap)


def test_weighted_neighbours_agree_with_the_reference_rows(rows, total):
    query, labels, gallery, answers = of(rows)
    found = nearest_neighbours(query, gallery, answers, classes=int(rows["num_classes"]), ks=(10, 20))
    for k in (10, 20):
        assert (found[k] == rows[f"expected_knn{k}_pred"]).all()
        assert (found[k] == labels).mean() == pytest.approx(total["knn_T0_07"][str(k)]["top1"], abs=1e-6)
    (_, scores), *rest = similarity_blocks(query, gallery)
    assert not rest
    assert (scores.argmax(1) == rows["expected_top1_index"]).all()


def test_more_neighbours_than_pictures_means_all_of_them():
    found = nearest_neighbours(np.eye(3), np.eye(3), [2, 1, 0], classes=3, ks=(1, 500))
    assert found[1].tolist() == found[500].tolist() == [2, 1, 0]


def test_a_class_without_pictures_is_never_the_nearest_centroid():
    found = nearest_centroid(-np.eye(2), np.eye(2), [0, 2], classes=4)
    assert set(found.tolist()) <= {0, 2}


@pytest.mark.parametrize("zero", [np.zeros((1, 4)), np.full((1, 4), 1e-300)])
def test_an_empty_feature_is_ranked_and_not_nan(zero):
    found = retrieve(zero, [0], np.eye(4), [0, 1, 0, 1])
    assert np.isfinite(found.ap).all()
