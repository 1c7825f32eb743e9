"""The story that `make demo` tells on real flights; every step is checked, none is played."""
