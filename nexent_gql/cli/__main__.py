"""`python -m nexent_gql.cli`: the same as `nexent-gql`."""

from nexent_gql.cli import main

if __name__ == "__main__":
    main()
