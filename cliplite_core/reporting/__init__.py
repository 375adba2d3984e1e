"""From measurements to metrics files, tables, figures and sentences."""
