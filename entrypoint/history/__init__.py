"""What every run left behind, one line for each: the file, its series, where their level changed, the page. Knows no GitHub."""
