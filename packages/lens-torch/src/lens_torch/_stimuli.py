"""How are the activations of many stimuli kept in one folder?

    stimuli.json               which stimuli in which order, in batches of which size, and what the run was
    batches/000000.safetensors the rows of the first batch, one tensor a layer; and so on

The k-th row of a layer belongs to the k-th stimulus: there are as many rows as stimuli, in every batch and in all.  A
batch appears whole or not at all, so a run that was killed goes on with the first batch that is missing; what lies
there must be of the same run.  Each file
tells its stimuli and a checksum of each layer's rows.  Nothing in the folder is code, and any reader of safetensors can
read it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import torch
from msgspec import Struct

from lens_torch._errors import StimuliError
from lens_torch._stimulus_rows import check_rows, layers_in, read_rows, write_rows, write_whole

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

FORMAT, VERSION = "lens-stimuli", 1
_ABOUT, _ABOUT_PART, _BATCHES = "stimuli.json", "stimuli.part", "batches"


class StimuliRecord(Struct, frozen=True, kw_only=True):
    """What `stimuli.json` says."""

    format: str = FORMAT
    """Always `lens-stimuli`."""
    version: int = VERSION
    """Version of the format."""
    names: tuple[str, ...]
    """The stimuli in order."""
    batch_size: int
    """Stimuli in a batch; the last may have fewer."""
    run: dict[str, str | int | float | bool | list[str] | None]
    """What else must be equal for two runs to be the same: model, weights, layers, preparation."""


class Stimuli:
    """The activations of many stimuli in a folder.

    What `start_stimuli` returns keeps other writers away until it is closed, at the latest when it is dropped; it can
    stand in a `with`.
    """

    def __init__(self, path: Path, record: StimuliRecord) -> None:
        self.path = path
        """The folder."""
        self.record = record
        """What it says about itself."""
        self._lock: int | None = None

    @property
    def names(self) -> list[str]:
        """The stimuli in order."""
        return list(self.record.names)

    @property
    def layers(self) -> list[str]:
        """Names of the layers."""
        for path in self.files:
            if path.exists():
                return layers_in(path)
        return []

    @property
    def files(self) -> list[Path]:
        """The file of each batch, there or not."""
        count = math.ceil(len(self.record.names) / self.record.batch_size)
        return [self.path / _BATCHES / f"{number:06d}.safetensors" for number in range(count)]

    @property
    def missing(self) -> list[int]:
        """Numbers of the batches that are not there yet."""
        return [number for number, file in enumerate(self.files) if not file.exists()]

    def names_of(self, batch: int) -> list[str]:
        """The stimuli of a batch."""
        size = self.record.batch_size
        return list(self.record.names[batch * size : (batch + 1) * size])

    def __len__(self) -> int:
        return len(self.record.names)

    def __getitem__(self, layer: str) -> torch.Tensor:
        """The rows of a layer, one a stimulus, in order.

        Raises:
            StimuliError: There is no such layer, a batch is missing, or rows differ in shape.
        """
        rows = list(self.batches(layer))
        shapes = {tuple(row.shape[1:]) for row in rows}
        if len(shapes) > 1:
            raise StimuliError(
                f"The rows of {layer!r} have different shapes ({', '.join(map(str, sorted(shapes)[:3]))}); "
                "take them batch by batch with .batches(layer)."
            )
        return torch.cat(rows)

    def batches(self, layer: str) -> Iterator[torch.Tensor]:
        """The rows of a layer batch by batch, so that no more than one batch is in memory.

        Raises:
            StimuliError: There is no such layer, or a batch is missing.
        """
        if self.missing:
            raise StimuliError(
                f"{self.path} is not finished: {len(self.missing):,} of {len(self.files):,} batches are missing."
            )
        for path in self.files:
            yield read_rows(path, layer)

    def put(self, batch: int, values: Mapping[str, torch.Tensor]) -> None:
        """Writes the rows of a batch.

        Args:
            batch: Its number.
            values: The rows of each layer.

        Raises:
            StimuliError: A layer has not exactly one row for each stimulus of the batch.
        """
        write_rows(self.files[batch], self.names_of(batch), values)

    def check(self, batch: int) -> None:
        """Sees that a batch that is there holds the rows of its stimuli.

        Raises:
            StimuliError: It is damaged, or holds those of others.
        """
        check_rows(self.files[batch], self.names_of(batch))

    def hold(self) -> None:
        """Sees that no other process writes here until `close`; a process that was killed holds nothing.

        Raises:
            StimuliError: Another one does.
        """
        if fcntl is None:
            return
        self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise StimuliError(f"Another process is writing to {self.path}.") from error

    def close(self) -> None:
        """Lets others write here; what is there can still be read."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Stimuli:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        done = len(self.files) - len(self.missing)
        return (
            f"Stimuli in {self.path}: {len(self):,} stimuli, {len(self.layers):,} layers, "
            f"{done:,} of {len(self.files):,} batches"
        )


