"""Worlds of their own for the sources that FG-BMK's meta-classes come from: other shapes, other parts, other names."""
