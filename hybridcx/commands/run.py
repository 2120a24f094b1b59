"""`hybridcx run` and `hybridcx demo`: check the options and read the experiment file, then load torch and run the experiment."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from hybridcx.commands.options import (
    DEFAULT_OUT,
    Also,
    Base,
    Cache,
    Device,
    ExperimentFile,
    Fresh,
    Images,
    Jobs,
    Models,
    Out,
    Pseudonymise,
    ReportsProgress,
    Scheduler,
    SeedOfFile,
    TrustLocalUsers,
    checked,
    documented,
)
from hybridcx.commands.result import Report, folder_of
from hybridcx.errors import InputError, Problem
from hybridcx.progress import OfPython
from hybridcx.report.formats.all_forms import forms_of
from hybridcx.store.artefacts import Store, cache_root
from hybridcx.vocabulary.extras import need
from hybridcx.workers.dask import Workers


@contextmanager
def loading() -> Iterator[None]:
    """Switch Python's garbage collector off for a block of imports, which it would scan again and again (a run starts in 3.5 s instead of 4.4)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@documented
def run(
    experiment: ExperimentFile,
    *,
    out: Out = None,
    base: Base = None,
    seed: SeedOfFile = None,
    device: Device = None,
    fresh: Fresh = False,
    images: Images = True,
    models: Models = True,
    cache: Cache = None,
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    trust_local_users: TrustLocalUsers = False,
    pseudonymise: Pseudonymise = None,
    also: Also = (),
    progress: ReportsProgress = None,
) -> Report:
    """Run a whole experiment, from images to the report.

    Cohort, splits, fine-tuning, features, heads, predictions, statistics, report. An interrupted run continues with the same call.

    Raises
    ------
    InputError
        for bad input, and for a folder that holds a run with other data, configuration or code (the message lists the differences).
    StoppedError
        when training diverges, a task ends its worker processes or the disk is full; finished work is kept and the same call continues.
    """
    checked(run, locals())
    need("deep", "hybridcx run")
    progress = progress or OfPython()
    workers, forms = Workers(jobs, scheduler, trust_local_users), forms_of(also, exports=True)
    if "onnx" in forms and not models:
        raise InputError(
            Problem(
                "--also onnx exports the trained models, which --no-models leaves out", remedy="give one of the two"
            )
        )
    from hybridcx.commands.check import asked_for

    read, folder, file = asked_for(experiment, base, seed, device, progress)
    with loading():
        from hybridcx.commands.experiment import run_experiment  # torch: only when the file is known to be good
        from hybridcx.deep.distributed import team
        from hybridcx.deep.finetune import take_part

    target = folder_of(out or DEFAULT_OUT, read.name)
    root = Path(cache) if cache is not None else cache_root()
    if scheduler is not None:  # workers begin elsewhere
        root, folder = root.absolute(), folder.absolute()
    store = Store(root, progress.say, progress.notice)
    with store.in_use(), team(read.compute, take_part, elsewhere=workers.several):
        tables, content, ledger = run_experiment(
            read,
            folder,
            target,
            store,
            progress,
            fresh=fresh,
            with_images=images,
            with_models=models,
            key=pseudonymise,
            forms=forms,
            workers=workers,
            file=file,
        )
    return Report(tables, content, folder=target, _ledger=lambda: ledger)


@documented
def demo(
    *,
    out: Out = None,
    seed: SeedOfFile = None,
    images: Images = True,
    cache: Cache = None,
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    trust_local_users: TrustLocalUsers = False,
    progress: ReportsProgress = None,
) -> Report:
    """Run the demonstration experiment on a phantom cohort.

    Raises
    ------
    InputError, StoppedError
        as `run`.
    """
    checked(demo, locals())
    need("deep", "hybridcx demo")
    progress = progress or OfPython()
    packaged = resources.files("hybridcx.commands") / "demo.toml"
    with resources.as_file(packaged) as path:
        # fresh: an updated hybridcx may run its own demo again without --fresh; results that still hold come from the cache
        return run(
            path,
            out=out,
            base=Path(),
            seed=seed,
            fresh=True,
            images=images,
            cache=cache,
            jobs=jobs,
            scheduler=scheduler,
            trust_local_users=trust_local_users,
            progress=progress,
        )
