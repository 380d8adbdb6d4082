"""The interlocks I01 to I14, one a file. Each takes the command, what is measured now and the limits, and answers Allow
or Block with the reason and the values that decided; none changes a value silently.
"""
