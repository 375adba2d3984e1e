"""The fields of a run, by section; their defaults are the paper's own values.

Type and bounds of a field stand beside it and are checked by pydantic whenever a section is built. Upper bounds of
sizes are generous: beyond them no machine holds the network or one batch.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass


def _as_tuple(value: Any) -> Any:
    """TOML and JSON have lists; models saved before 0.2 have one comma-separated string."""
    names = [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value
    return tuple(names) if isinstance(names, list) else names


Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]

_section = dataclass(frozen=True, config=ConfigDict(strict=True, allow_inf_nan=False, use_attribute_docstrings=True))


@_section
class DataConfig:
    """Which image–text pairs, where they lie below the data root, and how they are cut and tokenised."""

    folder: str = "coco"
    """Folder below the data root (`data/`, or $CLIPLITE_DATA) that holds the set."""
    format: Literal["coco", "csv", "karpathy", "tokens", "webdataset"] = "coco"
    """Caption format: "coco" = COCO captions JSON, "csv" = a table with the columns image,caption, "karpathy" =
    Karpathy's JSON of COCO, Flickr8k or Flickr30k, "tokens" = Flickr's NAME#NUMBER<TAB>CAPTION, or results.csv,
    "webdataset" = tar shards of .jpg with .txt or .json, as img2dataset writes them."""
    captions: str = "annotations/captions_{split}2017.json"
    """Caption file below `folder`; {split} stands for the split's name. Unused with "webdataset"."""
    images: str = "{split}2017"
    """Image folder below `folder`; {split} stands for the split's name. With "webdataset": the folder of the shards, or
    the shards, such as "{split}/{00000..00331}.tar"."""
    split_file: str = ""
    """For one caption file over all splits: the file that lists a split's images. "" = split by a hash of the file
    name, 90 % to train, 5 % to tune and 5 % to report, unless `val_images` and `test_images` say how many. Unused with
    "karpathy", whose file says the splits."""
    val_images: CountOrZero = 0
    """Of the split by a hash: exactly this many images to tune on. 0 = 5 %. `cliplite fit` sets a tenth of all
    images, from 10 to 1,000."""
    test_images: CountOrZero = 0
    """Likewise to report. `cliplite fit` sets a fifth of all images, at most 1,000."""
    train_split: str = "train"
    """Name of the split to train on."""
    val_split: str = "val"
    """Name of the split to tune on."""
    test_split: str = "val"
    """Name of the split to report."""
    scenes_train: CountOrZero = 0
    """Only for the embedded scenes: how many to compose for training. 0 = the set is not generated."""
    scenes_eval: CountOrZero = 0
    """Likewise, for validation and for test each."""
    train_fraction: Share = 1.0
    """Share of the training images used (paper's data ablation: .10, .25, .50, .75)."""
    image_size: Annotated[int, Field(ge=8, le=8192)] = 224
    """Side of the square the encoder sees, in pixels."""
    crop_scale: Share = 0.2
    """Smallest area share of the random resized crop."""
    color_jitter: NotNegative = 0.4
    """Strength of the colour jitter in brightness, contrast and saturation; hue gets a quarter of it. 0 = off."""
    flip: bool = False
    """Flip images at random, with left and right swapped in the caption (as VirTex does)."""
    max_tokens: Annotated[int, Field(ge=3, le=100_000)] = 30
    """Longest caption in tokens, [CLS] and [SEP] included."""
    vocab_size: Annotated[int, Field(ge=6, le=1_000_000)] = 30522
    """Size of the WordPiece vocabulary trained on the captions; unused where `tokenizer` names one."""
    tokenizer: str = "bert-base-uncased"
    """Directory or hub id of a ready tokenizer, or "package:NAME/FOLDER". "" = train one on the training captions."""
    cache_images: bool = False
    """Keep decoded images in memory: right for sets of a few hundred MiB, wrong for COCO."""
    workers: Annotated[int, Field(ge=0, le=1024)] = 8
    """Loader processes beside the training process. 0 = load in the training process."""


