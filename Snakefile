# The artefact graph: data -> trained models -> one rule for every notebook -> results/PROFILE.
# `make results` calls it; on a cluster: snakemake --executor slurm --jobs 9 --config profile=coco seeds=3
import sys

sys.path.insert(0, workflow.basedir)  # the checkout, also when the package is not installed

from cliplite_core.evaluation.studies import ablation_runs, has_ablations
from cliplite_core.profiles import load_profile
from cliplite_core.data.inventory.needs import NEEDED, available, missing_data
from cliplite_core.storage.places import results_directory, run_directory

PROFILE = str(config.get("profile", "scenes"))
SEEDS = int(config.get("seeds", 1))
GRID = str(config.get("grid", "quick"))  # of the ablations: quick | full
BASE = load_profile(PROFILE)  # an unknown profile stops here, before any work
OBJECTIVES = ["jsd", "infonce", "sigmoid"]
STATE = run_directory(BASE).parent / "done"
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
RUNS = {
    (objective, str(seed)): run_directory(BASE.override(objective=objective, seed=seed)) / "run.json"
    for objective in OBJECTIVES
    for seed in range(SEEDS)
}
# The trainings of 08 by the hash of their configuration, those that it shares with the other notebooks left out.
STUDIED = {
    run.config.hash(): run_directory(run.config) / "quality.json"
    for run in (ablation_runs(BASE, SEEDS, GRID) if has_ablations(PROFILE) else [])
    if run_directory(run.config) / "run.json" not in RUNS.values()
}
TRAINED = (
    f"{BASE.train.steps:,} steps of {BASE.train.batch_size:,} pairs, {BASE.model.image_arch} at {BASE.data.image_size} px,"
    f" {BASE.model.text_weights or f'BERT of {BASE.model.text_layers} layers'}"
)
CORE = Path(workflow.basedir, "cliplite_core")
# What a trained weight depends on; a changed byte in one of these trains again (touching a file does not).
# The root is what a weight depends on (see house rules in pyproject.toml), with the readers and what lies on disk.
TRAINING = [path for folder in (".", "data", "storage") for path in sorted(CORE.glob(f"{folder}/*.py"))]
EVALUATION = [path for folder in ("evaluation", "reporting") for path in sorted(CORE.glob(f"{folder}/*.py"))]
QUALITY = [CORE / "evaluation" / f"{name}.py" for name in "quality retrieval zero_shot voc_probe".split()]


rule all:
    input:
        expand(STATE / "{notebook}.json", notebook=NOTEBOOKS),


rule data:
    output:
        touch(STATE / "data"),
    shell:
        "{sys.executable:q} -m cliplite_core.commands.data ready {PROFILE}"


rule pretrain:
    input:
        STATE / "data",
        TRAINING,
    output:
        STATE.parent / "{objective}-seed{seed}-{hash}" / "run.json",
    wildcard_constraints:
        hash="|".join(run.parent.name.rpartition("-")[2] for run in RUNS.values()),
    priority: 2  # most notebooks wait for these alone
    message:
        "pretrain {wildcards.objective}, seed {wildcards.seed}: {TRAINED}"
    shell:
        "{sys.executable:q} -m cliplite_core.commands.train --profile {PROFILE} --objective {wildcards.objective}"
        " --seed {wildcards.seed}"


rule ablation:
    input:
        STATE / "data",
        TRAINING,
        QUALITY,
    output:
        STATE.parent / "{objective}-seed{seed}-{hash}" / "run.json",
        STATE.parent / "{objective}-seed{seed}-{hash}" / "quality.json",
    wildcard_constraints:
        hash="|".join(STUDIED) or "none",
    shell:
        "{sys.executable:q} -m cliplite_core.commands.study {PROFILE} {wildcards.hash} --seeds {SEEDS}"


rule notebook:
    input:
        lambda wildcards: Path(workflow.basedir, "notebooks", f"{wildcards.notebook}.ipynb"),
        lambda wildcards: [] if wildcards.notebook.startswith("00") else list(RUNS.values()),
        lambda wildcards: [STATE / f"{n}.json" for n in NOTEBOOKS if n != LAST] if wildcards.notebook == LAST else [],
        lambda wildcards: list(STUDIED.values()) if wildcards.notebook == "08_ablations" else [],
        STATE / "data",
        EVALUATION,
    output:
        STATE / "{notebook}.json",
        update(results_directory(PROFILE) / "notebooks" / "{notebook}.ipynb"),
    priority: 1
    message:
        "notebook {wildcards.notebook} on {PROFILE}, {SEEDS} seeds"
    params:
        given=lambda wildcards: f"seeds={SEEDS}" + f" grid={GRID}" * (wildcards.notebook == "08_ablations"),
    shell:
        "{sys.executable:q} -m cliplite_core.commands.notebook {wildcards.notebook} profile={PROFILE} {params.given}"
        " --summary {output[0]:q}"
