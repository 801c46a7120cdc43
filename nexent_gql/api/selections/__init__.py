"""Compiles selection sets to functions, so that graphql-core need not interpret them again for every object.

A compiled selection returns the value that graphql-core would return, or raises. A value of another type than the
schema declares, a null in a non-null field or an exception is left to graphql-core, which then executes the whole
field and reports the errors. Nothing here creates errors of its own.

Events of subscriptions are compiled if their fields are attributes (`events`). In queries, fields with resolvers below
the root fields are compiled too (`query`, `relations`): the fields of all objects of a level are resolved together, by
the resolvers that graphql-core would call, including their permissions. graphql-core executes the root fields.
"""
