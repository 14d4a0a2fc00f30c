"""From a folder of photos to a recipe and a study that run: `fgtrain init PHOTOS --model NAME`."""
