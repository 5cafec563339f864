"""Runs as pages that need no network: charts and maps are SVG made here, styles and the one script are inline."""
