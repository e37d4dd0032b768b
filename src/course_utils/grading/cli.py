"""The command ``course``: copies chapters, lists exercises, makes assignments, grades and exports them."""

import argparse
import json
import os
import pathlib
import sys
from collections.abc import Sequence

from tqdm.auto import tqdm

from .. import __version__
from ..exercises.catalogue import chapter_of, course_exercises, load_exercises

_EXAMPLES = """\
examples:
  course exercises
  course notebook 2 --self-contained
  course assign vanishing-1 clipping-2 --title "Homework 1" --due "1 December" --out hw1
  course grade hw1/pack submissions/ --jobs 4 --out graded
  course export hw1/pack --to gradescope --out hw1-gradescope.zip
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0 where all went well, 2 where something was wrong with the request."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except (ValueError, OSError) as error:
        print(f"course {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. What was done is kept: the same command goes on from here.", file=sys.stderr)
        return 130
    except ImportError as error:
        if error.name not in ("hatchling", "nbformat", "psutil"):
            raise
        print(
            f'course {options.command}: {error.name} is missing: pip install "course_utils[grade]"',
            file=sys.stderr,
        )
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="course",
        description="Chapters and exercises of the course Unstable Gradients: hand out, assign, grade, export.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"course_utils {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    add = commands.add_parser(
        "exercises", help="list the exercises", description="List the exercises, in the order of the book."
    )
    add.add_argument(
        "--own",
        type=pathlib.Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="also list the exercises of your own in FOLDER",
    )
    add.add_argument("--json", action="store_true", help="as JSON, for programs")
    add.set_defaults(run=_exercises)

    add = commands.add_parser(
        "assign",
        help="make an assignment from exercises",
        description="Write a new folder with the notebook for students, a table of points, and a pack: what you keep to grade "
        "with. The pack holds a secret seed, from which the grader draws cases that no student has seen.",
    )
    add.add_argument(
        "ids",
        nargs="+",
        metavar="ID",
        help="exercises, in the order of the assignment; `course exercises` lists them",
    )
    add.add_argument("--title", required=True, help="the assignment's title")
    add.add_argument("--due", default="", help="when it is due, as your students should read it")
    add.add_argument("--out", type=pathlib.Path, required=True, metavar="DIR", help="the folder to make")
    add.add_argument(
        "--own",
        type=pathlib.Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="a folder with exercises of your own: exercises.py and exercises.ipynb",
    )
    add.add_argument(
        "--chapters",
        type=pathlib.Path,
        metavar="FOLDER",
        help="the course's chapters (default: ./chapters, or those beside the installed package)",
    )
    add.add_argument(
        "--self-contained",
        action="store_true",
        help="the students' notebook carries the package, and needs neither a network nor a public address",
    )
    add.set_defaults(run=_assign)

    add = commands.add_parser(
        "notebook",
        help="copy a chapter, to hand out as a file",
        description="Write a copy of a chapter. With --self-contained it carries the package: it runs wherever JAX and the usual "
        "packages are installed, without a network.",
    )
    add.add_argument(
        "chapter", metavar="CHAPTER", help="its number, or the beginning of its name: 2, 02_vanishing"
    )
    add.add_argument("--self-contained", action="store_true", help="carry the package in the notebook")
    add.add_argument(
        "--without-solutions", action="store_true", help="leave out the solutions of its exercises"
    )
    add.add_argument(
        "--out",
        type=pathlib.Path,
        metavar="FILE",
        help="where to write it (default: its name, in this folder)",
    )
    add.add_argument(
        "--chapters",
        type=pathlib.Path,
        metavar="FOLDER",
        help="the course's chapters (default: ./chapters, or those beside the installed package)",
    )
    add.set_defaults(run=_notebook)

    add = commands.add_parser(
        "grade",
        help="grade submissions",
        description="Run each submission in a sandbox and judge what its functions return. Writes grades.csv, a page of "
        "feedback and Gradescope's results.json for each student. Stopped in the middle, the same command goes on from there.",
    )
    add.add_argument(
        "pack", type=pathlib.Path, metavar="PACK", help="the folder `pack` that `course assign` made"
    )
    add.add_argument(
        "submissions",
        nargs="+",
        type=pathlib.Path,
        metavar="SUBMISSIONS",
        help="notebooks, or folders of them",
    )
    add.add_argument(
        "--out", type=pathlib.Path, required=True, metavar="DIR", help="where to write the results"
    )
    add.add_argument(
        "--jobs",
        type=_at_least_one,
        default=max(1, (os.cpu_count() or 2) - 1),
        metavar="N",
        help="how many to run at once (default: %(default)s)",
    )
    add.add_argument(
        "--no-isolation",
        action="store_true",
        help="run submissions as plain processes, which can read your files: only for code that you trust",
    )
    add.add_argument(
        "--step-seconds",
        type=_at_least_one,
        default=60,
        metavar="N",
        help="time for one cell, or one exercise (default: %(default)s)",
    )
    add.add_argument("--again", action="store_true", help="grade anew what was graded before")
    add.set_defaults(run=_grade)

    add = commands.add_parser(
        "export",
        help="export a pack to nbgrader, Gradescope or Canvas",
        description="nbgrader: a course folder for nbgrader 0.9. gradescope: the zip file of an autograder. canvas: grades joined "
        "to the gradebook that Canvas exports.",
    )
    add.add_argument(
        "pack", type=pathlib.Path, metavar="PACK", help="the folder `pack` that `course assign` made"
    )
    add.add_argument("--to", required=True, choices=("nbgrader", "gradescope", "canvas"), help="the tool")
    add.add_argument(
        "--out",
        type=pathlib.Path,
        required=True,
        metavar="PATH",
        help="the folder (nbgrader), zip file (gradescope) or CSV file (canvas) to write",
    )
    add.add_argument(
        "--grades", type=pathlib.Path, metavar="CSV", help="canvas: grades.csv of `course grade`"
    )
    add.add_argument(
        "--gradebook", type=pathlib.Path, metavar="CSV", help="canvas: the gradebook as Canvas exports it"
    )
    add.set_defaults(run=_export)
    return parser


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def _exercises(options) -> None:
    found = [(e, chapter_of(e.id)) for e in course_exercises().values()]
    found += [
        (e, str(folder)) for folder in options.own for e in load_exercises(folder / "exercises.py").values()
    ]
    rows = [
        {"id": e.id, "title": e.title, "chapter": chapter, "level": e.level, "minutes": e.minutes, "points": e.points, "skills": list(e.skills), "name": e.name}
        for e, chapter in found
    ]  # fmt: skip
    if options.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    chapter = None
    for row in rows:
        if row["chapter"] != chapter:
            chapter = row["chapter"]
            print(f"\n{chapter}")
        print(f"  {row['id']:18} {row['minutes']:>3} min  {row['points']:>3g} p  {row['title']}")
        print(f"  {'':18} {', '.join(row['skills'])}")


def _chapters(given: pathlib.Path | None) -> pathlib.Path:
    """The folder of the chapters: as given, here, or beside the package's sources."""
    beside = pathlib.Path(__file__).resolve().parents[3] / "chapters"
    for folder in [given] if given else [pathlib.Path("chapters"), beside]:
        if (folder / "01_backpropagation.ipynb").exists():
            return folder
    raise ValueError(
        f"no chapters in {given or 'this folder'}: run in the course's folder, or name it with --chapters FOLDER"
    )


