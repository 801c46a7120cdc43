// graphql-inspector: what changed since a release, and whether documents fit the schema.
import { readFileSync } from "node:fs";
import { CriticalityLevel, diff, validate } from "@graphql-inspector/core";
import { buildSchema, Source } from "graphql";
import { answer, given } from "./harness.mjs";

const schemaOf = (path) => buildSchema(readFileSync(path, "utf8"));
const schema = schemaOf(given.schema);

const modules = await Promise.all(given.modules.map((path) => import(path)));
const composed = modules.flatMap(Object.entries).filter(([, value]) => typeof value === "string");
const documents = [...given.documents, ...composed];

const changes = await diff(schemaOf(given.released), schema);
// One by one: each document is complete, and several have fragments of the same name.
const invalid = documents.flatMap(([name, text]) => validate(schema, [new Source(text, name)]));
answer({
  breaking: changes
    .filter(({ criticality }) => criticality.level === CriticalityLevel.Breaking)
    .map(({ path, message }) => [path, message]),
  documents: documents.length,
  invalid: invalid.map(({ source, errors, deprecated }) => [source.name, [...errors, ...deprecated].map(String)]),
});
