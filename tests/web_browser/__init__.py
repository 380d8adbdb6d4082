"""Every page in a real browser: what it shows at two sizes, light and dark, with and without script."""