def _assign(options) -> None:
    from .assign import assign

    pack = assign(
        options.ids, title=options.title, due=options.due, out=options.out, chapters=_chapters(options.chapters),
        own_folders=options.own, carry=options.self_contained,
    )  # fmt: skip
    print(f"For your students:  {options.out / pack.slug}.ipynb")
    print(f"Points:             {options.out / 'points.csv'} ({pack.points:g} in all)")
    print(f"For you alone:      {pack.folder} (keep it secret: it decides which cases are graded)")
    print(f"To grade:           course grade {pack.folder} SUBMISSIONS --out graded")


def _notebook(options) -> None:
    import nbformat

    from .assign import student_notebook
    from .notebooks import read_notebook
    from .set_up import carrying

    folder = _chapters(options.chapters)
    path = _chapter(options.chapter, folder)
    out = options.out or pathlib.Path(path.name)
    if out.exists():
        raise ValueError(f"{out} is there already: name another file with --out FILE")
    notebook = read_notebook(path)
    if options.without_solutions:
        notebook = student_notebook(notebook)
    if options.self_contained:
        notebook = carrying(notebook, folder.resolve().parent)
    nbformat.write(notebook, out)
    print(f"{out}: {path.stem}{', with the package in it' if options.self_contained else ''}")


def _chapter(name: str, folder: pathlib.Path) -> pathlib.Path:
    """The chapter of a number, or whose name begins so."""
    paths = sorted(folder.glob("*.ipynb"))
    start = f"{int(name):02d}_" if name.isdecimal() else name.removesuffix(".ipynb")
    found = [path for path in paths if path.name.startswith(start)]
    if len(found) != 1:
        names = ", ".join(path.stem for path in found or paths)
        raise ValueError(
            f"{'no chapter is' if not found else 'several chapters are'} called {name!r}: {names}"
        )
    return found[0]


