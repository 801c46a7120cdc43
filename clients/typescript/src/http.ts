import type { TypedDocumentString } from "./generated/graphql.ts";

export interface Server {
  url: string;
  token: string;
}

/** Run a query or a mutation; throws where it was refused as a whole. */
export async function execute<Result, Variables>(
  { url, token }: Server,
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
): Promise<Result> {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      accept: "application/graphql-response+json",
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ query: document.toString(), variables }),
  });
  const { data, errors } = (await response.json()) as { data?: Result; errors?: { message: string }[] };
  if (errors || !data) throw new Error(errors?.map(({ message }) => message).join("\n") ?? response.statusText);
  return data;
}
