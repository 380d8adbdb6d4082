"""Rules of validation, one a file: values in, what is wrong out. Nothing is stored or changed here."""
