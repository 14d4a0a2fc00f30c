"""One stage of training: what is optimised (module), how it is run (trainer), what is watched (callbacks)."""
