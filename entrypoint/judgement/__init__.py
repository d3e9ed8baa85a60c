"""Comparison, significance, verdict. Pure: values in, values out; no files, no Markdown, no GitHub."""
