"""A CSV file as checked columns: its layout, its text, its reader, its schema."""
