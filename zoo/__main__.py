"""The command: `uv run --group zoo python -m zoo --help`."""

from zoo._app import app

app()