@_section
class ModelConfig:
    """The two encoders and the critic."""

    image_arch: str = "resnet50"
    """Any torchvision ResNet by name, "resnet10" (one basic block per stage), or "mobilenet_v2"."""
    image_width: Annotated[int, Field(ge=8, le=4096)] = 64
    """Channels of the first stage; torchvision's networks have 64."""
    image_stem: Literal["imagenet", "small"] = "imagenet"
    """"imagenet" = 7x7/2 convolution and max-pool; "small" = 3x3/2 convolution, for images below ~100 px."""
    image_weights: str = ""
    """torchvision weights to start from ("IMAGENET1K_V2"), or a file of them below the data root ("resnet50.pth",
    .safetensors) or in an installed Python package ("package:NAME/FILE"). "" = from scratch."""
    image_dropout: BelowOne = 0.0
    """Dropout on the pooled image features that the critic learns from, as image networks have it before their
    classifier. Frozen encoders on some thousand images need it: else the critic learns the images by heart."""
    text_layers: Annotated[int, Field(ge=1, le=256)] = 12
    """BERT's depth, when built from scratch."""
    text_hidden: Annotated[int, Field(ge=1, le=65_536)] = 768
    """BERT's width, when built from scratch."""
    text_heads: Annotated[int, Field(ge=1, le=65_536)] = 12
    """BERT's attention heads, when built from scratch."""
    text_dropout: BelowOne = 0.1
    """BERT's dropout, on hidden states and attention, when built from scratch."""
    text_weights: str = ""
    """Directory or hub id of a pretrained BERT, or "package:NAME/FOLDER". "" = from scratch."""
    text_pool: Literal["pooler", "mean"] = "pooler"
    """"pooler" = BERT's pooler over [CLS]; "mean" = mean over tokens (sentence encoders). The release has both."""
    frozen: bool = False
    """Keep both encoders as their weights are and train the critic alone, on standardised features computed once."""
    standardized: bool = False
    """Show the critic standardised features though the encoders learn: for going on from a frozen model."""
    critic: Literal["dot", "concat"] = "dot"
    """"dot" = projections and inner product (the paper); "concat" = MLP on the concatenation (ablation)."""
    units: Annotated[int, Field(ge=1, le=65_536)] = 2048
    """Width of the joint space of the dot critic."""
    score_scale: Annotated[float, Field(gt=0, le=100)] | None = None
    """exp(t) at the start. None = as the objective's own paper starts it."""
    score_bias: float | None = None
    """Learned offset of the score at the start. None = as the objective's own paper (JSD, InfoNCE: no offset)."""


@_section
class ObjectiveConfig:
    """What is maximised."""

    objective: Literal["jsd", "infonce", "sigmoid"] = "jsd"
    """"jsd" = CLIP-Lite, "infonce" = CLIP, "sigmoid" = SigLIP."""
    negatives: Count | None = None
    """Negative captions per image: k = those of the next k items of the batch. None = the objective's own paper: 1 for
    "jsd", all others of the batch for "infonce" (and always for "sigmoid")."""
    negative_sum: bool = False
    """Sum "jsd" over its negatives, as SigLIP does, instead of taking their mean."""
    prior_weight: BelowOne | None = None
    """Weight w of prior matching in (1 - w)·(-bound) + w·prior. None = the objective's own paper."""
    prior: Literal["released", "adversarial"] = "released"
    """"released" = encoder and discriminator minimise one loss, as in the released code, which matches nothing;
    "adversarial" = the encoder is paid for fooling the discriminator (Deep InfoMax), as the paper's text promises."""
    image_prior: bool = True
    """Match the pooled image features to uniform noise."""
    text_prior: bool = False
    """Match the text features to uniform noise."""


