"""The training loop: a broken run goes on as if unbroken, a diverged one stops, the schedule is what the log says."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from numpy.random import SeedSequence
from tiny import CAPTIONS
from torch import Tensor
from transformers import set_seed

from cliplite_core import trainer as module
from cliplite_core.config import Config
from cliplite_core.data.tokenizer import tokenize
from cliplite_core.loss import Pretraining
from cliplite_core.model import CLIPLite
from cliplite_core.trainer import NonFiniteLoss, Trainer, mixed_precision


class Interruption(Exception):
    """What ends a run in these tests."""


@pytest.fixture
def trainer(model, tokenizer, tmp_path) -> Callable[..., Trainer]:
    """Builds a trainer on made-up pairs, four a step, the same pairs for the same step."""

    def build(directory: str = "run", stop_at: int | None = None, callbacks=(), **fields: object) -> Trainer:
        config: Config = model.config.override(**{"batch_size": 4} | fields)
        set_seed(config.train.seed)
        texts = tokenize(tokenizer, CAPTIONS[:4])

        def batches(start: int) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
            for step in range(start, config.train.steps):
                generator = torch.Generator().manual_seed(step)
                yield torch.randn(4, 3, 16, 16, generator=generator), texts

        def stop(trainer: Trainer) -> None:
            if trainer.step == stop_at:
                raise Interruption

        training = Pretraining(CLIPLite(config, tokenizer))
        return Trainer(training, batches, config, tmp_path / directory, [*callbacks, stop])

    return build


def fit(trainer: Trainer) -> Trainer:
    trainer.fit()
    return trainer


def interrupted(trainer: Trainer) -> Trainer:
    with pytest.raises(Interruption):
        trainer.fit()
    return trainer


def log_of(trainer: Trainer) -> list[dict]:
    lines = (trainer.directory / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "images_per_second"} for line in lines]


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trainer.pretraining.state_dict().items()}


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def distance(first: dict[str, Tensor], second: dict[str, Tensor], names: list[str]) -> float:
    return math.sqrt(sum((first[name] - second[name]).double().square().sum().item() for name in names))


@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": "adamw", "text_prior": True},
        {"optimizer": "sgd", "image_lr": 0.1, "lookahead_k": 2, "lookahead_alpha": 0.5},
        {"optimizer": "sgd", "image_lr": 0.1, "lookahead_k": 4, "objective": "infonce"},
    ],
    ids=["adamw", "lookahead, on a slow step", "lookahead, between slow steps"],
)
def test_three_steps_and_three_steps_are_six_steps(trainer, fields):
    fields |= {"text_dropout": 0.1, "steps": 6, "checkpoint_every": 3}
    unbroken = fit(trainer("unbroken", **fields))
    interrupted(trainer("broken", stop_at=4, **fields))
    resumed = fit(trainer("broken", **fields))
    assert (resumed.resumed_from, resumed.step) == (3, 6)
    assert equal(weights(resumed), weights(unbroken))
    assert log_of(resumed) == log_of(unbroken)


@pytest.mark.parametrize("frozen", [False, True], ids=["all learns", "the critic alone learns"])
def test_the_loop_is_a_plain_one_to_the_last_bit(trainer, frozen):
    """What is left out of a step for speed is bookkeeping: not a digit of a published training may move."""
    fields = {"optimizer": "adamw", "text_dropout": 0.1, "frozen": frozen, "clip_norm": 0.5, "steps": 5}
    run, plain = fit(trainer("run", **fields)), trainer("plain", **fields)
    model, optimizer, schedule, log = plain.pretraining.train(), plain.optimizer, plain.schedule, []
    for step, (images, tokens) in enumerate(plain.batches(0)):
        torch.manual_seed(int(SeedSequence([plain.config.seed, step, 0]).generate_state(1)[0]))
        output = model(images.contiguous(memory_format=torch.channels_last), tokens)
        output["loss"].backward()
        norm, rate = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5), schedule.get_last_lr()[0]
        optimizer.step(), schedule.step(), optimizer.zero_grad()
        means = {name: value.mean().item() for name, value in output.items()}
        done = {"kind": "train", "step": step + 1}
        log.append({**done, **means, "gradient_norm": norm.item(), "learning_rate": rate, "samples": 4 * (step + 1)})
    assert log == log_of(run)
    assert equal(weights(plain), weights(run))


def test_a_run_broken_twice_before_and_after_a_checkpoint_is_still_the_unbroken_run(trainer):
    unbroken = fit(trainer("unbroken", steps=7, checkpoint_every=2))
    for stop_at in (1, 3, 6):
        interrupted(trainer("broken", stop_at=stop_at, steps=7, checkpoint_every=2))
    resumed = fit(trainer("broken", steps=7, checkpoint_every=2))
    assert resumed.resumed_from == 4
    assert equal(weights(resumed), weights(unbroken)) and log_of(resumed) == log_of(unbroken)


def test_on_resume_the_log_is_cut_back_to_the_checkpoint_and_a_torn_line_goes(trainer):
    run = interrupted(trainer(stop_at=5))
    assert [line["step"] for line in log_of(run)] == [1, 2, 3, 4, 5]
    with (run.directory / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"kind": "train", "st')
    interrupted(trainer(stop_at=4))
    assert [line["step"] for line in log_of(run)] == [1, 2, 3, 4]


def test_a_run_without_a_checkpoint_starts_over_with_an_empty_log(trainer):
    interrupted(trainer(stop_at=2))
    again = fit(trainer())
    assert again.resumed_from == 0
    assert [line["step"] for line in log_of(again)] == [1, 2, 3, 4, 5, 6]


def test_a_checkpoint_holds_no_pickled_objects_and_all_of_the_state(trainer):
    run = interrupted(trainer(stop_at=4, optimizer="sgd", lookahead_k=2))
    state = torch.load(run.directory / "state.pt", weights_only=True)
    assert state["step"] == 3 and set(state) == {"step", "pretraining", "optimizer", "schedule"}
    assert {"base", "slow", "count"} == set(state["optimizer"]) and state["optimizer"]["count"] == 3


def test_a_checkpoint_torn_while_being_written_leaves_the_former_one(trainer, monkeypatch):
    run = trainer(steps=6, checkpoint_every=2)
    whole = torch.save

    def torn(state: dict, path: Path) -> None:
        whole(state, path)
        if state["step"] == 4:
            path.write_bytes(path.read_bytes()[:100])
            raise Interruption

    monkeypatch.setattr(module.torch, "save", torn)
    interrupted(run)
    assert torch.load(run.directory / "state.pt", weights_only=True)["step"] == 2


def test_the_same_seed_gives_the_same_bits_and_another_does_not(trainer):
    first, second, other = (fit(trainer(name, seed=seed)) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert equal(weights(first), weights(second)) and log_of(first) == log_of(second)
    assert not equal(weights(first), weights(other))


def test_the_rate_warms_up_linearly_and_falls_to_zero_as_a_cosine(trainer):
    run = fit(trainer(steps=8, warmup_steps=2, image_lr=0.01, text_lr=0.001))
    ramp = [0, 0.5, *(0.5 * (1 + math.cos(math.pi * (step - 2) / 6)) for step in range(2, 8))]
    assert [line["learning_rate"] for line in log_of(run)] == pytest.approx([0.01 * factor for factor in ramp])
    assert run.schedule.get_last_lr() == pytest.approx([0, 0, 0])


@pytest.mark.parametrize("clip_norm", [0.01, 0.0])
def test_one_step_of_plain_sgd_moves_by_the_clipped_gradient(trainer, clip_norm):
    plain = {"optimizer": "sgd", "lookahead_k": 0, "momentum": 0.0, "weight_decay": 0.0, "warmup_steps": 0}
    run = trainer(steps=1, image_lr=0.1, text_lr=0.1, clip_norm=clip_norm, **plain)
    before, names = weights(run), [name for name, _ in run.pretraining.named_parameters()]
    run.fit()
    norm = log_of(run)[0]["gradient_norm"]
    assert norm > 0.1  # logged before it is clipped
    assert distance(weights(run), before, names) == pytest.approx(0.1 * (clip_norm or norm), rel=1e-3)


def test_a_line_of_the_log_says_what_the_step_was_made_of(trainer):
    run = fit(trainer(log_every=4))
    lines = [json.loads(line) for line in (run.directory / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["step"], line["samples"]) for line in lines] == [(4, 16), (6, 24)]  # the last step always
    for line in lines:
        assert line["loss"] == pytest.approx(-0.9 * line["bound"] + 0.1 * line["prior"], abs=1e-5)
        assert line["images_per_second"] > 0 and line["kind"] == "train"
        assert {"positive", "negative", "gradient_norm", "learning_rate"} <= set(line)


def test_callbacks_see_the_start_and_every_step_once(trainer):
    seen: list[int] = []
    interrupted(trainer(stop_at=4, callbacks=[lambda run: seen.append(run.step)]))
    assert seen == [0, 1, 2, 3, 4]
    seen.clear()
    fit(trainer(callbacks=[lambda run: seen.append(run.step)]))
    assert seen == [4, 5, 6]


def test_training_leaves_the_network_in_evaluation_mode(trainer):
    assert not fit(trainer(steps=1)).pretraining.model.training


def poison(step: int) -> Callable[[Trainer], None]:
    """Makes a weight NaN after a step: the next loss is NaN."""

    def callback(trainer: Trainer) -> None:
        if trainer.step == step:
            trainer.pretraining.model.critic.temperature.data.fill_(float("nan"))

    return callback


def test_a_loss_that_is_not_finite_stops_the_run_with_step_rates_and_state(trainer):
    run = trainer(callbacks=[poison(2)], warmup_steps=0, image_lr=0.01, text_lr=0.001)
    with pytest.raises(NonFiniteLoss, match=r"the loss is nan at step 3 \(learning rates 0\.0075, 0\.00075") as error:
        run.fit()
    assert str(run.directory / "diverged.pt") in str(error.value)
    assert torch.load(run.directory / "diverged.pt", weights_only=True)["step"] == 2
    assert [line["step"] for line in log_of(run)] == [1, 2]


def test_a_gradient_that_is_not_finite_stops_the_run_before_it_reaches_the_weights(trainer):
    run = trainer()
    temperature = run.pretraining.model.critic.temperature
    temperature.register_hook(lambda gradient: gradient * float("inf") if run.step == 2 else gradient)
    with pytest.raises(NonFiniteLoss, match=r"the gradient norm is (inf|nan) at step 3"):
        run.fit()
    saved = torch.load(run.directory / "diverged.pt", weights_only=True)["pretraining"]
    assert all(torch.isfinite(value).all() for value in saved.values())


def test_after_a_divergence_the_run_goes_on_from_the_last_good_checkpoint(trainer):
    with pytest.raises(NonFiniteLoss):
        trainer(callbacks=[poison(4)]).fit()
    mended = fit(trainer())
    assert mended.resumed_from == 3 and equal(weights(mended), weights(fit(trainer("unbroken"))))


@pytest.mark.parametrize("fields", [{"text_prior": True}, {"prior": "adversarial", "text_dropout": 0.1}], ids=str)
def test_a_compiled_training_killed_and_resumed_ends_as_a_plain_one_with_the_same_names(trainer, monkeypatch, fields):
    graphs, backend = [], torch._dynamo.lookup_backend("aot_eager")  # the default one takes minutes

    def counted(graph, inputs):
        graphs.append(graph)
        return backend(graph, inputs)

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=counted))
    fields = {"text_pool": "mean", "image_dropout": 0.1} | fields
    plain = fit(trainer("plain", **fields))
    assert not graphs
    interrupted(trainer("compiled", stop_at=4, compile=True, **fields))
    resumed = fit(trainer("compiled", compile=True, **fields))
    assert graphs and resumed.resumed_from == 3
    assert list(weights(resumed)) == list(weights(plain))
    torch.testing.assert_close(weights(resumed), weights(plain), rtol=1e-5, atol=1e-5)


def test_precision_is_named_as_accelerate_knows_it(monkeypatch):
    assert mixed_precision("float32") == "no" and mixed_precision("bfloat16") == "bf16"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert mixed_precision("auto") == "no"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert mixed_precision("auto") == "no"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert mixed_precision("auto") == "bf16"
