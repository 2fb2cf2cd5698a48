"""The API: one resolver, two functions (`main`, and `content` for what may show content)."""
