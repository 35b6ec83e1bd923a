"""Where attention is measured: one file and one line here for each signal."""

SIGNALS = {
    "huggingface": "trendbot.signals.huggingface:HuggingFace",
    "sample": "trendbot.signals.sample:SampleSignal",
    "x": "trendbot.signals.x:X",
}
