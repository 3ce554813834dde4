"""Charts drawn by matplotlib, which is imported below this package alone."""
