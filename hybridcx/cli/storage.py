"""The commands for stored files: `hybridcx cache` and `hybridcx weights`."""

from __future__ import annotations

import math
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from hybridcx.cli.help import GroupedCommand, examples
from hybridcx.cli.signatures import Debug, Quiet, Verbose
from hybridcx.progress import Progress
from hybridcx.vocabulary.extras import need

cache_app = typer.Typer(
    help="Cached results of the stages.", epilog=examples("cache"), no_args_is_help=True, rich_markup_mode=None
)
weights_app = typer.Typer(
    help="Pretrained weights of the networks.", epilog=examples("weights"), no_args_is_help=True, rich_markup_mode=None
)


@cache_app.command("list", cls=GroupedCommand, epilog=examples("cache.list"))
def cache_list(debug: Debug = False) -> None:
    """List the cached results, the longest unused first."""
    import datetime as dt

    from hybridcx.store.artefacts import Store, cache_root

    store = Store(cache_root())
    entries = store.entries()
    for e in entries:
        used = dt.datetime.fromtimestamp(e.used).strftime("%Y-%m-%d %H:%M")
        print(
            f"{e.stage:<10} {e.key[:12]} {e.size / 1e6:10.1f} MB  {used}  {'' if e.complete else 'incomplete'}".rstrip()
        )
    print(f"{len(entries)} results, {sum(e.size for e in entries) / 1e6:.1f} MB in {store.root}")


@cache_app.command("prune", cls=GroupedCommand, epilog=examples("cache.prune"))
def cache_prune(
    limit_mb: Annotated[
        float,
        typer.Option(
            "--limit-mb",
            min=0,
            metavar="NUMBER",
            help="Keep at most so much; 0 clears everything.",
            rich_help_panel="Input",
        ),
    ],
    debug: Debug = False,
) -> None:
    """Remove the longest unused results until the limit is met.

    What a run that is still working has used stays. A later run that needs a removed one makes it again.
    """
    from hybridcx.store.artefacts import Store, cache_root

    if not math.isfinite(limit_mb):
        raise typer.BadParameter("it must be a number of megabytes", param_hint="--limit-mb")
    removed = Store(cache_root(), notice=partial(print, file=sys.stderr)).prune(int(limit_mb * 1e6))
    print(f"{len(removed)} results removed, {sum(e.size for e in removed) / 1e6:.1f} MB")


WeightsDir = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        help="Folder of the weights; default $HYBRIDCX_WEIGHTS or the cache's.",
        metavar="PATH",
        rich_help_panel="Input",
    ),
]


def _print_weights(rows: Any) -> bool:
    """Print the state of each network's file; return whether all are usable."""
    for r in rows:
        size = "" if r.size_bytes is None else f"{r.size_bytes / 1e6:.1f} MB"
        said = "" if r.status == "absent" else r.message
        print(f"{r.network:<18} {r.status:<8} {size:>10}  {r.file}  {said}".rstrip())
    if any(r.status == "absent" for r in rows):
        print(
            "Absent ones: `hybridcx weights fetch NAME` where there is internet, or carry the file by hand into the folder."
        )
    return all(r.status != "refused" for r in rows)


@weights_app.command("list", cls=GroupedCommand, epilog=examples("weights.list"))
def weights_list(folder: WeightsDir = None, debug: Debug = False) -> None:
    """List which weights are here, and in which folder they belong."""
    from hybridcx.deep.weights_list import default_folder, list_weights

    print(f"folder: {folder or default_folder()}")
    _print_weights(list_weights(folder))


@weights_app.command("verify", cls=GroupedCommand, epilog=examples("weights.verify"))
def weights_verify(folder: WeightsDir = None, debug: Debug = False) -> None:
    """Check every file of weights. Exit code 1 if one is refused.

    Hash and shapes are compared.
    """
    need("deep", "hybridcx weights verify")
    from hybridcx.deep import weights

    if not _print_weights(weights.verify(folder)):
        raise typer.Exit(1)


@weights_app.command("fetch", cls=GroupedCommand, epilog=examples("weights.fetch"))
def weights_fetch(
    networks: Annotated[list[str], typer.Argument(metavar="NETWORKS", help="Networks, as torchvision names them.")],
    folder: WeightsDir = None,
    url: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--from",
            help="Address of a mirror of torchvision's files; default torchvision's own server.",
            metavar="ADDRESS",
            rich_help_panel="Input",
        ),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Download weights, or continue an interrupted download.

    They are torchvision's; their hash is checked, and they are kept as safetensors. HTTPS_PROXY, HTTP_PROXY and NO_PROXY are honoured.
    """
    from hybridcx.vocabulary.networks import network

    for name in networks:
        network(name)  # an unknown name is refused before anything is fetched
    need("deep", "hybridcx weights fetch")  # it checks names and shapes, and keeps them as safetensors
    from hybridcx.deep import weights

    with Progress(quiet=quiet, verbose=verbose) as progress:
        for name in networks:
            found = weights.fetch(name, folder, url_base=url, on_progress=progress.track(f"fetching {name}"))
            print(found.path)
