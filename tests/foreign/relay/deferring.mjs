// relay-runtime: a deferred fragment, put together by the runtime from parts that meros cuts out of the answer.
import {
  createOperationDescriptor, Environment, getSingularSelector, Network, Observable, RecordSource, Store,
} from "relay-runtime";
import { meros } from "meros/browser";
import { answer, headers, url } from "../harness.mjs";
import documents_user from "./__generated__/documents_user.graphql.js";
import documentsDeferringQuery from "./__generated__/documentsDeferringQuery.graphql.js";

const accept = "multipart/mixed;deferSpec=20220824, application/json";

async function send({ text }, variables, sink) {
  const response = await fetch(url, {
    method: "POST",
    body: JSON.stringify({ query: text, variables }),
    headers: { ...headers, "content-type": "application/json", accept },
  });
  for await (const { body } of await meros(response)) {
    const { incremental, hasNext, ...first } = body;
    const extensions = { is_final: !hasNext };
    for (const result of incremental ?? [first]) sink.next({ ...result, extensions });
  }
  sink.complete();
}

const network = Network.create((request, variables) =>
  Observable.create((sink) => void send(request, variables, sink).catch(sink.error)),
);
const environment = new Environment({ network, store: new Store(new RecordSource()) });
const operation = createOperationDescriptor(documentsDeferringQuery, {});
environment.retain(operation);

/** What a view sees at this moment: the role, and the name where its fragment has come. */
function seen() {
  const { viewer } = environment.lookup(operation.fragment).data;
  const fragment = environment.lookup(getSingularSelector(documents_user, viewer));
  return { role: viewer.role, name: fragment.isMissingData ? null : fragment.data.user.displayName };
}

const states = [];
await new Promise((resolve, reject) => {
  environment.execute({ operation }).subscribe({ next: () => states.push(seen()), error: reject, complete: resolve });
});
answer(states);
