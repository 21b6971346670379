"""How many falsified recordings does validation find?

`uv run python -m tests.lens_validate.kill_rate` tries every mutation at every place of every small model, with the
model at hand and from the recording alone, and prints how many were made, found, and named at the right operation.
`--publish` writes the two tables into docs/validation.md, `-v` prints every survivor, `-j 2` takes two processes.
"""

from __future__ import annotations

import itertools
import multiprocessing
import sys
import warnings
from pathlib import Path

import torch

from lens_trace import trace
from lens_validate import validate
from tests.lens_validate.deeper_mutations import DEEPER, falsify_a_field
from tests.lens_validate.more_models import more_models
from tests.lens_validate.mutations import MUTATIONS, Score, score_of
from tests.lens_validate.small_models import small_models

PAGE = Path(__file__).parents[2] / "docs" / "validation.md"
ALL = {**MUTATIONS, **DEEPER}
EVERY = 4
"""Of the hundred and more fields each model tries every fourth, the next model the one after."""


def models() -> list[str]:
    return [*small_models(), *more_models()]


def scores_of(name: str) -> tuple[str, dict[str, tuple[Score, Score]]]:
    """Returns the score of each mutation on one model, from the recording alone and with the model."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    model, args = {**small_models(), **more_models()}[name]
    recording = trace(model, args, seed=1)
    assert validate(recording, model, args), str(validate(recording, model, args))
    found: dict[str, tuple[Score, Score]] = {}
    for mutation, mutate in ALL.items():
        mutants = list(mutate(recording))
        if mutate is falsify_a_field:
            mutants = mutants[models().index(name) % EVERY :: EVERY]
        found[mutation] = score_of(mutants, None, args), score_of(mutants, model, args)
    return name, found


def table(title: str, rows: dict[str, list[tuple[Score, Score]]]) -> str:
    lines = [f"| {title} | made | found with the model | named | found from the recording alone | named |"]
    lines.append("|---|---|---|---|---|---|")
    for name, scores in {**rows, "**all**": list(itertools.chain(*rows.values()))}.items():
        alone, together = ([pair[i] for pair in scores] for i in (0, 1))
        numbers = [sum(s.made for s in alone)]
        numbers += [sum(s[field] for s in side) for side in (together, alone) for field in (1, 2)]
        lines.append(f"| {name} | {' | '.join(str(number) for number in numbers)} |")
    return "\n".join(lines)


def published(text: str, tables: str) -> str:
    head, _, rest = text.partition("<!-- kill rate -->\n")
    _, _, tail = rest.partition("<!-- end of the kill rate -->\n")
    return f"{head}<!-- kill rate -->\n{tables}\n<!-- end of the kill rate -->\n{tail}"


def main() -> None:
    arguments = sys.argv[1:]
    jobs = int(arguments[arguments.index("-j") + 1]) if "-j" in arguments else 1
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        by_model = dict(pool.imap(scores_of, models()))
    for name, found in by_model.items() if "-v" in arguments else ():
        for mutation, pair in found.items():
            for side, score in zip(("from the recording alone", "with the model"), pair, strict=True):
                for survivor in score.survivors:
                    print(f"# {name}, {side}, {mutation}: {survivor}")
    by_mutation = {mutation: [found[mutation] for found in by_model.values()] for mutation in ALL}
    tables = (
        table("mutation", by_mutation) + "\n\n" + table("model", {n: list(f.values()) for n, f in by_model.items()})
    )
    print(tables)
    if "--publish" in arguments:
        PAGE.write_text(published(PAGE.read_text(), tables))


if __name__ == "__main__":
    main()
