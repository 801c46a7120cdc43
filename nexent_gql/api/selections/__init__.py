"""Selection sets compiled to functions: what graphql-core finds out anew for every object is found out once.

A compiled selection gives the value that graphql-core would give, or refuses: whatever is not plain (a field with a
resolver, a value of another type than the schema says, a null where none may be) is left to graphql-core, which then
does the whole of it, errors and nulls included. So nothing here knows about errors, and nothing here checks access:
that stays with the root field's resolver, which is not compiled.
"""
