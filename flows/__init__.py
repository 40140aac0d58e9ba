"""One flow a file, without logic: the Prefect face of `trivia_render.pipeline`."""
