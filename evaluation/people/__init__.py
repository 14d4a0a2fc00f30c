"""People beside judges, as in FROW's evaluator study: a sample is drawn, graded blindly on a sheet, and compared.

`sample` draws answers (or generated training rows), `sheet` writes what people fill and the key that they do not see,
`filled` reads it back, `compare` tells how far people, rules and models agree.
"""
