"""FG-BMK's machine-oriented track: what a vision encoder's features are worth, without any language.

`backbone` and `loading` make features of pictures, `cache` keeps them, `probe`, `neighbours`, `retrieval` and
`robustness` measure them (`measure_sets` all of it), `friedman` compares models over data sets.
"""
