"""MkDocs hooks: the pages of docs/methods/ in the navigation, and files of the repository outside docs/ that the documentation links to as pages.

On GitHub `../CHANGELOG.md` is a path. On the site the file is a page below project/, and links to it are rewritten; links in it to docs/ likewise.
"""

from __future__ import annotations

import inspect
import posixpath
import re
import textwrap
from operator import attrgetter
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import hybridcx
from hybridcx.commands.options import QUESTIONS

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {  # path in the repository -> path on the site
    "CHANGELOG.md": "project/CHANGELOG.md",
    "CONTRIBUTING.md": "project/CONTRIBUTING.md",
    "reports/coverage/coverage.md": "project/coverage.md",
    "reports/gallery/README.md": "project/gallery.md",
    **{
        p.relative_to(ROOT).as_posix(): f"project/gallery/{p.parent.name}.html"
        for p in sorted(ROOT.glob("reports/gallery/*/report.html"))
    },
}
LINK = re.compile(r"(?<=\]\()([^)#\s]+)")


def api_pages() -> dict[str, str]:
    """The pages made from docstrings.

    mkdocstrings reads the statistics from their source. The parameters of the functions are added to their docstrings when they are loaded, and
    mkdocstrings takes 40 s instead of 6 to load the package: the functions have the text of `help()`.
    """
    functions = sorted(
        n for n, module in hybridcx.MODULES.items() if not module.startswith(("hybridcx.errors", "hybridcx.estimators"))
    )
    lines = ["# Functions", "", "What `import hybridcx` brings, as `help()` shows it.", ""]
    for name in [*functions, *(f"plan.{question}" for question in QUESTIONS)]:
        public = attrgetter(name)(hybridcx)
        signature = inspect.signature(public)
        plain = [
            p.replace(annotation=p.empty) for p in signature.parameters.values()
        ]  # types stand with the parameters
        call = f"hybridcx.{name}{signature.replace(parameters=plain, return_annotation=signature.empty)}"
        call = textwrap.fill(call, 76, subsequent_indent="    ", break_on_hyphens=False)
        lines += [f"## {name}", "", "```text", call, "", inspect.getdoc(public) or "", "```", ""]
    by_module: dict[str, list[str]] = {}
    for name, module in hybridcx.stats.MODULES.items():
        by_module.setdefault(module, []).append(name)
    statistics = [
        "# Statistics on arrays",
        "",
        "`from hybridcx.stats import ...`; [what is promised of them](../statistics.md).",
        "",
    ]
    for module in sorted(by_module):
        statistics += [f"## {module.replace('_', ' ').replace('.', ': ').capitalize()}", ""]
        statistics += [f"::: hybridcx.stats.{module}.{name}\n" for name in sorted(by_module[module])]
    return {"api/functions.md": "\n".join(lines), "api/statistics.md": "\n".join(statistics)}


def on_config(config: Any) -> Any:
    """The pages of methods, by title, in the tab Methods: mkdocs.yml cannot name a folder."""
    pages = {
        p.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# "): p
        for p in (ROOT / "docs/methods").glob("*.md")
    }
    tab = next(entry["Methods"] for entry in config.nav if "Methods" in entry)
    tab.append(
        {"A page for each": [{title: f"methods/{pages[title].name}"} for title in sorted(pages, key=str.casefold)]}
    )
    return config


def on_files(files: Files, *, config: Any) -> Files:
    for source, target in OUTSIDE.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    for target, text in api_pages().items():
        files.append(File.generated(config, target, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    places = {target: source for source, target in OUTSIDE.items()}
    here = places.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def rewritten(match: re.Match[str]) -> str:
        link = match[1]
        if ":" in link or link.startswith("/"):
            return link
        aim = posixpath.normpath(posixpath.join(posixpath.dirname(here), link))
        if here.startswith("docs/") and aim.startswith("docs/"):
            return link
        on_site = OUTSIDE.get(aim, aim.removeprefix("docs/"))
        return posixpath.relpath(on_site, posixpath.dirname(page.file.src_uri) or ".")

    return LINK.sub(rewritten, markdown)
