# The artefact graph: data -> trained models -> one rule for every notebook -> results/PROFILE.
# `make results` calls it; on a cluster (pip install -e ".[cluster]"): snakemake --executor slurm --jobs 9 --config
# profile=coco seeds=3
import os
import re
import sys
from functools import cache

sys.path.insert(0, workflow.basedir)  # the checkout, also when the package is not installed

from cliplite_core.commands.overrides import parse_assignments, take, words_of
from cliplite_core.data.inventory.digests import glance
from cliplite_core.data.inventory.needs import NEEDED, available, missing_data
from cliplite_core.evaluation.studies import ablation_runs, has_ablations
from cliplite_core.profiles import load_profile
from cliplite_core.storage.places import results_directory, run_directory
from cliplite_core.storage.watch import STARTER, end_with_starter

# What this process starts ends with it, and it with `cliplite results`: a kill of one leaves nothing running.
end_with_starter(patience=5)  # for a tidy end Snakemake would wait until its steps are done
os.environ[STARTER] = str(os.getpid())

try:
    parse_assignments(workflow.config_settings.config_args or ())  # of a name that is given twice, `config` has the last
    unknown = dict(config)
    PROFILE, SEEDS, GRID = take(unknown, "--config", profile="scenes", seeds=1, grid="quick").values()
    if unknown:
        raise ValueError(f"unknown parameter {next(iter(unknown))!r}; --config has: profile, seeds, grid")
    if GRID not in ("quick", "full"):
        raise ValueError(f"grid: got {GRID!r}, expected 'quick' or 'full'")
    BASE = load_profile(PROFILE)
    # The trainings of notebook 08, some of which it shares with the other notebooks.
    STUDIED = [run.config for run in (ablation_runs(BASE, SEEDS, GRID) if has_ablations(BASE.profile) else [])]
except ValueError as error:
    sys.exit(f"error: {error}")  # one line, before any work

OBJECTIVES = ["jsd", "infonce", "sigmoid"]
TRAINED = [BASE.override(objective=objective, seed=seed) for objective in OBJECTIVES for seed in range(SEEDS)]
RUNS = {run_directory(run).name: run for run in (*STUDIED, *TRAINED)}  # name of the directory: configuration
SHARED = [run_directory(run).name for run in TRAINED]
WHERE = run_directory(BASE).parent
STUDIES = sorted({run_directory(run) / "quality.json" for run in STUDIED})
STATE = WHERE / "done"
EACH = (
    f"{BASE.train.steps:,} steps of {BASE.train.batch_size:,} pairs, {BASE.model.image_arch} at {BASE.data.image_size} px,"
    f" {BASE.model.text_weights or f'BERT of {BASE.model.text_layers} layers'}"
)
# A notebook is left out where the profile names no data for it, or where that is missing and the profile says to go on.
MEASURED = available(BASE).evaluation
NOTEBOOKS = [
    path.stem
    for path in sorted(Path(workflow.basedir, "notebooks").glob("[0-9]*.ipynb"))
    if path.name[:2] not in NEEDED or getattr(MEASURED, NEEDED[path.name[:2]])
]
if workflow.is_main_process and BASE.evaluation.skip_missing:
    for number, path in missing_data(BASE).items():
        print(f"  {number} left out: {path} not found (data/README.md says where to get it)", file=sys.stderr)
LAST = "09_results"


# What results depend on, by folder. A changed byte in one of these files makes again what depends on it; touching a
# file does not, as long as it is smaller than --max-checksum-file-size.
def files(*patterns):
    return [path for pattern in patterns for path in sorted(Path(workflow.basedir).glob(pattern))]


def imported(notebook):
    """The modules outside the folders below that a notebook imports, such as the export of 10; of `explore` all."""
    names = set(re.findall(r"from cliplite_core\.([\w.]+) import", notebook.read_text(encoding="utf-8")))
    modules = [f"cliplite_core/{name.replace('.', '/')}.py" for name in sorted(names) if not name.startswith("explore")]
    return files(*modules, *(["cliplite_core/explore/*.*"] if any(name.startswith("explore") for name in names) else []))


SCENES = files("cliplite_core/scenes/*.py", "data/concepts.csv", "data/activities.csv") if BASE.data.scenes_train else []
# A weight depends on the root, but for its __init__ and __main__, and on what stands below it.
BELOW = ("callbacks", "config", "data", "storage")
TRAINING = files("cliplite_core/[a-z]*.py", *(f"cliplite_core/{wing}/*.py" for wing in BELOW))
MEASURING = TRAINING + files(
    "cliplite_core/evaluation/*.py", "cliplite_core/data/labelled/*.py", "cliplite_core/data/inventory/needs.py"
)
REPORTING = MEASURING + files(
    "cliplite_core/reporting/**/*.py", "cliplite_core/commands/notebook.py", "data/*.csv", "data/*.json", "data/claims.toml", "data/*.txt",
    f"data/findings/{BASE.profile}.md",
)  # fmt: skip


