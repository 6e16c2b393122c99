"""What people are told of, wherever they are in the page."""
