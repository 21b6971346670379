"""`python -m lens_cli` is `lens`."""

from lens_cli import main

main()
