"""The schema module of identity."""

from nexent_gql.api.identity.errors import TooManyAttemptsError
from nexent_gql.api.identity.groups import Group, GroupMutations, GroupQueries, group_by_id
from nexent_gql.api.identity.keys import ApiKey, api_key_by_id
from nexent_gql.api.identity.loaders import tenant_by_id, user_by_id
from nexent_gql.api.identity.mutations import CredentialMutations, UserMutations
from nexent_gql.api.identity.password_mutations import PasswordMutations
from nexent_gql.api.identity.profile import ProfileMutations
from nexent_gql.api.identity.queries import IdentityQueries
from nexent_gql.api.identity.sessions import Session, session_by_id
from nexent_gql.api.identity.types import Tenant, User
from nexent_gql.api.schema.module import SchemaModule
from nexent_gql.domains.identity import errors
from nexent_gql.ports.passwords import PasswordsBusyError

MODULE = SchemaModule(
    queries=(IdentityQueries, GroupQueries),
    mutations=(CredentialMutations, PasswordMutations, ProfileMutations, UserMutations, GroupMutations),
    nodes={User: user_by_id, Tenant: tenant_by_id, ApiKey: api_key_by_id, Session: session_by_id, Group: group_by_id},
    errors={errors.TooManyAttemptsError: TooManyAttemptsError, PasswordsBusyError: TooManyAttemptsError},
)
