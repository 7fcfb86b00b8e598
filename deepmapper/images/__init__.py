"""From a table to images: scaling, layouts, conversion."""
