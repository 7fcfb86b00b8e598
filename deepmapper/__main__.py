"""`python -m deepmapper`, which is what `torchrun ... -m deepmapper fit ...` starts."""

from deepmapper._app.cli import main

if __name__ == "__main__":
    main()
