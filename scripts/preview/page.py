"""From Markdown to a page that looks as it does on GitHub."""

import re
from pathlib import Path

import cmarkgfm
from cmarkgfm.cmark import Options

PACKAGES = Path(__file__).parent / "node_modules"
_CHART = re.compile(r'<pre lang="mermaid"><code>(.*?)</code></pre>', re.DOTALL)
# Draws as GitHub does, each chart for itself, and leaves on the body what became of them.
_DRAW = """
mermaid.initialize({ startOnLoad: false, theme: "%s" });
(async () => {
  const refused = [];
  let drawn = 0;
  for (const block of document.querySelectorAll("pre.mermaid")) {
    try {
      const { svg } = await mermaid.render(`chart-${drawn}`, block.textContent);
      const figure = document.createElement("div");
      figure.innerHTML = svg;
      block.replaceWith(figure);
      drawn += 1;
    } catch (error) {
      refused.push(String(error.message ?? error));
    }
  }
  Object.assign(document.body.dataset, { drawn, refused: refused.join("; ") });
})();
"""


def to_html(markdown: str) -> str:
    """The HTML that GitHub's own parser makes, with the elements that it lets through."""
    return str(cmarkgfm.github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE))


def page(markdown: str, *, scheme: str, unfold: bool = False, mermaid: str = "mermaid-newest") -> str:
    """A whole page.

    Args:
        markdown: what is shown.
        scheme: `light` or `dark`.
        unfold: open what is folded.
        mermaid: the installed package that draws.
    """
    body = _CHART.sub(r'<pre class="mermaid">\1</pre>', to_html(markdown))
    if unfold:
        body = body.replace("<details>", "<details open>")
    style = (PACKAGES / f"github-markdown-css/github-markdown-{scheme}.css").as_uri()
    script = (PACKAGES / f"{mermaid}/dist/mermaid.min.js").as_uri()
    background = {"light": "#ffffff", "dark": "#0d1117"}[scheme]
    theme = {"light": "default", "dark": "dark"}[scheme]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>preview</title><link rel="stylesheet" href="{style}">'
        f"<style>body {{ margin: 0; padding: 24px; background: {background} }} svg {{ max-width: 100% }}</style>"
        f'<body><article class="markdown-body">{body}</article><script src="{script}"></script>'
        f"<script>{_DRAW % theme}</script></body></html>"
    )
