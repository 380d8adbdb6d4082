"""Services that `meterloom up` starts beside itself: kept up while it lives, and ended with it however it ends."""
