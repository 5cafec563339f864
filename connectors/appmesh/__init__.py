"""AWS App Mesh, which ended on 2026-09-30: its exported configuration, and what takes its place."""
