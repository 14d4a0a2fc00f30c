"""General benchmarks as they are downloaded, original layouts or parquet files, in one question format."""
