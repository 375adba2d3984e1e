"""Reader of Karpathy's splits: one JSON file with images, captions and splits of COCO, Flickr8k or Flickr30k."""

from __future__ import annotations

from pathlib import Path

from cliplite_core.data.captions import CaptionedImage, read_json
from cliplite_core.data.inside import ImageFolder

# Most work on COCO trains on both: `restval` is what Karpathy left of val2014 beside his val and test.
TRAINING = ("train", "restval")


def read_karpathy(splits: Path, images: Path, split: str) -> list[CaptionedImage]:
    """Read one split of `dataset_coco.json`, `dataset_flickr8k.json` or `dataset_flickr30k.json`.

    The files come from https://cs.stanford.edu/people/karpathy/deepimagesent (Karpathy and Fei-Fei 2015).

    Args:
        splits: the JSON file.
        images: the image folder; for COCO the one above train2014 and val2014, which the file names itself.
        split: "train" (with COCO's `restval`), "val" or "test"; "restval" is that alone.

    Returns:
        Images with at least one non-empty caption, in the order of the file; COCO's keep COCO's own ids.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: not JSON, no such split, a key is missing, or a name leads out of the folder; the message names it.
    """
    content, folder = read_json(splits, "a JSON file of Karpathy's splits"), ImageFolder(images, splits)
    wanted = TRAINING if split == "train" else (split,)
    try:
        entries = [entry for entry in content["images"] if entry["split"] in wanted]
        if not entries:
            known = ", ".join(sorted({entry["split"] for entry in content["images"]}))
            raise ValueError(f"{splits}: no image in the split {split!r}, found the splits {known}")
        items = [_captioned(entry, folder) for entry in entries]
    except KeyError as error:
        raise ValueError(f"{splits}: no file of Karpathy's splits, {error} is missing") from error
    except (AttributeError, TypeError) as error:
        raise ValueError(f"{splits}: no file of Karpathy's splits: {error}") from error
    return [item for item in items if item.captions]


def _captioned(entry: dict, folder: ImageFolder) -> CaptionedImage:
    captions = tuple(sentence["raw"].strip() for sentence in entry["sentences"] if sentence["raw"].strip())
    image_id = entry["cocoid"] if "cocoid" in entry else entry["filename"]
    name = f"{entry['filepath']}/{entry['filename']}" if entry.get("filepath") else entry["filename"]
    return CaptionedImage(folder.path(name, f"image {image_id}"), captions, image_id)
