"""`python -m tongguan.gateway.cli` is `tongguan`."""

from tongguan.gateway.cli import main

main()
