"""The command `lens`: look inside PyTorch models from a terminal."""

from lens_cli._main import main

__all__ = ["main"]
