"""`python -m deepmapper`: the command line."""

from deepmapper._app import main

if __name__ == "__main__":
    main()
