"""Questions and answers written from a text per category: the open-world training set and the FROW benchmark."""
