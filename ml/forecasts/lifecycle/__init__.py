"""The life of a forecast model: registered, compared, promoted, watched, trained again."""
