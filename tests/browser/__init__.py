"""A real browser for the tests: `chromium` finds it, `window` looks at pages in it."""
