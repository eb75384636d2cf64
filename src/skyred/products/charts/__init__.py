"""Interactive figures of products for the HTML report."""
