"""What a page is made of: parts, templates, styles, figures."""
