"""What every builder stands on: files, errors, progress, drawing by address, arrays on disk, endpoints."""
