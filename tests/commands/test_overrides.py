"""NAME=VALUE: what is read is what was meant, and what a graph passes on is the very configuration."""

import pytest

from cliplite_core.commands.overrides import parse_assignments, shown, words_of
from cliplite_core.config import ConfigError
from cliplite_core.evaluation.studies import ablation_runs, has_ablations
from cliplite_core.profiles import load_profile, profile_names


@pytest.mark.parametrize(
    ("word", "message"),
    [("steps", "'steps': expected NAME=VALUE"), ("=3", "'=3': expected NAME=VALUE"), ("", "'': expected NAME=VALUE")],
)
def test_a_word_that_sets_nothing_is_refused_with_what_was_expected(word, message):
    with pytest.raises(ConfigError, match=message):
        parse_assignments(["seed=1", word])


def test_a_name_given_twice_is_refused_by_name():
    with pytest.raises(ConfigError, match="seed: given twice"):
        parse_assignments(["seed=1", "steps=2", "seed=1"])


@pytest.mark.parametrize(
    "value", [8, 1e-4, 0.1 + 0.2, True, None, "", "true", "8", "NaN", "a=b", "it's; $(x)", ["a", "b"]]
)
def test_a_value_that_is_shown_is_read_back(value):
    assert parse_assignments([f"x={shown(value)}"]) == {"x": value}


@pytest.mark.parametrize("name", [name for name in profile_names() if has_ablations(name)])
def test_the_words_of_every_ablation_make_its_very_configuration(name):
    profile = load_profile(name)
    for run in ablation_runs(profile, 2, "full"):
        words = words_of(run.config, profile)
        assert load_profile(name, **parse_assignments(words)).hash() == run.config.hash(), words
