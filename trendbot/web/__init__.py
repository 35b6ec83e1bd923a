"""What trendbot answers over HTTP."""
