"""One fault, several data planes side by side: which of them leaves the broken cluster, and when."""
