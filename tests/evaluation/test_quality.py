"""The three numbers of the ablations are those that the experiments' own notebooks would write."""

import shutil

import pytest
from small_root import write_voc

from cliplite_core.data.labelled.labels import LabelledImages, read_image_folder
from cliplite_core.data.splits import read_split
from cliplite_core.evaluation.features import embed_split, extract
from cliplite_core.evaluation.quality import item_counts, measure_quality
from cliplite_core.evaluation.retrieval import retrieval_metrics_from_embeddings
from cliplite_core.evaluation.zero_shot import class_embeddings, load_prompts, zero_shot_metrics
from cliplite_core.model import CLIPLite
from cliplite_core.storage.places import definition


@pytest.fixture
def tiny_evaluated(tiny, tmp_path):
    """The tiny configuration with two named classes and a VOC tree of two classes, made of its own pictures."""
    pictures = [item.path for item in read_split(tiny, "train")[:24]]
    for number, picture in enumerate(pictures):
        folder = tmp_path / "named" / ("dog", "moon")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, folder)
    write_voc(tmp_path / "voc", pictures)
    return tiny.override(zero_shot=str(tmp_path / "named"), voc=str(tmp_path / "voc"))


def test_a_dot_critic_s_quality_equals_the_embeddings_way(tiny_evaluated, tokenizer):
    model = CLIPLite(tiny_evaluated, tokenizer).eval()
    quality = measure_quality(model, tiny_evaluated)
    split = embed_split(model, read_split(tiny_evaluated, tiny_evaluated.data.test_split))
    found = retrieval_metrics_from_embeddings(split.images, split.captions, split.caption_to_image)
    mean = 50 * (found["image_to_text"]["R@5"] + found["text_to_image"]["R@5"])
    assert quality["retrieval"] == pytest.approx(mean, abs=0.01)

    paths, labels, classes = read_image_folder(tiny_evaluated.evaluation.zero_shot)
    images = extract(model.encode_image, LabelledImages(paths, labels, model.preprocess))
    names = class_embeddings(model.encode_text, classes, load_prompts(definition("prompts.json"))[0]["paper"])
    assert quality["zero-shot"] == pytest.approx(100 * zero_shot_metrics(images, names, labels)["top1"], abs=0.01)
    assert 0 < quality["transfer"] <= 100
    assert item_counts(tiny_evaluated) == {"retrieval": 16, "zero-shot": 24, "transfer": 8}


def test_a_concat_critic_is_measured_like_any_other(tiny_evaluated, tokenizer):
    model = CLIPLite(tiny_evaluated.override(critic="concat"), tokenizer).eval()
    assert set(measure_quality(model, tiny_evaluated)) == {"validation", "retrieval", "zero-shot", "transfer"}


def test_where_there_is_no_voc_a_linear_probe_stands_for_transfer(tiny_evaluated, tokenizer, tmp_path):
    named = tmp_path / "named"
    shutil.copytree(named, tmp_path / "probe" / "train")
    shutil.copytree(named, tmp_path / "probe" / "val")
    fields = {"voc": str(tmp_path / "not there"), "probe": str(tmp_path / "probe"), "zero_shot": "", "boxes": ""}
    config = tiny_evaluated.override(**fields, people="", skip_missing=True)
    quality = measure_quality(CLIPLite(config, tokenizer).eval(), config)
    assert set(quality) == {"validation", "retrieval", "probe"}
    assert quality["probe"] > 90, "tested on the images that it was fitted to"
    assert item_counts(config) == {"retrieval": 16, "probe": 24}
    few = config.override(probe_images=4)
    assert measure_quality(CLIPLite(few, tokenizer).eval(), few)["probe"] <= quality["probe"]


def test_what_the_profile_does_not_name_is_left_out(tiny, tokenizer):
    bare = tiny.override(zero_shot="", voc="", probe="")
    assert set(measure_quality(CLIPLite(bare, tokenizer).eval(), bare)) == {"validation", "retrieval"}
    assert set(item_counts(bare)) == {"retrieval"}
