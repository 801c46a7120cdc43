// graphql-eslint: every rule it has about schemas, but three, and two of them in part.
import { readFileSync } from "node:fs";
import { Linter } from "eslint";
import graphql from "@graphql-eslint/eslint-plugin";
import { answer, given } from "./house.mjs";

const OFF = {
  "@graphql-eslint/no-root-type": "off", // its purpose is to forbid one of the three, and we have all
  "@graphql-eslint/strict-id-in-types": "off", // wants an id in payloads and value objects as well
  "@graphql-eslint/relay-edge-types": "off", // wants edges that are more than the specification of connections asks
};
const { "schema-recommended": recommended, "schema-all": all, "schema-relay": relay } = Object.fromEntries(
  Object.entries(graphql.configs).map(([name, config]) => [name.replace("flat/", ""), config.rules]),
);

const [severity, options] = all["@graphql-eslint/alphabetize"];
const IN_PART = {
  // `@defer(label, if)` keeps the order that Apollo Kotlin expects
  "@graphql-eslint/alphabetize": [
    severity,
    { ...options, arguments: options.arguments.filter((kind) => kind !== "DirectiveDefinition") },
  ],
  "@graphql-eslint/relay-arguments": ["error", { includeBoth: false }], // a search is paged forwards only
};

const sdl = readFileSync(given.schema, "utf8");
const config = {
  files: ["**/*.graphql"],
  languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema: sdl } } },
  plugins: { "@graphql-eslint": graphql },
  rules: { ...recommended, ...all, ...relay, ...OFF, ...IN_PART },
};
const messages = new Linter().verify(sdl, config, { filename: "schema.graphql" });
answer(messages.map(({ line, ruleId, message }) => `${line} ${ruleId}: ${message}`));
