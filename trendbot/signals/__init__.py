"""Where attention is measured: one file and one line here for each signal."""

SIGNALS = {
    "bluesky": "trendbot.signals.bluesky:Bluesky",
    "hackernews": "trendbot.signals.hackernews:HackerNews",
    "huggingface": "trendbot.signals.huggingface:HuggingFace",
    "mastodon": "trendbot.signals.mastodon:Mastodon",
    "sample": "trendbot.signals.sample:SampleSignal",
    "x": "trendbot.signals.x:X",
}
