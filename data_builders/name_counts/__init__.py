"""How often the names of a data set's categories occur in training texts: FG-BMK asked whether what a model knows of a
category goes back to how often its name was in the data (section 4.2)."""
