"""Pictures as SVG text: classes and presentation attributes only, every word escaped, a title and a description."""
