"""Selection sets compiled to functions: what graphql-core finds out anew for every object is found out once.

A compiled selection gives the value that graphql-core would give, or refuses: whatever is odd (a value of another type
than the schema says, a null where none may be, an exception) is left to graphql-core, which then does the whole of it,
errors and nulls included. So nothing here knows about errors.

Events of subscriptions are compiled where their fields are attributes (`events`). Below the root fields of queries,
fields with resolvers are covered too (`query`, `relations`): those of all objects of a level are resolved together, by
the resolvers that graphql-core would call, with the permissions that these ask. Root fields are graphql-core's.
"""
