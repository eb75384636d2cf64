"""The cache: chunks of observations that were reduced before, kept between runs."""
