"""Where papers come from: one file and one line here for each source."""

SOURCES = {
    "arxiv": "trendbot.sources.arxiv:Arxiv",
    "sample": "trendbot.sources.sample:SampleSource",
}