@_section
class OptimConfig:
    """Optimiser and schedule: linear warm-up, then cosine to zero."""

    optimizer: Literal["sgd", "adamw"] = "sgd"
    """"sgd" = the paper, "adamw" = short runs on little data."""
    image_lr: NotNegative = 0.2
    """Peak learning rate of the image encoder."""
    text_lr: NotNegative = 1e-3
    """Peak learning rate of the text encoder and the critic."""
    momentum: BelowOne = 0.9
    """Momentum of SGD."""
    weight_decay: NotNegative = 1e-4
    """L2 (sgd) or decoupled (adamw) decay; none on norms and biases of the text side and of the critic."""
    lookahead_k: CountOrZero = 5
    """Lookahead: every k steps the slow weights move towards the fast ones. 0 = off."""
    lookahead_alpha: Share = 0.5
    """Lookahead: by how much of the distance they move."""
    warmup_steps: CountOrZero = 10_000
    """Steps of linear warm-up."""
    clip_norm: NotNegative = 10.0
    """Total gradient norm is clipped to this. 0 = never."""


@_section
class TrainConfig:
    """Length, batch and seed of one training run."""

    steps: Count = 250_000
    """Optimiser steps."""
    batch_size: Annotated[int, Field(ge=2, le=10_000_000)] = 1024
    """Pairs per step, over all processes."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of weights, data order, crops, caption choice and noise."""
    checkpoint_every: Count = 2_000
    """Steps between two checkpoints."""
    log_every: Count = 50
    """Steps between two lines of the log."""
    keep: Literal["last", "best"] = "last"
    """Which weights become the model: those of the last step, or those of the best validation recall met on the way
    (mean of R@1, R@5 and R@10 in both directions)."""
    patience: CountOrZero = 0
    """With keep = "best": end the training after so many looks at the recall without a better one. 0 = never."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """"auto" = bfloat16 autocast on GPUs that have it, float32 elsewhere."""
    compile: bool = False
    """Compile the step by `torch.compile`, which takes minutes before the first one and a compiler (Triton on GPUs, C++
    on CPUs), rounds otherwise and draws other dropout: for long trainings on a GPU. Not measured on one yet."""


@_section
class EvaluationConfig:
    """What is measured, "" = not: paths below the data root, in which {folder} stands for `folder`."""

    zero_shot: str = "cifar10/test"
    """Zero-shot naming (05): a set's folder and its split as one path, in any layout that `read_classes` knows."""
    zero_shot_shift: str = ""
    """The same classes under a natural shift."""
    zero_shot_more: Names = ()
    """Further sets to name."""
    novel_split: str = ""
    """The split of `boxes` whose scenes pair things that no training scene shows together (05)."""
    voc: str = "VOCdevkit/VOC2007"
    """Multi-label linear classification: a VOCdevkit year (02)."""
    probe: str = "imagenet"
    """Single-label linear classification and finetuning: the folder of a set that has a split `train` (03)."""
    probe_test_split: str = "val"
    """The split of `probe` to test on."""
    probe_images: CountOrZero = 0
    """At most this many training images of `probe`, the same share of each class. 0 = all, as in the paper."""
    boxes: str = "coco/annotations/instances_{split}2017.json"
    """Grounding (06): COCO instances, or the folder of Tiny ImageNet; {split} stands for the split."""
    box_images: str = "coco/{split}2017"
    """Their images."""
    box_dev_split: str = ""
    """Split of the boxes to tune on. "" = that of the captions."""
    box_test_split: str = ""
    """Split of the boxes to report. "" = that of the captions."""
    refs: str = ""
    """Referring expressions (06): a JSON list or RefCOCO's pickle."""
    ref_boxes: str = ""
    """Their own boxes. "" = `boxes`."""
    ref_images: str = ""
    """Their own images. "" = `box_images`."""
    ref_splits: Names = ()
    """Their splits to report. Empty = that of the boxes."""
    people: str = "coco/annotations/captions_val2017.json"
    """Bias removal (07): a COCO captions file on images of people, or a split of the profile's captions."""
    people_images: str = "coco/val2017"
    """The images of that file."""
    skip_missing: bool = False
    """Leave out, with a line that says so, what is named here but not below the data root, instead of stopping."""
