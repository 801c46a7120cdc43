// graphql-http: every audit of the GraphQL over HTTP specification, also the optional ones.
import { serverAudits } from "graphql-http";
import { answer, headers, url } from "./harness.mjs";

const fetchFn = (input, init) => fetch(input, { ...init, headers: { ...init?.headers, ...headers } });
const results = await Promise.all(serverAudits({ url, fetchFn }).map((audit) => audit.fn()));
answer(results.map(({ name, status, reason }) => [name, status, reason]));
