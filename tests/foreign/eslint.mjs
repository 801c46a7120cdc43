// graphql-eslint: every rule it has about schemas, but three, and the order of the arguments of @defer.
import { readFileSync } from "node:fs";
import { Linter } from "eslint";
import graphql from "@graphql-eslint/eslint-plugin";
import { parse } from "graphql";
import { answer, given } from "./harness.mjs";

const OFF = {
  "@graphql-eslint/no-root-type": "off", // its purpose is to forbid one of the three, and we have all
  "@graphql-eslint/strict-id-in-types": "off", // wants an id in payloads and value objects as well
  "@graphql-eslint/relay-edge-types": "off", // wants edges that are more than the specification of connections asks
};
const { "schema-recommended": recommended, "schema-all": all, "schema-relay": relay } = Object.fromEntries(
  Object.entries(graphql.configs).map(([name, config]) => [name.replace("flat/", ""), config.rules]),
);

const sdl = readFileSync(given.schema, "utf8");
const config = {
  files: ["**/*.graphql"],
  languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema: sdl } } },
  plugins: { "@graphql-eslint": graphql },
  rules: { ...recommended, ...all, ...relay, ...OFF },
};
const defer = parse(sdl).definitions.find(({ kind, name }) => kind === "DirectiveDefinition" && name.value === "defer");
const isExempt = ({ line, ruleId }) =>
  // `@defer(label, if)` keeps the order that Apollo Kotlin expects
  ruleId === "@graphql-eslint/alphabetize" && line > defer.loc.startToken.line && line <= defer.loc.endToken.line;
const messages = new Linter().verify(sdl, config, { filename: "schema.graphql" });
const complaints = messages.filter((message) => !isExempt(message));
answer(complaints.map(({ line, ruleId, message }) => `${line} ${ruleId}: ${message}`));
