"""A real browser for the tests: `chromium` finds it, `visitor` is who sits before it."""
