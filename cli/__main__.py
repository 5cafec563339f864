"""`python -m cli` is `equipoise`."""

from cli.main import main

main()
