# The artefact graph: data -> trained models -> one rule for every notebook -> results/PROFILE.
# `make results` calls it; on a cluster: snakemake --executor slurm --jobs 9 --config profile=coco seeds=3
import sys

sys.path.insert(0, workflow.basedir)  # the checkout, also when the package is not installed

from cliplite_core.config import load_profile
from cliplite_core.workspace import results_directory, run_directory

PROFILE = str(config.get("profile", "scenes"))
SEEDS = int(config.get("seeds", 1))
BASE = load_profile(PROFILE)  # an unknown profile stops here, before any work
OBJECTIVES = ["jsd", "infonce", "sigmoid"]
STATE = run_directory(BASE).parent / "done"
# A notebook is left out where the profile names no data for it.
NEEDS = {"02": "voc", "03": "probe", "05": "zero_shot", "06": "boxes", "07": "people"}
NOTEBOOKS = [
    path.stem
    for path in sorted(Path(workflow.basedir, "notebooks").glob("[0-9]*.ipynb"))
    if path.name[:2] not in NEEDS or getattr(BASE.evaluation, NEEDS[path.name[:2]])
]
LAST = "09_results"
RUNS = {
    (objective, str(seed)): run_directory(BASE.override(objective=objective, seed=seed)) / "run.json"
    for objective in OBJECTIVES
    for seed in range(SEEDS)
}
CORE = Path(workflow.basedir, "cliplite_core")
# What a trained weight depends on; a changed byte in one of these trains again (touching a file does not).
TRAINING = [CORE / f"{name}.py" for name in "encoders critic objectives model pretraining optim trainer runs".split()]
TRAINING += [CORE / "data" / f"{name}.py" for name in "captions pairs sources tokenizer transforms".split()]
EVALUATION = sorted(CORE.glob("evaluation/*.py")) + [CORE / "report.py", CORE / "figures.py"]


rule all:
    input:
        expand(STATE / "{notebook}.json", notebook=NOTEBOOKS),


rule data:
    output:
        touch(STATE / "data"),
    shell:
        "{sys.executable:q} -m cliplite_core.data ready {PROFILE}"


rule pretrain:
    input:
        STATE / "data",
        TRAINING,
    output:
        [run for run in RUNS.values()][0].parent.parent / "{objective}-seed{seed}-{hash}" / "run.json",
    shell:
        "{sys.executable:q} -m cliplite_core.train --profile {PROFILE} --objective {wildcards.objective}"
        " --seed {wildcards.seed}"


rule notebook:
    input:
        lambda wildcards: Path(workflow.basedir, "notebooks", f"{wildcards.notebook}.ipynb"),
        lambda wildcards: [] if wildcards.notebook.startswith("00") else list(RUNS.values()),
        lambda wildcards: [STATE / f"{n}.json" for n in NOTEBOOKS if n != LAST] if wildcards.notebook == LAST else [],
        STATE / "data",
        EVALUATION,
    output:
        STATE / "{notebook}.json",
        update(results_directory(PROFILE) / "notebooks" / "{notebook}.ipynb"),
    params:
        seeds=SEEDS,
    shell:
        "{sys.executable:q} -m cliplite_core.notebook {wildcards.notebook} profile={PROFILE} seeds={params.seeds}"
        " --summary {output[0]:q}"