def _grade(options) -> int:
    import shutil

    from .grade import GradingError, grade
    from .packs import read_pack
    from .reports import write_feedback, write_grades, write_gradescope
    from .sandbox import IsolationError, Limits

    pack = read_pack(options.pack)
    if options.again:
        shutil.rmtree(options.out / "graded", ignore_errors=True)
    bar = lambda steps, **more: tqdm(steps, unit="submission", **more)
    try:
        results = grade(
            pack, options.submissions, out=options.out, jobs=options.jobs, limits=Limits(step_seconds=options.step_seconds),
            isolation="none" if options.no_isolation else "namespaces", progress=bar,
        )  # fmt: skip
    except IsolationError as error:
        print(
            f"course grade: Submissions cannot be isolated here, so none was run. {error}\n"
            "You can use Gradescope (course export --to gradescope) or a Linux machine. With --no-isolation they run as "
            "plain processes, which can read your files and reach the network.",
            file=sys.stderr,
        )
        return 3
    except GradingError as error:
        print(f"course grade: {error}", file=sys.stderr)
        return 4
    write_grades(options.out / "grades.csv", pack, results)
    write_feedback(options.out / "feedback", pack, results)
    write_gradescope(options.out / "gradescope", pack, results)
    unreadable = [result for result in results if not result.readable]
    print(f"{len(results)} submissions, {len(unreadable)} of them unreadable: {options.out / 'grades.csv'}")
    for result in unreadable:
        print(f"  {result.student}: {result.problems[0]}")
    return 0


def _export(options) -> None:
    from .packs import read_pack

    pack = read_pack(options.pack)
    if options.to == "nbgrader":
        from .export_nbgrader import export_nbgrader

        export_nbgrader(pack, options.out)
        print(f"{options.out}: a course folder. There: nbgrader generate_assignment {pack.slug}")
    elif options.to == "gradescope":
        from .export_gradescope import export_gradescope

        export_gradescope(pack, options.out)
        print(f"{options.out}: upload it as the assignment's autograder")
    else:
        if options.grades is None or options.gradebook is None:
            raise ValueError("--to canvas needs --grades and --gradebook")
        from .export_canvas import export_canvas

        unmatched = export_canvas(pack, options.grades, options.gradebook, options.out)
        print(f"{options.out}: import it in Canvas's gradebook")
        for line in unmatched:
            print(f"  {line}")