def one_of(runs):
    return "|".join(map(re.escape, runs)) or "none"


# What a job asks of a cluster, GPUs, minutes and memory; `--jobs` says that there is one. Here nothing is asked for, and
# torch, which counts the operations, not loaded. Other figures: --set-resources pretrain:runtime=600
ON_CLUSTER = workflow.resource_settings.nodes is not None
READING = {"runtime": 120, "mem_mb": 8192} if ON_CLUSTER else {}  # of the data


@cache
def budget(config):
    from cliplite_core.evaluation.budget import measuring_resources, training_resources

    return training_resources(config), measuring_resources(config)


def asked(config_of, measuring=False):
    if not ON_CLUSTER:
        return {}
    ask = lambda wildcards: budget(config_of(wildcards).override(seed=0))[measuring]
    return {
        "gpu": lambda wildcards: ask(wildcards).gpus,
        "runtime": lambda wildcards: ask(wildcards).minutes,
        "mem_mb": lambda wildcards: ask(wildcards).mem_mb,
    }


rule all:
    input:
        expand(STATE / "{notebook}.json", notebook=NOTEBOOKS),


# What is trained on, and all that is read, apart: another photo to measure on trains nothing again. Names and sizes are
# looked at whenever a plan is made, contents when the step runs.
rule training_data:
    input:
        SCENES,
    output:
        STATE / "training_data",
    resources:
        **READING,
    params:
        state=glance(BASE, notebook="01") if workflow.is_main_process else "",
    shell:
        "{sys.executable:q} -m cliplite_core data ready {PROFILE:q} --record training {output:q}"


rule data:
    input:
        STATE / "training_data",
    output:
        STATE / "data",
    resources:
        **READING,
    params:
        state=glance(BASE) if workflow.is_main_process else "",
    shell:
        "{sys.executable:q} -m cliplite_core data ready {PROFILE:q} --record all {output:q}"


rule pretrain:
    input:
        STATE / "training_data",
        TRAINING,
    output:
        WHERE / "{run}" / "run.json",
    wildcard_constraints:
        run=one_of(SHARED),
    priority: 2  # most notebooks wait for these alone
    message:
        "pretrain {wildcards.run}: {EACH}"
    resources:
        **asked(lambda wildcards: RUNS[wildcards.run]),
    params:
        fields=lambda wildcards: words_of(RUNS[wildcards.run], BASE),
    shell:
        "{sys.executable:q} -m cliplite_core train {PROFILE:q} {params.fields:q}"


use rule pretrain as ablation with:
    wildcard_constraints:
        run=one_of(run for run in RUNS if run not in SHARED),
    priority: 0
    message:
        "pretrain {wildcards.run}, for the ablations"


# Apart from the training, so that what changes in an evaluation trains nothing again.
rule quality:
    input:
        WHERE / "{run}" / "run.json",
        STATE / "data",
        MEASURING,
        files("data/prompts.json", "data/imagenet_wnids.txt"),
    output:
        WHERE / "{run}" / "quality.json",
    wildcard_constraints:
        run=one_of(RUNS),
    resources:
        **asked(lambda wildcards: RUNS[wildcards.run], measuring=True),
    params:
        hash=lambda wildcards: RUNS[wildcards.run].hash(),
        data=lambda wildcards: repr(MEASURED),  # what the profile says of evaluations is no part of a run
    shell:
        "{sys.executable:q} -m cliplite_core study {PROFILE:q} {params.hash} seeds={SEEDS}"


rule notebook:
    input:
        lambda wildcards: Path(workflow.basedir, "notebooks", f"{wildcards.notebook}.ipynb"),
        lambda wildcards: imported(Path(workflow.basedir, "notebooks", f"{wildcards.notebook}.ipynb")),
        lambda wildcards: [] if wildcards.notebook.startswith("00") else [WHERE / run / "run.json" for run in SHARED],
        lambda wildcards: [STATE / f"{n}.json" for n in NOTEBOOKS if n != LAST] if wildcards.notebook == LAST else [],
        lambda wildcards: STUDIES if wildcards.notebook == "08_ablations" else [],
        STATE / "data",
        REPORTING,
    output:
        STATE / "{notebook}.json",
        update(results_directory(PROFILE) / "notebooks" / "{notebook}.ipynb"),
    priority: 1
    message:
        "notebook {wildcards.notebook} on {PROFILE}, {SEEDS} seeds"
    resources:
        **asked(lambda _: BASE, measuring=True),
    params:
        given=lambda wildcards: [f"seeds={SEEDS}", f"grid={GRID}"][: 1 + (wildcards.notebook == "08_ablations")],
        data=lambda wildcards: repr(MEASURED),
    shell:
        "{sys.executable:q} -m cliplite_core notebook {wildcards.notebook} profile={PROFILE:q} {params.given:q}"
        " --summary {output[0]:q}"
