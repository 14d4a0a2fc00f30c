"""What is asked: task files (*.yaml), their reader, and the question files that they name."""
