"""Who can be asked: models that transformers loads, and endpoints that speak OpenAI's protocol."""
