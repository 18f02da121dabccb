"""Commands that read and write annotated pictures: import, edit, validate, delete, export."""
