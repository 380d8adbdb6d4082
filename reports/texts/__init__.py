"""Wording and number formats by locale. Renderers print what stands here and in the content, nothing of their own."""
