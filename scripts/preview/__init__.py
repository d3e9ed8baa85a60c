"""Markdown as GitHub shows it: its own parser, its stylesheet, mermaid drawn, in a browser without a window."""
