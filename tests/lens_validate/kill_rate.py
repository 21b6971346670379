"""How many falsified recordings does validation find?

`uv run python -m tests.lens_validate.kill_rate` tries every mutation on every small model, with the
model at hand and from the recording alone, and prints how many were made, found, and named at the right operation.
`--publish` writes the two tables into docs/validation.md, `-v` prints every survivor.
"""

from __future__ import annotations

import argparse
import itertools
import json
import warnings
from pathlib import Path
from typing import Any

import torch

from lens_trace import trace
from lens_validate import validate
from tests.lens_validate.deeper_mutations import DEEPER, falsify_a_field
from tests.lens_validate.more_models import more_models
from tests.lens_validate.mutations import MUTATIONS, Score, score_of
from tests.lens_validate.small_models import small_models

PAGE = Path(__file__).parents[2] / "docs" / "validation.md"
ALL = {**MUTATIONS, **DEEPER}
EVERY = 8
"""Of the hundred and more fields each model tries every eighth, the next model the one after."""


def models() -> list[str]:
    return [*small_models(), *more_models()]


def scores_of(name: str, most: int | None) -> dict[str, tuple[Score, Score]]:
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
        elif most is not None and len(mutants) > most:
            mutants = [mutants[i * len(mutants) // most] for i in range(most)]
        found[mutation] = score_of(mutants, None, args), score_of(mutants, model, args)
    return found


def table(title: str, rows: dict[str, list[Any]]) -> str:
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
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--only", nargs="*", default=models(), help="models to try")
    asked.add_argument("--most", type=int, help="places to try of each mutation, spread evenly; else all")
    asked.add_argument("--results", type=Path, help="a file to add results to, and to read earlier ones from")
    asked.add_argument("--publish", action="store_true", help="write the tables into docs/validation.md")
    asked.add_argument("-v", "--verbose", action="store_true", help="print every survivor")
    options = asked.parse_args()
    known: dict[str, Any] = {}
    if options.results is not None and options.results.exists():
        known = dict(json.loads(line) for line in options.results.read_text().splitlines())
    for name in options.only:
        if name not in known:
            known[name] = scores_of(name, options.most)
            if options.results is not None:
                with options.results.open("a") as file:
                    print(json.dumps([name, known[name]]), file=file)
    found = {n: {m: [Score(*one) for one in pair] for m, pair in known[n].items()} for n in models() if n in known}
    for name, scores in found.items() if options.verbose else ():
        for mutation, pair in scores.items():
            for side, score in zip(("from the recording alone", "with the model"), pair, strict=True):
                for survivor in score.survivors:
                    print(f"# {name}, {side}, {mutation}: {survivor}")
    by_mutation = {mutation: [scores[mutation] for scores in found.values()] for mutation in ALL}
    rows = {name: list(scores.values()) for name, scores in found.items()}
    tables = f"{table('mutation', by_mutation)}\n\n{table('model', rows)}"
    print(tables)
    if options.publish:
        PAGE.write_text(published(PAGE.read_text(), tables))


if __name__ == "__main__":
    main()
