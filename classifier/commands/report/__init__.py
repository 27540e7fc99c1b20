"""`classifier report`: its page, its sections, its pictures, and the results that they show."""