def start_stimuli(
    path: str | os.PathLike[str],
    names: Sequence[str],
    *,
    batch_size: int,
    run: Mapping[str, str | int | float | bool | list[str] | None],
) -> Stimuli:
    """Opens a folder to write activations to: a new one, or one of the same run that was not finished.

    Args:
        path: The folder; made if it is not there.
        names: The stimuli in order.
        batch_size: Stimuli in a batch.
        run: What must be equal for two runs to be the same.

    Raises:
        StimuliError: Something else lies there, or another run.
    """
    folder = Path(path)
    record = StimuliRecord(names=tuple(names), batch_size=batch_size, run=dict(run))
    if len(set(names)) != len(names):
        raise StimuliError("Two stimuli have the same name.")
    text = msgspec.json.format(_encoded(record), indent=1)
    about, stimuli = folder / _ABOUT, Stimuli(folder, record)
    if about.exists():
        _check_same(load_stimuli(folder).record, record, folder)
    elif folder.exists() and (not folder.is_dir() or {file.name for file in folder.iterdir()} - {_ABOUT_PART}):
        raise StimuliError(f"{folder} is there and holds something else; give a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    stimuli.hold()
    if not about.exists():
        write_whole(about, text)
    (folder / _BATCHES).mkdir(exist_ok=True)
    for left in (folder / _BATCHES).glob("*.part"):
        left.unlink()
    beyond = sorted(file.name for file in (folder / _BATCHES).iterdir() if file not in stimuli.files)
    if beyond:
        raise StimuliError(f"{folder} holds batches of more stimuli ({beyond[0]}); write to another folder.")
    for batch, file in enumerate(stimuli.files):
        if file.exists():
            stimuli.check(batch)
    write_whole(about, text)
    return stimuli


def load_stimuli(path: str | os.PathLike[str]) -> Stimuli:
    """Opens a folder of activations; values are read when asked for.

    Raises:
        StimuliError: It is no such folder, or of a version that is not known here.
    """
    about = Path(path) / _ABOUT
    try:
        record = msgspec.json.decode(about.read_bytes(), type=StimuliRecord)
    except OSError as error:
        raise StimuliError(f"{os.fspath(path)!r} holds no {_ABOUT}: {error.strerror or error}.") from error
    except (msgspec.MsgspecError, RecursionError) as error:
        raise StimuliError(f"{about} cannot be read: {error}.") from error
    if record.format != FORMAT or record.version != VERSION or record.batch_size < 1:
        raise StimuliError(
            f"{about} is {record.format!r} of version {record.version}, expected {FORMAT!r} of {VERSION}."
        )
    return Stimuli(Path(path), record)


def _check_same(there: StimuliRecord, now: StimuliRecord, folder: Path) -> None:
    before, after = ({"batch_size": record.batch_size, **record.run} for record in (there, now))
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            raise StimuliError(
                f"{folder} holds another run: {name} was {_short(before.get(name))}, now it is "
                f"{_short(after.get(name))}. Write to another folder, or ask for the same again."
            )


def _encoded(record: StimuliRecord) -> bytes:
    try:
        return msgspec.json.encode(record)
    except TypeError as error:
        raise StimuliError(f"run= holds more than texts, numbers and lists of texts: {error}.") from error


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
