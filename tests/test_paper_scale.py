"""The paper's own configuration trains: ResNet-50, BERT-base from scratch, 224 px, SGD with Lookahead, both priors."""

import math

from tiny import TINY

from cliplite_core.model import CLIPLite
from cliplite_core.profiles import load_profile
from cliplite_core.runs import train
from cliplite_core.storage.logs import read_log

WHERE = ("folder", "scenes_train", "scenes_eval")  # other data in COCO's format, all else as in the profile


def test_twenty_steps_of_the_coco_profile_pass_on_a_cpu(tiny):
    where = {name: TINY[name] for name in WHERE} | {"captions": tiny.data.captions, "images": tiny.data.images}
    small = {"batch_size": 2, "steps": 20, "log_every": 5, "workers": 0}  # the paper: 1,024 pairs, 250,000 steps
    config = load_profile("coco", **where, **small, test_split="test", tokenizer="")  # no hub in a test
    paper = load_profile("coco")
    assert (config.model, config.objective, config.optim) == (paper.model, paper.objective, paper.optim)
    assert config.data.image_size == 224 and paper.train.steps == 250_000 and paper.train.batch_size == 1024

    directory = train(config)
    log, model = read_log(directory), CLIPLite.load(directory)
    assert list(log.index) == [5, 10, 15, 20] and all(map(math.isfinite, log["loss"]))
    assert (model.image_encoder.dim, model.text_encoder.dim, model.critic.units) == (2048, 768, 2048)
    assert model.encode_text(["a dog on the grass"]).shape == (1, 2048)
